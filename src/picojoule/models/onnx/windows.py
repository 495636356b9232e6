"""Convolutions and pools: windows that move over an image. What torch has no word for is padded beforehand."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (as everybody calls it)

from picojoule.errors import InputError
from picojoule.models.onnx.call import Call, Function, check_count

_MOST_STEPS = 2**36
"""Elements that a pool's windows may look at for one sample: half a minute."""
_CONVOLUTIONS: tuple[Callable[..., Tensor], ...] = (F.conv1d, F.conv2d, F.conv3d)
_MAX_POOLS: tuple[Callable[..., Tensor], ...] = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
_AVERAGE_POOLS: tuple[Callable[..., Tensor], ...] = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)


def padded(x: Tensor, begins: Sequence[int], ends: Sequence[int], value: float = 0.0) -> Tensor:
    """A tensor with its last dimensions padded, or cropped where less than 0."""
    if not any((*begins, *ends)):
        return x
    _check_padding(x, begins, ends)
    pairs = [size for pair in zip(reversed(begins), reversed(ends), strict=True) for size in pair]
    while pairs[-2:] == [0, 0]:
        pairs = pairs[:-2]
    return F.pad(x, pairs, value=value)


def _check_padding(x: Tensor, begins: Sequence[int], ends: Sequence[int]) -> None:
    first = x.dim() - len(begins)
    sizes = zip(x.shape[first:], begins, ends, strict=True)
    shape = (*x.shape[:first], *(size + before + after for size, before, after in sizes))
    check_count(shape, x.shape[0] if first else 1)


@dataclass(frozen=True)
class _Window:
    """How windows move, as the attributes have it; what is None is 1 in each dimension."""

    stride: list[int] | None
    dilation: list[int] | None
    pads: list[int] | None
    auto: str

    @classmethod
    def of(cls, call: Call) -> "_Window":
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
        rank = len(image)
        stride, dilation = self.steps(rank)
        if self.auto in ("NOTSET", "VALID"):
            pads = (self.pads if self.auto == "NOTSET" else None) or [0] * 2 * rank
            if len(pads) != 2 * rank or min(pads) < 0:
                raise InputError(f"its pads {pads} do not fit its {rank} dimensions")
            return pads[:rank], pads[rank:]
        total = [
            max(0, (-(-size // step) - 1) * step + (width - 1) * spread + 1 - size)
            for size, width, step, spread in zip(image, kernel, stride, dilation, strict=True)
        ]
        less, more = [each // 2 for each in total], [each - each // 2 for each in total]
        return (less, more) if self.auto == "SAME_UPPER" else (more, less)


def convolution(call: Call) -> Function:
    """Conv."""
    window, groups, kernel = _Window.of(call), call.attribute("group", 1), call.ints("kernel_shape")

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rank = _rank(x)
        if weight.dim() != x.dim() or (kernel is not None and kernel != list(weight.shape[2:])):
            raise InputError(f"its weights of shape {list(weight.shape)} do not fit its input or its kernel_shape")
        begins, ends = window.padding(x.shape[2:], weight.shape[2:])
        _check_padding(x, begins, ends)
        if begins != ends:
            x, begins = padded(x, begins, ends), [0] * rank
        stride, dilation = window.steps(rank)
        return _CONVOLUTIONS[rank - 1](x, weight, bias, stride, begins, dilation, groups)

    return run


def max_pool(call: Call) -> Function:
    """MaxPool; padding counts as less than any number."""
    window, kernel, ceil = _pool(call)
    call.attribute("storage_order", 0)  # of its second result, which nothing may read

    def run(x: Tensor) -> Tensor:
        rank = _rank(x)
        stride, dilation = window.steps(rank)
        begins, ends = window.padding(x.shape[2:], kernel)
        if begins == ends and all(2 * pad <= size for pad, size in zip(begins, kernel, strict=True)):
            found = _MAX_POOLS[rank - 1](x, kernel, stride, begins, dilation, ceil)
        else:
            ends = _extended(x, kernel, window, begins, ends) if ceil else ends
            x = padded(x, begins, ends, -math.inf)
            found = _MAX_POOLS[rank - 1](x, kernel, stride, 0, dilation)
        return _affordable(found, kernel)

    return run


def average_pool(call: Call) -> Function:
    """AveragePool, each window divided by how much of it lies in the image, or in the image and its padding."""
    window, kernel, ceil = _pool(call)
    count_pad = bool(call.attribute("count_include_pad", 0))

    def run(x: Tensor) -> Tensor:
        rank = _rank(x)
        stride, dilation = window.steps(rank)
        if max(dilation) > 1:
            raise InputError("it has dilations, which only maxima have here")
        begins, ends = window.padding(x.shape[2:], kernel)
        if begins == ends and all(2 * pad <= size for pad, size in zip(begins, kernel, strict=True)):
            return _affordable(_AVERAGE_POOLS[rank - 1](x, kernel, stride, begins, ceil, count_pad), kernel)
        beyond = _extended(x, kernel, window, begins, ends) if ceil else ends
        means = _AVERAGE_POOLS[rank - 1](padded(x, begins, beyond), kernel, stride)
        if count_pad and beyond == ends:
            return _affordable(means, kernel)
        image = torch.ones((1, 1, *x.shape[2:]), device=x.device)
        counted = padded(padded(image, begins, ends, float(count_pad)), [0] * rank, _less(beyond, ends))
        return _affordable(means / _AVERAGE_POOLS[rank - 1](counted, kernel, stride), kernel)

    return run


def global_max_pool(call: Call) -> Function:
    """GlobalMaxPool: one window over the whole image."""
    return lambda x: _MAX_POOLS[_rank(x) - 1](x, x.shape[2:])


def global_average_pool(call: Call) -> Function:
    """GlobalAveragePool."""
    return lambda x: x.mean(list(range(2, x.dim())), keepdim=True)


def _pool(call: Call) -> tuple[_Window, list[int], bool]:
    kernel = call.ints("kernel_shape")
    if not kernel or min(kernel) < 1:
        raise InputError(f"its kernel_shape is {kernel}")
    return _Window.of(call), kernel, bool(call.attribute("ceil_mode", 0))


def _rank(x: Any) -> int:
    """Dimensions of an image."""
    rank = x.dim() - 2
    if not 1 <= rank <= 3:
        raise InputError(f"it reads images of 1 to 3 dimensions, not a value of shape {list(x.shape)}")
    return int(rank)


def _extended(
    x: Tensor, kernel: Sequence[int], window: _Window, begins: Sequence[int], ends: Sequence[int]
) -> list[int]:
    """The padding at the end with what a last window needs that is not whole, unless it would lie in padding alone."""
    stride, dilation = window.steps(len(kernel))
    found = []
    for size, width, step, spread, before, after in zip(
        x.shape[2:], kernel, stride, dilation, begins, ends, strict=True
    ):
        reach = (width - 1) * spread + 1
        last = -(-(before + size + after - reach) // step)
        last -= last * step >= before + size
        found.append(max(after, last * step + reach - before - size))
    return found


def _less(more: Sequence[int], less: Sequence[int]) -> list[int]:
    return [one - other for one, other in zip(more, less, strict=True)]


def _affordable(result: Tensor, kernel: Sequence[int]) -> Tensor:
    """A pool's result, if its windows do not look at more than a network's do."""
    shape = result.shape[1:]
    if all(type(size) is int for size in shape) and math.prod(shape) * math.prod(kernel) > _MOST_STEPS:
        raise InputError("its windows are too large")
    return result
