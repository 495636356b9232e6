"""Sums, products and what is made of them: matrix products, reductions, and the numbers that a file has or makes."""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (as everybody calls it)

from picojoule.errors import InputError
from picojoule.models.onnx.call import Call, Constant, Function, Rule, check_count, plain, whole
from picojoule.models.onnx.file import MOST_SIZES, Sizes, Value, sizes

_FLOAT_TYPES, _WHOLE_TYPES = (1, 10, 11, 16), (6, 7)
"""Of ONNX: float, float16, double, bfloat16; int32, int64."""


def arithmetic(on_values: Callable[[Any, Any], Any], on_sizes: Callable[[Any, Any], Any]) -> Rule:
    """What serves values as well as sizes, and values beside a number that was made of sizes."""

    def run(*values: Value) -> Any:
        if not any(isinstance(value, Tensor) for value in values):
            return sizes(reduce(on_sizes, values))
        return reduce(on_values, [value if isinstance(value, Tensor) else _number(value) for value in values])

    return plain(run)


def _number(value: Sizes) -> float:
    if value.size != 1 or not isinstance(value.item(), float):
        raise InputError("it mixes floating-point and whole numbers")
    return float(value.item())


def quotient(a: Sizes, b: Sizes) -> Any:
    """A division of sizes; of numbers made of them it has a remainder."""
    fractions = any(isinstance(each, float) for each in (*a.flat, *b.flat))
    return np.true_divide(a, b) if fractions else np.floor_divide(a, b)


def root(x: Value) -> Value:
    """A square root, of numbers made of sizes too."""
    return torch.sqrt(x) if isinstance(x, Tensor) else sizes([math.sqrt(each) for each in x.flat]).reshape(x.shape)


def power(call: Call) -> Function:
    """A power; the exponent is a number, or a value."""
    given = call.arguments[1]
    if not isinstance(given, Constant) or math.prod(given.value.shape) != 1:
        return torch.pow
    call.arguments[1] = None
    exponent = float(given.value.item())
    return lambda x: x**exponent


def remainder(call: Call) -> Function:
    """Mod; with `fmod` it has the sign of what is divided."""
    signed = bool(call.attribute("fmod", 0))
    return arithmetic(torch.fmod if signed else torch.remainder, np.fmod if signed else np.mod)(call)


def length(x: Tensor, axes: Sequence[int], keepdim: bool) -> Tensor:
    """The root of the sum of squares."""
    found: Tensor = torch.linalg.vector_norm(x, dim=list(axes), keepdim=keepdim)
    return found


def equal(a: Sizes, b: Sizes) -> Sizes:
    """Whether sizes are equal, each; a size that is not known yet, while torch traces, is none of a file's."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        raise InputError("it compares values; it can compare sizes alone")
    return sizes(np.equal(a, b).astype(object))


def chosen(condition: Sizes, a: Value, b: Value) -> Value:
    """One of two sizes, by a third."""
    if any(isinstance(each, Tensor) for each in (condition, a, b)):
        raise InputError("it chooses between values; it can choose between sizes alone")
    return sizes(np.where(condition.astype(bool), a, b))


def gemm(call: Call) -> Function:
    """A linear layer; its matrix and its bias must be constant."""
    alpha, beta = call.attribute("alpha", 1.0), call.attribute("beta", 1.0)
    turned, samples_turned = bool(call.attribute("transB", 0)), bool(call.attribute("transA", 0))
    matrix, row = _constant(call, 1), _constant(call, 2)
    if matrix is None or matrix.tensor.dim() != 2:
        raise InputError("its second input must be a constant matrix")
    weight = alpha * (matrix.tensor if turned else matrix.tensor.t())
    call.arguments[1] = Constant(weight.contiguous(), f"{matrix.source} {alpha} {turned}")
    if row is not None and row.tensor.numel() in (1, len(weight)) and row.tensor.shape[:-1].numel() == 1:
        call.arguments[2] = Constant(beta * row.tensor.flatten().expand(len(weight)).clone(), f"{row.source} {beta}")
    elif call.arguments[2:]:
        raise InputError("its third input must be a constant row")
    return lambda x, w, b=None: F.linear(x.t() if samples_turned else x, w, b)


def matmul(call: Call) -> Function:
    """A linear layer where the second matrix is constant."""
    matrix = _constant(call, 1)
    if matrix is None or matrix.tensor.dim() != 2:
        return torch.matmul
    call.arguments[1] = Constant(matrix.tensor.t().contiguous(), f"{matrix.source} turned")
    return F.linear


def _constant(call: Call, index: int) -> Constant | None:
    """An argument if it is a constant of floating-point numbers."""
    given = call.arguments[index] if index < len(call.arguments) else None
    return given if isinstance(given, Constant) and isinstance(given.value, Tensor) else None


def reduced(function: Callable[..., Tensor], changed: int) -> Rule:
    """A reduction over axes, which are an input since the opset `changed`."""

    def rule(call: Call) -> Function:
        keep, fixed = bool(call.attribute("keepdims", 1)), None
        if call.opset < changed:
            fixed = call.ints("axes")
        unless = call.opset >= changed and bool(call.attribute("noop_with_empty_axes", 0))

        def run(x: Tensor, axes: Sizes | None = None) -> Tensor:
            over = fixed if axes is None else whole(axes)
            if not over and unless:
                return x
            return function(x, over or list(range(x.dim())), keepdim=keep)

        return run

    return rule


def cast(call: Call) -> Function:
    """A change of type. All floats are float32 here."""
    to = call.attribute("to", 1)
    call.attribute("saturate", 1)
    call.attribute("round_mode", "up")
    constant = isinstance(call.arguments[0], Constant)

    def run(x: Value) -> Value:
        if to in (_FLOAT_TYPES if isinstance(x, Tensor) else _WHOLE_TYPES):
            return x
        if isinstance(x, Tensor) or to not in _FLOAT_TYPES or not all(isinstance(each, int | float) for each in x.flat):
            raise InputError("it changes between floating-point and whole numbers")
        if constant:
            return torch.tensor(x.tolist(), dtype=torch.float32)
        return sizes([float(each) for each in x.flat]).reshape(x.shape)

    return run


def constant_of_shape(call: Call) -> Function:
    filling = call.attributes.pop("value", torch.zeros(1))
    if isinstance(filling, Tensor) and not isinstance(call.arguments[0], Constant):
        raise InputError("its sizes must be constant")

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
