"""One line of what real Lambda does: the claim, where it is known from, the value, and how to see ours.

Expected values are plain JSON. Where a value cannot be constant (an id, a time, a duration), a `Pattern` stands in its
place: the text found there must match it from beginning to end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from labkit.conformance.trial import Trial

UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
MS = r"\d+\.\d\d ms"


class Pattern(str):
    """A regular expression in the place of a text; in the report it stands as itself."""

    __slots__ = ()


class Source(StrEnum):
    """Where a value is known from."""

    REC = "rec"  # recorded from real AWS
    DOC = "doc"  # AWS's documentation
    RIC = "ric"  # the official Python runtime client
    API = "api"  # botocore's model of the Lambda API
    LOG = "log"  # real log lines in public repositories


class Place(Enum):
    """Which emulator a row runs on, and with whom."""

    SHARED = "among others, on an account of AWS's size"
    ALONE = "after the others, because it moves the clock or counts what runs"
    SMALL = "on an account of one environment"


class Verdict(StrEnum):
    CONFORMS = "conforms"
    DIFFERS = "differs"
    NOT_ENFORCED = "not enforced"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One row. `excuse` says why this machine does not enforce it, or does not observe it; then it cannot differ."""

    section: str
    claim: str
    source: Source
    expected: object
    probe: Callable[[Trial], object]
    place: Place = Place.SHARED
    excuse: str = ""
    slow: bool = False
    """It waits for real seconds, so it is begun first."""

    @property
    def title(self) -> str:
        return f"{self.section}: {self.claim}"


@dataclass(frozen=True, slots=True)
class Checked:
    """A row and what was found. `error` is the text of what the probe raised."""

    behaviour: Behaviour
    found: object = None
    error: str = ""

    @property
    def verdict(self) -> Verdict:
        if not self.error and matches(self.behaviour.expected, self.found):
            return Verdict.CONFORMS
        return Verdict.NOT_ENFORCED if self.behaviour.excuse and not self.error else Verdict.DIFFERS


def plain(value: object) -> object:
    """The value as JSON has it: tuples are lists, keys are texts. Raises TypeError for what JSON cannot say."""
    return json.loads(json.dumps(value))


def matches(expected: object, found: object) -> bool:
    """Whether a found value is the expected one; neither 1 nor "1" is True."""
    if isinstance(expected, Pattern):
        return isinstance(found, str) and re.fullmatch(expected, found, re.DOTALL) is not None
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and expected.keys() == found.keys()
            and all(matches(value, found[key]) for key, value in expected.items())
        )
    if isinstance(expected, list | tuple):
        return isinstance(found, list | tuple) and len(expected) == len(found) and all(map(matches, expected, found))
    return type(expected) is type(found) and expected == found


def nothing_to_see(trial: Trial) -> object:
    """The probe of what is not observed at all; the row's excuse says why."""
    return None
