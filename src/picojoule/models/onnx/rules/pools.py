"""Pools: maxima and means over windows, which may reach beyond the image at either side."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (as everybody calls it)

from picojoule.errors import InputError
from picojoule.models.onnx.call import Call, Function
from picojoule.models.onnx.rules.windows import Window, padded, rank_of

_MOST_STEPS = 2**36
"""Elements that a pool's windows may look at for one sample: half a minute."""
_MAX_POOLS: tuple[Callable[..., Tensor], ...] = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
_AVERAGE_POOLS: tuple[Callable[..., Tensor], ...] = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)


def max_pool(call: Call) -> Function:
    """MaxPool; padding counts as less than any number."""
    window, kernel, ceil = _pool(call)
    call.attribute("storage_order", 0)  # of its second result, which nothing may read

    def run(x: Tensor) -> Tensor:
        rank = rank_of(x)
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
        rank = rank_of(x)
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
    return lambda x: _MAX_POOLS[rank_of(x) - 1](x, x.shape[2:])


def global_average_pool(call: Call) -> Function:
    """GlobalAveragePool."""
    return lambda x: x.mean(list(range(2, x.dim())), keepdim=True)


def _pool(call: Call) -> tuple[Window, list[int], bool]:
    kernel = call.ints("kernel_shape")
    if not kernel or min(kernel) < 1:
        raise InputError(f"its kernel_shape is {kernel}")
    return Window.of(call), kernel, bool(call.attribute("ceil_mode", 0))


def _extended(
    x: Tensor, kernel: Sequence[int], window: Window, begins: Sequence[int], ends: Sequence[int]
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
