"""A student's progress: one SQLite file, theirs alone. Predictions, attempts, hints, questions recalled.

How it works. Each call opens the file, does one transaction and closes it: two kernels, a hub's copy or a backup meet
no lock that is held while a student thinks. The file is in write-ahead mode where the file system allows it, and who
finds it busy waits up to ten seconds. A file that is broken, read-only or out of reach costs the student the memory,
never the lesson: records then live in this process, and `trouble` says so.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

BUSY_S = 10.0
SCHEMA = 1
TABLES = {
    "predictions": "lesson TEXT, name TEXT, value TEXT, actual TEXT, late INTEGER NOT NULL DEFAULT 0, at REAL",
    "attempts": "lesson TEXT, exercise TEXT, result TEXT, diagnosis TEXT, answer TEXT, at REAL",
    "hints": "lesson TEXT, exercise TEXT, diagnosis TEXT, at REAL",
    "recaps": "lesson TEXT, item TEXT, result TEXT, answer TEXT, at REAL",
}


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was expected, and what came; `late` if the result was known before."""

    lesson: str
    name: str
    value: str
    actual: str | None
    late: bool
    at: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One answer to an exercise; `answer` is a fingerprint of code, or what was said."""

    lesson: str
    exercise: str
    result: str
    diagnosis: str
    answer: str
    at: float


@dataclass(frozen=True, slots=True)
class Hint:
    lesson: str
    exercise: str
    diagnosis: str
    at: float


@dataclass(frozen=True, slots=True)
class Recalled:
    """One answer to a question about an earlier lesson; an item that was drawn and not answered has result `asked`."""

    lesson: str
    item: str
    result: str
    answer: str
    at: float


Record = Prediction | Attempt | Hint | Recalled
RECORDS: dict[str, type[Record]] = {
    "predictions": Prediction,
    "attempts": Attempt,
    "hints": Hint,
    "recaps": Recalled,
}
_R = TypeVar("_R", Prediction, Attempt, Hint, Recalled)


class Progress:
    """The progress file. `trouble` is None, or why nothing is kept.

    >>> progress = Progress(Path("progress.sqlite3"))
    >>> progress.add(Attempt("02", "slope", "rejected", "order", "1.2", at=0.0))
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self.path, self.now = path, now
        self.trouble: str | None = None
        self._instead: sqlite3.Connection | None = None

    def add(self, record: Record) -> None:
        """Keeps one record."""
        name = next(n for n, kind in RECORDS.items() if isinstance(record, kind))
        values = list(asdict(record).values())
        marks = ", ".join("?" * len(values))
        self._do(lambda db: db.execute(f"INSERT INTO {name} VALUES ({marks})", values))  # names are ours, values bound

    def predictions(self, lesson: str = "") -> list[Prediction]:
        """All predictions, oldest first, or one lesson's."""
        return [Prediction(r[0], r[1], r[2], r[3], bool(r[4]), r[5]) for r in self._rows("predictions", lesson)]

    def attempts(self, lesson: str = "", exercise: str = "") -> list[Attempt]:
        found = [Attempt(*row) for row in self._rows("attempts", lesson)]
        return [a for a in found if exercise in ("", a.exercise)]

    def hints(self, lesson: str, exercise: str) -> list[Hint]:
        return [h for h in (Hint(*row) for row in self._rows("hints", lesson)) if h.exercise == exercise]

    def recaps(self, lesson: str = "") -> list[Recalled]:
        return [Recalled(*row) for row in self._rows("recaps", lesson)]

    def came_true(self, lesson: str, name: str, actual: str) -> None:
        """Notes what a prediction's number really was, the first time that it is known."""
        wanted = "UPDATE predictions SET actual = ? WHERE lesson = ? AND name = ? AND actual IS NULL"
        self._do(lambda db: db.execute(wanted, (actual, lesson, name)))

    def as_json(self) -> str:
        """Everything, as one JSON object with a list for each table."""
        return json.dumps({name: [asdict(r) for r in self._all(name)] for name in TABLES}, indent=1, ensure_ascii=False)

    def as_csv(self) -> str:
        """Everything, one row a record; the first column says which table."""
        columns = list(dict.fromkeys(f.name for kind in RECORDS.values() for f in fields(kind)))
        text = io.StringIO()
        writer = csv.DictWriter(text, ["record", *columns], lineterminator="\n")
        writer.writeheader()
        for name in TABLES:
            writer.writerows({"record": name, **asdict(record)} for record in self._all(name))
        return text.getvalue()

    def delete(self) -> bool:
        """Removes the file and what SQLite keeps beside it; whether there was one."""
        was = self.path.exists()
        for end in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        return was

    def _all(self, name: str) -> Iterable[Record]:
        if name == "predictions":
            return self.predictions()
        return [RECORDS[name](*row) for row in self._rows(name)]

    def _rows(self, name: str, lesson: str = "") -> Sequence[tuple[Any, ...]]:
        where, values = ("WHERE lesson = ?", (lesson,)) if lesson else ("", ())
        wanted = f"SELECT * FROM {name} {where} ORDER BY rowid"
        return list(self._do(lambda db: db.execute(wanted, values).fetchall()))

    def _do(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        if self._instead is None:
            try:
                with _opened(self.path) as db:
                    return work(db)
            except (sqlite3.Error, OSError) as problem:
                self.trouble = (
                    f"Your progress is not kept: {self.path}: {problem}. The lesson goes on; what you do now is "
                    "forgotten when this kernel ends. Set LABKIT_PROGRESS to a file that you may write to."
                )
                self._instead = sqlite3.connect(":memory:", check_same_thread=False)
                _prepare(self._instead)
        with self._instead:
            return work(self._instead)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=BUSY_S)) as db:
        # a network file system may refuse; the rollback journal serves as well
        with suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode=WAL")
        _prepare(db)
        with db:
            yield db


def _prepare(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA:
        return
    if version > SCHEMA:
        raise sqlite3.DatabaseError(f"a newer labkit made it (format {version}, this one knows {SCHEMA})")
    with db:
        db.execute("BEGIN IMMEDIATE")  # of two kernels that come first, one waits here, and finds the tables made
        for name, columns in TABLES.items():
            db.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
        db.execute(f"PRAGMA user_version = {SCHEMA}")
