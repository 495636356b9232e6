"""Rules for what only moves values: new shapes, parts, other orders. They serve tensors and sizes alike."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from picojoule.errors import InputError
from picojoule.models.onnx.call import Call, Constant, Function, check_count, whole
from picojoule.models.onnx.file import MOST_SIZES, Sizes, Value, sizes

_FLOAT_TYPES, _WHOLE_TYPES = (1, 10, 11, 16), (6, 7)
"""Of ONNX: float, float16, double, bfloat16; int32, int64."""


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


def transpose(call: Call) -> Function:
    order = call.ints("perm")

    def run(x: Value) -> Value:
        turned = order or list(range(len(x.shape)))[::-1]
        return x.permute(turned) if isinstance(x, Tensor) else x.transpose(turned)

    return run


def concat(call: Call) -> Function:
    axis = call.attribute("axis", 1)
    constant = [isinstance(each, Constant) for each in call.arguments]
    alone = call.batch == 1 and axis != 0 and not all(constant)

    def run(*values: Any) -> Value:
        if not isinstance(values[0], Tensor):
            if sum(value.size for value in values) > MOST_SIZES:
                raise InputError("its sizes are too many")
            return np.concatenate(values, axis)
        if alone:  # constants were written for the one sample of the batch
            samples = values[constant.index(False)].shape[0]
            shared = zip(values, constant, strict=True)
            values = tuple(x.expand(samples, *x.shape[1:]) if stored else x for x, stored in shared)
        return torch.cat(values, axis)

    return run


def part(call: Call) -> Function:
    fixed = [call.ints(name) for name in ("starts", "ends", "axes")] if call.opset < 10 else []

    def run(x: Value, *given: Sizes | None) -> Value:
        starts, ends, axes, steps = ([None if each is None else whole(each) for each in given] + [None] * 4)[:4]
        if fixed:
            starts, ends, axes = fixed
        starts, ends = starts or [], ends or []
        places = axes or list(range(len(starts)))
        for start, end, axis, step in zip(starts, ends, places, steps or [1] * len(starts), strict=True):
            x = _sliced(x, dimension(axis, len(x.shape)), slice(start, end, step))
        return x

    return run


def _sliced(x: Value, place: int, bounds: slice) -> Value:
    """A part of a value along one dimension. All of a dimension is no part, however many samples it may have."""
    if isinstance(x, Tensor):
        if bounds.step < 1:
            raise InputError("it goes backwards, which no slice does here")
        if bounds.indices(2**31 - 1) == (0, 2**31 - 1, 1):
            return x
        if type(x.shape[place]) is int:
            bounds = slice(*bounds.indices(x.shape[place]))
    return x[(slice(None),) * place + (bounds,)]


def gather(call: Call) -> Function:
    axis = call.attribute("axis", 0)

    def run(x: Value, indices: Sizes) -> Value:
        places = indices.astype(np.int64)
        if not isinstance(x, Tensor):
            return sizes(np.take(x, places, axis))
        if places.ndim:
            raise InputError("it gathers several parts of a value; one place at a time can be taken")
        return x.select(axis, int(places))

    return run


def shape(call: Call) -> Function:
    start, end = call.attribute("start", 0), call.whole("end")
    return lambda x: sizes(list(x.shape)[start:end])


def cast(call: Call) -> Function:
    """A change of type. All floats are float32 here."""
    to = call.attribute("to", 1)
    call.attribute("saturate", 1)
    call.attribute("round_mode", "up")
    constant = isinstance(call.arguments[0], Constant)

    def run(x: Value) -> Value:
        if to in (_FLOAT_TYPES if isinstance(x, Tensor) else _WHOLE_TYPES):
            return x
        if isinstance(x, Tensor) or to not in _FLOAT_TYPES or not constant:
            raise InputError("it changes between floating-point and whole numbers")
        return torch.tensor(x.tolist(), dtype=torch.float32)

    return run


def constant_of_shape(call: Call) -> Function:
    if not isinstance(call.arguments[0], Constant):
        raise InputError("its sizes must be constant")
    filling = call.attributes.pop("value", torch.zeros(1))

    def run(shape: Sizes) -> Value:
        wanted = whole(shape)
        if isinstance(filling, Tensor):
            check_count(wanted, 1)
            return torch.full(wanted, float(filling))
        if math.prod(wanted) > MOST_SIZES:
            raise InputError("its sizes are too many")
        return np.full(wanted, filling.item(), dtype=object)

    return run


def constant(call: Call) -> Function:
    if len(call.attributes) != 1:
        raise InputError("it has not one value")
    [(name, value)] = call.attributes.items()
    call.attributes.clear()
    if name in ("value_float", "value_floats"):
        value = torch.tensor(value, dtype=torch.float32)
    elif name in ("value_int", "value_ints"):
        value = sizes(value)
    elif not isinstance(value, Tensor | np.ndarray):
        raise InputError("it holds no numbers")
    return lambda: value
