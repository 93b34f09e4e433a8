"""What other programs make of a notebook with labkit's magics: papermill, nbconvert, and frontends that run no script.

VS Code and Colab draw each output in a frame of its own, without JupyterLab's style sheet: an output may not need a
script, a widget, another output or a sheet. JupyterLab and Notebook themselves are in tests/browser.
"""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import nbformat
import papermill
import pytest
from nbconvert import HTMLExporter, MarkdownExporter
from papermill.exceptions import PapermillExecutionError

pytestmark = pytest.mark.process

PARAMETERS = "number = 1"
CELLS = (
    PARAMETERS,
    "%load_ext labkit",
    "%%function double\ndef handler(event, context):\n    print('doubling', event)\n    return {'twice': 2 * event}",
    "%invoke double number",
    "%%function fails\ndef handler(event, context):\n    return event['<missing>']",
    "%invoke fails {}",
    "%functions",
    "%logs double",
    "%lab",
    "%coldstart double -n 2 --payload 1",
    "double.function_url()",
    "%invoke dubble 1",
)
ATTRIBUTES = {"alt", "href", "open", "rel", "scope", "src", "style", "target"}
WITHOUT = {"script", "style", "link", "iframe", "object", "embed", "form", "button", "input", "svg", "canvas"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The notebook after papermill has run it with `number = 21`, and what papermill says of its last line."""
    folder = tmp_path_factory.mktemp("papermill")
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    cells[0].metadata["tags"] = ["parameters"]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), folder / "lesson.ipynb")
    with pytest.raises(PapermillExecutionError) as failed:
        papermill.execute_notebook(
            folder / "lesson.ipynb", folder / "done.ipynb", parameters={"number": 21}, cwd=folder,
            kernel_name="python3", progress_bar=False,
        )  # fmt: skip
    return nbformat.read(folder / "done.ipynb", as_version=4), failed.value


@pytest.fixture
def executed(run):
    return run[0]


def outputs(notebook, source=""):
    return [o for cell in notebook.cells if source in ("", cell.source) for o in cell.get("outputs", ())]


def pages(notebook):
    return [o["data"]["text/html"] for o in outputs(notebook) if "text/html" in o.get("data", {})]


def test_papermill_runs_the_magics_and_hands_a_parameter_to_a_handler(executed):
    (shown,) = outputs(executed, "%invoke double number")
    said = shown["data"]["text/plain"].splitlines()
    untimed = [line for line in said[1:] if not line.startswith(("  init  ", "  bill  "))]
    assert untimed == ['{"twice": 42}', "log:", "  doubling 21"]


def test_papermill_stops_at_an_error_and_has_its_words(run):
    _, error = run
    assert error.ename == "UnknownFunction"
    assert error.source == CELLS[-1]
    assert "Did you mean `double`?" in error.evalue


def test_a_static_page_has_the_tables_of_an_outcome_and_of_a_failure_and_the_words_of_an_error(executed):
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(executed)
    captions = [unescape(caption) for caption in re.findall(r"<caption[^>]*>(.*?)</caption>", page)]
    assert [c for c in captions if c.startswith("success · double · ")]
    assert [c for c in captions if c.startswith("error · fails · ")]
    words = unescape(re.sub(r"<[^>]+>", "", page))
    assert '{"twice": 42}' in words
    assert "KeyError: '<missing>'" in words
    assert "No function `dubble`; deployed: double, fails." in words
    assert "Did you mean `double`?" in words
    # this template has no script of its own
    assert "<script" not in page


def test_a_page_of_markdown_has_what_was_said(executed):
    page, _ = MarkdownExporter().from_notebook_node(executed)
    assert "success · double · " in page
    assert "Did you mean `double`?" in page


def test_every_output_has_a_text_that_is_enough(executed):
    for output in outputs(executed):
        if output["output_type"] in ("execute_result", "display_data"):
            assert "text/plain" in output["data"]
            assert not re.search(r"<[\w.]+ object at 0x|<IPython\.", output["data"]["text/plain"])


def test_no_output_is_a_widget_or_a_script(executed):
    kinds = {kind for output in outputs(executed) for kind in output.get("data", ())}
    assert kinds <= {"text/plain", "text/html", "application/vnd.labkit.v1+json"}
    assert len(pages(executed)) >= 8


class Reader(HTMLParser):
    """Notes what an output consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")


def test_no_output_needs_a_script_another_output_a_style_sheet_or_a_file(executed):
    for page in pages(executed):
        read = Reader(page)
        assert not read.tags & WITHOUT
        # no id or class that a script, a sheet or another output could mean, and no handler of events
        assert set(read.attributes) <= ATTRIBUTES
        assert all(source.startswith("data:image/png;base64,") for source in read.attributes.get("src", ()))
        assert all(re.match(r"https?://|/", target) for target in read.attributes.get("href", ()))
        for style in read.attributes.get("style", ()):
            assert "url(" not in style
            # JupyterLab's colours, each with another where there is no JupyterLab
            assert len(re.findall(r"var\(--[\w-]+, ", style)) == style.count("var(")
