"""The journal: every evaluation is written down as soon as it is known, so that a search survives anything.

An SQLite file in write-ahead mode. A row is keyed by its context, a hash of everything the scores depend on (weights,
data, calibration, metric, code version), and the plan, and holds the tally as it grew with the samples seen: what a
search learns of a plan must not depend on what was asked of it before. A process killed at any moment loses at most the
evaluation in flight; a second run, or a second process on the same folder, finds what the first wrote. Each row has a
check sum: SQLite would not notice a damaged number.
"""

import errno
import sqlite3
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from picojoule.errors import FileError
from picojoule.evaluate import Evaluator, Floor, Tally, Verdict
from picojoule.plan import Plan

_VERSION = 3
_TABLES = {
    "evaluations": """
CREATE TABLE evaluations (
    context TEXT NOT NULL,
    plan TEXT NOT NULL,
    total INTEGER NOT NULL,
    tallies BLOB NOT NULL,
    seconds REAL NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (context, plan)
) WITHOUT ROWID
""".strip(),
    "measurements": """
CREATE TABLE measurements (
    context TEXT NOT NULL,
    name TEXT NOT NULL,
    content BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (context, name)
) WITHOUT ROWID
""".strip(),
}
_TALLY = struct.Struct("<4d")
"""Samples seen, and what of their scores was correct, lost and gained."""
_BESIDE = ("", "-wal", "-shm", "-journal")
"""What SQLite adds to the name of its file for what it keeps beside it."""
_SURROUNDINGS = (
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
)  # fmt: skip
"""Failures of the system around a journal; all others are of the file itself."""


class OutOfTimeError(Exception):
    """The time is up, or the user said stop; raised before an evaluation, never during one."""


class Journal:
    """Evaluations by context and plan. Without a path it lives in memory.

    A file that is no journal, or holds what was never written to one, is set aside under another name, given in
    `set_aside`, and a new one begun.

    Raises:
        FileError: the file cannot be opened or written, or was written by a newer version.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.set_aside: Path | None = None
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, "Is a directory")
            try:
                self._connection = _open(path)
            except sqlite3.Error as error:
                if path is None or _code(error) in _SURROUNDINGS:
                    raise
                self.set_aside = _set_aside(path)
                self._connection = _open(path)
        except (OSError, sqlite3.Error) as error:
            said = getattr(error, "strerror", None) or error
            remedy = "free some space or choose another folder"
            raise FileError(f"cannot open the journal '{path}': {said}; {remedy}") from error

    def find(self, context: str, plan: str) -> list[Tally]:
        """What is written down of a plan, from the fewest samples seen to the most."""
        rows = self._execute("SELECT total, tallies FROM evaluations WHERE context = ? AND plan = ?", (context, plan))
        return [
            Tally(total, int(seen), *scores) for total, content in rows for seen, *scores in _TALLY.iter_unpack(content)
        ]

    def add(self, context: str, plan: str, tallies: Sequence[Tally], seconds: float) -> None:
        """Write down how a tally grew; of what two processes write, what saw more samples stays, else the first."""
        content = b"".join(_TALLY.pack(each.seen, each.correct, each.lost, each.gained) for each in tallies)
        row = (context, plan, tallies[-1].total, content)
        self._execute(
            "INSERT INTO evaluations VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET tallies = excluded.tallies, seconds = excluded.seconds, checksum = excluded.checksum "
            "WHERE length(excluded.tallies) > length(tallies)",
            (*row, seconds, _checksum(*row)),
        )

    def recall(self, context: str, name: str) -> bytes | None:
        """What was measured under a name, or None."""
        rows = self._execute("SELECT content FROM measurements WHERE context = ? AND name = ?", (context, name))
        return bytes(rows[0][0]) if rows else None

    def keep(self, context: str, name: str, content: bytes) -> None:
        """Write a measurement down; one that another process wrote first stays."""
        row = (context, name, content)
        self._execute("INSERT OR IGNORE INTO measurements VALUES (?, ?, ?, ?)", (*row, _checksum(*row)))

    def count(self) -> int:
        """How many evaluations are written down."""
        return int(self._execute("SELECT COUNT(*) FROM evaluations", ())[0][0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _execute(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise FileError(
                f"the journal '{self.path}' cannot be used: {error}; free some space, and the same command goes on"
            ) from error


class JournaledEvaluator(Evaluator):
    """An evaluator that looks into the journal first and writes there what it had to work out.

    Once `stopped` says so, nothing more is worked out: what the journal does not know raises `OutOfTimeError`.
    `listener` is called after each answer with whether it was worked out (or only looked up).
    """

    def __init__(
        self,
        inner: Evaluator,
        journal: Journal,
        context: str,
        stopped: Callable[[], bool] = lambda: False,
        listener: Callable[[bool], None] = lambda worked: None,
    ) -> None:
        self._inner, self._journal, self._context = inner, journal, context
        self._stopped, self._listener = stopped, listener

    def tally(self, plan: Plan) -> Tally:
        return self._first(plan, lambda tally: tally.seen == tally.total)

    def judge(self, plan: Plan, floor: Floor) -> Verdict:
        tally = self._first(plan, lambda tally: floor.decide(tally) is not None)
        return Verdict(floor.decide(tally) is True, tally)

    def _first(self, plan: Plan, enough: Callable[[Tally], bool]) -> Tally:
        """The first tally that is enough, whatever is known."""
        found = next(filter(enough, self._journal.find(self._context, str(plan))), None)
        if found is None:
            if self._stopped():
                raise OutOfTimeError
            found = self._worked_out(plan, enough)
            self._listener(True)
        else:
            self._listener(False)
        return found

    def _worked_out(self, plan: Plan, enough: Callable[[Tally], bool]) -> Tally:
        begun, tallies = time.monotonic(), list[Tally]()
        for tally in self._inner.tallies(plan):
            tallies.append(tally)
            if enough(tally):
                break
        self._journal.add(self._context, str(plan), tallies, time.monotonic() - begun)
        return tallies[-1]


def _open(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path or ":memory:", timeout=30, isolation_level=None)
    try:
        schema = dict(connection.execute("SELECT name, sql FROM sqlite_master"))
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION and "evaluations" in schema:
            raise FileError(
                f"the journal '{path}' is of version {version}; this picojoule writes {_VERSION}; move it away"
            )
        if not schema.items() <= _TABLES.items():  # a process may be killed between the two tables
            raise sqlite3.DatabaseError("another program's database")
        _write_ahead(connection)
        for table in _TABLES.values():
            connection.execute(table.replace("TABLE", "TABLE IF NOT EXISTS", 1))
        for *row, _, checksum in connection.execute("SELECT * FROM evaluations"):
            _check(row, checksum)
        for *row, checksum in connection.execute("SELECT * FROM measurements"):
            _check(row, checksum)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the mode; where two connections do so at once, SQLite fails one of them without waiting."""
    for patience in range(300, -1, -1):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or not patience:
                raise
        time.sleep(0.01)


def _check(row: list[object], checksum: int) -> None:
    if checksum != _checksum(*row):
        raise sqlite3.DatabaseError("a row is not as it was written")


def _checksum(*row: object) -> int:
    """Of what a row says, types included: a number that became a text is another row."""
    return zlib.crc32(repr(row).encode())


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary code of an error; 0 for what Python or we raised."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _set_aside(path: Path) -> Path:
    """Rename a file that is no journal, with what SQLite keeps beside it, to a name that is free."""
    free = next(name for k in range(1, 1 << 20) if not (name := path.with_name(f"{path.name}.corrupt-{k}")).exists())
    for suffix in _BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(free.with_name(free.name + suffix))
    return free
