"""Rules for what only gives values other shapes. They serve tensors and sizes alike."""

import math
from typing import Any

import numpy as np
from torch import Tensor

from picojoule.errors import InputError
from picojoule.models.onnx.call import Call, Function, whole
from picojoule.models.onnx.file import Sizes, Value, sizes


def dimension(axis: int, rank: int) -> int:
    """A dimension counted from the front."""
    if not -rank <= axis < rank:
        raise InputError(f"its axis {axis} is none of {rank} dimensions")
    return axis % rank


def flatten(call: Call) -> Function:
    axis = call.attribute("axis", 1)

    def run(x: Tensor) -> Tensor:
        place = axis + x.dim() if axis < 0 else axis
        if not 0 <= place <= x.dim():
            raise InputError(f"its axis {axis} is none of a value of {x.dim()} dimensions")
        if place == 0:
            return x.reshape(1, -1)
        return (x.flatten(0, place - 1) if place > 1 else x).reshape(-1, math.prod(x.shape[place:]))

    return run


def reshape(call: Call) -> Function:
    """A new shape. Where its first size can only mean the batch, it is free."""
    literal, batch = bool(call.attribute("allowzero", 0)), call.batch

    def run(x: Value, shape: Sizes) -> Value:
        wanted = whole(shape)
        if not isinstance(x, Tensor):
            return x.reshape([int(size) for size in wanted])
        if not literal:
            wanted = [x.shape[k] if type(size) is int and size == 0 else size for k, size in enumerate(wanted)]
        sample, rest = x.shape[1:], wanted[1:]
        if wanted and x.dim() > 1 and all(type(size) is int for size in (*sample, *rest)):
            first, count, known = wanted[0], math.prod(sample), math.prod(size for size in rest if size != -1)
            same = type(first) is type(x.shape[0]) and first == x.shape[0]
            alone = type(first) is int and (first == batch or (first == 1 and -1 not in rest))
            filled = [count // max(1, known) if size == -1 else size for size in rest]
            if (same or alone) and math.prod(filled) == count:
                return x.reshape(-1, *filled)
        if batch is not None and -1 not in wanted and x.numel() != math.prod(wanted):
            raise InputError(
                f"its shape {wanted} holds for batches of {batch} alone; export the model with a free batch"
            )
        return x.reshape(wanted)

    return run


def squeeze(call: Call) -> Function:
    fixed = call.ints("axes") if call.opset < 13 else None

    def run(x: Value, axes: Sizes | None = None) -> Value:
        given = fixed if axes is None else whole(axes)
        places = range(isinstance(x, Tensor), len(x.shape)) if given is None else given
        ones = [place for place in places if x.shape[place] == 1 or given is not None]
        if isinstance(x, Tensor):
            if any(x.shape[place] != 1 for place in ones):
                raise InputError(f"its axes {ones} are not all of size 1 in a value of shape {list(x.shape)}")
            return x.squeeze(tuple(ones)) if ones else x
        return sizes(np.squeeze(x, tuple(ones)))

    return run


def unsqueeze(call: Call) -> Function:
    fixed = call.ints("axes") if call.opset < 13 else None

    def run(x: Value, axes: Sizes | None = None) -> Value:
        given = (fixed or []) if axes is None else whole(axes)
        rank = len(x.shape) + len(given)
        for place in sorted(dimension(axis, rank) for axis in given):
            x = x.unsqueeze(place) if isinstance(x, Tensor) else sizes(np.expand_dims(x, place))
        return x

    return run


def expand(call: Call) -> Function:
    """A value repeated along dimensions of size 1, to fit a shape as the summands of a sum would."""

    def run(x: Value, shape: Sizes) -> Value:
        wanted = whole(shape)
        if not isinstance(x, Tensor):
            return sizes(np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(wanted))))
        own = [1] * (len(wanted) - x.dim()) + list(x.shape)
        wanted = [1] * (len(own) - len(wanted)) + wanted
        fits = [size if _is_one(had) else had for size, had in zip(wanted, own, strict=True)]
        if any(type(a) is type(b) is int and b not in (1, a) for a, b in zip(fits, wanted, strict=True)):
            raise InputError(f"its shape {wanted} does not fit a value of shape {list(x.shape)}")
        return x.expand(fits)

    return run


def _is_one(size: Any) -> bool:
    return type(size) is int and size == 1


def transpose(call: Call) -> Function:
    order = call.ints("perm")

    def run(x: Value) -> Value:
        turned = order or list(range(len(x.shape)))[::-1]
        return x.permute(turned) if isinstance(x, Tensor) else x.transpose(turned)

    return run


def shape(call: Call) -> Function:
    start, end = call.attribute("start", 0), call.whole("end")
    return lambda x: sizes(list(x.shape)[start:end])
