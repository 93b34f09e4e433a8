"""Answers that a lesson can judge and nobody can read off: salted hashes of a rounded value and its neighbours.

A number is rounded to `decimals` digits after the point (negative ones round before it: 25300000 with -5 is 253); the
value one unit above and the one below are right as well, because two correct ways of computing differ in the last
digit. A text is compared without case and outer spaces; so is a count, which has no neighbours: declare it without
`decimals`. The salt is the exercise's own name, so that a build is repeatable; the hash is slow (PBKDF2, RFC 8018), so
that trying all values is work.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

ITERATIONS = 5_000


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a right answer; `near` is empty for a text."""

    right: str
    near: tuple[str, ...] = ()
    decimals: int | None = None

    def as_json(self) -> dict[str, object]:
        return {"right": self.right, "near": list(self.near), "decimals": self.decimals}

    @classmethod
    def from_json(cls, found: Mapping[str, object]) -> Key:
        near = found.get("near")
        decimals = found.get("decimals")
        return cls(
            str(found["right"]),
            tuple(map(str, near)) if isinstance(near, list) else (),
            decimals if isinstance(decimals, int) else None,
        )


def key(value: object, salt: str, *, decimals: int | None = None) -> Key:
    """The key of a right answer; with `decimals` it is a number. Raises ValueError if that is none.

    >>> accepts(key(0.4371, "02.q2", decimals=3), "0.437", "02.q2")
    'right'
    """
    if decimals is None:
        return Key(_hash(_plain(value), salt))
    middle = _units(value, decimals)
    near = tuple(_hash(str(n), salt) for n in (middle - 1, middle + 1))
    return Key(_hash(str(middle), salt), near, decimals)


def accepts(kept: Key, value: object, salt: str) -> str:
    """How an answer stands to a key: `right`, `near` (one off in the last digit), `wrong`, or `no number`."""
    if kept.decimals is None:
        return "right" if _hash(_plain(value), salt) == kept.right else "wrong"
    try:
        found = _hash(str(_units(value, kept.decimals)), salt)
    except ValueError:
        return "no number"
    if found == kept.right:
        return "right"
    return "near" if found in kept.near else "wrong"


def _units(value: object, decimals: int) -> int:
    """How many units of the last digit: 0.4371 with three decimals is 437."""
    number = float(str(value).replace(",", "").replace("−", "-").strip())
    if not math.isfinite(number):
        raise ValueError(f"{value} is no finite number")
    # by decimal digits: in binary 0.285 * 100 is not 28.5
    return int(Decimal(repr(number)).scaleb(decimals).to_integral_value(ROUND_HALF_EVEN))


def _plain(value: object) -> str:
    return " ".join(str(value).strip().strip("\"'").casefold().split())


def _hash(text: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", text.encode(), f"labkit.{salt}".encode(), ITERATIONS, 12).hex()
