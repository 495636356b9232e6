"""The project's own files: strictly parsed, versioned, written whole or not at all."""

from picojoule.files.documents import dump, header, loads, parse, parse_toml, read_bytes
from picojoule.files.fields import Fields
from picojoule.files.writing import check_place, claimed, replacing, write_bytes, write_together

__all__ = [
    "Fields",
    "check_place",
    "claimed",
    "dump",
    "header",
    "loads",
    "parse",
    "parse_toml",
    "read_bytes",
    "replacing",
    "write_bytes",
    "write_together",
]
