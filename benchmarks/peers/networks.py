"""A network at a few bits as the peers make it: weights, and inputs of convolutions and linear layers, fixed point.

The scales are powers of two, one for each tensor, that cover the largest value; they are constants, as picojoule's are,
except for Brevitas, which takes those of the weights from the weights at every step and learns the others. A peer's
package is imported when it is first asked for.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

Rounding = Callable[[Tensor], Tensor]
MakeRounding = Callable[[float, int, int], Rounding]
"""From the scale and the least and the greatest whole number."""
Conversion = Callable[[nn.Module, Tensor, int], nn.Module]
"""From the model, some of its inputs and the bits."""


def torch_rounding(scale: float, low: int, high: int) -> Rounding:
    """torch's fused operation."""
    return lambda x: torch.fake_quantize_per_tensor_affine(x, scale, 0, low, high)


def torchao_rounding(scale: float, low: int, high: int) -> Rounding:
    """What torchao's fake quantisers for training call."""
    from torchao.quantization.quant_primitives import _fake_quantize_affine

    step, zero = torch.tensor(scale), torch.tensor(0)
    return lambda x: _fake_quantize_affine(x, x.shape, step, zero, torch.int32, low, high)


def brevitas_rounding(scale: float, low: int, high: int) -> Rounding:
    """The module at the heart of Brevitas' integer quantisers."""
    from brevitas.core.function_wrapper import Identity
    from brevitas.core.quant import IntQuant

    bits = math.log2(high - low + 1)
    module = IntQuant(narrow_range=False, signed=low < 0, input_view_impl=Identity())
    return partial(module, torch.tensor(scale), torch.tensor(0.0), torch.tensor(bits))


def qtorch_rounding(scale: float, low: int, high: int) -> Rounding:
    """QPyTorch's quantiser. Its numbers have a sign and a fraction; what has none is rounded as if it had."""
    from qtorch import FixedPoint
    from qtorch.quant import quantizer

    number = FixedPoint(wl=round(math.log2(high - low + 1)), fl=max(1, -round(math.log2(scale))))
    return quantizer(forward_number=number, forward_rounding="nearest")


def rounded(make: MakeRounding, model: nn.Module, x: Tensor, bits: int) -> nn.Module:
    """The model itself, with roundings at every layer that multiplies, their scales from what it computes on `x`."""
    extremes = _input_extremes(model, x)
    for layer, (least, most) in extremes.items():
        at_inputs = make(*_grid(least, most, bits))
        layer.register_forward_pre_hook(lambda _, inputs, at_inputs=at_inputs: at_inputs(inputs[0]))
        at_weights = make(*_grid(layer.weight.min().item(), layer.weight.max().item(), bits))
        parametrize.register_parametrization(layer, "weight", _Module(at_weights))
    return model


def frozen(model: nn.Module) -> nn.Module:
    """The model itself for evaluation, its rounded weights kept instead of rounded anew each time."""
    for layer in _layers(model):
        if parametrize.is_parametrized(layer):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return model.eval()


def brevitas(model: nn.Module, x: Tensor, bits: int) -> nn.Module:
    """The model itself, with Brevitas' own layers in place of those that multiply, their fixed-point quantisers."""
    from brevitas.nn import QuantConv2d, QuantLinear
    from brevitas.quant import Int8ActPerTensorFixedPoint, Int8WeightPerTensorFixedPoint, Uint8ActPerTensorFixedPoint

    extremes = _input_extremes(model, x)
    for name, layer in list(model.named_modules()):
        if layer not in extremes:
            continue
        options = {
            "bias": layer.bias is not None,
            "weight_quant": Int8WeightPerTensorFixedPoint,
            "weight_bit_width": bits,
            "input_quant": Int8ActPerTensorFixedPoint if extremes[layer][0] < 0 else Uint8ActPerTensorFixedPoint,
            "input_bit_width": bits,
            "input_collect_stats_steps": 1,  # the first step takes the scale from its inputs, the others learn it
        }
        if isinstance(layer, nn.Conv2d):
            shape = (layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
            own: nn.Module = QuantConv2d(*shape, **options)
        else:
            own = QuantLinear(layer.in_features, layer.out_features, **options)
        own.load_state_dict(layer.state_dict(), strict=False)
        model.set_submodule(name, own)
    model.train()(x)
    return model


CONVERSIONS: dict[str, Conversion] = {
    "torch.fake_quantize_per_tensor_affine": partial(rounded, torch_rounding),
    "torchao, its fake quantiser": partial(rounded, torchao_rounding),
    "QPyTorch, its quantiser": partial(rounded, qtorch_rounding),
    "Brevitas, its layers": brevitas,
}


class _Module(nn.Module):
    """A function as a module."""

    def __init__(self, function: Rounding) -> None:
        super().__init__()
        self.forward = function


def _layers(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def _input_extremes(model: nn.Module, x: Tensor) -> dict[nn.Module, tuple[float, float]]:
    """The least and the greatest input of each layer that multiplies."""
    found: dict[nn.Module, tuple[float, float]] = {}

    def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found[layer] = (inputs[0].min().item(), inputs[0].max().item())

    hooks = [layer.register_forward_pre_hook(look) for layer in _layers(model)]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return found


def _grid(least: float, most: float, bits: int) -> tuple[float, int, int]:
    """The scale, a power of two, and the least and the greatest whole number that cover these values."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if least < 0 else (0, 2**bits - 1)
    return 2.0 ** math.ceil(math.log2(max(most / high, least / low if low else 0.0, 2.0**-20))), low, high
