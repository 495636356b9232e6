"""The journal: every evaluation is written down as soon as it is known, so that a search survives anything.

An SQLite file in write-ahead mode. A row is keyed by its context, a hash of everything the accuracy depends on
(weights, data, calibration, metric, code version), and the plan. A process killed at any moment loses at most the
evaluation in flight; a second run, or a second process on the same folder, finds what the first wrote.
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from picojoule.errors import FileError
from picojoule.evaluate import Accuracy, Evaluator
from picojoule.plan import Plan

_VERSION = 1
_TABLE = """
CREATE TABLE IF NOT EXISTS evaluations (
    context TEXT NOT NULL,
    plan TEXT NOT NULL,
    correct REAL NOT NULL,
    total INTEGER NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (context, plan)
) WITHOUT ROWID
"""


class OutOfTimeError(Exception):
    """The time is up, or the user said stop; raised before an evaluation, never during one."""


class Journal:
    """Evaluations by context and plan. Without a path it lives in memory.

    A file that is no journal is set aside under another name, given in `set_aside`, and a new one begun.

    Raises:
        FileError: the file cannot be opened or written, or was written by another version.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.set_aside: Path | None = None
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = _open(path)
            except sqlite3.DatabaseError as error:
                if path is None or isinstance(error, sqlite3.OperationalError):
                    raise
                self.set_aside = _set_aside(path)
                self._connection = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise FileError(f"cannot open the journal '{path}': {error}; choose another folder") from error

    def find(self, context: str, plan: str) -> Accuracy | None:
        """The accuracy written down for a plan, or None."""
        row = self._execute("SELECT correct, total FROM evaluations WHERE context = ? AND plan = ?", (context, plan))
        return Accuracy(*row) if row else None

    def add(self, context: str, plan: str, accuracy: Accuracy, seconds: float) -> None:
        """Write an accuracy down; one that another process wrote first stays."""
        self._execute(
            "INSERT OR IGNORE INTO evaluations VALUES (?, ?, ?, ?, ?)",
            (context, plan, accuracy.correct, accuracy.total, seconds),
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
            raise FileError(f"the journal '{self.path}' cannot be used: {error}; free some space or move it") from error
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
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise FileError(
                f"the journal '{path}' is of version {version}; this picojoule writes {_VERSION}; move it away"
            )
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "evaluations" not in tables:
            raise sqlite3.DatabaseError("another program's database")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_TABLE)
        connection.execute("SELECT context, plan, correct, total, seconds FROM evaluations LIMIT 1").fetchone()
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path) -> Path:
    """Rename a file that is no journal, with what SQLite keeps beside it, to a name that is free."""
    free = next(name for k in range(1, 1 << 20) if not (name := path.with_name(f"{path.name}.corrupt-{k}")).exists())
    path.rename(free)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return free
