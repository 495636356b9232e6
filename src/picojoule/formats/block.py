"""Block formats: elements of another format in blocks that share a scale, stored beside them.

A number is divided by its block's scale, rounded to the element's nearest member and multiplied by the scale, each
operation in the number's own type with the one rounding that it has there: so do the references of all these formats,
and so on every path here (`kernels/block.py`).

Blocks run along dimension 1 (the input channels of weights, the channels or features of a value), each other position
apart; a tensor of one dimension is one such run. The last block of a run may be shorter, and nothing is stored to fill
it. With A for the block's largest magnitude and T for the element's largest number the scales are, by the text behind
the block's length:

- none: A / T in float32;
- `e8m0`: the power of two by which A has the exponent of T;
- a small float, as `e4m3`: A / T rounded to it, in units of the site's power of two;
- `u8`: whole numbers 1..255 of a step, in float32, for 256 blocks of the same index of dimension 0.

Source: OCP Microscaling Formats 1.0 (`e2m1/32:e8m0` is MXFP4, `e4m3/32:e8m0` MXFP8); NVFP4 (`e2m1/16:e4m3`; its scale
by tensor is here the site's power of two); QLoRA, arXiv 2305.14314 (`nf4/64`; its double quantisation subtracts the
scales' mean and codes them with a sign, which `u8`, for scales have none, needs not).
"""

import math
import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import pad

from picojoule.errors import FormatError
from picojoule.formats.base import Format, power_of_two
from picojoule.formats.fixed import Fixed
from picojoule.formats.minifloat import Minifloat
from picojoule.formats.normal import Normal
from picojoule.kernels.block import Floats, Scales, maxima, round_in_blocks
from picojoule.kernels.table import Table

GROUP = 256
"""Blocks that share the step of their scales with `u8`."""
LONGEST = 65536
FLOAT_BITS = 32

_ELEMENTS: tuple[type[Format], ...] = (Fixed, Minifloat, Normal)
_PATTERN = re.compile(r"(.+?)/([1-9]\d{0,5})(?::(.+))?", re.ASCII)


class Block(Format):
    """`<element>/<N>[:<scale>]`: blocks of N elements, 2 to 65536, fixed point, small floats or nf of up to 8 bits.

    Its laws, beside those of `Format` on text, shape, NaN, emptiness, purity and scaling
    (`tests/contracts/blocks.py` holds each example to them):

    - membership: `quantize(x)` is round(x / scale) * scale, quotient and product rounded to x's type (of half types to
      float32, and then to theirs); an element never goes beyond ± its largest positive member;
    - nearest: the member is the nearest one to the quotient as rounded, so to x itself up to that one rounding;
    - scale: the block's largest magnitude decides, a NaN counting as none and ±Inf as x's largest number; a block of
      nothing but zeros gives zeros; no other scale is rounded to zero;
    - idempotent, where scales are `e8m0`; with float32 up to a rounding of the scale, and so of all its block;
    - apart: what one block holds changes no other block; with `u8` none of another index of dimension 0.

    Only scales of a small float, whose range is short, take the exponent, which multiplies them; other blocks find
    their own whatever it is. With fixed point in an unsigned range what is negative counts as zero.
    """

    arithmetic = "float"
    summary: ClassVar[str] = "blocks along dimension 1 that share a scale: none (float32), :e8m0, :e4m3 or :u8"
    with_scales: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = (
        *("e2m1/32:e8m0", "e4m3/32:e8m0", "e2m1/16:e4m3", "nf4/64", "nf4/64:u8", "fixed8/32:e8m0"),
    )

    def __init__(self, element: Format, length: int, scale: str = "") -> None:
        self.element, self.length, self.scale = element, length, scale
        self.arithmetic = element.arithmetic
        if not isinstance(element, _ELEMENTS) or not 2 <= element.bits <= 8:
            raise FormatError(f"format '{self}' has blocks of '{element}'; give fixed, floats or nf of 2 to 8 bits")
        if not 2 <= length <= LONGEST:
            raise FormatError(f"format '{self}' has blocks of {length}; give 2 to {LONGEST}")
        scales = _scales(scale)
        if scales is None:
            raise FormatError(f"format '{self}' has scales '{scale}'; give none, e8m0, u8 or a float of up to 8 bits")
        self._scales = scales
        self._tops = {signed: float(element.grid(signed)[-1]) for signed in (True, False)}

    @classmethod
    def match(cls, text: str) -> Self | None:
        found = _PATTERN.fullmatch(text)
        if found is None:
            return None
        elements = (each.match(found[1]) for each in _ELEMENTS)
        element = next((each for each in elements if each is not None), None)
        return None if element is None else cls(element, int(found[2]), found[3] or "")

    @property
    def bits(self) -> int:
        return self.element.bits

    @property
    def significand_bits(self) -> int:
        return self.element.significand_bits

    @property
    def stored_bits(self) -> float:
        per_block = self._scales.bits + self._scales.bits_per_group / GROUP
        return self.bits + per_block / self.length

    def size_bits(self, shape: Sequence[int]) -> int:
        rows, length, *others = (1, *shape) if len(shape) < 2 else shape
        blocks = -(-length // self.length) * math.prod(others)
        groups = -(-blocks // GROUP)
        return self.bits * math.prod(shape) + rows * (blocks * self._scales.bits + groups * self._scales.bits_per_group)

    def __str__(self) -> str:
        return f"{self.element}/{self.length}" + (f":{self.scale}" if self.scale else "")

    def quantize(self, x: Tensor, exponent: int | Tensor = 0, signed: bool = True, out: Tensor | None = None) -> Tensor:
        out = torch.empty_like(x) if out is None else out
        if x.dtype not in (torch.float32, torch.float64):
            most = torch.finfo(x.dtype).max
            return out.copy_(self.quantize(x.float().clamp(-most, most), exponent, signed).clamp(-most, most))
        if x.numel() == 0:
            return out
        runs, target = (x, out) if x.dim() > 1 else (x.reshape(1, -1), out.reshape(1, -1))
        if isinstance(self.element, Fixed) and not signed:
            runs = runs.clamp(min=0)
        scales = self._scales.of(runs, self.length, self._tops[signed], exponent)
        round_in_blocks(runs, self.length, scales, _members(self.element, signed), target, axis=1)
        return out

    def grid(self, signed: bool = True) -> Tensor:
        raise FormatError(f"format '{self}' has another grid for each block; its elements are '{self.element}'")

    def limits(self, signed: bool = True) -> tuple[float, float]:
        end = self._scales.reach * self._tops[signed]
        return -end, end


class _Scales(NamedTuple):
    """One way to store scales: their bits, those of what a group of blocks shares, and the largest scale.

    `of` finds those of x [rows, n, ...] in blocks of a size, for elements up to `top`, at the site's exponent.
    """

    bits: int
    bits_per_group: int
    reach: float
    of: Callable[[Tensor, int, float, int | Tensor], Scales | Tensor]


def _scales(text: str) -> _Scales | None:
    """The way that a text names."""
    if text in _WAYS:
        return _WAYS[text]
    scale = Minifloat.match(text)
    if scale is None or scale.bits > 8:
        return None
    return _Scales(scale.bits, 0, scale.largest, partial(_in_floats, scale))


def _in_float32(x: Tensor, size: int, top: float, exponent: int | Tensor) -> Scales:
    return Scales(top)


def _in_powers(x: Tensor, size: int, top: float, exponent: int | Tensor) -> Scales:
    return Scales(2.0 ** (math.frexp(top)[1] - 1), powers=True)


def _in_floats(scale: Minifloat, x: Tensor, size: int, top: float, exponent: int | Tensor) -> Tensor:
    least = power_of_two(exponent, x) * float(scale.decode(torch.tensor(1)))
    wanted = maxima(x, size, axis=1).div_(top)
    found = scale.quantize(wanted, exponent, out=wanted)
    return found.clamp_(min=least).clamp_(max=Scales(top).bounds[1])


def _in_steps(x: Tensor, size: int, top: float, exponent: int | Tensor) -> Tensor:
    wanted = Scales(top).of(maxima(x, size, axis=1))
    rows = wanted.flatten(1)
    groups = pad(rows, (0, -rows.shape[1] % GROUP)).unflatten(1, (-1, GROUP))
    steps = Scales(255.0).of(groups.amax(-1, keepdim=True))
    found: Tensor = (groups / steps).round_().clamp_(1, 255).mul_(steps).flatten(1)[:, : rows.shape[1]]
    return found.reshape(wanted.shape).clamp(max=Scales(top).bounds[1])


_WAYS = {
    "": _Scales(FLOAT_BITS, 0, math.inf, _in_float32),
    "e8m0": _Scales(8, 0, math.inf, _in_powers),
    "u8": _Scales(8, FLOAT_BITS, math.inf, _in_steps),
}


@cache
def _members(element: Format, signed: bool) -> Floats | Table:
    """The numbers of an element, as kernels take them; of fixed point without the least, which has no opposite."""
    if isinstance(element, Minifloat):
        return Floats(element.mantissa_bits, element.least_exponent, element.largest)
    if isinstance(element, Fixed):
        places = element.fraction_bits(signed)
        return Floats(places, 0, 1 - 2.0**-places)
    return Table(element.grid(signed).tolist())
