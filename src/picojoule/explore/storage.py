"""Where a study's trials are kept: a database as SQLAlchemy and Optuna open it, and what their errors mean."""

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from picojoule.errors import FileError, InputError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

_WRITTEN = "postgresql://user@host/name, with %40 for an @ in a password"
_SQLITE = {"timeout": 20}
_POSTGRESQL = {
    "connect_timeout": 10,
    # A server that is cut off is noticed in half a minute, not in the kernel's quarter of an hour.
    "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000,
    # Heartbeats are local times: in different zones, or as clocks go forward, everyone would be taken for dead.
    "options": "-c timezone=UTC",
}  # fmt: skip


class Address(NamedTuple):
    """Where a study is: as it may be shown, as SQLAlchemy takes it, and the arguments of a connection."""

    shown: str
    url: str
    arguments: dict[str, Any]

    @classmethod
    def of(cls, place: str) -> "Address":
        """The address of a file, whose folder is made, or of a URL, of which no password is shown.

        Raises:
            InputError: Optuna or a driver is not installed, or the URL is none.
            FileError: the folder cannot be made.
        """
        try:
            import optuna  # noqa: F401
            import psycopg  # noqa: F401
            import sqlalchemy
        except ImportError as error:
            raise InputError(f"explore needs {error.name}; install picojoule[explore]") from error
        scheme, separator, _ = place.partition("://")
        if not separator:
            path = Path(place)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FileError(f"cannot open study '{place}': {error.strerror}; choose another place") from error
            file = sqlalchemy.URL.create("sqlite", database=str(path.absolute()))
            return cls(place, file.render_as_string(), _SQLITE)
        if scheme not in ("postgres", "postgresql"):
            raise InputError(f"study '{scheme}://...' is of no kind that is known; give a file, or {_WRITTEN}")
        try:
            url = sqlalchemy.make_url(place).set(drivername="postgresql+psycopg")
            if "@" in (url.host or ""):
                raise ValueError("the end of a password")
        except (sqlalchemy.exc.ArgumentError, ValueError):
            raise InputError(f"study '{scheme}://...' cannot be read; write {_WRITTEN}") from None
        shown = sqlalchemy.URL.create(scheme, url.username, None, url.host, url.port, url.database)
        return cls(str(shown), url.render_as_string(hide_password=False), _POSTGRESQL)


def connected(address: Address, beat: int, grace: int) -> "RDBStorage":
    """The database at an address, with Optuna's tables; workers give a sign at each `beat`, dead after `grace`.

    Raises:
        RuntimeError: Optuna's tables are of another version.
        Exception: one of `trouble`.
    """
    import optuna
    import sqlalchemy

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("sqlalchemy").addHandler(logging.NullHandler())  # it would print tracebacks of lost connections
    url = address.url.replace("{", "{{").replace("}", "}}")  # Optuna formats it
    # A connection for each question: none is left to break or to be hoarded between one epoch and the next.
    options = {"poolclass": sqlalchemy.pool.NullPool, "connect_args": address.arguments}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # heartbeats are, since 2021
        storage = optuna.storages.RDBStorage(url, options, heartbeat_interval=beat, grace_period=grace)
    if storage.engine.name == "sqlite":  # knows no SELECT FOR UPDATE, so two workers could claim the same trial
        sqlalchemy.event.listen(storage.engine, "connect", lambda own, _: setattr(own, "isolation_level", None))
        sqlalchemy.event.listen(storage.engine, "begin", lambda own: own.exec_driver_sql("BEGIN IMMEDIATE"))
    return storage


def trouble() -> tuple[type[Exception], ...]:
    """What Optuna and its database raise where there is no answer; a KeyError where what was there is gone."""
    import optuna
    import sqlalchemy.exc

    return optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError, OSError, KeyError


def finished() -> tuple[type[Exception], ...]:
    """What is raised of a trial that has ended already."""
    import optuna

    return (optuna.exceptions.UpdateFinishedTrialError,)


def is_unreachable(error: BaseException) -> bool:
    """Whether there was not even a connection to ask over."""
    import sqlalchemy.exc

    error = error.__cause__ if isinstance(error.__cause__, sqlalchemy.exc.SQLAlchemyError) else error
    return isinstance(error, sqlalchemy.exc.DBAPIError) and error.statement is None


def reason(error: BaseException) -> str:
    """What the database itself said, in one line."""
    while (cause := error.__cause__ or getattr(error, "orig", None)) is not None:
        error = cause
    return first_line(error)


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
