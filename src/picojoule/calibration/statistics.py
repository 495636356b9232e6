"""What the float network's tensors look like: for each site its extremes and a sample of its values.

Weights are kept whole, by output channel. Of inputs, which can be billions of values, extremes are exact over every
calibration sample and a seeded random sample of values is kept for the observers that look at the distribution.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from picojoule.calibration.correction import mean_inputs
from picojoule.errors import DataError
from picojoule.formats import Format
from picojoule.network import Network, NetworkModule, Site, batch_size

SAMPLE = 1 << 16
"""Values kept per site of inputs, drawn evenly from all batches."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """One site's values. `values` [rows, n] float32: a row per output channel for weights, one row for inputs.

    `largest` [rows] is the largest magnitude of each row, `lowest` the least value of all; both are exact. Of weights
    whose layer has a bias of its own, `inputs` [groups, n] float64 are the means of what they are multiplied by.
    `shape` is that of a tensor that is kept whole, and empty for a sample of one.
    """

    values: Tensor
    largest: Tensor
    lowest: float
    inputs: Tensor | None = None
    shape: tuple[int, ...] = ()

    @classmethod
    def of(cls, weights: Tensor) -> "Statistics":
        """A tensor [rows, ...] kept whole."""
        values = weights.detach().float().reshape(len(weights), -1)
        return cls(values, values.abs().amax(dim=1), float(values.min()), shape=tuple(weights.shape))

    def merged(self) -> "Statistics":
        """The same with all rows as one."""
        return Statistics(self.values.reshape(1, -1), self.largest.amax().reshape(1), self.lowest, shape=self.shape)

    def rounded(self, format: Format, exponents: Tensor, signed: bool) -> Tensor:
        """The values at a format, [rows, n], with one exponent for all or one for each row, int32 [1] or [rows].

        Blocks that share a scale are those of the tensor; of a sample, where nobody knows them, the values as they
        stand.
        """
        x = self.values.reshape(self.shape or self.values.shape)
        by_row = exponents.reshape(-1, *[1] * (x.dim() - 1))
        return format.quantize(x, by_row, signed).reshape(self.values.shape)


def observe(
    network: Network, x: Tensor, batch: int = 256, ran: Callable[[int], None] = lambda samples: None
) -> Mapping[str, Statistics]:
    """The statistics of every site of a network over the calibration samples x [n, ...], `batch` at once at most.

    `ran` hears of each batch's size.

    Raises:
        DataError: there is no sample, or a value is NaN or Inf on these; the message names the layer.
        InputError: samples of another shape than the network's input.
    """
    if len(x) == 0:
        raise DataError("there are no calibration samples; give at least one")
    found: dict[str, Statistics] = {}
    probes: dict[str, _Probe] = {}
    for site in network.sites.values():
        if site.kind == "weights":
            found[site.name] = Statistics.of(network.tensors[site.tensor])
        else:
            probes[site.name] = _Probe(network, site, share=SAMPLE / (site.count * len(x)))
    module = NetworkModule(network, probes).eval()
    with torch.no_grad():
        for part in x.split(batch_size(network, batch)):
            module(part.cpu().float())
            ran(len(part))
    found |= {name: probe.statistics() for name, probe in probes.items()}
    means = {network.sites[name].tensor: probe.mean(len(x)) for name, probe in probes.items() if probe.has_mean}
    for name, inputs in mean_inputs(network, means).items():
        found[name] = replace(found[name], inputs=inputs)
    return {name: found[name] for name in network.sites}


class _Probe(nn.Module):
    """Passes a value on and remembers its extremes, its sum over samples and some of its elements."""

    def __init__(self, network: Network, site: Site, share: float) -> None:
        super().__init__()
        self._site, self._share = site, share
        node = network.by_name[site.tensor]
        self.has_mean = None in node.shape and node.rows == 1  # else nothing says which rows are of the same sample
        self._batch = node.shape.index(None) if self.has_mean else 0
        self._sum = torch.zeros((), dtype=torch.float64)
        self._parts: list[Tensor] = []
        self._lowest, self._highest = float("inf"), float("-inf")
        self._random = torch.Generator().manual_seed(0)

    def forward(self, x: Tensor) -> Tensor:
        low, high = float(x.min()), float(x.max())
        if not (abs(low) < float("inf") and abs(high) < float("inf")):
            raise DataError(
                f"the inputs of layer '{self._site.readers[0]}' become NaN or Inf on the calibration samples; "
                "check the data's scaling (--mean, --std) and the checkpoint"
            )
        self._lowest = min(self._lowest, low)
        self._highest = max(self._highest, high)
        if self.has_mean:
            self._sum = self._sum + x.detach().sum(self._batch, keepdim=True, dtype=torch.float64)
        flat = x.detach().reshape(-1).float()
        quota = math.ceil(len(flat) * self._share)
        if len(flat) > quota:
            flat = flat[torch.randint(len(flat), (quota,), generator=self._random)]
        self._parts.append(flat.clone())
        return x

    def mean(self, samples: int) -> Tensor:
        """The mean over the samples, as a batch of one."""
        return self._sum / samples

    def statistics(self) -> Statistics:
        # With the extremes, so that an observer of the distribution knows of outliers that the sample missed.
        values = torch.cat([*self._parts, torch.tensor([self._lowest, self._highest])]).reshape(1, -1)
        return Statistics(values, torch.tensor([max(-self._lowest, self._highest)]), self._lowest)
