"""Rules for what puts values together, takes parts of them, or adds to their sides; of sizes as of tensors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from picojoule.errors import InputError
from picojoule.models.onnx.call import Call, Constant, Function, whole
from picojoule.models.onnx.file import MOST_SIZES, Sizes, Value, sizes
from picojoule.models.onnx.rules import windows
from picojoule.models.onnx.rules.shapes import dimension

_PADS = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}
"""As ONNX and as torch calls them."""
_MOST_PARTS = 256
"""Parts that one node may take of a value: a channel shuffle has as many as channels."""


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
        place = dimension(axis, x.dim())
        if places.ndim == 0:
            return x.select(place, int(places))
        found = _taken(x, place, places.flatten().tolist())
        return found if places.ndim == 1 else found.unflatten(place, places.shape)

    return run


def _taken(x: Tensor, place: int, indices: Sequence[int]) -> Tensor:
    """Parts of a value, side by side; those that follow each other are one slice."""
    size = x.shape[place]
    if type(size) is not int or not all(-size <= each < size for each in indices):
        raise InputError(f"it takes parts that a value of {size} does not have")
    runs: list[list[int]] = []  # from where, to where
    for index in (each % size for each in indices):
        if runs and runs[-1][1] == index:
            runs[-1][1] += 1
        else:
            runs.append([index, index + 1])
    if len(runs) > _MOST_PARTS:
        raise InputError(f"it takes more than {_MOST_PARTS} parts of a value that are apart")
    parts = [x.narrow(place, start, end - start) for start, end in runs]
    return parts[0] if len(parts) == 1 else torch.cat(parts, place)


def split(call: Call) -> Function:
    """One of the parts that a value is cut into."""
    axis, count = call.attribute("axis", 0), call.whole("num_outputs") or call.outputs
    fixed, meant = call.ints("split") if call.opset < 13 else None, call.output

    def run(x: Value, widths: Sizes | None = None) -> Value:
        place = dimension(axis, len(x.shape))
        size = x.shape[place]
        given = fixed if widths is None else whole(widths)
        if given is None:
            each = -(-size // count)
            given = [min(each, size - k * each) for k in range(count)]
        if len(given) != call.outputs or min(given) < 0 or sum(given) != size:
            raise InputError(f"its parts of {given} do not make up a dimension of {size}")
        start = sum(given[:meant])
        return _sliced(x, place, slice(start, start + given[meant], 1))

    return run


def pad(call: Call) -> Function:
    """Padding with one number, or with what lies at the sides of an image."""
    if (mode := call.attribute("mode", "constant")) not in _PADS:
        raise InputError(f"it pads by {mode!r:.20}; it can by {', '.join(_PADS)}")
    old = call.opset < 11
    fixed = call.ints("pads") if old else None
    number = call.attribute("value", 0.0) if old else call.number(2)

    def run(x: Tensor, pads: Sizes | None = None, _: None = None, axes: Sizes | None = None) -> Tensor:
        given = (fixed or []) if pads is None else whole(pads)
        places = range(x.dim()) if axes is None else [dimension(axis, x.dim()) for axis in whole(axes)]
        sides = {
            place: pair for place, *pair in zip(places, given[: len(given) // 2], given[len(given) // 2 :], strict=True)
        }
        pairs = [sides.get(place, [0, 0]) for place in range(x.dim())]
        begins, ends = [before for before, _ in pairs], [after for _, after in pairs]
        return windows.padded(x, begins, ends, number or 0.0, _PADS[mode])

    return run
