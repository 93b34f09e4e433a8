"""From a cell to a module's source."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import BadRoute
from labkit.notebook import cells


@given(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\0")),
    st.integers(0, 9),
)
def test_line_n_of_the_cell_is_line_n_of_the_module(line, above):
    module = cells.source(line, "\n" * above + "here = 1\n")
    (statement,) = ast.parse(module).body
    assert statement.lineno == above + 2  # the magic's own line is the first


def test_the_magics_line_is_a_comment():
    assert cells.source("predict", "x = 1\n") == "# %%function predict\nx = 1\n"


def test_routes_are_lines_of_a_method_a_path_and_a_function():
    assert cells.routes("get /a  f\n\nPOST /b/{id} g  # a note\n") == {"GET /a": "f", "POST /b/{id}": "g"}


@pytest.mark.parametrize("cell", ["GET /a", "GET /a f g", "GET /a f\nGET /a g"])
def test_what_is_no_route_is_refused_with_its_line(cell):
    with pytest.raises(BadRoute, match=f"Line {len(cell.splitlines()) + 1} of the cell"):
        cells.routes(cell)
