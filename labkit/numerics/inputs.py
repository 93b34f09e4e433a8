"""Data that a fit can be made of, or an error that says what to correct."""

from __future__ import annotations

import numpy as np

from labkit.numerics.errors import BadData


def table(X: object, *, rows_least: int | None = None, name: str = "X") -> np.ndarray:
    """X as floats of shape (n, p), finite, with p >= 1 and n >= p (or `rows_least`). Raises BadData."""
    found = _floats(name, X)
    if found.ndim != 2:
        raise BadData(
            f"{name} has the shape {found.shape}; expected (rows, columns). Try X.reshape(-1, 1) for one column."
        )
    if found.shape[1] == 0 or found.shape[0] == 0:
        raise BadData(f"{name} has the shape {found.shape}; expected at least one row and one column.")
    _finite(name, found)
    least = found.shape[1] if rows_least is None else rows_least
    if found.shape[0] < least:
        raise BadData(
            f"{name} has {found.shape[0]} rows and {found.shape[1]} columns; expected at least {least} rows. Try fewer "
            "columns, more rows, or ridge."
        )
    return found


def response(y: object, rows: int) -> np.ndarray:
    """y as floats of shape (rows,), finite. Raises BadData."""
    found = _floats("y", y)
    if found.shape == (rows, 1):
        found = found[:, 0]
    if found.shape != (rows,):
        raise BadData(f"y has the shape {found.shape}; expected ({rows},), one value for each row of X.")
    _finite("y", found)
    return found


def binary(y: object, rows: int) -> np.ndarray:
    """y as floats 0 and 1 of shape (rows,). Raises BadData."""
    found = response(y, rows)
    strange = found[(found != 0) & (found != 1)]
    if strange.size:
        raise BadData(f"y holds {strange[0]:g}; expected 0 and 1 only. Try (y == the_class_you_mean).astype(float).")
    return found


def positive(name: str, value: float, *, zero: bool = False) -> float:
    """A finite number above zero. Raises BadData."""
    number = float(value)
    if not np.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise BadData(f"{name} is {value}; expected a finite number {'of at least' if zero else 'above'} 0.")
    return number


def _floats(name: str, values: object) -> np.ndarray:
    try:
        raw = np.asarray(values)
        if raw.dtype.kind == "c":
            raise BadData(f"{name} holds complex numbers; expected real ones.")
        if raw.dtype.kind in "iu" and raw.size and max(abs(int(raw.max())), abs(int(raw.min()))) > 2**53:
            raise BadData(f"{name} holds whole numbers beyond 2^53, which a float would round. Try smaller units.")
        return np.array(raw, dtype=float)
    except (TypeError, ValueError) as wrong:
        if isinstance(wrong, BadData):
            raise
        raise BadData(
            f"{name} is no array of numbers ({wrong}). Expected numbers only, in rows of equal length."
        ) from None


def _finite(name: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        where = f"row {first[0]}" + (f", column {first[1]}" if len(first) > 1 else "")
        count = int((~np.isfinite(values)).sum())
        raise BadData(
            f"{name} holds {values[first]} in {where} (counted from 0), one of {count} values that are not finite. "
            "Try to drop or replace those rows first."
        )
