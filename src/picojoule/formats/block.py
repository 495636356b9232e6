"""Block formats: elements of another format in blocks that share a scale, stored beside them.

Blocks run along dimension 1 (the input channels of weights, the channels or features of a value), each other position
apart; a tensor of one dimension is one such run. The last block of a run may be shorter, and nothing is stored to fill
it. The scales are, by the text behind the block's length:

- none: the block's largest magnitude, in float32, falls on the element's largest number;
- `e8m0`: the power of two by which the largest magnitude has the exponent of the element's largest number;
- a small float, as `e4m3`: the first of these, rounded to it, in units of the site's power of two;
- `u8`: whole numbers 1..255 of a step, in float32, for 256 blocks of the same index of dimension 0.

Source: OCP Microscaling Formats 1.0 (`e2m1/32:e8m0` is MXFP4, `e4m3/32:e8m0` MXFP8); NVFP4 (`e2m1/16:e4m3`; its scale
by tensor is here the site's power of two); QLoRA, arXiv 2305.14314 (`nf4/64`; its double quantisation subtracts the
scales' mean and codes them with a sign, which `u8`, for scales have none, needs not).
"""

import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import pad

from picojoule.errors import FormatError
from picojoule.formats.base import Format, power_of_two
from picojoule.formats.fixed import Fixed
from picojoule.formats.minifloat import Minifloat
from picojoule.formats.normal import Normal
from picojoule.kernels.block import Floats, Scales, round_in_blocks
from picojoule.kernels.minifloat import powers_of_two

GROUP = 256
"""Blocks that share the step of their scales with `u8`."""
LONGEST = 65536
_EXACT = (torch.float32, torch.float64)
FLOAT_BITS = 32

_ELEMENTS: tuple[type[Format], ...] = (Fixed, Minifloat, Normal)
_PATTERN = re.compile(r"(.+?)/([1-9]\d{0,5})(?::(.+))?", re.ASCII)


class Block(Format):
    """`<element>/<N>[:<scale>]`: blocks of N elements, 2 to 65536, fixed point, small floats or nf of up to 8 bits.

    Its laws, beside those of `Format` on text, shape, NaN, emptiness, purity and scaling
    (`tests/contracts/blocks.py` holds each example to them):

    - membership and nearest: with the scale that a block has, each result is the element's nearest member times it,
      rounded to x's type where that does not hold it; an element never goes beyond ± its largest positive member;
    - scale: the block's largest magnitude decides, a NaN counting as none and ±Inf as x's largest number; a block of
      nothing but zeros gives zeros; no other scale is rounded to zero;
    - idempotent, where scales are float32 or `e8m0`;
    - apart: what one block holds changes no other block; with `u8` none of another index of dimension 0.

    The exponent multiplies the scales. Only scales of a small float, whose range is short, need one.
    """

    family = "float"
    summary: ClassVar[str] = "blocks along dimension 1 that share a scale: none (float32), :e8m0, :e4m3 or :u8"
    with_scales: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = (
        *("e2m1/32:e8m0", "e4m3/32:e8m0", "e2m1/16:e4m3", "nf4/64", "nf4/64:u8", "fixed8/32:e8m0"),
    )

    def __init__(self, element: Format, length: int, scale: str = "") -> None:
        self.element, self.length, self.scale = element, length, scale
        self.family = element.family
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
        elements = (family.match(found[1]) for family in _ELEMENTS)
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
        if x.numel() == 0:
            return x.clone() if out is None else out.copy_(x)
        unscaled = isinstance(exponent, int) and exponent == 0
        if self.scale == "e8m0" and isinstance(self.element, Minifloat) and unscaled and x.dtype in _EXACT:
            return self._in_one_pass(x, self.element, out)
        top, most = self._tops[signed], torch.finfo(x.dtype).max
        factor = torch.as_tensor(power_of_two(exponent, x), device=x.device).double()
        blocks = _split(x.detach().double().clamp(-most, most) / factor, self.length)
        ends = self._scales.ends(blocks.abs().nan_to_num(nan=0).amax(-1, keepdim=True), top)
        units = (blocks * top / torch.where(ends > 0, ends, 1)).clamp(-top, top)
        rounded = self.element.quantize(units, 0, signed).mul_(ends).div_(top)
        result = (_joined(rounded, x.shape) * factor).clamp(-most, most)
        return (torch.empty_like(x) if out is None else out).copy_(result)  # it lies in memory as x does

    def _in_one_pass(self, x: Tensor, element: Minifloat, out: Tensor | None) -> Tensor:
        """Scales that are powers of two divide and multiply exactly in x's own type, so that one loop does it all."""
        numbers = Floats(element.mantissa_bits, element.least_exponent, element.largest)
        scales = Scales(2.0 ** (math.frexp(element.largest)[1] - 1), powers=True)
        rows = x.reshape(1, -1) if x.dim() < 2 else x
        rounded = round_in_blocks(rows.movedim(1, -1), self.length, scales, numbers).movedim(-1, 1)
        return (torch.empty_like(x) if out is None else out).copy_(rounded.reshape(x.shape))

    def grid(self, signed: bool = True) -> Tensor:
        raise FormatError(f"format '{self}' has another grid for each block; its elements are '{self.element}'")

    def limits(self, signed: bool = True) -> tuple[float, float]:
        end = self._scales.reach * self._tops[signed]
        return -end, end


class _Scales(NamedTuple):
    """One way to store scales: their bits, those of what a group of blocks shares, and the largest scale.

    `ends` makes of the blocks' largest magnitudes [rows, ..., blocks, 1] what the element's largest number, `top`,
    stands for in each: 0 where all is zero.
    """

    bits: int
    bits_per_group: int
    reach: float
    ends: Callable[[Tensor, float], Tensor]


def _scales(text: str) -> _Scales | None:
    """The way that a text names."""
    if text in _WAYS:
        return _WAYS[text]
    scale = Minifloat.match(text)
    if scale is None or scale.bits > 8:
        return None
    return _Scales(scale.bits, 0, scale.largest, partial(_in_floats, scale, float(scale.decode(torch.tensor(1)))))


def _in_float32(largest: Tensor, top: float) -> Tensor:
    kind = torch.finfo(torch.float32)
    kept = largest.clamp(max=kind.max).float().double()
    return torch.where(largest > 0, kept.clamp(min=kind.smallest_normal * kind.eps), 0)


def _in_powers(largest: Tensor, top: float) -> Tensor:
    places = (torch.frexp(largest)[1].long() - math.frexp(top)[1]).clamp(-127, 127)
    return torch.where(largest > 0, powers_of_two(places) * top, 0)


def _in_floats(scale: Minifloat, least: float, largest: Tensor, top: float) -> Tensor:
    return torch.where(largest > 0, scale.quantize(largest / top).clamp(min=least) * top, 0)


def _in_steps(largest: Tensor, top: float) -> Tensor:
    rows = largest.flatten(1)
    groups = pad(rows, (0, -rows.shape[1] % GROUP)).unflatten(1, (-1, GROUP))
    steps = _in_float32(groups.amax(-1, keepdim=True) / 255, top)
    codes = (groups / torch.where(steps > 0, steps, 1)).round().clamp(1, 255)
    ends: Tensor = torch.where(groups > 0, codes * steps, 0).flatten(1)[:, : rows.shape[1]]
    return ends.reshape(largest.shape)


_WAYS = {
    "": _Scales(FLOAT_BITS, 0, math.inf, _in_float32),
    "e8m0": _Scales(8, 0, math.inf, _in_powers),
    "u8": _Scales(8, FLOAT_BITS, math.inf, _in_steps),
}


def _split(x: Tensor, length: int) -> Tensor:
    """x [r, c, ...] as [r, ..., blocks, length], the last block of a run filled up with zeros, but an only one short;
    x [c] as one row."""
    runs = (x if x.dim() > 1 else x.reshape(1, -1)).movedim(1, -1)
    length = min(length, runs.shape[-1])
    blocks: Tensor = pad(runs, (0, -runs.shape[-1] % length)).unflatten(-1, (-1, length))
    return blocks


def _joined(blocks: Tensor, shape: Sequence[int]) -> Tensor:
    """What `_split` divided, in its old shape."""
    rows = (1, math.prod(shape)) if len(shape) < 2 else shape
    joined: Tensor = blocks.flatten(-2)[..., : rows[1]].movedim(-1, 1)
    return joined.reshape(shape)
