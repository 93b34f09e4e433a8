"""What can be wrong with a fit. A message says what was found, what was expected, and what to try.

NumericsError (a ValueError)
|-- BadData         no numbers, another shape, not finite, fewer rows than columns
|-- RankDeficient   some columns are a combination of others: infinitely many solutions; `columns` names them
|-- Separated       a plane divides the classes: the likelihood has no maximum; `columns` names what divides them
|-- NotConverged    an iteration ended without its certificate

DigitsLost (a warning) says how many digits are left, of a result that is returned all the same.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence


class NumericsError(ValueError):
    """Root of the tree."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback."""
        return textwrap.wrap(f"{type(self).__name__}: {self}", 88, break_long_words=False)


class BadData(NumericsError):
    """The arrays cannot be data of this model."""


class RankDeficient(NumericsError):
    """Columns are linearly dependent, exactly or within the rounding of the numbers."""

    def __init__(self, message: str, columns: Sequence[int]) -> None:
        super().__init__(message)
        self.columns = tuple(columns)


class Separated(NumericsError):
    """The likelihood grows for ever along a direction (Albert and Anderson, Biometrika 71, 1984)."""

    def __init__(self, message: str, columns: Sequence[int]) -> None:
        super().__init__(message)
        self.columns = tuple(columns)


class NotConverged(NumericsError):
    """The iteration stopped before its certificate held."""


class DigitsLost(UserWarning):
    """A result has fewer digits than double precision could hold."""
