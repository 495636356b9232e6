"""What the codes of a value are, and whole numbers that are stored."""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from picojoule.files import Fields

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
    """Whole numbers, int64, that are stored at so many bits (`packing.FORMS`): weights at those of their format."""

    values: Tensor
    bits: int
    form: str

    @property
    def packed_bytes(self) -> int:
        """Bytes that they are stored in."""
        return -(-self.values.numel() * self.bits // 8)

    def to_table(self) -> dict[str, Any]:
        """What the packed bytes do not say."""
        return {"shape": list(self.values.shape), "bits": self.bits, "form": self.form}


def shape_of(fields: Fields) -> tuple[int, ...]:
    """The shape that a table states."""
    sizes = fields.items("shape")
    if len(sizes) > MOST_DIMENSIONS:
        fields.fail(f"has {len(sizes)} dimensions; {MOST_DIMENSIONS} are possible")
    return tuple(Fields({"shape": each}, fields.origin).integer("shape", 1, 2**31) for each in sizes)
