"""Make a network run at a plan: the captured graph with a quantiser tapped in at every site."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from picojoule.calibration import Range, Ranges
from picojoule.errors import PlanError, check_type
from picojoule.network import Network, NetworkModule, capture
from picojoule.plan import Plan
from picojoule.quantize.codes import Choice
from picojoule.quantize.fusions import fusions
from picojoule.quantize.quantizer import Quantizer


def quantize(model: nn.Module | Network, plan: Plan, ranges: Ranges) -> NetworkModule:
    """A module whose forward runs at the plan, in evaluation mode; the user's model is left as it is.

    It runs on any torch device and in float32 or float64, its gradients are straight-through, and its `state_dict`
    (weights and ranges) round-trips. Each tensor is quantised once, where it is made; biases and sums are not. Biases
    hold the shifts that the ranges give them.

    Raises:
        PlanError: the plan or the ranges do not fit the network.
        CaptureError: the model cannot be captured.
    """
    check_type("plan", plan, Plan, "make it with Plan.load or Plan.parse")
    check_type("ranges", ranges, Ranges, "make them with calibrate or Ranges.load")
    network = capture(model, torch.zeros(1, *ranges.input_shape))
    chosen = choices(network, plan.expand(network), ranges)
    quantizers = {site: Quantizer(*choice) for site, choice in chosen.items()}
    module = NetworkModule(network, quantizers, fusions(network)).eval()
    module.load_state_dict(shifted_biases(network, chosen), strict=False)
    return module


def choices(network: Network, plan: Plan, ranges: Ranges) -> dict[str, Choice]:
    """How each site is quantised at an expanded plan.

    Raises:
        PlanError: the plan or the ranges do not fit the network.
    """
    chosen = {}
    for name, format in plan.formats.items():
        site = network.sites[name]
        found = ranges.sites.get(name, None if format.rounds else Range((0,), signed=True))
        if found is None:
            raise PlanError(f"the ranges have no site '{name}'; calibrate this network again")
        if len(found.exponents) not in (1, site.channels):
            raise PlanError(
                f"the ranges of '{name}' have {len(found.exponents)} exponents; the site has {site.channels} channels"
            )
        if found.shift and (name not in network.biases or len(found.shift) != site.channels):
            raise PlanError(f"the shift of '{name}' does not fit the layer's biases; calibrate this network again")
        chosen[name] = Choice(format, found)
    unknown = [name for name in ranges.sites if name not in network.sites]
    if unknown:
        raise PlanError(f"the ranges name '{unknown[0]}', which is no site of the network; calibrate it again")
    return chosen


def shifted_biases(network: Network, chosen: Mapping[str, Choice]) -> dict[str, Tensor]:
    """The biases that the ranges shift, by their names in the network."""
    return {
        bias: network.tensors[bias] + torch.tensor(choice.range.shift, dtype=network.tensors[bias].dtype)
        for site, bias in network.biases.items()
        if (choice := chosen[site]).format.rounds and any(choice.range.shift)
    }
