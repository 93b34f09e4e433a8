"""Runs every row on fresh emulators and tells what came out, as lines for a person and as JSON for a program.

A row's probe has a time limit of its own and stands alone: what it raises is that row's result. Rows that move the
clock run one by one after the others; two emulators are started, one of them for a single environment.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from labkit import __version__
from labkit.client import Lab
from labkit.conformance import asynchronous, billing, concurrency, errors, invoke, life, limits, logs, runtime_api
from labkit.conformance.behaviour import Behaviour, Checked, Place, Verdict, plain
from labkit.conformance.trial import Stage
from labkit.settings import Settings

BEHAVIOURS: tuple[Behaviour, ...] = (
    *invoke.BEHAVIOURS,
    *errors.BEHAVIOURS,
    *runtime_api.BEHAVIOURS,
    *life.BEHAVIOURS,
    *logs.BEHAVIOURS,
    *billing.BEHAVIOURS,
    *concurrency.BEHAVIOURS,
    *asynchronous.BEHAVIOURS,
    *limits.BEHAVIOURS,
)
ACCOUNT_CONCURRENCY = 1000  # AWS's default, so that the values that hang on it are AWS's
ROW_S = 60.0
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Report:
    """All rows and what was found, in the order of the table."""

    rows: tuple[Checked, ...]
    at: datetime

    def __repr__(self) -> str:
        return f"<Report of {len(self.rows)} behaviours, {len(self.of(Verdict.DIFFERS))} differ>"

    def of(self, verdict: Verdict) -> list[Checked]:
        return [row for row in self.rows if row.verdict is verdict]

    @property
    def conforms(self) -> bool:
        return not self.of(Verdict.DIFFERS)

    def as_json(self) -> dict[str, object]:
        return {
            "labkit": __version__,
            "python": sys.version.split()[0],
            "when": self.at.isoformat(timespec="seconds"),
            "behaviours": [_row_as_json(row) for row in self.rows],
        }

    def lines(self) -> Iterator[str]:
        """The report in text: rows by section, the odd ones with what was expected and found, then the counts."""
        for section, rows in itertools.groupby(self.rows, key=lambda row: row.behaviour.section):
            yield f"{section}"
            for row in rows:
                yield from _row_as_lines(row)
            yield ""
        counts = Counter(row.verdict for row in self.rows)
        yield f"{len(self.rows)} behaviours: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict)


def run(behaviours: Sequence[Behaviour] = BEHAVIOURS, *, settings: Settings | None = None) -> Report:
    """Checks the rows on emulators of its own, which end with it."""
    at = datetime.now(UTC)
    known = settings or Settings.from_environment(os.environ)
    with ThreadPoolExecutor(2) as pool:
        small = pool.submit(_on_lab, [b for b in behaviours if b.place is Place.SMALL], _sized(known, 1))
        others = [b for b in behaviours if b.place is not Place.SMALL]
        usual = pool.submit(_on_lab, others, _sized(known, ACCOUNT_CONCURRENCY))
        found = small.result() | usual.result()
    return Report(tuple(found[behaviour.title] for behaviour in behaviours), at)


def _sized(settings: Settings, environments: int) -> Settings:
    return replace(settings, endpoint="", account_concurrency=environments)


def _on_lab(behaviours: Sequence[Behaviour], settings: Settings) -> dict[str, Checked]:
    if not behaviours:
        return {}
    with Lab(settings=settings) as lab:
        stage = Stage(lab)
        rows = check(stage, behaviours)
        stage.close()
    return {row.behaviour.title: row for row in rows}


def check(stage: Stage, behaviours: Iterable[Behaviour]) -> list[Checked]:
    """Checks the rows on a running lab: several at once where they allow it, slow ones first."""
    order = sorted(behaviours, key=lambda behaviour: not behaviour.slow)
    together = [b for b in order if b.place is Place.SHARED]
    alone = [b for b in order if b.place is not Place.SHARED]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(partial(check_one, stage), together))
    return rows + [check_one(stage, behaviour) for behaviour in alone]


def check_one(stage: Stage, behaviour: Behaviour, *, limit_s: float = ROW_S) -> Checked:
    """One row, whatever its probe does: raise, or not come back."""
    outcome = [Checked(behaviour, error=f"no answer within {limit_s:g} s")]

    def probe() -> None:
        trial = stage.trial()
        try:
            outcome[0] = Checked(behaviour, plain(behaviour.probe(trial)))
        except Exception as error:
            outcome[0] = Checked(behaviour, error=_told(error))
        finally:
            trial.close()

    thread = threading.Thread(target=probe, name=behaviour.title, daemon=True)  # one that hangs holds nobody up
    thread.start()
    thread.join(limit_s)
    return outcome[0]


def _told(error: Exception) -> str:
    return "".join(traceback.format_exception_only(error)).strip()


def _row_as_json(row: Checked) -> dict[str, object]:
    behaviour = row.behaviour
    return {
        "section": behaviour.section,
        "claim": behaviour.claim,
        "source": behaviour.source,
        "expected": plain(behaviour.expected),
        "found": row.found,
        "conforms": row.verdict is Verdict.CONFORMS,
        "verdict": row.verdict,
        **({"reason": behaviour.excuse} if row.verdict is Verdict.NOT_ENFORCED else {}),
        **({"error": row.error} if row.error else {}),
    }


def _row_as_lines(row: Checked) -> Iterator[str]:
    behaviour = row.behaviour
    yield f"  {row.verdict:<12}  {behaviour.claim} ({behaviour.source})"
    if row.verdict is Verdict.NOT_ENFORCED:
        yield f"{'':16}{behaviour.excuse}"
    elif row.verdict is Verdict.DIFFERS:
        yield f"{'':16}expected: {plain(behaviour.expected)!r}"
        yield f"{'':16}found:    {row.error or repr(row.found)}"
