"""The module that rounds one tensor to a site's format, with a straight-through gradient.

Forward it is `format.quantize`; backward the gradient passes where the value lies within the format's range and is zero
elsewhere (the straight-through estimator; Hubara et al. 2016; Moons et al., *Embedded Deep Learning*, chapter 3).
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.calibration import Range
from picojoule.formats import Format
from picojoule.formats.base import power_of_two
from picojoule.kernels.gate import pass_where, pass_within, within
from picojoule.quantize.choice import along

LARGE = 1 << 17
"""Tensors of so many numbers are rounded in their own memory where they may be: fresh memory costs more than that."""


class Quantizer(nn.Module):
    """Rounds to `format` at `range`, in the dtype and on the device of its input, blocks along `axis`.

    The range is part of the state (`exponents` int32 [1] or [c], `signed` bool), the format is not: it is the plan's,
    with the members of the range where it is a codebook. Nor is the range's shift, which the layer's biases hold.
    """

    exponents: Tensor
    signed: Tensor

    def __init__(self, format: Format, range: Range, axis: int = 1) -> None:
        super().__init__()
        self.format, self.axis = format, axis
        self.register_buffer("exponents", torch.tensor(range.exponents, dtype=torch.int32))
        self.register_buffer("signed", torch.tensor(range.signed))
        self._take(replace(range, shift=()))
        self.register_load_state_dict_post_hook(_reread)  # type: ignore[no-untyped-call]

    @property
    def range(self) -> Range:
        """The range as data."""
        return self._range

    @property
    def rectifies(self) -> bool:
        """Whether what is negative goes where zero goes, so that a rectifier in front of it does nothing."""
        return self._limits[0] >= 0

    def forward(self, x: Tensor, rectify: bool = False, overwrite: bool = False) -> Tensor:
        """x rounded, of the same shape, dtype and device.

        With `rectify` it stands for a rectifier and itself: no gradient passes at zero. With `overwrite` the result may
        take x's place in memory, if nothing else needs x.
        """
        overwrite = overwrite and self.format.rounds and not torch.compiler.is_compiling()
        if not (x.requires_grad and torch.is_grad_enabled()):
            return self.round(x, out=x if overwrite else None)
        rounding = _InPlace if overwrite and x.numel() >= LARGE else _StraightThrough
        result: Tensor = rounding.apply(x, self, rectify)  # type: ignore[no-untyped-call]
        return result

    def round(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """x rounded, with no gradient of its own."""
        return along(self.axis, self.format, x, self._exponent(x), self._range.signed, out)

    def bounds(self, x: Tensor, rectify: bool) -> tuple[float | Tensor, float | Tensor]:
        """The closed interval of x where the gradient passes; with `rectify` it begins above zero."""
        low: float | Tensor
        high: float | Tensor
        low, high = self._limits
        if len(self._range.exponents) > 1:
            scale = power_of_two(self._exponent(x), x)
            low, high = low * scale, high * scale
        return (_least(x.dtype) if rectify and self._limits[0] == 0 else low), high

    def _take(self, range: Range) -> None:
        """Have a range, and where the gradient passes for its first exponent."""
        self._range = range
        scale = 1.0 if len(range.exponents) > 1 else 2.0 ** range.exponents[0]
        low, high = self.format.limits(range.signed)
        self._limits = low * scale, high * scale

    def _exponent(self, x: Tensor) -> int | Tensor:
        exponents = self._range.exponents
        return exponents[0] if len(exponents) == 1 else self.exponents.reshape(-1, *[1] * (x.dim() - 1))

    def extra_repr(self) -> str:
        exponents = self._range.exponents
        shown = str(exponents[0]) if len(exponents) == 1 else f"{min(exponents)}..{max(exponents)} by channel"
        return f"{self.format}, exponent {shown}, {'signed' if self._range.signed else 'unsigned'}"


def _reread(module: Quantizer, _: object) -> None:
    exponents, signed = tuple(module.exponents.tolist()), bool(module.signed)
    module._take(replace(module.range, exponents=exponents, signed=signed))


def _least(dtype: torch.dtype) -> float:
    """The least number above zero."""
    kind = torch.finfo(dtype)
    return kind.smallest_normal * kind.eps


class _StraightThrough(torch.autograd.Function):
    """Round forward; backward, the gradient where x lies within the format's range. x is kept until then."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, quantizer: Quantizer, rectify: bool) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bounds = quantizer.bounds(x, rectify)
        return quantizer.round(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        return pass_within(gradients[0], x, *ctx.bounds), None, None


class _InPlace(torch.autograd.Function):
    """The same in x's own memory; kept is where x lay within the range."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, quantizer: Quantizer, rectify: bool) -> Tensor:
        ctx.save_for_backward(within(x, *quantizer.bounds(x, rectify)))
        ctx.mark_dirty(x)
        return quantizer.round(x, out=x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (mask,) = ctx.saved_tensors
        return pass_where(gradients[0], mask), None, None
