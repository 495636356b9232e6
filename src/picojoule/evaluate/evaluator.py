"""How accurate a network is at a plan: the one small interface that searches rest on, and its plain implementation."""

import abc

import torch
from torch import Tensor, nn

from picojoule.calibration import Calibration
from picojoule.data import Samples
from picojoule.evaluate.accuracy import Accuracy
from picojoule.evaluate.metrics import Metric, check_scores, top1
from picojoule.plan import Plan
from picojoule.quantize import quantize

BATCH = 100
"""Samples per batch. ResNet-20 takes 0.30 s for 500 images in batches of 100 on two cores, 0.46 s in batches of 250."""


class Evaluator(abc.ABC):
    """Gives the accuracy of plans on one set of samples. The same plan always has the same accuracy."""

    @abc.abstractmethod
    def accuracy(self, plan: Plan) -> Accuracy:
        """The accuracy at an expanded plan; the float network's at one that is float32 everywhere."""


class PlainEvaluator(Evaluator):
    """Runs every sample through the quantised network, for each plan anew."""

    def __init__(
        self, calibration: Calibration, samples: Samples, metric: Metric = top1, device: torch.device | str = "cpu"
    ) -> None:
        self._calibration, self._samples, self._metric = calibration, samples, metric
        self._device = torch.device(device)

    def accuracy(self, plan: Plan) -> Accuracy:
        module = quantize(self._calibration.network, plan, self._calibration.ranges(plan)).to(self._device)
        found = scores(module, self._samples, self._metric, self._device)
        return Accuracy(float(found.sum()), len(found))


@torch.no_grad()
def scores(module: nn.Module, samples: Samples, metric: Metric = top1, device: torch.device | str = "cpu") -> Tensor:
    """The metric's score of each sample, float64 [n], in the order of the samples.

    Raises:
        InputError: the metric gave something other than one score from 0 to 1 per sample.
    """
    parts = []
    for x, y in samples.batches(BATCH):
        outputs = module(x.to(device))
        parts.append(check_scores(metric(outputs, y.to(device)), len(y)))
    return torch.cat(parts)
