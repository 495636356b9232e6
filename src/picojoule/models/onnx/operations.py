"""The operations of ai.onnx that a float network is made of: each a rule that makes a node a function of values.

A shape may be computed from other shapes (Shape, Gather, Concat): such whole numbers run through the same rules, as
arrays of Python's, so that a batch stays as free as torch.export needs it.
"""

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (as everybody calls it)

from picojoule.errors import InputError
from picojoule.models.onnx import shapes, windows
from picojoule.models.onnx.call import Call, Constant, Function, whole
from picojoule.models.onnx.file import Sizes, Value, sizes

Rule = Callable[[Call], Function]
_GREATEST = 3.4028234e38
"""A bound of float32's is none."""


def _plain(function: Callable[..., Any]) -> Rule:
    """A rule for what has no attributes."""
    return lambda call: function


def _with(function: Callable[..., Any], **defaults: Any) -> Rule:
    """A rule for what has attributes of the same meaning, in the order of the function's arguments."""

    def rule(call: Call) -> Function:
        given = [call.attribute(name, default) for name, default in defaults.items()]
        return lambda x: function(x, *given)

    return rule


def _arithmetic(on_values: Callable[[Any, Any], Any], on_sizes: Callable[[Any, Any], Any]) -> Rule:
    def run(*values: Value) -> Any:
        if all(isinstance(value, Tensor) for value in values):
            return reduce(on_values, values)
        if any(isinstance(value, Tensor) for value in values):
            raise InputError("it mixes floating-point and whole numbers")
        return sizes(reduce(on_sizes, values))

    return _plain(run)


def _quotient(a: Any, b: Any) -> Any:
    return np.floor_divide(a, b)


def _gemm(call: Call) -> Function:
    """A linear layer; its matrix and its bias must be constant."""
    alpha, beta = call.attribute("alpha", 1.0), call.attribute("beta", 1.0)
    turned, samples_turned = bool(call.attribute("transB", 0)), bool(call.attribute("transA", 0))
    matrix, row = _tensor(call, 1), _tensor(call, 2)
    if matrix is None or matrix.tensor.dim() != 2:
        raise InputError("its second input must be a constant matrix")
    weight = alpha * (matrix.tensor if turned else matrix.tensor.t())
    call.arguments[1] = Constant(weight.contiguous(), f"{matrix.source} {alpha} {turned}")
    if row is not None and row.tensor.numel() in (1, len(weight)) and row.tensor.shape[:-1].numel() == 1:
        call.arguments[2] = Constant(beta * row.tensor.flatten().expand(len(weight)).clone(), f"{row.source} {beta}")
    elif call.arguments[2:]:
        raise InputError("its third input must be a constant row")
    return lambda x, w, b=None: F.linear(x.t() if samples_turned else x, w, b)


def _matmul(call: Call) -> Function:
    """A linear layer where the second matrix is constant."""
    matrix = _tensor(call, 1)
    if matrix is None or matrix.tensor.dim() != 2:
        return torch.matmul
    call.arguments[1] = Constant(matrix.tensor.t().contiguous(), f"{matrix.source} turned")
    return F.linear


def _tensor(call: Call, index: int) -> Constant | None:
    """An argument if it is a constant of floating-point numbers."""
    given = call.arguments[index] if index < len(call.arguments) else None
    return given if isinstance(given, Constant) and isinstance(given.value, Tensor) else None


def _batch_norm(call: Call) -> Function:
    epsilon = call.attribute("epsilon", 1e-5)
    call.attribute("momentum", 0.9)
    if call.attribute("training_mode", 0) or not call.attribute("spatial", 1):
        raise InputError(
            "it takes its statistics from the batch, or one for each place; export the model for inference"
        )
    return lambda x, weight, bias, mean, variance: F.batch_norm(x, mean, variance, weight, bias, False, 0.0, epsilon)


def _clip(call: Call) -> Function:
    if call.opset < 11:
        bounds: list[float | None] = [call.attribute("min", -_GREATEST), call.attribute("max", _GREATEST)]
    else:
        bounds = [call.number(1), call.number(2)]
    low, high = (None if bound is None or abs(bound) >= _GREATEST else bound for bound in bounds)
    if (low, high) in ((0, 6), (0, None)):
        return F.relu6 if high else F.relu
    return lambda x: x if low is high is None else x.clamp(low, high)


def _hard_sigmoid(call: Call) -> Function:
    alpha, beta = call.attribute("alpha", 0.2), call.attribute("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return F.hardsigmoid
    return lambda x: (alpha * x + beta).clamp(0, 1)


def _gelu(call: Call) -> Function:
    way = call.attribute("approximate", "none")
    return lambda x: F.gelu(x, approximate=way)


def _prelu(call: Call) -> Function:
    def run(x: Tensor, slope: Tensor) -> Tensor:
        if slope.numel() != max((1, *slope.shape[:1])) or (slope.numel() > 1 and slope.dim() != x.dim() - 1):
            raise InputError(f"its slopes of shape {list(slope.shape)} are not one for each channel")
        rectified: Tensor = torch.prelu(x, slope.flatten())
        return rectified

    return run


def _softmax(function: Callable[..., Tensor]) -> Rule:
    def rule(call: Call) -> Function:
        old = call.opset < 13  # then over all dimensions from that one on
        axis = call.attribute("axis", 1 if old else -1)

        def run(x: Tensor) -> Tensor:
            place = shapes.dimension(axis, x.dim())
            if old and place < x.dim() - 1:
                return function(x.flatten(place), place).reshape(x.shape)
            return function(x, place)

        return run

    return rule


def _reduced(function: Callable[..., Tensor], changed: int) -> Rule:
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


def _pad(call: Call) -> Function:
    """Padding with one number."""
    if (mode := call.attribute("mode", "constant")) != "constant":
        raise InputError(f"it pads by {mode!r:.20}; pad with a number")
    old = call.opset < 11
    fixed = call.ints("pads") if old else None
    number = call.attribute("value", 0.0) if old else call.number(2)

    def run(x: Tensor, pads: Sizes | None = None, _: None = None, axes: Sizes | None = None) -> Tensor:
        given = (fixed or []) if pads is None else whole(pads)
        places = range(x.dim()) if axes is None else [shapes.dimension(axis, x.dim()) for axis in whole(axes)]
        sides = {
            place: pair for place, *pair in zip(places, given[: len(given) // 2], given[len(given) // 2 :], strict=True)
        }
        pairs = [sides.get(place, [0, 0]) for place in range(x.dim())]
        return windows.padded(x, [before for before, _ in pairs], [after for _, after in pairs], number or 0.0)

    return run


def _dropout(call: Call) -> Function:
    call.attribute("ratio", 0.5)
    call.attribute("seed", 0)
    call.constant(1)
    training = call.constant(2)
    if training is not None and any(whole(training)):
        raise InputError("it draws random numbers; export the model for inference")
    return lambda x: x


OPERATIONS: Mapping[str, Rule] = {
    "Conv": windows.convolution,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    "MaxPool": windows.max_pool,
    "AveragePool": windows.average_pool,
    "GlobalMaxPool": windows.global_max_pool,
    "GlobalAveragePool": windows.global_average_pool,
    "Add": _arithmetic(operator.add, np.add),
    "Sum": _arithmetic(operator.add, np.add),
    "Sub": _arithmetic(operator.sub, np.subtract),
    "Mul": _arithmetic(operator.mul, np.multiply),
    "Div": _arithmetic(operator.truediv, _quotient),
    "Relu": _plain(F.relu),
    "Clip": _clip,
    "LeakyRelu": _with(F.leaky_relu, alpha=0.01),
    "PRelu": _prelu,
    "Elu": _with(F.elu, alpha=1.0),
    "Sigmoid": _plain(torch.sigmoid),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(F.hardswish),
    "Tanh": _plain(torch.tanh),
    "Softplus": _plain(F.softplus),
    "Mish": _plain(F.mish),
    "Gelu": _gelu,
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Sqrt": _plain(torch.sqrt),
    "Abs": _plain(torch.abs),
    "Neg": _plain(operator.neg),
    "Softmax": _softmax(torch.softmax),
    "LogSoftmax": _softmax(torch.log_softmax),
    "ReduceMean": _reduced(torch.mean, 18),
    "ReduceMax": _reduced(torch.amax, 18),
    "ReduceSum": _reduced(torch.sum, 13),
    "Flatten": shapes.flatten,
    "Reshape": shapes.reshape,
    "Squeeze": shapes.squeeze,
    "Unsqueeze": shapes.unsqueeze,
    "Transpose": shapes.transpose,
    "Concat": shapes.concat,
    "Slice": shapes.part,
    "Gather": shapes.gather,
    "Shape": shapes.shape,
    "Cast": shapes.cast,
    "Pad": _pad,
    "ConstantOfShape": shapes.constant_of_shape,
    "Constant": shapes.constant,
    "Dropout": _dropout,
    "Identity": _plain(lambda x: x),
}
"""By the name in ai.onnx."""

QUANTISED = frozenset(
    "QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger".split()
)
"""What only a quantised network has."""
