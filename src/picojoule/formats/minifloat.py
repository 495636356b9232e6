"""Minifloats: a sign, E exponent bits and M mantissa bits, with subnormals; the format's text says its bias.

The number of a code is `± 2^(e - bias) · (1 + m / 2^M)`, and `± 2^(1 - bias) · m / 2^M` where the exponent's field e is
0. Which codes are no finite number is the format's policy: with `ieee` all of the greatest exponent (Inf, NaN), with
`fn` the code of all ones (NaN), else none.

Source: OCP 8-bit Floating Point Specification 1.0 (E4M3, E5M2), OCP Microscaling Formats 1.0 (E3M2, E2M3, E2M1), IEEE
754 (fp16). E3M0 is Moons et al.'s split of four bits; with bias 0, `1101` of two exponent bits and one is -6.
"""

import re
from functools import cache
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor

from picojoule.errors import FormatError
from picojoule.formats.base import Format, power_of_two
from picojoule.kernels.minifloat import powers_of_two, round_to_minifloat

NAMES = {
    "fp16": "float<5,10,bias=15,ieee>",
    "bf16": "float<8,7,bias=127,ieee>",
    "e5m2": "float<5,2,bias=15,ieee>",
    "e4m3": "float<4,3,bias=7,fn>",
    "e3m2": "float<3,2,bias=3>",
    "e2m3": "float<2,3,bias=1>",
    "e2m1": "float<2,1,bias=1>",
    "e3m0": "float<3,0,bias=3>",
}
"""The short texts, which are the canonical ones of what they stand for."""

MOST_BITS = 16
_PATTERN = re.compile(r"float<([0-8]),(10|\d),bias=(0|-?[1-9]\d{0,2})(?:,(ieee|fn))?>", re.ASCII)

Overflow = Literal["saturate", "infinity", "nan"]
OnNan = Literal["error", "saturate"]


class Minifloat(Format):
    """`float<E,M,bias=B>`, with `,ieee` or `,fn` behind B where some codes are no numbers; E from 0 to 8, M to 10.

    `quantize` saturates: ±Inf and what lies beyond give the largest finite number, as torch does and hardware for
    inference; NaN stays NaN, even where no code is one. Overflow to Inf or NaN is for codes alone (`encode`). The set
    is symmetric, and so the same for ranges that are never negative.

    >>> import torch
    >>> Minifloat(4, 3, bias=7, policy="fn")
    format('e4m3')
    >>> Minifloat(4, 3, bias=7, policy="fn").quantize(torch.tensor([0.3, 449.0, -1e9])).tolist()
    [0.3125, 448.0, -448.0]
    """

    arithmetic = "float"
    summary: ClassVar[str] = "E exponent and M mantissa bits, E to 8, M to 10: float<E,M,bias=B[,ieee|,fn]>, or by name"
    examples: ClassVar[tuple[str, ...]] = (*NAMES, "float<2,1,bias=0>")

    def __init__(self, exponent_bits: int, mantissa_bits: int, bias: int, policy: str = "finite") -> None:
        self.exponent_bits, self.mantissa_bits, self.bias, self.policy = exponent_bits, mantissa_bits, bias, policy
        written = "" if policy == "finite" else f",{policy}"
        self._text = f"float<{exponent_bits},{mantissa_bits},bias={bias}{written}>"
        self._check()
        self._largest = float(_numbers(self, torch.tensor([self._finite - 1])))
        self._name = next((name for name, text in NAMES.items() if text == self._text), self._text)

    @classmethod
    def match(cls, text: str) -> Self | None:
        found = _PATTERN.fullmatch(NAMES.get(text, text))
        if found is None:
            return None
        format = cls(int(found[1]), int(found[2]), int(found[3]), found[4] or "finite")
        if str(format) != text:
            raise FormatError(f"format '{text}' is written '{format}'")
        return format

    @property
    def bits(self) -> int:
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def significand_bits(self) -> int:
        return self.mantissa_bits + 1

    @property
    def least_exponent(self) -> int:
        """Of the least normal number, and of the subnormals' steps."""
        return 1 - self.bias

    @property
    def least_normal(self) -> float | None:
        """The least number with all its mantissa bits; none without exponent bits."""
        normal = self.exponent_bits > 0 and self._finite > 2**self.mantissa_bits
        return 2.0**self.least_exponent if normal else None

    @property
    def least_subnormal(self) -> float | None:
        """The least number above zero where it has fewer significant bits; none without mantissa bits."""
        return 2.0 ** (self.least_exponent - self.mantissa_bits) if self.mantissa_bits else None

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return self._largest

    def __str__(self) -> str:
        return self._name

    def quantize(self, x: Tensor, exponent: int | Tensor = 0, signed: bool = True, out: Tensor | None = None) -> Tensor:
        scale = power_of_two(exponent, x)
        return round_to_minifloat(x, self.mantissa_bits, self.least_exponent, self.largest, scale, out)

    def grid(self, signed: bool = True) -> Tensor:
        above = self.decode(torch.arange(1, self._finite)).double()
        return torch.cat([-above.flip(0), torch.zeros(1, dtype=torch.float64), above])

    def limits(self, signed: bool = True) -> tuple[float, float]:
        return -self.largest, self.largest

    def encode(self, x: Tensor, overflow: Overflow = "saturate", nan: OnNan = "error") -> Tensor:
        """The codes of numbers on the unit scale, rounded: uint8, or uint16 for more than 8 bits; x of any shape.

        What rounds beyond the largest number, and ±Inf, becomes the largest, Inf or NaN as `overflow` says: a value
        overflows from the middle to the number that would come next, a tie going to the even code. NaN becomes the
        code of NaN; where there is none it is an error, or the largest number. Signs stay, that of zero and NaN too.

        Raises:
            FormatError: the format has no Inf or no NaN, and one is asked for.
        """
        if overflow == "infinity" and self.policy != "ieee":
            raise FormatError(f"format '{self}' has no infinity; choose overflow 'saturate'")
        if overflow == "nan" and self.policy == "finite":
            raise FormatError(f"format '{self}' has no NaN; choose overflow 'saturate'")
        lost = int(x.isnan().sum())
        if lost and self.policy == "finite" and nan == "error":
            raise FormatError(f"{lost} of {x.numel()} values are NaN, for which format '{self}' has no code")
        middles, finite = _middles(self), self._finite
        sizes = x.detach().double().abs()
        codes = torch.searchsorted(middles, sizes)
        tied = middles[codes.clamp(max=finite - 1)] == sizes
        codes += tied & (codes % 2 == 1)
        beyond = {"saturate": finite - 1, "infinity": self._infinity, "nan": self._nan}[overflow]
        codes = torch.where(codes == finite, beyond, codes)
        codes = torch.where(x.isnan(), finite - 1 if self.policy == "finite" else self._nan, codes)
        return (codes + x.signbit() * (1 << self.bits - 1)).to(torch.uint8 if self.bits <= 8 else torch.uint16)

    def decode(self, codes: Tensor) -> Tensor:
        """The numbers of codes of any integer type, float32, exactly.

        Raises:
            FormatError: a code has more bits than the format.
        """
        codes = codes.long()
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < 2**self.bits:
            raise FormatError(f"codes of format '{self}' are from 0 to {2**self.bits - 1}")
        signs, sizes = codes >> self.bits - 1, codes & (1 << self.bits - 1) - 1
        values = _numbers(self, sizes)
        values = torch.where(sizes == self._infinity, torch.inf, values)
        values = torch.where((sizes >= self._finite) & (sizes != self._infinity), torch.nan, values)
        return torch.where(signs == 1, -values, values).float()

    @property
    def _finite(self) -> int:
        """How many codes without a sign are finite numbers; they come first."""
        less = {"ieee": 1 << self.mantissa_bits, "fn": 1, "finite": 0}
        return (1 << self.bits - 1) - less[self.policy]

    @property
    def _infinity(self) -> int:
        """The code of Inf, or one that there is not."""
        return self._finite if self.policy == "ieee" else -1

    @property
    def _nan(self) -> int:
        """The code of NaN: quiet with `ieee`, all ones with `fn`."""
        return self._finite + (2 ** (self.mantissa_bits - 1) if self.policy == "ieee" else 0)

    def _check(self) -> None:
        """Raise FormatError where there are too many bits, too few numbers, or numbers that float32 does not hold."""
        bits, policy = self.bits, self.policy
        if bits > MOST_BITS:
            raise FormatError(f"format '{self._text}' has {bits} bits; E and M may be {MOST_BITS - 1} together")
        if policy == "ieee" and not (self.exponent_bits and self.mantissa_bits):
            raise FormatError(f"format '{self._text}' has no codes for Inf and NaN; leave 'ieee' out")
        if self._finite < 2:
            raise FormatError(f"format '{self._text}' has no number but zero; give it more bits")
        highest = max(1, (self._finite - 1) >> self.mantissa_bits) - self.bias
        least = self.least_exponent
        if not -32 <= highest <= 127 or least > 31 or least - self.mantissa_bits < -149:  # scaled by 2^-96 to 2^96 too
            raise FormatError(f"format '{self._text}' has numbers beyond float32's; choose another bias")


def _numbers(format: Minifloat, codes: Tensor) -> Tensor:
    """What codes without a sign would be if all of them were numbers, float64, exactly."""
    fields, mantissas = codes >> format.mantissa_bits, codes & (2**format.mantissa_bits - 1)
    whole = mantissas + torch.where(fields > 0, 2**format.mantissa_bits, 0)
    return powers_of_two(fields.clamp(min=1) - format.bias - format.mantissa_bits).mul_(whole)


@cache
def _middles(format: Minifloat) -> Tensor:
    """What lies midway from each finite code's number to the next; the last is followed by what would come."""
    numbers = _numbers(format, torch.arange(format._finite + 1))
    return (numbers[1:] + numbers[:-1]) / 2
