"""Reading and writing the project's own files: strictly parsed, versioned, written whole or not at all.

A document is a JSON object whose first two keys say what it is and in which version, for example
`{"picojoule": "plan", "version": 1, ...}`. Reading refuses duplicate and unknown keys, a wrong kind and a wrong
version, naming file and key. Writing goes beside the target and is renamed over it, so a reader sees either
the old file or the new one.
"""

import json
import os
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from picojoule.errors import FileError

_LISTED = re.compile(r"\[\n\s+([-+.\deE]+(?:,\n\s+[-+.\deE]+)*)\n\s*\]")
_BREAK = re.compile(r",\n\s+")
"""A list of numbers as json breaks it over lines (no text can hold a bare line break), and each of its breaks."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step; the folder is made if it is missing.

    Raises:
        FileError: the folder or file cannot be written (read-only, full disk); nothing is left half-written.
    """
    with replacing(path) as beside:
        beside.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; on success it replaces `path`, on failure it is removed.

    Raises:
        FileError: the folder or file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
    except OSError as error:
        raise FileError(f"cannot write '{path}': {error.strerror}; choose another folder") from error
    beside = Path(name)
    try:
        yield beside
        beside.chmod(0o644)
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.replace(path)
    except OSError as error:
        raise FileError(f"cannot write '{path}': {error.strerror}; free some space or choose another folder") from error
    finally:
        beside.unlink(missing_ok=True)


def read_bytes(path: Path) -> bytes:
    """The content of `path`.

    Raises:
        FileError: the file is missing or unreadable.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"cannot read '{path}': {error.strerror}") from error


def dump(kind: str, version: int, body: Mapping[str, Any]) -> str:
    """The text of a document; the same body always gives the same text, and NaN or Inf are refused."""
    document = {"picojoule": kind, "version": version, **body}
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return _LISTED.sub(lambda found: f"[{_BREAK.sub(', ', found[1])}]", text) + "\n"


def parse(text: str | bytes, kind: str, version: int, origin: str) -> dict[str, Any]:
    """The body of a document: its keys without `picojoule` and `version`. `origin` names the text in errors.

    Raises:
        FileError: not JSON, a duplicate key, another kind, another version.
    """
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        json.dumps(document, ensure_ascii=False).encode()  # half a surrogate pair could be read but never written
    except (ValueError, RecursionError) as error:
        raise FileError(f"{origin} is not a valid {kind}: {error}") from error
    if not isinstance(document, dict):
        raise FileError(f"{origin} is not a {kind}: expected a JSON object, found {type(document).__name__}")
    found, found_version = document.pop("picojoule", None), document.pop("version", None)
    if found != kind:
        raise FileError(f"{origin} is not a {kind}: its key 'picojoule' says {found!r}")
    if type(found_version) is not int or found_version != version:  # neither 1.0 nor true is version 1
        raise FileError(f"{origin}: version {found_version!r} of a {kind} is not known; this picojoule reads {version}")
    return document


def parse_toml(text: bytes, origin: str) -> dict[str, Any]:
    """The tables of a TOML text (TOML itself forbids duplicate keys).

    Raises:
        FileError: not UTF-8, not TOML, or a duplicate key.
    """
    try:
        return tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise FileError(f"{origin} is not valid TOML: {error}") from error


class Fields:
    """Strict access to the keys of one table: each is asked for by type, and any left over is an error.

    >>> fields = Fields({"bits": 8, "name": "a"}, "plan.json")
    >>> fields.integer("bits"), fields.text("name")
    (8, 'a')
    >>> fields.finish()
    """

    def __init__(self, table: Any, origin: str, error: type[Exception] = FileError) -> None:
        self.origin, self._error = origin, error
        if not isinstance(table, dict):
            self.fail(f"expected a table, found {type(table).__name__}")
        self._table = dict(table)

    def fail(self, message: str) -> NoReturn:
        """Raise this table's error, with its origin in front."""
        raise self._error(f"{self.origin}: {message}")

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def take(self, key: str, check: Callable[[Any], bool], expected: str) -> Any:
        """Remove and return the value of `key`; `check` says whether it is what is `expected`."""
        if key not in self._table:
            self.fail(f"key '{key}' is missing ({expected})")
        value = self._table.pop(key)
        if not check(value):
            self.fail(f"key '{key}' is {_short(value)}, expected {expected}")
        return value

    def integer(self, key: str, low: int = -(2**63), high: int = 2**63 - 1) -> int:
        """A whole number within [low, high]."""
        expected = "a whole number" if low == -(2**63) else f"a whole number from {low} to {high}"
        value: int = self.take(
            key, lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high, expected
        )
        return value

    def number(self, key: str, low: float = float("-inf"), high: float = float("inf")) -> float:
        """A finite number within [low, high]."""
        bounds = {(True, True): "", (False, True): f" of at least {low:g}", (True, False): f" of at most {high:g}"}
        within = bounds.get((low == float("-inf"), high == float("inf")), f" from {low:g} to {high:g}")
        return float(
            self.take(
                key,
                lambda v: (
                    isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e300 and low <= v <= high
                ),
                f"a finite number{within}",
            )
        )

    def text(self, key: str, among: tuple[str, ...] = ()) -> str:
        """A text, one of `among` where given."""
        expected = "one of " + ", ".join(map(repr, among)) if among else "a text"
        value: str = self.take(key, lambda v: isinstance(v, str) and (not among or v in among), expected)
        return value

    def boolean(self, key: str) -> bool:
        """`true` or `false`."""
        value: bool = self.take(key, lambda v: isinstance(v, bool), "true or false")
        return value

    def items(self, key: str) -> list[Any]:
        """A list."""
        value: list[Any] = self.take(key, lambda v: isinstance(v, list), "a list")
        return value

    def table(self, key: str) -> "Fields":
        """A table within this one."""
        return Fields(self.take(key, lambda v: isinstance(v, dict), "a table"), f"{self.origin}: '{key}'", self._error)

    def rest(self) -> dict[str, Any]:
        """All keys not yet taken; afterwards none is left."""
        left, self._table = self._table, {}
        return left

    def finish(self) -> None:
        """Refuse any key that nobody asked for."""
        if self._table:
            unknown = ", ".join(f"'{key}'" for key in self._table)
            self.fail(f"unknown key {unknown}")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"duplicate key '{repeated}'")
    return table


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
