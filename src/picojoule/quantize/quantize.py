"""Make a network run at a plan: the captured graph with a quantiser tapped in at every site."""

import torch
from torch import nn

from picojoule.calibration import Ranges
from picojoule.errors import check_type
from picojoule.network import Network, NetworkModule, capture
from picojoule.plan import Plan
from picojoule.quantize.choice import choices, shifted_biases
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
