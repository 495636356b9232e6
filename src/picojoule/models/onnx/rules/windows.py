"""Convolutions: windows that move over an image. What torch has no word for is padded beforehand, or cropped behind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (as everybody calls it)

from picojoule.errors import InputError
from picojoule.models.onnx.call import Call, Function, check_count

_CONVOLUTIONS: tuple[Callable[..., Tensor], ...] = (F.conv1d, F.conv2d, F.conv3d)
_TRANSPOSED: tuple[Callable[..., Tensor], ...] = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
_WIDEST = 2**6
"""Stride of a transposed convolution: torch's time grows by its square."""


def padded(x: Tensor, begins: Sequence[int], ends: Sequence[int], value: float = 0.0, mode: str = "constant") -> Tensor:
    """A tensor with its last dimensions padded, or cropped where less than 0."""
    if not any((*begins, *ends)):
        return x
    _check_padding(x, begins, ends)
    pairs = [size for pair in zip(reversed(begins), reversed(ends), strict=True) for size in pair]
    while pairs[-2:] == [0, 0]:
        pairs = pairs[:-2]
    if mode == "constant":
        return F.pad(x, pairs, value=value)
    return F.pad(x, pairs + [0, 0] * (x.dim() - 2 - len(pairs) // 2), mode)


def _check_padding(x: Tensor, begins: Sequence[int], ends: Sequence[int]) -> None:
    first = x.dim() - len(begins)
    sizes = zip(x.shape[first:], begins, ends, strict=True)
    shape = (*x.shape[:first], *(size + before + after for size, before, after in sizes))
    check_count(shape, x.shape[0] if first else 1)


@dataclass(frozen=True)
class Window:
    """How windows move, as the attributes have it; what is None is 1 in each dimension."""

    stride: list[int] | None
    dilation: list[int] | None
    pads: list[int] | None
    auto: str

    @classmethod
    def of(cls, call: Call) -> "Window":
        auto = call.attribute("auto_pad", "NOTSET")
        if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
            raise InputError(f"its padding {auto!r:.20} is not known")
        return cls(call.ints("strides"), call.ints("dilations"), call.ints("pads"), auto)

    def steps(self, rank: int) -> tuple[list[int], list[int]]:
        """Stride and dilation."""
        stride, dilation = (each or [1] * rank for each in (self.stride, self.dilation))
        if len(stride) != rank or len(dilation) != rank or min(stride + dilation) < 1:
            raise InputError(f"its strides {stride} or dilations {dilation} do not fit its {rank} dimensions")
        return stride, dilation

    def padding(self, image: Sequence[int], kernel: Sequence[int]) -> tuple[list[int], list[int]]:
        """Padding before and after each dimension of an image."""
        if self.auto in ("NOTSET", "VALID"):
            return self.fixed(len(image))
        stride, dilation = self.steps(len(image))
        total = [
            max(0, (-(-size // step) - 1) * step + (width - 1) * spread + 1 - size)
            for size, width, step, spread in zip(image, kernel, stride, dilation, strict=True)
        ]
        return self.shared(total)

    def fixed(self, rank: int) -> tuple[list[int], list[int]]:
        """Padding that no size decides."""
        pads = (self.pads if self.auto == "NOTSET" else None) or [0] * 2 * rank
        if len(pads) != 2 * rank or min(pads) < 0:
            raise InputError(f"its pads {pads} do not fit its {rank} dimensions")
        return pads[:rank], pads[rank:]

    def shared(self, total: Sequence[int]) -> tuple[list[int], list[int]]:
        """Padding of so much in all, as even as can be."""
        less, more = [each // 2 for each in total], [each - each // 2 for each in total]
        return (less, more) if self.auto == "SAME_UPPER" else (more, less)


def convolution(call: Call) -> Function:
    """Conv."""
    window, groups, kernel = Window.of(call), call.attribute("group", 1), call.ints("kernel_shape")

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rank = rank_of(x)
        if weight.dim() != x.dim() or (kernel is not None and kernel != list(weight.shape[2:])):
            raise InputError(f"its weights of shape {list(weight.shape)} do not fit its input or its kernel_shape")
        begins, ends = window.padding(x.shape[2:], weight.shape[2:])
        _check_padding(x, begins, ends)
        if begins != ends:
            x, begins = padded(x, begins, ends), [0] * rank
        stride, dilation = window.steps(rank)
        return _CONVOLUTIONS[rank - 1](x, weight, bias, stride, begins, dilation, groups)

    return run


def transposed(call: Call) -> Function:
    """ConvTranspose. What lies in its padding is cropped, so that it may be uneven."""
    window, groups, kernel = Window.of(call), call.attribute("group", 1), call.ints("kernel_shape")
    more, wanted = call.ints("output_padding"), call.ints("output_shape")

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rank = rank_of(x)
        if weight.dim() != x.dim() or (kernel is not None and kernel != list(weight.shape[2:])):
            raise InputError(f"its weights of shape {list(weight.shape)} do not fit its input or its kernel_shape")
        stride, dilation = window.steps(rank)
        if max(*stride, *dilation) > _WIDEST:
            raise InputError(f"its strides {stride} or dilations {dilation} are more than {_WIDEST}")
        extra, image = more or [0] * rank, x.shape[2:]
        whole = [
            step * (size - 1) + (width - 1) * spread + 1 + beyond
            for step, size, width, spread, beyond in zip(stride, image, weight.shape[2:], dilation, extra, strict=True)
        ]
        check_count((*x.shape[:2], *whole), x.shape[0])
        target = wanted or [size * step for size, step in zip(image, stride, strict=True)]
        if wanted is None and window.auto in ("NOTSET", "VALID"):
            begins, ends = window.fixed(rank)
        else:
            begins, ends = window.shared([size - kept for size, kept in zip(whole, target[-rank:], strict=True)])
        if begins == ends and min(begins) >= 0:
            return _TRANSPOSED[rank - 1](x, weight, bias, stride, begins, extra, groups, dilation)
        found = _TRANSPOSED[rank - 1](x, weight, bias, stride, 0, extra, groups, dilation)
        for place, (before, after) in enumerate(zip(begins, ends, strict=True), 2):
            if min(before, after) < 0:
                raise InputError("it makes more than its windows reach")
            found = found.narrow(place, before, found.shape[place] - before - after)
        return found

    return run


def rank_of(x: Any) -> int:
    """Dimensions of an image."""
    rank = x.dim() - 2
    if not 1 <= rank <= 3:
        raise InputError(f"it reads images of 1 to 3 dimensions, not a value of shape {list(x.shape)}")
    return int(rank)
