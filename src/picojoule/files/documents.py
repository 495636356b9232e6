"""Documents, as text: JSON and TOML read as strictly as if a stranger had written them, and written always the same.

A document is a JSON object whose first two keys say what it is and in which version, for example
`{"picojoule": "plan", "version": 1, ...}`. Reading refuses duplicate keys, a wrong kind and a wrong version, naming
file and key; what its keys hold is for `Fields`.
"""

import errno
import json
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from picojoule.errors import FileError
from picojoule.files.fields import short

_LISTED = re.compile(r"\[\n\s+([-+.\deE]+(?:,\n\s+[-+.\deE]+)*)\n\s*\]")
_BREAK = re.compile(r",\n\s+")
"""A list of numbers as json breaks it over lines (no text can hold a bare line break), and each of its breaks."""
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""What no text of a document may hold: a terminal would obey it."""
_LARGEST, _LARGEST_TOML, _DEEPEST = 2**26, 2**18, 64
"""A document's most bytes, and how many tables and lists may lie within each other."""


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
        raise FileError(f"{origin} is not a {kind}: its key 'picojoule' says {short(found)}, expected '{kind}'")
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
                raise ValueError(f"{short(each)} holds a control character")
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
    return "" if number is None else f": {short(text.decode().split(chr(10))[int(number[1]) - 1].strip())}"
