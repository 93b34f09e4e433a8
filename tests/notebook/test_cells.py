"""From a cell to a module's source."""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from labkit.notebook import cells


@given(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\0")),
    st.integers(0, 9),
)
def test_line_n_of_the_cell_is_line_n_of_the_module(line, above):
    module = cells.source(line, "\n" * above + "here = 1\n")
    (statement,) = ast.parse(module).body
    assert statement.lineno == above + 2  # the magic's own line is the first


def test_the_magics_line_stays_as_a_comment():
    assert cells.source("predict --memory 256", "x = 1\n") == "# %%function predict --memory 256\nx = 1\n"
