"""Normalisations: by statistics that the file has, or by those of each sample."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (as everybody calls it)

from picojoule.errors import InputError
from picojoule.models.onnx.call import Call, Function, Rule
from picojoule.models.onnx.rules.shapes import dimension


def batch_norm(call: Call) -> Function:
    epsilon = call.attribute("epsilon", 1e-5)
    call.attribute("momentum", 0.9)
    if call.attribute("training_mode", 0) or not call.attribute("spatial", 1):
        raise InputError(
            "it takes its statistics from the batch, or one for each place; export the model for inference"
        )
    return lambda x, weight, bias, mean, variance: F.batch_norm(x, mean, variance, weight, bias, False, 0.0, epsilon)


def layer_norm(function: Callable[..., Tensor]) -> Rule:
    """Over all dimensions from an axis on."""

    def rule(call: Call) -> Function:
        axis, epsilon = call.attribute("axis", -1), call.attribute("epsilon", 1e-5)
        call.attribute("stash_type", 1)

        def run(x: Tensor, *scales: Tensor | None) -> Tensor:
            place = dimension(axis, x.dim())
            if place == 0:
                raise InputError("it takes its statistics over the samples of a batch")
            shape = list(x.shape[place:])
            full = [each if each is None or list(each.shape) == shape else each.expand(shape) for each in scales]
            return function(x, shape, *full, eps=epsilon)

        return run

    return rule


def instance_norm(call: Call) -> Function:
    epsilon = call.attribute("epsilon", 1e-5)
    return lambda x, weight, bias: F.instance_norm(x, weight=weight, bias=bias, eps=epsilon)


def group_norm(call: Call) -> Function:
    """Until opset 21 its weights are one for each group."""
    epsilon, groups = call.attribute("epsilon", 1e-5), call.attribute("num_groups", 1)
    call.attribute("stash_type", 1)

    def run(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if call.opset < 21 and len(weight) == len(bias) == groups:
            weight, bias = (each.repeat_interleave(x.shape[1] // groups) for each in (weight, bias))
        return F.group_norm(x, groups, weight, bias, epsilon)

    return run
