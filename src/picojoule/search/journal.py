"""The journal: every evaluation is written down as soon as it is known, so that a search survives anything.

An SQLite file in write-ahead mode. A row is keyed by its context, a hash of everything the accuracy depends on
(weights, data, calibration, metric, code version), and the plan. A process killed at any moment loses at most the
evaluation in flight; a second run, or a second process on the same folder, finds what the first wrote. Each row has a
check sum: SQLite would not notice a damaged number.
"""

import errno
import sqlite3
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from picojoule.errors import FileError
from picojoule.evaluate import Accuracy, Evaluator
from picojoule.plan import Plan

_VERSION = 2
_TABLE = """
CREATE TABLE evaluations (
    context TEXT NOT NULL,
    plan TEXT NOT NULL,
    correct REAL NOT NULL,
    total INTEGER NOT NULL,
    seconds REAL NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (context, plan)
) WITHOUT ROWID
""".strip()
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

    def find(self, context: str, plan: str) -> Accuracy | None:
        """The accuracy written down for a plan, or None."""
        row = self._execute("SELECT correct, total FROM evaluations WHERE context = ? AND plan = ?", (context, plan))
        return Accuracy(*row) if row else None

    def add(self, context: str, plan: str, accuracy: Accuracy, seconds: float) -> None:
        """Write an accuracy down; one that another process wrote first stays."""
        row = (context, plan, accuracy.correct, accuracy.total)
        self._execute(
            "INSERT OR IGNORE INTO evaluations VALUES (?, ?, ?, ?, ?, ?)",
            (*row, seconds, _checksum(*row)),
        )

    def count(self) -> int:
        """How many evaluations are written down."""
        row = self._execute("SELECT COUNT(*) FROM evaluations", ())
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _execute(self, statement: str, values: tuple[object, ...]) -> tuple[float, int] | None:
        try:
            row: tuple[float, int] | None = self._connection.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise FileError(
                f"the journal '{self.path}' cannot be used: {error}; free some space, and the same command goes on"
            ) from error
        return row


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

    def accuracy(self, plan: Plan) -> Accuracy:
        text = str(plan)
        known = self._journal.find(self._context, text)
        if known is not None:
            self._listener(False)
            return known
        if self._stopped():
            raise OutOfTimeError
        begun = time.monotonic()
        accuracy = self._inner.accuracy(plan)
        self._journal.add(self._context, text, accuracy, time.monotonic() - begun)
        self._listener(True)
        return accuracy


def _open(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path or ":memory:", timeout=30, isolation_level=None)
    try:
        schema = dict(connection.execute("SELECT name, sql FROM sqlite_master"))
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION and "evaluations" in schema:
            raise FileError(
                f"the journal '{path}' is of version {version}; this picojoule writes {_VERSION}; move it away"
            )
        if schema not in ({}, {"evaluations": _TABLE}):
            raise sqlite3.DatabaseError("another program's database")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_TABLE.replace("TABLE", "TABLE IF NOT EXISTS", 1))
        for *row, _, checksum in connection.execute("SELECT * FROM evaluations"):
            if checksum != _checksum(*row):
                raise sqlite3.DatabaseError("a row is not as it was written")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _checksum(*row: object) -> int:
    """Of a row's key and accuracy, their types included: a number that became a text is another row."""
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
