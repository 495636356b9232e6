"""What the codes of a value are, and whole numbers that are stored."""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from picojoule.files import Fields
from picojoule.integer.coding import Coding

EXACT_IN_FLOAT32 = 2**24
"""Integers of at most this magnitude are exact in float32."""
LARGEST = 2**53
"""Integers of at most this magnitude are exact in float64; no value of a program is larger."""
MOST_EXPONENT = 512
MOST_CODES = 2**26
"""Codes of one value of one sample: what a small file may make a large computer hold is bounded."""
MOST_DIMENSIONS = 8


@dataclass(frozen=True)
class Type:
    """The codes of a value: from `low` to `high`; each stands for `code * 2^exponent / divisor`.

    `shape` is one sample's. There is one exponent, or one for each channel, along `axis` of the sample.
    """

    shape: tuple[int, ...]
    low: int
    high: int
    exponents: tuple[int, ...]
    axis: int = 0
    divisor: int = 1

    @property
    def signed(self) -> bool:
        """Whether a code may be negative."""
        return self.low < 0

    @property
    def bits(self) -> int:
        """The bits of a code, in two's complement where it is signed.

        >>> Type((1,), 0, 15, (0,)).bits, Type((1,), -8, 7, (0,)).bits, Type((1,), -1, 1, (0,)).bits
        (4, 4, 2)
        """
        if self.signed:
            return max(self.high.bit_length(), (-self.low - 1).bit_length()) + 1
        return max(1, self.high.bit_length())

    @property
    def count(self) -> int:
        """Codes of one sample."""
        return math.prod(self.shape)

    def to_table(self) -> dict[str, Any]:
        """The type as plain data."""
        return {**vars(self), "shape": list(self.shape), "exponents": list(self.exponents)}


@dataclass(frozen=True)
class Constant:
    """Whole numbers, int64, that are stored at so many bits (`packing.FORMS`): weights at those of their format.

    With a coding what is stored are unsigned codes of so many bits, and the coding's table and shifts.
    """

    values: Tensor
    bits: int
    form: str
    coding: Coding | None = None

    @classmethod
    def coded(cls, values: Tensor, coding: Coding) -> "Constant":
        """Whole numbers stored as codes of the least bits."""
        return cls(values, coding.bits, "unsigned", coding)

    @property
    def plain(self) -> "Constant":
        """The same whole numbers, of so many bits without any coding."""
        if self.coding is None:
            return self
        low, high = int(self.values.min()), int(self.values.max())
        return Constant(self.values, max(2, Type((), min(low, -1), max(high, 0), (0,)).bits), "signed")

    @property
    def codes(self) -> Tensor:
        """What is stored, in its form."""
        return self.values if self.coding is None else self.coding.codes(self.values)

    @property
    def packed_bytes(self) -> int:
        """Bytes that they are stored in."""
        codes = -(-self.values.numel() * self.bits // 8)
        return codes + (0 if self.coding is None else self.coding.packed_bytes)

    def to_table(self) -> dict[str, Any]:
        """What the packed bytes do not say."""
        stated = {"shape": list(self.values.shape), "bits": self.bits, "form": self.form}
        return stated if self.coding is None else stated | {"coding": self.coding.to_table()}


def shape_of(fields: Fields) -> tuple[int, ...]:
    """The shape that a table states."""
    sizes = fields.items("shape")
    if len(sizes) > MOST_DIMENSIONS:
        fields.fail(f"has {len(sizes)} dimensions; {MOST_DIMENSIONS} are possible")
    return tuple(Fields({"shape": each}, fields.origin).integer("shape", 1, 2**31) for each in sizes)
