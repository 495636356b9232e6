"""Zeros of the quantised network on real data, weights and inputs apart: what guarding hardware can skip."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from picojoule.calibration import Ranges
from picojoule.data import Samples
from picojoule.energy import Sparsity
from picojoule.evaluate.evaluator import BATCH
from picojoule.network import Network, batch_size
from picojoule.plan import Plan
from picojoule.quantize import quantize


@torch.no_grad()
def measure_sparsity(
    network: Network,
    plan: Plan,
    ranges: Ranges,
    samples: Samples,
    device: torch.device | str = "cpu",
    ran: Callable[[int], None] = lambda samples: None,
) -> Sparsity:
    """The fraction of zeros at every site of the network at a plan, over the samples (the calibration split).

    `ran` hears of each batch's size.
    """
    module = quantize(network, plan, ranges).to(device)
    zeros = dict.fromkeys(network.sites, 0)
    totals = dict.fromkeys(network.sites, 0)

    def counting(site: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            zeros[site] += output.numel() - int(output.count_nonzero())
            totals[site] += output.numel()

        return hook

    for site in network.sites:
        module.tap(site).register_forward_hook(counting(site))
    for x, _ in samples.batches(batch_size(network, BATCH)):
        module(x.to(device))
        ran(len(x))
    return Sparsity({site: zeros[site] / totals[site] for site in network.sites})
