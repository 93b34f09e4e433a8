"""What a notebook stores for each record: text that is enough alone, HTML beside it, figures with their words."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from labkit.conformance.behaviour import Behaviour, Checked, Source
from labkit.conformance.report import Report
from labkit.model import Status, Trace, Traces


def trace(at: float, **changes: object) -> Trace:
    values = {"status": Status.SUCCESS, "init_s": None, **changes}
    return Trace("r1", "predict", "$LATEST", "e1", "stream", at, 0.1, 0.2, 128, 64, **values)  # type: ignore[arg-type]


RECORDS = {
    "a trace": trace(0.0),
    "traces": Traces([trace(0.0, init_s=0.1), trace(1.0)]),
    "no traces": Traces(),
    "a report": Report((Checked(Behaviour("1. S", "it counts", Source.DOC, 1, lambda t: 1), 2),), datetime.now(UTC)),
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_record_shows_itself_as_text_and_as_html(empty_shell, record):
    shown = empty_shell.show(record)
    assert {"text/plain", "text/html"} <= set(shown)
    assert not re.search(r"<(?:script|link|style)", shown["text/html"])
    assert "object at" not in shown["text/plain"]


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_without_the_extension_a_record_is_one_line(record):
    assert "\n" not in repr(record)


@pytest.mark.parametrize("name", ["a trace", "traces"])
def test_a_figure_has_its_words_beside_it(empty_shell, name):
    shown = empty_shell.show(RECORDS[name])["text/html"]
    assert re.search(r'<img src="data:image/png;base64,[^"]+" alt="[^"]*predict[^"]{20,}"', shown)


def test_unloading_forgets_the_reports_too(empty_shell):
    report = RECORDS["a report"]
    assert "it counts" in empty_shell.show(report)["text/html"]
    empty_shell.ip.run_line_magic("unload_ext", "labkit")
    assert "text/html" not in empty_shell.show(report)
    empty_shell.ip.run_line_magic("load_ext", "labkit")


@pytest.mark.process
def test_an_error_marks_the_place_in_the_students_own_lines(shell):
    shell.run(
        "%%function share\ndef part(n, of):\n    return n / of\n\ndef handler(e, c):\n    return 100 * part(1, 0)"
    )
    assert shell.show(shell.run("%invoke share"))["text/plain"].splitlines()[-6:] == [
        '  File "/var/task/share.py", line 6, in handler',
        "    return 100 * part(1, 0)",
        "                 ^^^^^^^^^^",
        '  File "/var/task/share.py", line 3, in part',
        "    return n / of",
        "           ~~^~~~",
    ]


@pytest.mark.process
def test_two_functions_stand_side_by_side(shell):
    shell.run("%%function small\ndef handler(e, c): return 1")
    shell.run("%%function large\nimport decimal, email.mime.text\n\ndef handler(e, c): return 2")
    shown = shell.show(shell.run("%coldstart small large -n 1"))
    assert re.search(r"First calls compared: \w+ takes .* as \w+\.", shown["text/plain"])
    assert re.search(r"Warm calls compared: \w+ takes .* as \w+\.", shown["text/plain"])
    assert all(f"{name} (ms)" in shown["text/plain"] for name in ("small", "large"))


@pytest.mark.process
def test_the_traces_of_a_function_are_its_environments_over_time(shell):
    shell.run("%%function once\ndef handler(e, c): return 1")
    shell.run("%invoke once")
    shown = shell.show(shell.ip._labkit[0][0].lab_of_kernel.traces("once"))
    title, _, _, lane, *_ = shown["text/plain"].splitlines()
    assert title.startswith("once: 1 call in 1 environment, ")
    assert re.search(r" once +1 +[\d.,]+ +i+#*$", lane)
