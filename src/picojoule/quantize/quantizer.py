"""The module that rounds one tensor to a site's format, with a straight-through gradient.

Forward it is `format.quantize`; backward the gradient passes where the value lies within the format's range and is zero
elsewhere (the straight-through estimator; Hubara et al. 2016; Moons et al., *Embedded Deep Learning*, chapter 3).
"""

from typing import Any

import torch
from torch import Tensor, nn

from picojoule.calibration import Range
from picojoule.formats import Format
from picojoule.formats.base import power_of_two


class Quantizer(nn.Module):
    """Rounds to `format` at `range`, in the dtype and on the device of its input.

    The range is part of the state (`exponents` int32 [1] or [c], `signed` bool), the format is not: it is the plan's.
    """

    exponents: Tensor
    signed: Tensor

    def __init__(self, format: Format, range: Range) -> None:
        super().__init__()
        self.format = format
        self.register_buffer("exponents", torch.tensor(range.exponents, dtype=torch.int32))
        self.register_buffer("signed", torch.tensor(range.signed))
        self._range = range
        self.register_load_state_dict_post_hook(_reread)  # type: ignore[no-untyped-call]

    @property
    def range(self) -> Range:
        """The range as data."""
        return self._range

    def forward(self, x: Tensor) -> Tensor:
        """x rounded, of the same shape, dtype and device."""
        exponent: int | Tensor = self._range.exponents[0]
        if len(self._range.exponents) > 1:
            exponent = self.exponents.reshape(-1, *[1] * (x.dim() - 1))
        result: Tensor = _StraightThrough.apply(x, self.format, exponent, self._range.signed)  # type: ignore[no-untyped-call]
        return result

    def extra_repr(self) -> str:
        exponents = self._range.exponents
        shown = str(exponents[0]) if len(exponents) == 1 else f"{min(exponents)}..{max(exponents)} by channel"
        return f"{self.format}, exponent {shown}, {'signed' if self._range.signed else 'unsigned'}"


def _reread(module: Quantizer, _: object) -> None:
    module._range = Range(tuple(module.exponents.tolist()), bool(module.signed))


class _StraightThrough(torch.autograd.Function):
    """Round forward; backward, the gradient where x lies within the format's range."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, format: Format, exponent: int | Tensor, signed: bool) -> Tensor:
        if ctx.needs_input_grad[0]:
            scale = power_of_two(exponent, x)
            low, high = format.limits(signed)
            ctx.save_for_backward((x >= low * scale) & (x <= high * scale))
        return format.quantize(x, exponent, signed)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (within,) = ctx.saved_tensors
        return torch.where(within, gradients[0], 0), None, None, None
