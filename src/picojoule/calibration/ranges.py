"""Which range each site has: a power-of-two exponent, for channel-wise weights one per channel, and signedness.

A number x of a site lies on its format's unit scale as x / 2^exponent, within [-1, 1), or [0, 1) where the range is
unsigned. Ranges are what calibration finds; formats and plans hold none.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from picojoule import files
from picojoule.formats import EXPONENT_LIMIT, MOST_NUMBERS

VERSION = 2
LARGEST_INPUT = 2**26
"""Elements of one sample, as for every value of a network."""
LARGEST_SHIFT = 1e150
"""As of every number of a document."""


@dataclass(frozen=True)
class Range:
    """The range of one site: one exponent, or one for each output channel, and whether values may be negative.

    `shift` is what is added to the biases of a layer, one number for each output channel, to make up for the mean error
    that rounding its weights makes; empty for none, and for inputs. `members` are the numbers of a codebook on the unit
    scale of the one exponent, ascending; empty where the format has its own.
    """

    exponents: tuple[int, ...]
    signed: bool
    shift: tuple[float, ...] = ()
    members: tuple[float, ...] = ()


@dataclass(frozen=True)
class Ranges:
    """The range of every site, and the shape of one sample that they were found with, for example (1, 28, 28)."""

    sites: Mapping[str, Range]
    input_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "sites", MappingProxyType(dict(self.sites)))

    def __hash__(self) -> int:
        return hash((frozenset(self.sites.items()), self.input_shape))  # the order of sites says nothing

    def __reduce__(self) -> tuple[type["Ranges"], tuple[dict[str, Range], tuple[int, ...]]]:
        return Ranges, (dict(self.sites), self.input_shape)  # a mapping proxy can neither be copied nor pickled

    def to_json(self) -> str:
        """The text of `ranges.json`."""
        return files.dump("ranges", VERSION, self.to_table())

    def to_table(self) -> dict[str, Any]:
        """The ranges as plain data for a document."""
        return {"input_shape": list(self.input_shape), "sites": {name: _table(r) for name, r in self.sites.items()}}

    @classmethod
    def from_json(cls, text: str | bytes, origin: str = "ranges") -> "Ranges":
        """The ranges that `to_json` wrote; `origin` names them in errors.

        Raises:
            FileError: malformed, a duplicate or unknown key, an exponent outside [-96, 96], a shift that is not finite.
        """
        return cls.from_table(files.Fields(files.parse(text, "ranges", VERSION, origin), origin))

    @classmethod
    def from_table(cls, fields: files.Fields) -> "Ranges":
        """The ranges that `to_table` gave."""
        shape = fields.items("input_shape")
        if not all(_whole(size) and size > 0 for size in shape) or math.prod(shape) > LARGEST_INPUT:
            fields.fail(f"key 'input_shape' is {shape!r}, expected sizes such as [1, 28, 28]")
        table = fields.table("sites")
        sites = {
            name: _range(files.Fields(entry, f"{fields.origin}: '{name}'")) for name, entry in table.rest().items()
        }
        fields.finish()
        return cls(sites, tuple(shape))

    def save(self, path: Path | str) -> None:
        """Write `ranges.json`."""
        files.write_bytes(Path(path), self.to_json().encode())

    @classmethod
    def load(cls, path: Path | str) -> "Ranges":
        """Read `ranges.json`.

        Raises:
            FileError: it cannot be read, or as `from_json`.
        """
        return cls.from_json(files.read_bytes(Path(path)), f"'{path}'")


def _table(found: Range) -> dict[str, Any]:
    shift = {"shift": list(found.shift)} if found.shift else {}
    members = {"members": list(found.members)} if found.members else {}
    return {"exponents": list(found.exponents), "signed": found.signed, **shift, **members}


def _range(fields: files.Fields) -> Range:
    exponents = fields.items("exponents")
    if not exponents or not all(_whole(e) and abs(e) <= EXPONENT_LIMIT for e in exponents):
        fields.fail(f"key 'exponents' must be whole numbers from -{EXPONENT_LIMIT} to {EXPONENT_LIMIT}")
    shift = fields.items("shift") if "shift" in fields else None
    if shift is not None and not (shift and all(map(_finite, shift))):
        fields.fail("key 'shift' must be finite numbers, one for each output channel")
    signed, members = fields.boolean("signed"), fields.items("members") if "members" in fields else []
    if members and not (len(exponents) == 1 and len(members) <= MOST_NUMBERS and _ascending(members)):
        fields.fail(f"key 'members' must be up to {MOST_NUMBERS} numbers from -1 to 1, ascending, with one exponent")
    fields.finish()
    return Range(tuple(exponents), signed, tuple(map(float, shift or ())), tuple(map(float, members)))


def _ascending(members: list[Any]) -> bool:
    return all(_finite(each) and abs(each) <= 1 for each in members) and all(a < b for a, b in pairwise(members))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_SHIFT
