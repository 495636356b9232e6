"""How accurate a network is at a plan: the one small interface that searches rest on, and its plain implementation."""

import abc
from collections.abc import Callable

import torch
from torch import Tensor, nn

from picojoule.calibration import Calibration
from picojoule.data import Samples
from picojoule.evaluate.accuracy import Accuracy
from picojoule.evaluate.metrics import Metric, check_scores, top1
from picojoule.network import batch_size
from picojoule.plan import Plan
from picojoule.quantize import quantize

BATCH = 100
"""Samples per batch at most. ResNet-20 takes 0.30 s for 500 images in batches of 100 on two cores, 0.46 s of 250."""


class Evaluator(abc.ABC):
    """Gives the accuracy of plans on one set of samples. The same plan always has the same accuracy."""

    @abc.abstractmethod
    def accuracy(self, plan: Plan) -> Accuracy:
        """The accuracy at an expanded plan; the float network's at one that is float32 everywhere."""


class PlainEvaluator(Evaluator):
    """Runs every sample through the quantised network, for each plan anew."""

    def __init__(
        self,
        calibration: Calibration,
        samples: Samples,
        metric: Metric = top1,
        device: torch.device | str = "cpu",
        ran: Callable[[int], None] = lambda samples: None,
    ) -> None:
        self._calibration, self._samples, self._metric = calibration, samples, metric
        self._device, self._ran = torch.device(device), ran

    def accuracy(self, plan: Plan) -> Accuracy:
        network = self._calibration.network
        module = quantize(network, plan, self._calibration.ranges(plan)).to(self._device)
        batch = batch_size(network, BATCH)
        found = scores(module, self._samples, self._metric, self._device, batch, self._ran)
        return Accuracy(float(found.sum()), len(found))


@torch.no_grad()
def scores(
    module: nn.Module,
    samples: Samples,
    metric: Metric = top1,
    device: torch.device | str = "cpu",
    batch: int = BATCH,
    ran: Callable[[int], None] = lambda samples: None,
) -> Tensor:
    """The metric's score of each sample, float64 [n], in the order of the samples; `ran` hears of each batch's size.

    Raises:
        InputError: the metric gave something other than one score from 0 to 1 per sample.
    """
    parts = []
    for x, y in samples.batches(batch):
        outputs = module(x.to(device))
        parts.append(check_scores(metric(outputs, y.to(device, copy=True)), len(y)))
        ran(len(y))
    return torch.cat(parts)
