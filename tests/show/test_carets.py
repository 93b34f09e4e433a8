"""Carets below a line: where Python puts them, and none where they cannot be known."""

from __future__ import annotations

import sys
import traceback
from textwrap import dedent

import pytest

from labkit.show.carets import carets, marked

FAILING = {
    "a look-up of a key": "def f(e):\n    return e['a'] + e['b']\nf({'a': 1})",
    "a look-up of a place": "def f(e):\n    last = e[len]\n    return last\nf({})",
    "a division": "def f(e):\n    return 1 + (e) / (0)\nf(1)",
    "an unknown name": "def f(e):\n    return str(e) + ünknown\nf(1)",
    "an unknown attribute": "def f(e):\n    return e.real + e.imaginary\nf(1)",
    "an addition of two kinds": "def f(e):\n    return 'a' + e\nf(1)",
    "a product": "def f(e):\n    return e * e + 1\nf({})",
    "a call of one's own": "def g(x):\n    raise ValueError(x)\ndef f(e):\n    return g(e) + len(e)\nf('a')",
    "a call within a product": "def g(x):\n    raise ValueError(x)\ndef f(e):\n    n = 2 * g(e)\n    return n\nf(1)",
    "a call of Python's own": "def f(e):\n    n = int(e)\n    return n\nf('x')",
    "a condition": "def f(e):\n    if e['a'] > 1:\n        return 1\nf({})",
    "a second condition": "def f(e):\n    if e is None:\n        return 1\n    elif e['a'] > 1:\n        return 1\nf({})",
    "a block": "def f(e):\n    with open(e) as file:\n        return file\nf('/no/such/file')",
}


def raised(source: str) -> tuple[Exception, list[traceback.FrameSummary]]:
    """The error of a module, and its frames, with the columns that Python knows."""
    import linecache

    name = f"<module of {len(source)} characters {hash(source)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        exec(compile(source, name, "exec"), {})
    except Exception as error:
        return error, list(traceback.extract_tb(error.__traceback__))[1:]
    raise AssertionError("it should have failed")


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="since Python 3.13 calls are marked in two kinds")
@pytest.mark.parametrize("source", FAILING.values(), ids=FAILING)
def test_the_marks_are_pythons_own(source):
    error, frames = raised(source)
    plain = traceback.format_list([(f.filename, f.lineno or 0, f.name, f.line) for f in frames])
    ours = "\n".join(marked(tuple(plain), type(error).__name__, str(error))).split("\n")
    theirs = "".join(traceback.StackSummary.from_list(frames).format()).splitlines()
    own = [line for line in ours if "in <module>" not in line]
    assert own[1:] == theirs[len(theirs) - len(own) + 1 :]


@pytest.mark.parametrize(
    ("line", "error_type", "message"),
    [
        ("return a / b / c", "ZeroDivisionError", "division by zero"),
        ("return e[k][j]", "KeyError", "'x'"),
        ("return e[k] + f(k)", "KeyError", "'x'"),
        ("return f(g(1))", "ValueError", "no"),
        ("raise KeyError(e['x'])", "KeyError", "'x'"),
        ("total = f(1,", "ValueError", "no"),
        ("return )(", "ValueError", "no"),
        ("f(1)", "ValueError", "no"),
    ],
)
def test_where_more_than_one_place_could_be_meant_there_are_no_marks(line, error_type, message):
    assert carets(f"    {line}", error_type=error_type, message=message) == ""


def test_frames_without_their_line_stay_as_they_are():
    frame = '  File "/var/task/f.py", line 4, in handler'
    assert marked((frame,), "KeyError", "'x'") == [frame]


def test_the_marks_are_indented_as_their_line_is():
    assert (
        carets("        x = 1 / 0", error_type="ZeroDivisionError")
        == dedent("""\
        x = 1 / 0
                    ~~^~~""").split("\n")[1]
    )
