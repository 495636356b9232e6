"""Zeros of the quantised network on real data, weights and inputs apart: what guarding hardware can skip."""

from collections.abc import Callable

import torch

from picojoule.calibration import Ranges
from picojoule.data import Samples
from picojoule.energy import Sparsity
from picojoule.execute.runner import Runner
from picojoule.network import Network
from picojoule.plan import Plan


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
    runner = Runner(network, lambda _: ranges, samples.x, device=device, ran=ran, count_zeros=True, cache_gb=0)
    return runner.sparsity(plan)
