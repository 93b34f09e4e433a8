"""What an explorer shows: a table, a figure with its alternative text, and a question about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from labkit.show import html, plots, text
from labkit.show.cards import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class View:
    """Shows itself: as text the table, which is enough alone, and as HTML the figure above it.

    `values` are the numbers that it is made of, for whoever computes on; `draw` makes the figure, when it is wanted.
    """

    question: str
    table: Table
    alt: str
    notes: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    draw: Callable[[], Figure] = field(default=lambda: _no_figure(), repr=False, compare=False)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def __repr__(self) -> str:
        lines = [self.question, "", *text.aligned_table(self.table), "", *text.wrapped(self.notes)]
        return "\n".join(line.rstrip() for line in lines)

    @cached_property
    def png(self) -> bytes:
        """The figure as a picture; the alternative text is in its metadata."""
        from matplotlib import style  # 0.3 s: only when a figure is wanted

        with style.context("default"):
            figure = self.draw()
        figure.set_label(self.alt)
        return plots.png(figure)

    def _repr_html_(self) -> str:
        return html.view(self.png, self.alt, self.question, self.table, self.notes)


def _no_figure() -> Figure:
    raise NotImplementedError("This view has no figure.")
