"""PURE: the life of execution environments as somebody saw it who looked now and then: lanes, counts, recent times.

`Life` takes one `Look` after the other and keeps what a picture needs: of each environment the moments at which its
phase was found changed, of each function how many calls and throttles were added and how long the latest calls took.
What begins and ends between two looks is not seen, but its call is counted. All of it has a bound, so that a dashboard
may look for hours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

INITIALISING, BUSY, FROZEN, ABSENT = "i#- "
MARKS = {"init": INITIALISING, "invoke": BUSY, "idle": FROZEN, "shutdown": ABSENT}  # by the emulator's phase
COLUMNS = 48
MOST_LANES = 16
MOST_ENVIRONMENTS = 400
MOST_CHANGES = 1000
RECENT = 2000


@dataclass(frozen=True, slots=True)
class Look:
    """What there was at a moment: each environment's function and phase, throttles since the emulator's start, and
    how long the calls took that ended since the look before."""

    at_s: float
    environments: Mapping[str, tuple[str, str]]
    throttled: Mapping[str, int] = field(default_factory=dict)
    times_s: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lane:
    """One environment over time: a mark per column, `i` initialising, `#` busy, `-` frozen, a space where it is not."""

    function: str
    env_id: str
    marks: str


@dataclass(frozen=True, slots=True)
class FunctionLife:
    """One function since the watch began. `recent_s`: from request to answer, of the latest calls."""

    name: str
    calls: int = 0
    throttled: int = 0
    initialising: int = 0
    busy: int = 0
    frozen: int = 0
    gone: int = 0
    recent_s: tuple[float, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Picture:
    """What was seen until `at_s`, in seconds since the watch began; the lanes begin at `from_s`."""

    at_s: float
    from_s: float
    functions: tuple[FunctionLife, ...]
    lanes: tuple[Lane, ...]
    more_lanes: int = 0
    over: bool = False

    def __repr__(self) -> str:
        alive = sum(f.initialising + f.busy + f.frozen for f in self.functions)
        throttled = sum(f.throttled for f in self.functions)
        calls = sum(f.calls for f in self.functions)
        return f"<Picture of {self.at_s:.3g} s: {calls:,} calls, {throttled:,} throttled, {alive:,} environments alive>"


class Life:
    """See the module's docstring. `window_s`: how far back the lanes go; None is to the beginning.

    >>> life = Life()
    >>> life.look(Look(0.0, {"a": ("predict", "init")}))
    >>> life.look(Look(1.0, {"a": ("predict", "idle")}, times_s={"predict": [0.7]}))
    >>> life.picture().functions[0]
    FunctionLife(name='predict', calls=1, throttled=0, initialising=0, busy=0, frozen=1, gone=0)
    """

    def __init__(self, *, window_s: float | None = None, columns: int = COLUMNS) -> None:
        self._window_s, self._columns = window_s, columns
        self._changes: dict[str, deque[tuple[float, str]]] = {}
        self._function: dict[str, str] = {}
        self._now: dict[str, str] = {}
        self._gone: dict[str, int] = {}
        self._calls: dict[str, int] = {}
        self._throttled: dict[str, int] = {}
        self._throttled_before: dict[str, int] | None = None
        self._recent: dict[str, deque[float]] = {}
        self._at_s = 0.0

    def look(self, look: Look) -> None:
        """Takes in what there is now."""
        self._at_s = look.at_s
        for env_id in self._now.keys() - look.environments.keys():
            self._changed(env_id, ABSENT)
            del self._now[env_id]
            name = self._function[env_id]
            self._gone[name] = self._gone.get(name, 0) + 1
        for env_id, (function, phase) in look.environments.items():
            self._function[env_id] = function
            mark = MARKS.get(phase, ABSENT)
            if self._now.get(env_id) != mark:
                self._changed(env_id, mark)
                self._now[env_id] = mark
        self._count(look)
        self._forget()

    def _changed(self, env_id: str, mark: str) -> None:
        self._changes.setdefault(env_id, deque(maxlen=MOST_CHANGES)).append((self._at_s, mark))

    def _count(self, look: Look) -> None:
        if self._throttled_before is None:  # what was throttled before the watch is not its own
            self._throttled_before = dict(look.throttled)
        for name, count in look.throttled.items():
            more = count - self._throttled_before.get(name, 0)
            # a smaller number is a new emulator's
            self._throttled[name] = self._throttled.get(name, 0) + (more if more >= 0 else count)
            self._throttled_before[name] = count
        for name, times_s in look.times_s.items():
            self._calls[name] = self._calls.get(name, 0) + len(times_s)
            self._recent.setdefault(name, deque(maxlen=RECENT)).extend(times_s)

    def _forget(self) -> None:
        """Environments that are gone, the oldest first: when there are too many, or none of them is in the window."""
        begin_s = self._from_s()
        gone = [env_id for env_id in self._changes if env_id not in self._now]
        surplus = len(self._changes) - MOST_ENVIRONMENTS
        for place, env_id in enumerate(gone):
            if place < surplus or self._changes[env_id][-1][0] < begin_s:
                del self._changes[env_id], self._function[env_id]

    def _from_s(self) -> float:
        return 0.0 if self._window_s is None else max(0.0, self._at_s - self._window_s)

    def picture(self, *, over: bool = False) -> Picture:
        """What has been seen so far; `over`: nobody looks any more."""
        lanes = self.lanes()
        return Picture(
            self._at_s, self._from_s(), self._functions(), lanes[:MOST_LANES], max(0, len(lanes) - MOST_LANES), over
        )

    def _functions(self) -> tuple[FunctionLife, ...]:
        marks: dict[str, list[str]] = {}
        for env_id, mark in self._now.items():
            marks.setdefault(self._function[env_id], []).append(mark)
        throttled = {name: count for name, count in self._throttled.items() if count}
        names = sorted({*marks, *self._gone, *self._calls, *throttled})
        return tuple(
            FunctionLife(
                name,
                self._calls.get(name, 0),
                throttled.get(name, 0),
                marks.get(name, []).count(INITIALISING),
                marks.get(name, []).count(BUSY),
                marks.get(name, []).count(FROZEN),
                self._gone.get(name, 0),
                tuple(self._recent.get(name, ())),
            )
            for name in names
        )

    def lanes(self) -> tuple[Lane, ...]:
        """One per environment: by function, those that live first, then by age."""
        begin_s = self._from_s()
        order = sorted(self._changes, key=lambda e: (self._function[e], e not in self._now, self._changes[e][0][0], e))
        return tuple(
            Lane(self._function[env_id], env_id, strip(list(self._changes[env_id]), begin_s, self._at_s, self._columns))
            for env_id in order
        )


def strip(changes: Sequence[tuple[float, str]], from_s: float, to_s: float, columns: int) -> str:
    """A mark per column: in each, the liveliest that was there (initialising, busy, frozen, absent).

    >>> strip([(0.0, "i"), (1.0, "#"), (2.0, "-")], 0.0, 4.0, 8)
    'ii##----'
    """
    width = (to_s - from_s) / columns if to_s > from_s else 1.0
    marks = [ABSENT] * columns
    ends = [*(at_s for at_s, _ in changes[1:]), to_s]
    for (began, mark), ended in zip(changes, ends, strict=True):
        if ended < from_s or mark == ABSENT:
            continue
        first = min(columns - 1, max(0, int((began - from_s) / width + 1e-9)))
        last = min(columns - 1, max(first, int((ended - from_s) / width - 1e-9)))
        for column in range(first, last + 1):
            if _RANK[mark] > _RANK[marks[column]]:
                marks[column] = mark
    return "".join(marks)


_RANK = {ABSENT: 0, FROZEN: 1, BUSY: 2, INITIALISING: 3}
