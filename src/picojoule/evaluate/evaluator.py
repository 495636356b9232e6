"""How accurate a network is at a plan: the one small interface that searches rest on, and its implementations.

The incremental one takes up each plan where it differs from those before it, and ends each decision early.
"""

import abc
from collections.abc import Callable, Iterator
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor, nn

from picojoule.calibration import Calibration
from picojoule.data import Samples
from picojoule.evaluate.accuracy import Accuracy
from picojoule.evaluate.floor import Floor, Tally, Verdict
from picojoule.evaluate.metrics import Metric, check_scores, top1
from picojoule.execute.runner import Runner
from picojoule.formats import Float32
from picojoule.network import batch_size
from picojoule.plan import Plan
from picojoule.quantize import quantize

BATCH = 100
"""Samples per batch at most. ResNet-20 takes 0.30 s for 500 images in batches of 100 on two cores, 0.46 s of 250."""


class Evaluator(abc.ABC):
    """How accurate a network is on one set of samples: the same plan always gives the same answer."""

    @abc.abstractmethod
    def tally(self, plan: Plan) -> Tally:
        """The scores of all samples at an expanded plan, beside the float network's."""

    def tallies(self, plan: Plan) -> Iterator[Tally]:
        """The tally as it grows with the samples seen, to the one of all; who has seen enough need not go on."""
        yield self.tally(plan)

    def judge(self, plan: Plan, floor: Floor) -> Verdict:
        """Whether a plan holds a floor: the same answer as on all the samples, perhaps from fewer. Here from all."""
        tally = self.tally(plan)
        return Verdict(floor.holds(tally), tally)

    def accuracy(self, plan: Plan) -> Accuracy:
        """The accuracy at an expanded plan; the float network's at one that is float32 everywhere."""
        return self.tally(plan).accuracy


class PlainEvaluator(Evaluator):
    """Runs every sample through the quantised network, for each plan anew: what faster evaluators are held against."""

    def __init__(
        self,
        calibration: Calibration,
        samples: Samples,
        metric: Metric = top1,
        device: torch.device | str = "cpu",
        ran: Callable[[int], None] = lambda samples: None,
    ) -> None:
        self._calibration, self._samples = calibration, samples
        self._metric, self._device, self._ran = metric, device, ran

    def tally(self, plan: Plan) -> Tally:
        return Tally(len(self._samples), 0, 0, 0, 0).and_also(self._reference, self._scores(plan))

    @cached_property
    def _reference(self) -> Tensor:
        """The float network's scores."""
        return self._scores(Plan.uniform(self._calibration.network, Float32()))

    def _scores(self, plan: Plan) -> Tensor:
        network = self._calibration.network
        module = quantize(network, plan, self._calibration.ranges(plan)).to(self._device)
        return scores(module, self._samples, self._metric, self._device, batch_size(network, BATCH), self._ran)


class IncrementalEvaluator(Evaluator):
    """Evaluates plans on samples, in the order that decides soonest where `hardest_first` is asked for.

    Then the samples that the float network gets wrong come first, and after them those whose two largest outputs are
    nearest to each other. Before the first plan the float network runs once, or twice for that order. `cache_gb` and
    `jobs` are the memory and the cores to use. `ran` hears of the samples that were run. What comes out depends on none
    of these.
    """

    def __init__(
        self,
        calibration: Calibration,
        samples: Samples,
        metric: Metric = top1,
        device: torch.device | str = "cpu",
        ran: Callable[[int], None] = lambda samples: None,
        hardest_first: bool = False,
        cache_gb: float = 1.0,
        jobs: int | None = None,
    ) -> None:
        self._samples, self._metric, self._hardest_first = samples, metric, hardest_first
        self._float = Plan.uniform(calibration.network, Float32())
        self._new_runner = partial(
            Runner, calibration.network, calibration.ranges, samples.x,
            device=device, ran=ran, cache_gb=cache_gb, jobs=jobs,
        )  # fmt: skip

    @property
    def macs(self) -> int:
        """The multiply-accumulates that were really made."""
        return self._runner.macs

    def tally(self, plan: Plan) -> Tally:
        *_, tally = self.tallies(plan)
        return tally

    def judge(self, plan: Plan, floor: Floor) -> Verdict:
        for tally in self.tallies(plan):
            holds = floor.decide(tally)
            if holds is not None:
                return Verdict(holds, tally)
        raise AssertionError("with all samples seen every floor is decided")

    def tallies(self, plan: Plan) -> Iterator[Tally]:
        """The tally after each chunk. The float network itself is known."""
        tally, rounds = Tally(len(self._samples), 0, 0, 0, 0), any(format.rounds for format in plan.formats.values())
        scores = self._scored(self._runner, plan, self._metric) if rounds else iter(self._reference)
        for reference, found in zip(self._reference, scores, strict=True):
            tally = tally.and_also(reference, found)
            yield tally

    def _scored(self, runner: Runner, plan: Plan, metric: Metric) -> Iterator[Tensor]:
        for samples, outputs in zip(runner.chunks, runner.run(plan), strict=True):
            y = self._samples.y[samples].to(outputs.device)
            yield check_scores(metric(outputs, y), len(y))

    @cached_property
    def _reference(self) -> list[Tensor]:
        """The float network's scores."""
        return list(self._scored(self._runner, self._float, self._metric))

    @cached_property
    def _runner(self) -> Runner:
        runner = self._new_runner()
        if not self._hardest_first:
            return runner
        gaps: list[Tensor] = []

        def metric(outputs: Tensor, targets: Tensor) -> Tensor:
            gaps.append(_gaps(outputs))
            return self._metric(outputs, targets)

        scores = torch.cat(list(self._scored(runner, self._float, metric)))
        hardest = np.lexsort((torch.cat(gaps).numpy(), scores.numpy()))  # by score, then by gap
        ordered = self._new_runner(order=torch.from_numpy(hardest))
        ordered.macs = runner.macs
        return ordered


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


def _gaps(outputs: Tensor) -> Tensor:
    """How far each sample's two largest outputs are apart; 0 where there are no two."""
    rows = outputs.reshape(len(outputs), -1).cpu()
    if rows.shape[1] < 2:
        return torch.zeros(len(rows))
    first, second = rows.topk(2, dim=1).values.unbind(1)
    return first - second
