"""How weights come into [-1, 1] to train and leave it again, and how batch norm goes into them.

Behind a layer batch norm is, channel by channel, `g (a - m) + o` of the sums a. Where nothing but signs sees that, it
is a threshold on whole steps of the sums, and nothing is lost. Elsewhere g goes into the weights, each channel gets the
power of two that suits them best, and what that costs is trained away afterwards.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from picojoule.calibration import OBSERVERS, Range, Ranges, Statistics
from picojoule.formats import EXPONENT_LIMIT, Format
from picojoule.network import Network, NetworkModule
from picojoule.plan import Plan
from picojoule.quantize import Choice, choices, settled, shifted_biases
from picojoule.quantize.biases import is_threshold, sum_steps
from picojoule.training import topology
from picojoule.training.shared import Shared
from picojoule.training.taps import Norm

_MOST_STEPS = 2.0**23
"""Of a threshold: every sum of so many steps is exact in float32, and no sum of a layer that fits there is greater."""


def to_units(network: Network, chosen: Mapping[str, Choice]) -> Network:
    """The network with weights on the unit scale of their ranges, and the shifts of ranges in its biases."""
    tensors = dict(network.tensors) | shifted_biases(network, chosen)
    for site, (format, range, _) in chosen.items():
        if network.sites[site].kind == "weights" and format.rounds and not format.fitted:
            name = network.sites[site].tensor
            tensors[name] = _scaled(tensors[name], tuple(-each for each in _beyond(format, range.exponents)))
    return replace(network, tensors=tensors)


def from_units(module: NetworkModule, plan: Plan, ranges: Ranges) -> tuple[Network, Ranges]:
    """The network of a module that trained on unit scales, with its ranges."""
    tensors = _tensors(module, plan)
    for name, site in module.network.sites.items():
        if site.kind == "weights" and plan.formats[name].rounds and not plan.formats[name].fitted:
            exponents = _beyond(plan.formats[name], ranges.sites[name].exponents)
            tensors[site.tensor] = _scaled(tensors[site.tensor], exponents)
    return replace(module.network, tensors=tensors), ranges


def fold_norms(module: NetworkModule, plan: Plan, ranges: Ranges) -> tuple[Network, Ranges]:
    """The network of a module that trained with batch norm behind each layer, without it, and its ranges."""
    tensors, sites = _tensors(module, plan), dict(ranges.sites)
    chosen = choices(module.network, plan, ranges)
    for layer, node in topology.layer_nodes(module.network):
        operands = module.network.layer(layer)
        site = module.network.sites[operands.weights]
        norm = module.tap(f"{layer}.outputs")
        assert isinstance(norm, Norm)
        scale, mean, offset = norm.affine()
        weights, format = tensors[site.tensor], plan.formats[site.name]
        unit = topology.unit_exponent(format)
        step = None
        if is_threshold(module.network, plan, node.name):
            step = sum_steps(Choice(format, Range((unit,), signed=True)), chosen[operands.inputs], weights)
        if step is not None:
            powers = _powers(scale)
            threshold = _floor(offset / scale - mean, step)
            tensors[site.tensor], bias = _scaled(weights, powers), _scaled(threshold, powers)
            exponents = tuple(power + unit for power in powers)
        else:
            exponents, tensors[site.tensor] = _scaled_channels(weights, format, scale)
            bias = offset - scale * mean
        tensors[module.network.biases[site.name]] = bias.float()
        sites[site.name] = Range(exponents, signed=True)
    return replace(module.network, tensors=tensors), Ranges(sites, ranges.input_shape)


def whole_biases(network: Network, plan: Plan, ranges: Ranges) -> Network:
    """The network with every bias a whole number of the steps in which its layer's sums go; ranges without shifts."""
    return settled(network, plan, ranges).network


def _floor(bias: Tensor, step: Tensor) -> Tensor:
    """The greatest multiple of the step below: a whole number of steps and it have the same sign, with 0 above."""
    return (bias / step).floor().clamp(-_MOST_STEPS, _MOST_STEPS) * step


def _scaled_channels(weights: Tensor, format: Format, scale: Tensor) -> tuple[tuple[int, ...], Tensor]:
    """Weights, rounded, times a scale for each channel, and the exponents that keep the products best."""
    by_channel = scale.reshape(-1, *[1] * (weights.dim() - 1))
    if not format.rounds:
        return (0,), (weights * by_channel).float()
    wanted = (format.quantize(weights, topology.unit_exponent(format)) * by_channel).float()
    return OBSERVERS["mse"](Statistics.of(wanted), format, True), wanted


def _tensors(module: NetworkModule, plan: Plan) -> dict[str, Tensor]:
    """What a module stores, weights that are rounded within their ends."""
    state = module.state_dict()
    tensors = {name: state[name].detach().cpu().clone() for name in module.network.tensors}
    for name, site in module.network.sites.items():
        tap = module.tap(name)
        if isinstance(tap, Shared):
            tensors[site.tensor] = tap(tensors[site.tensor]).detach().cpu()
        elif site.kind == "weights" and plan.formats[name].rounds:
            end = topology.unit_end(plan.formats[name])
            tensors[site.tensor].clamp_(-end, end)
    return tensors


def _beyond(format: Format, exponents: tuple[int, ...]) -> tuple[int, ...]:
    """By how much exponents are larger than those of [-1, 1]."""
    return tuple(each - topology.unit_exponent(format) for each in exponents)


def _powers(scale: Tensor) -> tuple[int, ...]:
    """The nearest power of two of each scale."""
    return tuple(scale.log2().round().clamp(-EXPONENT_LIMIT, EXPONENT_LIMIT).int().tolist())


def _power(exponents: tuple[int, ...]) -> Tensor:
    return torch.tensor(exponents, dtype=torch.float64).exp2()


def _scaled(values: Tensor, exponents: tuple[int, ...]) -> Tensor:
    """Values, by rows, times powers of two, in their own type."""
    return values * _power(exponents).to(values.dtype).reshape(-1, *[1] * (values.dim() - 1))
