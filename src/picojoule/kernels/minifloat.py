"""Rounding to a small float: as many significant bits as it has, a least exponent below which steps stay equal, an end.

A compiled loop does it on the bits of x's own type, where that holds the scaled numbers; torch operations in float64
serve elsewhere, and give the same bits. Numbers are scaled by powers of two, so the only rounding is the one that is
meant: half to the even code.
"""

from functools import cache

import torch
from torch import Tensor

from picojoule.kernels import compiled

_SAFE = 29
"""Numbers from 2^-29 to 2^29 stay in float32 when they are scaled by 2^-96 or 2^96."""


def round_to_minifloat(
    x: Tensor,
    mantissa_bits: int,
    least_exponent: int,
    largest: float,
    scale: float | Tensor = 1.0,
    out: Tensor | None = None,
) -> Tensor:
    """The nearest number ±m·2^(e - mantissa_bits)·scale with whole m < 2^(mantissa_bits + 1), e >= least_exponent, and
    no larger than `largest` times the scale, element by element; the gradient passes straight through within the ends.

    x float32 or float64 of any shape; the scale a power of two, or a tensor of them of x's type that broadcasts to x,
    for example [c, 1, 1, 1]. Of two equally near numbers the one of even code is taken. NaN stays NaN; ±Inf gives the
    ends, or the largest number that x's type holds; a value that rounds to zero from below gives -0 (which equals 0).
    With `out`, a tensor of x's shape and dtype that may be x itself, the result is written there.
    """
    if compiled.direct(x):
        if out is not None and type(scale) is float:
            numbers = within_type(x.dtype, mantissa_bits, least_exponent, largest, scale)
            if numbers and compiled.at_once("minifloat", x, scale, numbers, out):
                return out
        return eager(x, scale, mantissa_bits, least_exponent, largest, out)
    if not isinstance(scale, Tensor):
        scale = torch.full((), scale, dtype=x.dtype, device=x.device)
    result: Tensor = torch.ops.picojoule.round_to_minifloat(x, scale, mantissa_bits, least_exponent, largest)
    return result if out is None else out.copy_(result)


def eager(
    x: Tensor,
    scale: float | Tensor,
    mantissa_bits: int,
    least_exponent: int,
    largest: float,
    out: Tensor | None = None,
) -> Tensor:
    """`round_to_minifloat` of tensors as they lie there: compiled where a loop serves."""
    known = None if isinstance(scale, Tensor) else float(scale)
    numbers = within_type(x.dtype, mantissa_bits, least_exponent, largest, known)
    y = None
    if numbers and isinstance(scale, Tensor):
        y = compiled.run("minifloat", x, (scale,), numbers, scale.shape, out=out)
    elif numbers and known is not None:
        y = compiled.run("minifloat", x, (compiled.constant(known, x.dtype),), numbers, out=out)
    return plain(x, mantissa_bits, least_exponent, largest, scale, out) if y is None else y


@cache
def within_type(
    dtype: torch.dtype, mantissa_bits: int, least_exponent: int, largest: float, scale: float | None = 1.0
) -> tuple[float, ...]:
    """What loops need to round to a minifloat in x's own type; nothing where scaling would lose bits there.

    Without a scale it is one of several from 2^-96 to 2^96, not known here.
    """
    if dtype not in (torch.float32, torch.float64):
        return ()
    digits, deepest = (23, -126) if dtype == torch.float32 else (52, -1022)
    least_step = least_exponent - mantissa_bits
    if scale is None:
        fits = dtype == torch.float64 or (least_step >= -_SAFE and largest <= 2.0**_SAFE)
    else:
        fits = 2.0**-126 <= scale <= 2.0**126 and (scale <= 1 or least_step >= deepest + 6)
        largest = min(largest, _held(dtype, mantissa_bits) / scale)
    if not (fits and deepest <= least_exponent and least_step + digits <= -deepest and mantissa_bits < digits):
        return ()
    step = 1 << (digits - mantissa_bits)
    halves = (step // 2, step // 2 - 1)  # for a code that is odd, and for one that is even
    if mantissa_bits == 0 and least_exponent % 2:  # the exponent's last bit says of them the contrary
        halves = halves[::-1]
    return step, *halves, 2.0**least_exponent, 2.0 ** (least_step + digits), largest


def plain(
    x: Tensor,
    mantissa_bits: int,
    least_exponent: int,
    largest: float,
    scale: float | Tensor = 1.0,
    out: Tensor | None = None,
) -> Tensor:
    """`round_to_minifloat` by operations of torch."""
    factor = torch.as_tensor(scale, device=x.device).double()
    ends = (_held(x.dtype, mantissa_bits) / factor).clamp(max=largest)
    units = x.double() / factor
    wide = units.clamp(-ends, ends)
    places = (torch.frexp(wide)[1].long() - 1).clamp(min=least_exponent)
    step = powers_of_two(places - mantissa_bits)
    counts = wide / step
    if mantissa_bits == 0:  # the code is the exponent: among even ones the lower neighbour is the even code
        odd = torch.copysign(((places - least_exponent) % 2).double(), wide)
        counts = (counts - odd).round_().add_(odd)
    else:
        counts.round_()
    rounded = torch.copysign(counts.mul_(step).mul_(factor), wide)
    rounded = torch.where(units.isnan(), units, rounded).to(x.dtype)
    return rounded if out is None else out.copy_(rounded)


def powers_of_two(exponents: Tensor) -> Tensor:
    """2^e in float64 for whole e from -1022 to 1023, exactly, where `ldexp` promises a few ulp."""
    return ((exponents.long() + 1023) << 52).view(torch.float64)


def _held(dtype: torch.dtype, mantissa_bits: int) -> float:
    """The largest number of so many mantissa bits that a type holds."""
    kind = torch.finfo(dtype)
    return float((2 - 2.0**-mantissa_bits) * (kind.max / (2 - kind.eps)))
