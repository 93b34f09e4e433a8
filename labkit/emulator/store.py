"""What survives the emulator: records and waiting events in one SQLite file, packages in content-addressed folders.

A record (a function with its versions, aliases and settings; a layer; an event source mapping) is one row, JSON in the
shape of its dataclass, written in a transaction of its own before the operation that changed it is answered. The
write-ahead log makes each commit atomic and whole when the process is killed at any moment; a commit takes some ten
microseconds and is done on the loop. (After a power cut the last commits may be missing, never half there.)

What cannot be read is set aside and named on standard error, never deleted and never a reason not to start: a damaged
file is renamed, a damaged row goes to the table `aside`. One emulator at a time holds a folder.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from labkit.emulator.registry import CodeSigningConfig, EventSourceMapping, Function, Layer
from labkit.errors import StateInUse, StateUnusable

FORMAT = 1
FILE = "labkit.sqlite"
Record = Function | Layer | EventSourceMapping | CodeSigningConfig
KINDS: dict[str, type[Any]] = {
    "functions": Function,
    "layers": Layer,
    "mappings": EventSourceMapping,
    "code_signing": CodeSigningConfig,
}
TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS records (kind TEXT, name TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, name));
CREATE TABLE IF NOT EXISTS events (request_id TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS aside (kind TEXT, name TEXT, body BLOB NOT NULL, why TEXT, at REAL);
"""


class StoredEvent(msgspec.Struct, frozen=True):
    """An asynchronous invocation that waits, as the queue left it; times are the clock's, in seconds."""

    request_id: str
    function_arn: str
    payload: bytes
    accepted_at: float
    due_at: float
    client_context: str = ""
    trace_id: str = ""
    runs: int = 0
    refusals: int = 0


class Contents(msgspec.Struct):
    """What a folder held."""

    functions: dict[str, Function] = msgspec.field(default_factory=dict)
    layers: dict[str, Layer] = msgspec.field(default_factory=dict)
    mappings: dict[str, EventSourceMapping] = msgspec.field(default_factory=dict)
    code_signing: dict[str, CodeSigningConfig] = msgspec.field(default_factory=dict)
    events: list[StoredEvent] = msgspec.field(default_factory=list)
    ahead_s: float = 0.0


class Store:
    """See the module's docstring. Raises StateInUse, StateUnusable."""

    def __init__(self, folder: Path, *, account_id: str, region: str) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StateUnusable(str(folder), error.strerror or str(error)) from None
        self._take_lock()
        self._database = self._opened()
        self._check_owner({"format": str(FORMAT), "account_id": account_id, "region": region})

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._lock, 20, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise StateInUse(str(self.folder), holder) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def _opened(self) -> sqlite3.Connection:
        path = self.folder / FILE
        try:
            return _connect(path)
        except sqlite3.DatabaseError as error:
            aside = f"{FILE}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
            for ending in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    path.with_name(FILE + ending).rename(path.with_name(aside + ending))
            _say(f"{path} cannot be read ({error}); it was set aside as {aside}, and this lab starts empty")
            return _connect(path)

    def _check_owner(self, facts: dict[str, str]) -> None:
        """A folder belongs to one account and region: every ARN in it names them."""
        known = dict(self._database.execute("SELECT name, value FROM facts"))
        for name, value in facts.items():
            if known.get(name, value) != value:
                self.close()
                raise StateUnusable(str(self.folder), f"its {name} is {known[name]}, this lab's is {value}")
            self._fact(name, value)

    def _fact(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # --- out

    def contents(self) -> Contents:
        """All that was kept; what cannot be understood is set aside."""
        found = Contents()
        for kind, shape in KINDS.items():
            getattr(found, kind).update(self._records(kind, shape))
        for request_id, body in self._database.execute("SELECT request_id, body FROM events").fetchall():
            try:
                found.events.append(msgspec.json.decode(body, type=StoredEvent))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self.set_aside("events", request_id, str(error))
        ahead = self._database.execute("SELECT value FROM facts WHERE name = 'ahead_s'").fetchone()
        found.ahead_s = float(ahead[0]) if ahead else 0.0
        return found

    def _records(self, kind: str, shape: type[Any]) -> Iterator[tuple[str, Any]]:
        rows = self._database.execute("SELECT name, body FROM records WHERE kind = ? ORDER BY rowid", (kind,))
        for name, body in rows.fetchall():
            try:
                yield name, msgspec.json.decode(body, type=shape)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self.set_aside(kind, name, str(error))

    def set_aside(self, kind: str, name: str, why: str) -> None:
        """Takes a record out of use and keeps what is there of it."""
        table, key = ("events", "request_id") if kind == "events" else ("records", "name")
        only = "" if kind == "events" else " AND kind = :kind"
        values = {"kind": kind, "name": name, "why": why, "at": time.time()}
        copy = f"INSERT INTO aside SELECT :kind, {key}, body, :why, :at FROM {table} WHERE {key} = :name{only}"
        self._database.execute(copy, values)
        self._database.execute(f"DELETE FROM {table} WHERE {key} = :name{only}", values)
        _say(f"{name} ({kind}) cannot be used again ({why}); it was set aside in {self.folder / FILE}")

    # --- in

    def keep(self, kind: str, name: str, record: Record | None) -> None:
        """What a record is now; None is deleted."""
        if record is None:
            self._database.execute("DELETE FROM records WHERE kind = ? AND name = ?", (kind, name))
            return
        # not REPLACE: the order of creation is the order of rows
        upsert = "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
        self._database.execute(upsert, (kind, name, msgspec.json.encode(record)))

    def keep_event(self, event: StoredEvent) -> None:
        body = msgspec.json.encode(event)
        self._database.execute("INSERT OR REPLACE INTO events VALUES (?, ?)", (event.request_id, body))

    def drop_event(self, request_id: str) -> None:
        self._database.execute("DELETE FROM events WHERE request_id = ?", (request_id,))

    def keep_clock(self, ahead_s: float) -> None:
        self._fact("ahead_s", repr(ahead_s))

    def close(self) -> None:
        self._database.close()
        os.close(self._lock)


def _connect(path: Path) -> sqlite3.Connection:
    """Raises sqlite3.DatabaseError for a file that is no sound database."""
    database = sqlite3.connect(path, isolation_level=None)  # each statement commits
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        problems = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problems != "ok":
            raise sqlite3.DatabaseError(problems)
        database.executescript(TABLES)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _say(what: str) -> None:
    print(f"labkit: {what}.", file=sys.stderr, flush=True)  # noqa: T201
