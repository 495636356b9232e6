"""The main job: a trained network and accuracy floors in, for each floor a plan with its proof and its energy out.

The three splits keep the floor honest: ranges come from the calibration split, every decision from the search split,
and what is stated in the end from the report split, which nothing was decided on.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from picojoule import files
from picojoule.data import Samples, Splits
from picojoule.energy import Platform
from picojoule.errors import InputError, UnreachableFloorError
from picojoule.evaluate import METRICS, Accuracy, Evaluator, Floor, Metric, PlainEvaluator, check_keep, check_labels
from picojoule.jobs.metric import choose
from picojoule.jobs.progress import Listener, Meter, Stage, silent
from picojoule.jobs.setup import BASELINES, Setup, prepare, range_settings
from picojoule.network import Network
from picojoule.plan import Plan
from picojoule.report.document import document
from picojoule.report.page import page
from picojoule.search import (
    Decision,
    Journal,
    JournaledEvaluator,
    OperatingPoint,
    OutOfTimeError,
    Problem,
    Result,
    Step,
    Strategy,
    fixed_point_ladders,
    strategies,
)

T = TypeVar("T")


def search(
    model: nn.Module | Network,
    data: object,
    *,
    keep: float | Sequence[float] = 0.99,
    strategy: str = "greedy",
    rescale: str = "layer",
    observer: str = "max",
    signed: str = "auto",
    bits: tuple[int, int] = (1, 16),
    platform: str | os.PathLike[str] | Platform = "moons2017",
    metric: str | Metric = "top1",
    time_budget: float | None = None,
    seed: int = 0,
    splits: Splits | None = None,
    device: str | torch.device = "cpu",
    out: Path | str | None = None,
    listener: Listener = silent,
    about: dict[str, Any] | None = None,
) -> Result:
    """Search the fewest bits that keep a trained network as accurate as asked, and price them.

    `data` is anything `picojoule.data.as_loaded` takes: a spec such as `"idx:mnist"`, a torch Dataset, a pair of
    them (train, held-out), or a pair of arrays (x, y); `splits` are three ready-made splits instead. `keep` is one or
    several relative accuracies; the first one's plan is selected in the result. `time_budget` is in seconds: past it no
    evaluation begins, and each floor ends with the best plan found so far. With `out` the run folder is written, and a
    second run there resumes from its journal. `about` is kept in the result's settings as it is.

    Raises:
        InputError: anything the user gave that cannot be used.
        UnreachableFloorError: a floor does not hold even with the most bits; its `result` has the best found.
        KeyboardInterrupt: after the best so far is saved to `out`.
    """
    keeps = _keeps(keep)
    low, high = _bits(bits)
    _check(strategy, time_budget, about)
    folder = None if out is None else Path(out)
    if folder is not None:
        files.check_place(folder)
    scored, name, identity = choose(metric)
    meter = Meter(listener)
    setup = prepare(model, data, range_settings(observer, rescale, signed), platform, seed, splits, device, meter)
    if identity in METRICS:
        for part in (setup.splits.search, setup.splits.report):
            check_labels(setup.network.output_shape, part.y)
    meter.deadline = None if time_budget is None else time.monotonic() + time_budget
    with (
        nullcontext() if folder is None else files.claimed(folder),
        Journal(None if folder is None else folder / "journal.sqlite") as journal,
    ):
        if journal.set_aside is not None:
            meter.remark(f"the journal was damaged; it is set aside as '{journal.set_aside}'")
        run = _Run(setup, strategies()[strategy](), (low, high), scored, identity, journal)
        asked = {"keep": list(keeps), "strategy": strategy, "bits": [low, high], "metric": name, "seed": seed}
        result = run.finished(partial(run.result, keeps, {**(about or {}), **asked, **setup.described()}))
        if folder is not None:
            drawn = run.finished(lambda: page(document({str(out): result})))
            run.finished(lambda: result.save(folder, {"report.html": drawn.encode()}))
    if run.interrupted:
        raise KeyboardInterrupt
    if not result.holds:
        raise UnreachableFloorError("\n".join(result.unreached), result)
    return result


@dataclass(frozen=True)
class _Outcome:
    """How the search for one floor ended."""

    plan: Plan
    holds: bool = True
    stopped: bool = False
    log: tuple[Decision, ...] = ()
    blockers: tuple[str, ...] = ()


class _Run:
    """One search under way: it counts evaluations, tells its listener, and ends with a result whatever happens."""

    def __init__(
        self,
        setup: Setup,
        strategy: Strategy,
        bits: tuple[int, int],
        metric: Metric,
        metric_identity: str,
        journal: Journal,
    ) -> None:
        self._setup, self._strategy, self._meter = setup, strategy, setup.meter
        self._journal = journal
        self.interrupted = False
        self._worth_saving = False

        def evaluator(samples: Samples, **options: Any) -> Evaluator:
            plain = PlainEvaluator(setup.calibration, samples, metric, setup.device, self._meter.ran)
            return JournaledEvaluator(plain, journal, setup.context(samples, metric_identity), **options)

        self._search = evaluator(setup.splits.search, stopped=self._over, listener=self._meter.heard)
        self._sure = evaluator(setup.splits.search)  # for what every result needs, and nothing may cut short
        self._report = evaluator(setup.splits.report)
        signed = {site: setup.calibration.signed(site) for site in setup.network.sites}
        self._problem = Problem(setup.network, fixed_point_ladders(signed, bits), self._search, setup.cost)

    def result(self, keeps: tuple[float, ...], settings: dict[str, Any]) -> Result:
        """Search every floor, then state every point on the report split."""
        report = self._foresee(keeps)
        reference = self._sure.accuracy(self._setup.baseline("float32"))
        if reference.correct == 0:
            raise InputError("the float network is right on no sample of the search split; are its weights loaded?")
        self._worth_saving = self._journal.path is not None
        outcomes = [self._floor(keep, reference) for keep in keeps]
        asked: list[tuple[str, float | None, _Outcome]]
        asked = [(f"{keep:.12g}", keep, outcome) for keep, outcome in zip(keeps, outcomes, strict=True)]
        asked += [(label, None, _Outcome(self._setup.baseline(label))) for label in BASELINES]
        self._meter.begin(report)
        points = [self._point(*each) for each in asked]
        baselines = {point.label: point for point in points[len(keeps) :]}
        histograms = self._setup.calibration.histograms()
        return Result(self._setup.network, tuple(points[: len(keeps)]), baselines, settings, histograms)

    def finished(self, work: Callable[[], T]) -> T:
        """Do work that a first Ctrl-C cuts short: it begins again, with what the journal knows; a second one ends it.

        From then on no evaluation begins but those that every result needs.
        """
        try:
            return work()
        except KeyboardInterrupt:
            if self.interrupted or not self._worth_saving:
                raise
            self.interrupted, self._meter.deadline = True, time.monotonic()
            self._meter.remark("stopping; the best so far is saved first (Ctrl-C once more ends at once)")
            return work()

    def _over(self) -> bool:
        """Whether the search is to end: the time is up, or the user said so."""
        return self.interrupted or (self._meter.deadline is not None and time.monotonic() > self._meter.deadline)

    def _sweep(self, keep: float) -> Stage:
        """The search for one floor, as the meter knows it."""
        bound = self._strategy.bound(self._problem)
        return Stage(f"keep {keep:.12g}", bound, len(self._setup.splits.search), open=True)

    def _foresee(self, keeps: tuple[float, ...]) -> Stage:
        """Tell the meter of all that is to come, and begin; returns the last stage, the report of every point."""
        sizes = {name: len(samples) for name, samples in vars(self._setup.splits).items()}
        known = (self._problem.widest(), self._setup.baseline("float32"))
        new = [label for label in BASELINES if self._setup.baseline(label) not in known]
        points = len(keeps) + len(BASELINES)
        work = sizes["report"] + sizes["calibration"] + sizes["search"] * len(new) / points
        report = Stage("report split", points, work, "points")
        self._meter.expect(*map(self._sweep, keeps), report)
        self._meter.begin(Stage("float network", 1, sizes["search"]))
        return report

    def _floor(self, keep: float, reference: Accuracy) -> _Outcome:
        """Search one floor, until it is done, the time is up or the user stops it."""
        floor = Floor(keep, reference)
        last: Step | None = None
        log: list[Decision] = []
        stopped = False
        try:
            self._meter.begin(self._sweep(keep))
            for step in self._strategy.steps(self._problem, floor):
                last = step
                log += [] if step.decision is None else [step.decision]
                self._meter.narrow(step.remaining, f"{log[-1].site} {log[-1].format}" if log else "")
        except OutOfTimeError:
            stopped = True
        plan = self._problem.widest() if last is None else last.plan
        accuracy = self._sure.accuracy(plan) if last is None else last.accuracy
        holds = floor.holds(accuracy)
        return _Outcome(plan, holds, stopped, tuple(log), () if holds else self._blockers(floor))

    def _blockers(self, floor: Floor) -> tuple[str, ...]:
        """The sites that fail the floor on their own at the most bits, else the one that loses most.

        Of those that could be measured before the search was to end.
        """
        alone: dict[str, Accuracy] = {}
        everywhere_float = self._setup.baseline("float32")
        widest = self._problem.widest().formats
        try:
            self._meter.begin(Stage("what blocks the floor", len(widest), len(self._setup.splits.search)))
            for site, format in widest.items():
                alone[site] = self._search.accuracy(everywhere_float.replace(site, format))
        except OutOfTimeError:
            pass
        failing = tuple(site for site, accuracy in alone.items() if not floor.holds(accuracy))
        return failing or tuple(sorted(alone, key=lambda site: alone[site].correct)[:1])

    def _point(self, label: str, keep: float | None, outcome: _Outcome) -> OperatingPoint:
        zeros = self._setup.zeros(outcome.plan)
        point = OperatingPoint(
            label=label,
            keep=keep,
            plan=outcome.plan,
            ranges=self._setup.calibration.ranges(outcome.plan),
            search=self._sure.accuracy(outcome.plan),
            report=self._report.accuracy(outcome.plan),
            energy=self._setup.price(outcome.plan, zeros),
            sparsity=zeros,
            holds=outcome.holds,
            stopped=outcome.stopped,
            log=outcome.log,
            blockers=outcome.blockers,
        )
        self._meter.heard()
        return point


def _check(strategy: str, time_budget: float | None, about: dict[str, Any] | None) -> None:
    """Refuse, before any work, what would otherwise fail late."""
    if time_budget is not None and not (isinstance(time_budget, int | float) and time_budget >= 0):
        raise InputError(f"time_budget {time_budget!r} cannot be used; give seconds, 0 or more")
    try:
        files.loads(json.dumps({**(about or {})}, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"about cannot be kept in a result: {error}") from error
    if strategy not in tuple(strategies()):  # a tuple, which takes what cannot be hashed
        raise InputError(f"strategy '{strategy}' is not known; choose one of {', '.join(strategies())}")


def _bits(bits: tuple[int, int]) -> tuple[int, int]:
    if not (isinstance(bits, tuple | list) and len(bits) == 2 and all(isinstance(each, int) for each in bits)):
        raise InputError(f"bits {bits} cannot be searched; give the least and the most bits, such as (1, 16)")
    low, high = bits
    if not 1 <= low <= high <= 16:
        raise InputError(f"bits {low}:{high} cannot be searched; give the least and the most bits within 1:16")
    return low, high


def _keeps(keep: float | Sequence[float]) -> tuple[float, ...]:
    try:
        keeps = (float(keep),) if isinstance(keep, int | float) else tuple(map(float, keep))
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"keep {keep!r} is not understood; give a number such as 0.99, or several") from None
    if not keeps:
        raise InputError("give at least one relative accuracy to keep, such as 0.99")
    for value in keeps:
        check_keep(value)
    return tuple(dict.fromkeys(keeps))
