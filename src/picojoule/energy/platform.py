"""What one chip costs: a platform, read strictly from a TOML file of constants that each name their source.

The file is the data; this module and `chip.py` are its schema, so that the energy model only multiplies. Bundled
platforms lie in `platforms/`; a new one is one more file there, or a path of the user's.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from picojoule.energy.chip import Array, Capacity, Float, Image, Local, Mac
from picojoule.energy.curves import HIGHEST_PJ, Curve, Table, read_curve
from picojoule.errors import FileError, PlatformError
from picojoule.files import Fields, parse_toml, read_bytes

VERSION = 1
STATUSES = ("read", "recalled", "derived", "assumed")
"""How a table's constants came here: read in the source, recalled from it, derived from it, or assumed as it says."""

_BUNDLED = Path(__file__).with_name("platforms")
T = TypeVar("T")


@dataclass(frozen=True)
class Provenance:
    """Where the constants of one table come from; `status` is one of `STATUSES`."""

    table: str
    status: str
    source: str


@dataclass(frozen=True)
class Platform:
    """The constants of one chip; equal to another one of the same text.

    Absent tables: no figure for float32, smaller floats or codebooks, no zero skipping, no voltage scaling, everything
    fits on chip, and the input image is already there.
    """

    name: str
    title: str
    mac: Mac
    local: Local
    main: Curve  # pJ per word of the on-chip main memory
    dram: Curve  # pJ per word
    array: Array
    float32_mac_pj: float | None
    small_floats: Float | None  # of up to 16 bits
    lookup_pj: float | None  # of one operand of a codebook, decoded by a table
    guarded_fraction: float | None  # what a MAC with a zero operand costs, of a full one
    voltage_scaling: Table | None  # a factor on the MAC's energy, by bits
    capacity: Capacity | None
    image: Image | None  # absent: the network's input costs no DRAM
    provenance: tuple[Provenance, ...]
    text: str

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> Self:
        """The bundled platform of that name, or the file at a path that ends in `.toml`.

        Raises:
            PlatformError: an unknown name, or a malformed file (the message names file and key).
            FileError: the file is missing or unreadable.
        """
        name = os.fspath(name_or_path)
        if name.endswith(".toml"):
            return cls.parse(read_bytes(Path(name)), f"'{name}'")
        if name not in platforms():
            bundled = ", ".join(platforms())
            raise PlatformError(f"no platform '{name}'; choose one of {bundled}, or give a path ending in .toml")
        return cls.parse(read_bytes(_BUNDLED / f"{name}.toml"), f"platform '{name}'")

    @classmethod
    def parse(cls, content: bytes | str, origin: str) -> Self:
        """The platform that a TOML text describes; `origin` names the text in errors.

        Raises:
            PlatformError: not TOML, another version, a key unknown, missing or out of bounds, a table without source.
        """
        raw = content.encode() if isinstance(content, str) else content
        try:
            fields = Fields(parse_toml(raw, origin), origin, PlatformError)
        except FileError as error:
            raise PlatformError(str(error)) from error
        fields.take(
            "version", lambda v: v == VERSION and type(v) is int, f"{VERSION}, the version this picojoule reads"
        )
        tables = _Tables(fields)
        platform = cls(
            name=fields.text("name"),
            title=fields.text("title"),
            mac=tables.read("mac", Mac.read),
            local=tables.read("local", Local.read),
            main=tables.read("main", read_curve),
            dram=tables.read("dram", read_curve),
            array=tables.read("array", Array.read),
            float32_mac_pj=tables.read_optional("float32", lambda table: table.number("mac_pj", 0, HIGHEST_PJ)),
            small_floats=tables.read_optional("float", Float.read),
            lookup_pj=tables.read_optional("codebook", lambda table: table.number("lookup_pj", 0, HIGHEST_PJ)),
            guarded_fraction=tables.read_optional("zero_skip", lambda table: table.number("guarded_fraction", 0, 1)),
            voltage_scaling=tables.read_optional("voltage_scaling", lambda table: Table.read(table, "factor")),
            capacity=tables.read_optional("capacity", Capacity.read),
            image=tables.read_optional("input", Image.read),
            provenance=tuple(tables.provenance),
            text=raw.decode(),
        )
        fields.finish()
        return platform

    def to_toml(self) -> str:
        """The text it was parsed from, comments and all."""
        return self.text

    def mac_pj(self, bits: float) -> float:
        """pJ of one integer MAC of `bits` bits, at the voltage that this width allows."""
        return self.mac.curve(bits) * (self.voltage_scaling(bits) if self.voltage_scaling else 1.0)


class _Tables:
    """Reads the tables of one platform and notes where each comes from; a key left in a table is an error."""

    def __init__(self, fields: Fields) -> None:
        self._fields, self.provenance = fields, list[Provenance]()

    def read(self, key: str, read: Callable[[Fields], T]) -> T:
        table = self._fields.table(key)
        source = table.take("source", lambda v: isinstance(v, str) and v.strip() != "", "a text citing paper and table")
        self.provenance.append(Provenance(key, table.text("status", STATUSES), source))
        value = read(table)
        table.finish()
        return value

    def read_optional(self, key: str, read: Callable[[Fields], T]) -> T | None:
        return self.read(key, read) if key in self._fields else None


def platforms() -> tuple[str, ...]:
    """The names of the bundled platforms, in order."""
    return tuple(sorted(path.stem for path in _BUNDLED.glob("*.toml")))
