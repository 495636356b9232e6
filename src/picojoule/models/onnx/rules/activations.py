"""Activations: functions of one value, element by element or over one dimension."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (as everybody calls it)

from picojoule.errors import InputError
from picojoule.models.onnx.call import Call, Function, Rule, whole
from picojoule.models.onnx.rules.shapes import dimension

_GREATEST = 3.4028234e38
"""A bound of float32's is none."""


def clip(call: Call) -> Function:
    if call.opset < 11:
        bounds: list[float | None] = [call.attribute("min", -_GREATEST), call.attribute("max", _GREATEST)]
    else:
        bounds = [call.number(1), call.number(2)]
    low, high = (None if bound is None or abs(bound) >= _GREATEST else bound for bound in bounds)
    if (low, high) in ((0, 6), (0, None)):
        return F.relu6 if high else F.relu
    return lambda x: x if low is high is None else x.clamp(low, high)


def hard_sigmoid(call: Call) -> Function:
    alpha, beta = call.attribute("alpha", 0.2), call.attribute("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return F.hardsigmoid
    return lambda x: (alpha * x + beta).clamp(0, 1)


def selu(call: Call) -> Function:
    alpha, gamma = call.attribute("alpha", 1.6732632), call.attribute("gamma", 1.0507010)
    if abs(alpha - 1.6732632) < 1e-6 and abs(gamma - 1.0507010) < 1e-6:
        return F.selu
    return lambda x: gamma * F.elu(x, alpha)


def swish(call: Call) -> Function:
    alpha = call.attribute("alpha", 1.0)
    return F.silu if alpha == 1 else lambda x: x * torch.sigmoid(alpha * x)


def threshold(call: Call) -> Function:
    alpha = call.attribute("alpha", 1.0)
    return lambda x: F.threshold(x, alpha, 0.0)


def gelu(call: Call) -> Function:
    way = call.attribute("approximate", "none")
    return lambda x: F.gelu(x, approximate=way)


def prelu(call: Call) -> Function:
    def run(x: Tensor, slope: Tensor) -> Tensor:
        if slope.numel() != max((1, *slope.shape[:1])) or (slope.numel() > 1 and slope.dim() != x.dim() - 1):
            raise InputError(f"its slopes of shape {list(slope.shape)} are not one for each channel")
        rectified: Tensor = torch.prelu(x, slope.flatten())
        return rectified

    return run


def softmax(function: Callable[..., Tensor]) -> Rule:
    def rule(call: Call) -> Function:
        old = call.opset < 13  # then over all dimensions from that one on
        axis = call.attribute("axis", 1 if old else -1)

        def run(x: Tensor) -> Tensor:
            place = dimension(axis, x.dim())
            if old and place < x.dim() - 1:
                return function(x.flatten(place), place).reshape(x.shape)
            return function(x, place)

        return run

    return rule


def dropout(call: Call) -> Function:
    call.attribute("ratio", 0.5)
    call.attribute("seed", 0)
    call.constant(1)
    training = call.constant(2)
    if training is not None and any(whole(training)):
        raise InputError("it draws random numbers; export the model for inference")
    return lambda x: x
