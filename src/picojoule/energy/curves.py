"""What a word costs by its bits: the laws that a platform's tables name, each a curve from bits to pJ.

A platform file states its constants under the law that its source gives (`law = "power"` and so on), so a new
platform is data, and the energy model asks one question of every curve: what does a word of this many bits cost?
"""

import abc
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

from picojoule.files import Fields

HIGHEST_PJ = 1e12
"""No constant of a platform may exceed one joule, so that no sum of energies overflows."""

HIGHEST_EXPONENT = 4
"""Of a power law, for the same reason."""


class Curve(abc.ABC):
    """A cost in pJ by bits. Laws, for every bits in [1, 64]: finite, at least 0, and more bits never cost less."""

    @abc.abstractmethod
    def __call__(self, bits: float) -> float:
        """The cost in pJ of one word (or one operation) of `bits` bits, which need not be whole."""

    @classmethod
    @abc.abstractmethod
    def read(cls, fields: Fields) -> Self:
        """Take this law's keys from a platform's table; the caller refuses what is left over.

        Raises:
            PlatformError: a missing key, or a value that would break the laws.
        """


@dataclass(frozen=True)
class Power(Curve):
    """`pj·(bits / at)^exponent`, where `at` is the file's key `bits`: pJ known at one width, and how they scale."""

    pj: float
    at: float
    exponent: float

    def __call__(self, bits: float) -> float:
        return float(self.pj * (bits / self.at) ** self.exponent)

    @classmethod
    def through(cls, points: "Table") -> Self:
        """The power law through the first and the last of known points; it goes on beyond them."""
        (low, *_, high), (cost, *_, more) = points.bits, points.values
        return cls(cost, low, math.log(more / cost) / math.log(high / low))

    @classmethod
    def read(cls, fields: Fields) -> Self:
        pj = fields.number("pj", 0, HIGHEST_PJ)
        return cls(pj, fields.number("bits", 1, 64), fields.number("exponent", 0, HIGHEST_EXPONENT))


@dataclass(frozen=True)
class Polynomial(Curve):
    """`c0 + c1·bits + c2·bits² + ...`; no coefficient is negative, so the curve never falls."""

    coefficients: tuple[float, ...]

    def __call__(self, bits: float) -> float:
        return math.fsum(c * bits**power for power, c in enumerate(self.coefficients))

    @classmethod
    def read(cls, fields: Fields) -> Self:
        coefficients = numbers(fields, "coefficients")
        if len(coefficients) > 4:
            fields.fail(f"key 'coefficients' has {len(coefficients)} members, expected at most 4 (a cubic)")
        return cls(coefficients)


@dataclass(frozen=True)
class Table(Curve):
    """Known points: between two of them a straight line on logarithmic axes; flat below the first and above the last.

    Flat, because a chip that was measured from 4 to 16 bits runs 2-bit data on its 4-bit datapath.
    """

    bits: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, bits: float) -> float:
        if bits <= self.bits[0]:
            return self.values[0]
        for (low, cost), (high, more) in pairwise(zip(self.bits, self.values, strict=True)):
            if bits < high:
                return float(cost * (more / cost) ** (math.log(bits / low) / math.log(high / low)))
        return self.values[-1]

    @classmethod
    def read(cls, fields: Fields, values: str = "pj") -> Self:
        """Take the two lists; `values` is the key of the second one."""
        bits, known = numbers(fields, "bits"), numbers(fields, values)
        if len(bits) != len(known):
            fields.fail(f"key '{values}' has {len(known)} members, expected one for each of the {len(bits)} of 'bits'")
        if bits[0] < 1 or any(low >= high for low, high in pairwise(bits)):
            fields.fail(f"key 'bits' is {list(bits)}, expected widths of at least 1 in rising order")
        if known[0] <= 0 or any(low > high for low, high in pairwise(known)):
            fields.fail(f"key '{values}' is {list(known)}, expected positive numbers that never fall as bits rise")
        return cls(bits, known)


@dataclass(frozen=True)
class Sram(Curve):
    """A 45 nm memory of `memory_bits` bits: `bits·(9.02427e-4·x³ - 2.68848e-2·x² + 0.2089·x)`, x = log2(memory_bits).

    Source: the cubic in public code through Horowitz (ISSCC 2014), caches of 8 KB, 32 KB and 1 MB at 10, 20 and
    100 pJ per 64 bits. It holds from 2^16 to 2^23 memory bits and is refused outside.
    """

    memory_bits: int

    def __call__(self, bits: float) -> float:
        x = math.log2(self.memory_bits)
        return bits * (9.02427e-4 * x**3 - 2.68848e-2 * x**2 + 0.2089 * x)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        return cls(fields.integer("memory_bits", 2**16, 2**23))


LAWS: dict[str, type[Curve]] = {"power": Power, "polynomial": Polynomial, "table": Table, "sram": Sram}


def read_curve(fields: Fields) -> Curve:
    """The curve of the law that the table's key `law` names.

    Raises:
        PlatformError: an unknown law, or one of its keys missing or out of bounds.
    """
    return LAWS[fields.text("law", tuple(LAWS))].read(fields)


def numbers(fields: Fields, key: str) -> tuple[float, ...]:
    """A list of at least one number, each finite and from 0 to `HIGHEST_PJ`."""

    def good(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= HIGHEST_PJ

    expected = f"a list of at least one finite number, each from 0 to {HIGHEST_PJ:g}"
    found = fields.take(key, lambda v: isinstance(v, list) and len(v) > 0 and all(map(good, v)), expected)
    return tuple(map(float, found))
