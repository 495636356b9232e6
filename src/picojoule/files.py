"""Reading and writing the project's own files: strictly parsed, versioned, written whole or not at all.

A document is a JSON object whose first two keys say what it is and in which version, for example
`{"picojoule": "plan", "version": 1, ...}`. Reading refuses duplicate and unknown keys, a wrong kind and a wrong
version, naming file and key. Writing goes beside the target and is renamed over it, so a reader sees either
the old file or the new one. What a killed writer left beside a target goes with the next writing of it; a lock, which
ends with its process, tells that from what a live one is at.
"""

import errno
import json
import os
import re
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from picojoule.errors import FileError, InUseError

try:
    import fcntl
except ImportError:  # a system without its locks
    fcntl = None  # type: ignore[assignment]

_LISTED = re.compile(r"\[\n\s+([-+.\deE]+(?:,\n\s+[-+.\deE]+)*)\n\s*\]")
_BREAK = re.compile(r",\n\s+")
"""A list of numbers as json breaks it over lines (no text can hold a bare line break), and each of its breaks."""
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""What no text of a document may hold: a terminal would obey it."""
_LARGEST, _LARGEST_TOML, _DEEPEST = 2**26, 2**18, 64
"""A document's most bytes, and how many tables and lists may lie within each other."""
_SMALLEST, _GREATEST = 1e-150, 1e150
"""Bounds of every number but 0, so that neither the product nor the quotient of two is infinite."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step; the folder is made if it is missing.

    Raises:
        FileError: the folder or file cannot be written (read-only, full disk); nothing is left half-written.
    """
    with replacing(path) as beside:
        beside.write_bytes(content)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files that belong together. The last one vouches for the others: where it stands, all are of one writing.

    All are written out beside their targets first. Then the last target is taken away, and one after the other is put
    in its place. So a full disk changes nothing, and a process killed in between leaves no last file.

    Raises:
        FileError: one of them cannot be written.
    """
    voucher = [*contents][-1]
    with ExitStack() as stack:
        besides = {path: stack.enter_context(_beside(path)) for path in contents}
        for path, content in contents.items():
            with _told(path):
                besides[path].write_bytes(content)
                _settle(besides[path])
        with _told(voucher):
            voucher.unlink(missing_ok=True)
        for path, beside in besides.items():
            with _told(path):
                beside.replace(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; on success it replaces `path`, on failure it is removed.

    Raises:
        FileError: the folder or file cannot be written.
    """
    with _beside(path) as beside, _told(path):
        yield beside
        _settle(beside)
        beside.replace(path)


def check_place(folder: Path) -> None:
    """Refuse a folder that cannot be made or written, without making it: before long work, not after.

    Raises:
        FileError: it is a file or lies below one, or its place cannot be written.
    """
    try:
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    except OSError as error:  # such as a name that is too long
        why = error.strerror
    else:
        if there.is_dir() and os.access(there, os.W_OK):
            return
        why = f"'{there}' cannot be written" if there.is_dir() else f"'{there}' is a file"
    raise FileError(f"cannot use the folder '{folder}': {why}; choose another folder")


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a folder, made if it is missing, for one job alone. The claim ends with the process, however that ends.

    Where the file system has no locks, there is no claim.

    Raises:
        InUseError: another job holds it.
        FileError: the folder cannot be made or read.
    """
    check_place(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise FileError(f"cannot use the folder '{folder}': {error.strerror}; choose another folder") from error
    try:
        try:
            _lock(handle)
        except BlockingIOError as error:
            told = f"another job is at work in '{folder}'; wait until it ends, or choose another folder"
            raise InUseError(told) from error
        except OSError:  # no locks here
            pass
        yield
    finally:
        os.close(handle)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, locked while it is at work, and gone afterwards."""
    with _told(path, "choose another folder"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a directory")
        _sweep(path)
        held = _new(path)
    try:
        yield (beside := Path(held.name))
    finally:
        beside.unlink(missing_ok=True)
        held.close()


def _new(path: Path) -> "tempfile._TemporaryFileWrapper[bytes]":
    """A new file beside `path`, locked where there are locks."""
    while True:
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115 (it stays open while it is at work)
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        )
        try:
            _lock(file.fileno(), wait=True)
        except OSError:  # no locks here
            file.close()
        if Path(file.name).exists():
            return file
        file.close()  # swept away before it was locked


def _sweep(path: Path) -> None:
    """Remove what killed writers of `path` left beside it: files of theirs that nobody holds a lock on."""
    for left in path.parent.iterdir():
        if left.name.startswith(f".{path.name}.") and left.name.endswith(".part") and left.is_file():
            with suppress(OSError), left.open("rb") as file:
                _lock(file.fileno())
                left.unlink()


def _lock(handle: int, wait: bool = False) -> None:
    """Lock an open file until it is closed or its process ends, however that ends.

    Raises:
        BlockingIOError: another holds it.
        OSError: there are no locks here.
    """
    if fcntl is None:
        raise OSError(errno.ENOTSUP, "no locks")
    fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _settle(beside: Path) -> None:
    """Give a file its permissions, and bring it to the disk."""
    beside.chmod(0o644)
    with beside.open("rb") as written:
        os.fsync(written.fileno())


@contextmanager
def _told(path: Path, remedy: str = "free some space or choose another folder") -> Iterator[None]:
    """Tell a failure of the system as ours, naming the file."""
    try:
        yield
    except OSError as error:
        raise FileError(f"cannot write '{path}': {error.strerror}; {remedy}") from error


def read_bytes(path: Path) -> bytes:
    """The content of `path`.

    Raises:
        FileError: the file is missing or unreadable, or no regular file: a device or a pipe may never end.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise OSError(errno.EINVAL, "it is no regular file")
        return path.read_bytes()
    except (OSError, MemoryError) as error:
        why = error.strerror if isinstance(error, OSError) else "it does not fit into memory"
        raise FileError(f"cannot read '{path}': {why}") from error


def dump(kind: str, version: int, body: Mapping[str, Any]) -> str:
    """The text of a document; the same body always gives the same text, and NaN or Inf are refused."""
    document = {"picojoule": kind, "version": version, **body}
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return _LISTED.sub(lambda found: f"[{_BREAK.sub(', ', found[1])}]", text) + "\n"


def loads(text: str | bytes) -> Any:
    """The value of a JSON text that was perhaps not written by us.

    Raises:
        ValueError: not JSON, a duplicate key, or what could be read but not be written or shown: NaN, a number beyond
            64-bit floats, half a surrogate pair, a control character, tables nested too deep.
    """
    if len(text) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST >> 20} MiB")
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("its tables are nested too deep") from None
    _check_tree(value)
    return value


def header(file: IO[bytes]) -> Any:
    """The header of a safetensors file, read as strictly as any text: safetensors itself lets a key stand twice.

    Raises:
        ValueError: as `loads`.
    """
    size = int.from_bytes(file.read(8), "little")
    text = file.read(min(size, _LARGEST + 1))
    if len(text) < min(size, _LARGEST):
        raise ValueError("it ends within its header")
    return loads(text)


def parse(text: str | bytes, kind: str, version: int, origin: str) -> dict[str, Any]:
    """The body of a document: its keys without `picojoule` and `version`. `origin` names the text in errors.

    Raises:
        FileError: not JSON, a duplicate key, another kind, another version.
    """
    try:
        document = loads(text)
    except ValueError as error:
        raise FileError(f"{origin} is not a valid {kind}: {error}") from error
    if not isinstance(document, dict):
        raise FileError(f"{origin} is not a {kind}: expected a JSON object, found {type(document).__name__}")
    found, found_version = document.pop("picojoule", None), document.pop("version", None)
    if found != kind:
        raise FileError(f"{origin} is not a {kind}: its key 'picojoule' says {_short(found)}, expected '{kind}'")
    if type(found_version) is not int or found_version != version:  # neither 1.0 nor true is version 1
        raise FileError(f"{origin}: version {found_version!r} of a {kind} is not known; this picojoule reads {version}")
    return document


def parse_toml(text: bytes, origin: str) -> dict[str, Any]:
    """The tables of a TOML text (TOML itself forbids duplicate keys).

    Raises:
        FileError: not UTF-8, not TOML, a duplicate key, a control character, or tables nested too deep.
    """
    try:
        if len(text) > _LARGEST_TOML:
            raise ValueError(f"it is larger than {_LARGEST_TOML >> 10} KiB")
        if max(line.count(b".") for line in text.split(b"\n")) > _DEEPEST:  # a.b.c... takes memory by its square
            raise ValueError("a line has too many dots")
        tables = tomllib.loads(text.decode())
        _check_tree(tables)
        return tables
    except (ValueError, RecursionError) as error:
        raise FileError(f"{origin} is not valid TOML: {error}{_line(text, str(error))}") from error


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
                    isinstance(v, int | float)
                    and not isinstance(v, bool)
                    and (v == 0 or _SMALLEST <= abs(v) <= _GREATEST)
                    and low <= v <= high
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
        (repeated, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"duplicate key '{repeated}'")
    return table


def _check_tree(value: Any) -> None:
    """Refuse what could be read but not be written or shown: control characters, huge numbers, endless nesting."""
    level = [value]
    for _ in range(_DEEPEST):
        for each in level:
            if isinstance(each, str) and _CONTROL.search(each):
                raise ValueError(f"{_short(each)} holds a control character")
            if isinstance(each, int) and each.bit_length() > 1024:
                raise ValueError("a number has more digits than any 64-bit float")
        inside = [[*each, *each.values()] if isinstance(each, dict) else each for each in level]
        level = [item for each in inside if isinstance(each, list) for item in each]
    if level:
        raise ValueError("its tables are nested too deep")


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


def _line(text: bytes, said: str) -> str:
    """The line of a TOML text that an error is about, for it names no key; empty where it names no line either."""
    number = re.search(r"at line (\d+)", said)
    return "" if number is None else f": {_short(text.decode().split(chr(10))[int(number[1]) - 1].strip())}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
