"""What may become a handler, and what a refused cell is told."""

from __future__ import annotations

import builtins
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.client.source import Source, analyse
from labkit.errors import (
    AmbiguousHandler,
    HandlerNotFound,
    NoHandler,
    SourceError,
    SourceSyntaxError,
    UndefinedNames,
)

PLAIN = "def handler(event, context):\n    return event\n"


# --- the handler -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (PLAIN, "handler"),
        ("def lambda_handler(event, context): return 1", "lambda_handler"),
        ("def predict(event, context): return 1\ndef double(x): return 2 * x", "predict"),
        ("def handler(event, context): return add(1, 2)\ndef add(a, b): return a + b", "handler"),
        ("def predict(event, /, context=None, *, scale=1): return scale", "predict"),
        ("import functools\n@functools.cache\ndef handler(event, context): return 1", "handler"),
        ("from web import app, Mangum\nhandler = Mangum(app)", "handler"),
        ("handler: object = print", "handler"),
        ("first, handler = print, print", "handler"),
        ("from mylib import handler", "handler"),
        ("from mylib import run as handler", "handler"),
        ("class Model:\n    def __call__(self, event, context): return 1\nhandler = Model()", "handler"),
        (
            "try:\n    from fast import handler\nexcept ImportError:\n    def handler(event, context): return 1",
            "handler",
        ),
        ("match 1:\n    case 1:\n        def handler(event, context): return 1", "handler"),
        ("import handler\ndef lambda_handler(event, context): return handler.run(event)", "lambda_handler"),
        ("async def fetch(a, b): return 1\ndef predict(event, context): return 1", "predict"),
        ("async def handler(e, c): return 1\ndef handler(e, c): return 2", "handler"),
    ],
)
def test_the_handler_is_found_by_name_or_by_being_the_only_one(text: str, name: str) -> None:
    assert analyse(text).handler == name


@pytest.mark.parametrize(
    "text",
    [
        "def f(a, b): return 1\ndef g(a, b): return 2",
        "def handler(event, context): return 1\ndef lambda_handler(event, context): return 2",
    ],
)
def test_two_candidates_are_ambiguous_unless_one_is_named(text: str) -> None:
    with pytest.raises(AmbiguousHandler):
        analyse(text)
    name = text.split("def ")[1].split("(")[0]
    assert analyse(text, handler=name).handler == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "x = 1",
        "def f(event): return 1",
        "def f(a, b, *, needed): return 1",
        "class Model:\n    def handler(self, event): return 1",
        "def outer():\n    def handler(event, context): return 1\n    return handler",
        "handler: object",
        "import handler",
        "if __name__ == '__main__':\n    def handler(event, context): return 1",
    ],
)
def test_a_cell_without_a_callable_top_level_name_has_no_handler(text: str) -> None:
    with pytest.raises(NoHandler):
        analyse(text)


def test_a_cell_without_a_handler_is_told_what_it_defines() -> None:
    with pytest.raises(NoHandler, match="it defines: scale, Model, double"):
        analyse("def scale(x): return x\nclass Model: pass\ndouble = lambda x: 2 * x\nRATE = 3")


def test_a_named_handler_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(HandlerNotFound) as caught:
        analyse("def predict(event, context): return 1", handler="predcit")
    assert caught.value.advice == "Try --handler predict."


@pytest.mark.parametrize("handler", ["", ".", "predict.", "a b", "json", "42"])
def test_a_handler_that_is_no_name_of_the_cell_is_not_found(handler: str) -> None:
    with pytest.raises(HandlerNotFound):
        analyse("import json\ndef predict(event, context): return json.dumps(event)", handler=handler)


def test_the_module_part_of_a_handler_is_left_out_of_its_name() -> None:
    assert analyse(PLAIN, handler="app.handler").handler == "handler"
    assert analyse(PLAIN, handler="app.handler", module="app").handler == "handler"


def test_the_module_part_of_a_handler_must_be_the_deployed_module() -> None:
    with pytest.raises(HandlerNotFound):
        analyse(PLAIN, handler="other.handler", module="app")


def test_a_handler_in_an_included_file_must_be_imported_into_the_cell() -> None:
    with pytest.raises(SourceError) as caught:
        analyse(PLAIN, handler="mylib.handler", shipped=["mylib"])
    assert "from mylib import handler" in caught.value.advice


def test_a_star_import_may_hold_the_handler_that_was_asked_for() -> None:
    assert analyse("from mylib import *", handler="predict").handler == "predict"


@pytest.mark.parametrize(
    ("text", "handler"),
    [
        ("x = 1\nasync def handler(event, context): return 1", None),
        ("x = 1\nasync def predict(event, context): return 1", None),
        ("x = 1\nasync def predict(event, context): return 1", "predict"),
    ],
)
def test_a_coroutine_function_is_refused_with_its_line(text: str, handler: str | None) -> None:
    with pytest.raises(SourceError, match=r"\(line 2\) is an `async def`.*does not await") as caught:
        analyse(text, handler=handler)
    assert "asyncio.run" in caught.value.advice


# --- syntax ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "line", "own", "column"),
    [
        ("# %%function f\nx = = 1\n", "invalid syntax", 2, "x = = 1", 5),
        ("def f(e, c):\n    return max(1\n", "'(' was never closed", 2, "    return max(1", 15),
        ("x = 1\nreturn x", "'return' outside function", 2, "return x", 1),
        ("async def f(): pass\nawait f()", "'await' outside function", 2, "await f()", 1),
        ("if x:\ny = 1", "expected an indented block", 2, "y = 1", 1),
        ("ä = 1; b = = 2", "invalid syntax", 1, "ä = 1; b = = 2", 12),
        ("x = 1\x0cy\nz = = 2", "invalid syntax", 1, "x = 1\x0cy", 7),
    ],
)
def test_a_syntax_error_keeps_its_words_its_line_and_its_column(
    text: str, message: str, line: int, own: str, column: int
) -> None:
    with pytest.raises(SourceSyntaxError) as caught:
        analyse(text)
    error = caught.value
    assert message in error.message
    assert (error.line, error.text, error.column) == (line, own, column)


@pytest.mark.parametrize(
    "line", ["%time f()", "%%bash", "!ls -la", "!pip install 'x", "?f", "f?", "f.g??", "a = !ls", "a, b = %time f()"]
)
def test_a_line_of_the_notebooks_own_syntax_is_called_that(line: str) -> None:
    with pytest.raises(SourceSyntaxError, match="belong to the notebook") as caught:
        analyse(f"def f(e, c): pass\n\n{line}\n")
    assert caught.value.line == 3
    assert caught.value.text == line


@pytest.mark.parametrize("line", ["x = = 1", "if a == !b: pass", "x = 5 % % 2", "    % 3"])
def test_an_ordinary_mistake_is_not_taken_for_a_magic(line: str) -> None:
    with pytest.raises(SourceSyntaxError) as caught:
        analyse(line)
    assert "notebook" not in caught.value.message


@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_a_character_that_no_module_can_hold_is_named_with_its_place(character: str) -> None:
    with pytest.raises(SourceSyntaxError, match=f"U\\+{ord(character):04X}") as caught:
        analyse(f"x = 1\ny = '{character}'\n")
    assert (caught.value.line, caught.value.column) == (2, 6)


@pytest.mark.parametrize("encoding", ["latin-1", "nonsense"])
def test_a_comment_that_declares_another_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(SourceSyntaxError, match="encoding") as caught:
        analyse(f"# first\n# %%function f --env coding={encoding}\n{PLAIN}")
    assert caught.value.line == 2


def test_a_comment_that_declares_utf_8_is_welcome() -> None:
    assert analyse(f"# -*- coding: utf-8 -*-\n{PLAIN}").handler == "handler"


def test_code_nested_too_deeply_is_refused_and_not_a_crash() -> None:
    with pytest.raises(SourceError):
        analyse("x = " + "-" * 100_000 + "1")


def test_a_long_sum_that_python_compiles_is_accepted() -> None:
    assert analyse("x = " + "+".join("1" * 400) + f"\n{PLAIN}").handler == "handler"


def test_a_text_is_compiled_without_this_packages_future_imports() -> None:
    with pytest.raises(UndefinedNames):
        analyse("def handler(event: Nowhere, context): return 1")


# --- undefined names ---------------------------------------------------------------------------------------


def test_each_undefined_name_comes_with_its_first_line_in_order() -> None:
    with pytest.raises(UndefinedNames) as caught:
        analyse("def handler(event, context):\n    b = model\n    return b, np.array(model), np\n")
    assert caught.value.uses == (("model", 2), ("np", 3))


@pytest.mark.parametrize("name", ["display", "get_ipython"])
def test_what_a_notebook_adds_to_builtins_is_undefined(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def injected() -> None: ...

    injected.__module__ = "IPython.core.display_functions"
    monkeypatch.setattr(builtins, name, injected, raising=False)
    with pytest.raises(UndefinedNames):
        analyse(f"def handler(event, context): return {name}")


@pytest.mark.parametrize(
    "body",
    [
        "return print, open, input, exit, len, ValueError, __name__, __file__, __debug__",
        "return [x for x in range(3)], (y := 2), y",
        "try:\n        return unknown\n    except NameError:\n        return 1",
        "global total\n    total = 1\n    return total",
    ],
)
def test_what_python_defines_is_not_undefined(body: str) -> None:
    assert analyse(f"def handler(event, context):\n    {body}").handler == "handler"


def test_a_star_import_makes_undefined_names_unknowable() -> None:
    assert analyse("from mylib import *\ndef handler(e, c): return mystery").imports == ("mylib",)


def test_the_block_for_running_as_a_script_may_use_names_of_the_notebook() -> None:
    text = f"{PLAIN}if __name__ == '__main__':\n    import pytest\n    print(handler(sample, None))\n"
    assert analyse(text) == Source(text, "handler", ())


def test_a_name_that_only_the_script_block_defines_is_undefined() -> None:
    with pytest.raises(UndefinedNames):
        analyse("def handler(e, c): return rate\nif '__main__' == __name__:\n    rate = 2\n")


@settings(deadline=None)
@given(blank=st.integers(0, 60), comment=st.booleans())
def test_an_undefined_names_line_moves_with_the_lines_above(blank: int, comment: bool) -> None:
    above = "# %%function f\n" * comment + "\n" * blank
    with pytest.raises(UndefinedNames) as caught:
        analyse(f"{above}def handler(event, context):\n    return mystery\n")
    assert caught.value.uses == (("mystery", 2 + blank + comment),)


# --- imports -----------------------------------------------------------------------------------------------


def test_imports_are_top_level_names_in_order_without_duplicates() -> None:
    text = (
        "def handler(event, context):\n    import zlib\n    from os.path import join\n    return zlib, join\n"
        "import numpy as np, json\nfrom . import near\nfrom .near import far\nimport os\n"
    )
    assert analyse(text).imports == ("zlib", "os", "numpy", "json")


def test_a_shipped_module_is_no_import_that_must_be_installed() -> None:
    assert analyse(f"import mylib, json\n{PLAIN}", shipped=["mylib"]).imports == ("json",)


# --- any text at all ---------------------------------------------------------------------------------------


def test_windows_line_ends_are_read_as_python_reads_them() -> None:
    assert analyse(PLAIN.replace("\n", "\r\n")).text == PLAIN


LINES = """def handler(event, context):|    return event|import json|x = 1|async def g(a, b):|    pass|if x:|else:
class A:|from m import *|def g(a, b): return x|# coding: latin-1|handler = x|%time|'\'\'|(|)|\\|\t\tx|del x|@x|print(z)
for handler in x: pass|lambda: y|type T = int|match x:|    case handler:|    pass|\0|\ufeff|x: 'int['|f'{x!r:{y}}'"""
LINE = st.sampled_from(LINES.replace("\n", "|").split("|"))
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(LINE, max_size=8).map("\n".join),
    st.lists(LINE, max_size=3).map(lambda lines: PLAIN + "\n".join(lines)),
)


@settings(deadline=None)
@given(text=TEXTS, handler=st.none() | st.sampled_from(["handler", "m.g", "x"]) | st.text(max_size=6))
def test_every_text_is_accepted_or_refused_with_a_source_error(text: str, handler: str | None) -> None:
    try:
        source = analyse(text, handler=handler)
    except SourceError:
        return
    compile(source.text.encode(), "module", "exec", dont_inherit=True)
    assert source.handler.isidentifier()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are syntax since Python 3.12")
def test_type_parameters_are_no_undefined_names() -> None:
    assert analyse("def handler[T](event: T, context) -> T: return event").handler == "handler"
