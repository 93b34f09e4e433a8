"""Loading, unloading, help and completion."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from labkit import events
from labkit.notebook.completion import candidates

MAGICS = {
    "line": "invoke coldstart simulate loadtest power functions logs lab trigger trace cost alias undeploy api events",
    "cell": "function api",
}
F = "%%function f\ndef handler(event, context): return 1\n"
LESSONS = Path(__file__).parent.parent.parent / "lessons"
HEAVY = ["sklearn", "scipy", "moto", "boto3", "botocore", "ipywidgets", "matplotlib", "numpy", "requests"]


def modules_after(code: str) -> set[str]:
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )


def test_importing_labkit_loads_nothing_else():
    added = modules_after("import labkit") - modules_after("import typing, importlib")
    assert added == {"labkit"}


def test_loading_the_extension_loads_nothing_heavy():
    loaded = modules_after(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance().run_line_magic('load_ext', 'labkit')"
    )
    assert not loaded.intersection(HEAVY)
    assert not {name for name in loaded if name.startswith(("labkit.emulator", "labkit.mockaws"))}


def test_loading_twice_is_harmless(empty_shell):
    empty_shell.ip.extension_manager.loaded.discard("labkit")
    empty_shell.ip.run_line_magic("load_ext", "labkit")
    assert len(empty_shell.ip.Completer.custom_matchers) == 1


def test_unloading_leaves_nothing_behind_and_loading_again_works(empty_shell):
    ip = empty_shell.ip
    with_ours = left_in(ip)
    ip.run_line_magic("unload_ext", "labkit")
    without = left_in(ip)
    ip.run_line_magic("load_ext", "labkit")
    assert left_in(ip) == with_ours
    ip.run_line_magic("unload_ext", "labkit")
    assert left_in(ip) == without == before_loading()
    ip.run_line_magic("load_ext", "labkit")


def left_in(ip):
    """Whatever an extension could leave in a shell."""
    magics = {(kind, name) for kind, names in ip.magics_manager.magics.items() for name in names}
    return {
        "magics": magics,
        "classes": set(ip.magics_manager.registry),
        "configurables": sorted(type(each).__name__ for each in ip.configurables),
        "matchers": len(ip.Completer.custom_matchers),
        "hooks": {event: len(hooks) for event, hooks in ip.events.callbacks.items()},
        "formatters": {mime: set(map(str, f.type_printers)) for mime, f in ip.display_formatter.formatters.items()},
        "attributes": "_labkit" in vars(ip),
        "alias": ip.magics_manager.magics["line"]["alias"].__module__,
    }


def before_loading():
    """The same of a shell that has never seen the extension; it stands for the session's shell for a moment."""
    InteractiveShell.clear_instance()
    try:
        fresh = InteractiveShell.instance()
        fresh.run_line_magic("unload_ext", "labkit")  # it is not loaded; IPython loads its own magics for extensions
        return left_in(fresh)
    finally:
        InteractiveShell.clear_instance()


def test_the_shells_own_alias_magic_comes_back(empty_shell):
    ip = empty_shell.ip
    assert ip.find_line_magic("alias").__module__.startswith("labkit.")
    ip.run_line_magic("unload_ext", "labkit")
    ip.run_line_magic("alias", "shout echo")
    assert ip.alias_manager.is_alias("shout")
    ip.run_line_magic("load_ext", "labkit")


def test_reloading_gives_magics_that_work(empty_shell):
    empty_shell.ip.run_line_magic("reload_ext", "labkit")
    assert empty_shell.run("event = %events sqs\nevent")["Records"][0]["eventSource"] == "aws:sqs"
    assert len(empty_shell.ip.Completer.custom_matchers) == 1


@pytest.mark.process
def test_reset_ends_the_lab_with_the_variables_and_the_next_cell_begins_a_new_one(empty_shell):
    empty_shell.run(F)
    emulator = psutil.Process(empty_shell.run("%lab").value["pid"])
    empty_shell.run("%reset -f")
    assert not emulator.is_running()
    assert "f" not in empty_shell.names
    assert empty_shell.run("%functions").value == []
    empty_shell.run(F)
    assert empty_shell.run("%invoke f").payload == 1


@pytest.mark.process
def test_what_follows_a_reset_in_the_same_cell_meets_a_new_lab(shell):
    shell.run(F)
    first = shell.names["f"].lab
    shell.run("%reset -f\n%functions")
    assert shell.ip._labkit[0][0].lab_of_kernel is not first


@pytest.mark.process
def test_a_notebook_that_is_run_twice_changes_nothing_the_second_time(shell):
    cells = [
        F,
        "%alias f live --publish",
        "%trigger f sqs:twice",
        "%%api twice\nGET /f f",
        "%invoke f --qualifier live",
    ]
    for cell in cells:
        shell.run(cell)
    assert shell.run(F).change == "unchanged"
    assert shell.run(cells[1]).version == "1"
    assert shell.run(cells[2]).calls == ()
    shell.run(cells[3])
    assert [api.name for api in shell.run("%api").value].count("twice") == 1
    assert shell.run(cells[4]).payload == 1


@pytest.mark.process
def test_unloading_ends_the_labs_processes(empty_shell):
    empty_shell.run("%%function f\ndef handler(event, context): return 1")
    emulator = psutil.Process(empty_shell.run("%lab").value["pid"])
    empty_shell.ip.run_line_magic("unload_ext", "labkit")
    assert not emulator.is_running()
    empty_shell.ip.run_line_magic("load_ext", "labkit")


@pytest.mark.parametrize("kind", list(MAGICS))
def test_help_shows_every_option_and_an_example(empty_shell, kind):
    for name in MAGICS[kind].split():
        magic = empty_shell.ip.find_magic(name, magic_kind=kind)
        for option in magic.parser._option_string_actions:
            assert option in magic.__doc__
        if magic.parser._actions:
            assert magic.__doc__.strip()


class Known:
    """What completion asks of the magics, without an emulator."""

    def names(self):
        return ["predict", "train"]

    def aliases(self, name):
        return ["live"] if name == "predict" else []

    def versions(self, name):
        return ["2", "1", "$LATEST"]

    def request_ids(self, newest):
        return ["0b7f6c1e-1111-4222-8333-444455556666"][:newest]


@pytest.fixture
def completing(empty_shell, monkeypatch):
    magics = empty_shell.ip._labkit[0][0]
    for name in ("names", "aliases", "versions", "request_ids"):
        monkeypatch.setattr(magics, name, getattr(Known(), name))
    return empty_shell.ip


SAMPLES = [f"@events:{kind}" for kind in events.EVENTS]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%invoke pre", ["predict"]),
        ("r = %invoke pre", ["predict"]),
        ("%coldstart predict tr", ["train"]),
        ("%simulate pre", ["predict"]),
        ("%simulate predict --ra", ["--rate"]),
        ("%simulate predict --pattern po", ["poisson"]),
        ("%loadtest pre", ["predict"]),
        ("result = %loadtest predict --pay", ["--payload"]),
        ("%loadtest predict --payload @events:s3", ["@events:s3"]),
        ("%power pre", ["predict"]),
        ("%power predict --st", ["--strategy"]),
        ("%power predict --strategy ", ["balanced", "cost", "speed"]),
        ("%logs ", ["predict", "train"]),
        ("%invoke predict {", []),
        ("%invoke predict @", SAMPLES),
        ("r = %invoke predict @events:sq", ["@events:sqs", "@events:sqs_fifo"]),
        ("%invoke predict @events:s3 --ke", ["--key"]),
        ("%invoke --qualifier ", []),
        ("%invoke predict --qualifier li", ["live"]),
        ("%%function new --me", ["--memory"]),
        ("%%function pre", []),
        ("%invoke --ch", ["--check"]),
        ("%trace ", ["predict", "train", "0b7f6c1e-1111-4222-8333-444455556666"]),
        ("t = %trace 0b", ["0b7f6c1e-1111-4222-8333-444455556666"]),
        ("%trace predict ", []),
        ("%cost predict --arch", ["--architecture"]),
        ("%cost --architecture arm", ["arm64"]),
        ("%cost predict ", ["predict", "train"]),
        ("%alias ", ["predict", "train"]),
        ("%alias predict l", ["live"]),
        ("%alias predict live ", ["2", "1", "$LATEST"]),
        ("%alias --publish pre", ["predict"]),
        ("%alias predict live --we", ["--weight"]),
        ("%undeploy predict tr", ["train"]),
        ("%events sq", ["sqs", "sqs_fifo"]),
        ("event = %events s3 --bu", ["--bucket"]),
        ("%events s3 --que", []),
        ("%%api shop --kind ", ["HTTP", "REST"]),
        ("%api --ki", ["--kind"]),
        ("%lab st", ["status", "stop"]),
        ("%lab a", ["advance"]),
        ("%lab advance ", ["1h", "1m", "2m"]),
        ("%lab stop ", []),
        ("%timeit pre", []),
        ("print('%invoke pre", []),
    ],
)
def test_completion_knows_names_options_values_and_actions(completing, line, expected):
    assert candidates(completing._labkit[0][0], line) == expected


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("r = %invoke pre", "r = %invoke predict"),
        ("%invoke predict --qualifier li", "%invoke predict --qualifier live"),
        ("%invoke predict @events:dyn", "%invoke predict @events:dynamodb"),
        ("%events s3 --buc", "%events s3 --bucket"),
        ("%alias predict li", "%alias predict live"),
        ("%trace 0b7f6c1e-11", "%trace 0b7f6c1e-1111-4222-8333-444455556666"),
        ("%%function f --inc", "%%function f --include"),
    ],
)
def test_the_completer_of_the_shell_writes_the_whole_line(completing, line, whole):
    with provisionalcompleter():
        found = [line[: c.start] + c.text + line[c.end :] for c in completing.Completer.completions(line, len(line))]
    assert whole in found


@pytest.fixture
def in_a_lesson(completing, tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.sqlite3"))
    shutil.copy(LESSONS / "00-orientation" / "lesson.json", tmp_path)
    monkeypatch.chdir(tmp_path)
    return completing


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%check ", ["numbers", "greet", "why"]),
        ("%hint gr", ["greet"]),
        ("%solution w", ["why"]),
        ("%answer nu", ["numbers"]),
        ("%answer numbers 1", []),
        ("%predict ", ["times_slower", "second"]),
        ("%predict second --w", ["--was"]),
    ],
)
def test_completion_knows_a_lessons_exercises_and_open_predictions(in_a_lesson, line, expected):
    for made in ("%predict second cold", "%predict digits 12", "%predict times_slower 20", "%predict digits --was 15"):
        in_a_lesson.run_cell(made)
    assert candidates(in_a_lesson._labkit[0][0], line) == expected


def test_outside_of_a_lesson_there_are_no_exercises(completing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert candidates(completing._labkit[0][0], "%check ") == []


def test_completion_starts_no_emulator(empty_shell):
    magics = empty_shell.ip._labkit[0][0]
    for line in ("%invoke ", "%alias f ", "%trace ", "%invoke f --qualifier "):
        assert candidates(magics, line) == []
    assert magics._lab is None
