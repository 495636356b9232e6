"""The main job: a trained network and accuracy floors in, for each floor a plan with its proof and its energy out.

The three splits keep the floor honest: ranges come from the calibration split, every decision from the search split,
and what is stated in the end from the report split, which nothing was decided on.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from picojoule.data import Samples, Splits
from picojoule.energy import Platform
from picojoule.errors import InputError, UnreachableFloorError
from picojoule.evaluate import Accuracy, Floor, Metric, PlainEvaluator, check_keep
from picojoule.jobs.progress import Listener, Progress, silent
from picojoule.jobs.setup import BASELINES, Setup, prepare, range_settings
from picojoule.network import Network
from picojoule.plan import Plan
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
    platform: str | Platform = "moons2017",
    metric: str | Metric = "top1",
    time_budget: float | None = None,
    seed: int = 0,
    splits: Splits | None = None,
    device: str = "cpu",
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
    if time_budget is not None and not (isinstance(time_budget, int | float) and time_budget >= 0):
        raise InputError(f"time_budget {time_budget!r} cannot be used; give seconds, 0 or more")
    try:
        json.dumps(about, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"about cannot be kept in a result: {error}") from error
    if strategy not in strategies():
        raise InputError(f"strategy '{strategy}' is not known; choose one of {', '.join(strategies())}")
    ranged = range_settings(observer, rescale, signed)
    setup = prepare(model, data, ranged, platform, metric, seed, splits, device)
    deadline = None if time_budget is None else time.monotonic() + time_budget
    with Journal(None if out is None else Path(out) / "journal.sqlite") as journal:
        if journal.set_aside is not None:
            listener(Progress(f"the journal was damaged; it is set aside as '{journal.set_aside}'", 0, 0, None))
        run = _Run(setup, strategies()[strategy](), (low, high), journal, deadline, listener)
        asked = {"keep": list(keeps), "strategy": strategy, "bits": [low, high], "seed": seed}
        result = run.result(keeps, {**(about or {}), **asked})
    if out is not None:
        result.save(out)
    if run.interrupted:
        raise KeyboardInterrupt
    if not result.holds:
        raise UnreachableFloorError(_unreachable(result), result)
    return result


@dataclass(frozen=True)
class _Outcome:
    """How the search for one floor ended."""

    plan: Plan
    status: str
    log: tuple[Decision, ...] = ()
    blockers: tuple[str, ...] = ()


class _Run:
    """One search under way: it counts evaluations, tells its listener, and ends with a result whatever happens."""

    def __init__(
        self,
        setup: Setup,
        strategy: Strategy,
        bits: tuple[int, int],
        journal: Journal,
        deadline: float | None,
        listener: Listener,
    ) -> None:
        self._setup, self._strategy, self._listener = setup, strategy, listener
        self._search = self._evaluator(setup.splits.search, journal, deadline)
        self._report = self._evaluator(setup.splits.report, journal, None)
        signed = {site: setup.calibration.signed(site) for site in setup.network.sites}
        self._problem = Problem(setup.network, signed, bits, self._search, self._cost)
        self.interrupted = False
        self._stage, self._detail, self._done, self._remaining = "float network", "", 0, 0
        self._worked, self._begun = 0, time.monotonic()

    def result(self, keeps: tuple[float, ...], settings: dict[str, Any]) -> Result:
        """Search every floor, then state every point on the report split."""
        reference = self._whatever_the_time(self._setup.baseline("float32"))
        if reference.correct == 0:
            raise InputError("the float network is right on no sample of the search split; are its weights loaded?")
        outcomes = [self._floor(keep, reference) for keep in keeps]
        asked: list[tuple[str, float | None, _Outcome]]
        asked = [(f"{keep:.12g}", keep, outcome) for keep, outcome in zip(keeps, outcomes, strict=True)]
        asked += [(label, None, _Outcome(self._setup.baseline(label), "baseline")) for label in BASELINES]
        self._stage, self._detail, self._done, self._remaining = "report split", "", 0, 2 * len(asked)  # both splits
        points = [self._finished(partial(self._point, *each)) for each in asked]
        baselines = {point.label: point for point in points[len(keeps) :]}
        described = {**settings, **self._setup.described()}
        return Result(self._setup.network, tuple(points[: len(keeps)]), baselines, described)

    def _floor(self, keep: float, reference: Accuracy) -> _Outcome:
        """Search one floor, until it is done, the time is up or the user stops it."""
        floor = Floor(keep, reference)
        last: Step | None = None
        log: list[Decision] = []
        status = "complete"
        self._stage, self._detail, self._done = f"keep {keep:g}", "", 0
        self._remaining = self._strategy.bound(self._problem)
        try:
            if self.interrupted:
                raise OutOfTimeError
            for step in self._strategy.steps(self._problem, floor):
                last, self._remaining = step, step.remaining
                if step.decision is not None:
                    log.append(step.decision)
                    self._detail = f"{step.decision.site} {step.decision.format}"
        except OutOfTimeError:
            status = "stopped"
        except KeyboardInterrupt:
            self.interrupted, status = True, "stopped"
        plan = self._problem.widest() if last is None else last.plan
        accuracy = self._finished(lambda: self._whatever_the_time(plan)) if last is None else last.accuracy
        if floor.holds(accuracy):
            return _Outcome(plan, status, tuple(log))
        return _Outcome(plan, "unreachable", tuple(log), self._blockers(floor))

    def _blockers(self, floor: Floor) -> tuple[str, ...]:
        """The sites that fail the floor on their own at the most bits, else the one that loses most."""
        alone: dict[str, Accuracy] = {}
        everywhere_float = self._setup.baseline("float32")
        widest = self._problem.widest().formats
        self._stage, self._detail, self._done, self._remaining = "what blocks the floor", "", 0, len(widest)
        try:
            for site, format in widest.items():
                alone[site] = self._search.accuracy(everywhere_float.replace(site, format))
        except OutOfTimeError:
            pass  # those measured so far are named
        except KeyboardInterrupt:
            self.interrupted = True
        failing = tuple(site for site, accuracy in alone.items() if not floor.holds(accuracy))
        return failing or tuple(sorted(alone, key=lambda site: alone[site].correct)[:1])

    def _point(self, label: str, keep: float | None, outcome: _Outcome) -> OperatingPoint:
        energy, sparsity = self._setup.price(outcome.plan)
        return OperatingPoint(
            label=label,
            keep=keep,
            plan=outcome.plan,
            ranges=self._setup.calibration.ranges(outcome.plan),
            search=self._whatever_the_time(outcome.plan),
            report=self._report.accuracy(outcome.plan),
            energy=energy,
            sparsity=sparsity,
            status=outcome.status,
            log=outcome.log,
            blockers=outcome.blockers,
        )

    def _cost(self, plan: Plan) -> float:
        energy, _ = self._setup.price(plan)
        return float("inf") if energy is None else energy.total_pj

    def _finished(self, work: Callable[[], T]) -> T:
        """What every result needs: the first Ctrl-C is noted and the work done all the same; a second one ends it."""
        try:
            return work()
        except KeyboardInterrupt:
            if self.interrupted:
                raise
            self.interrupted = True
            return work()

    def _whatever_the_time(self, plan: Plan) -> Accuracy:
        """An accuracy that every result needs, however late it is."""
        deadline, self._search.deadline = self._search.deadline, None
        try:
            return self._search.accuracy(plan)
        finally:
            self._search.deadline = deadline

    def _evaluator(self, samples: Samples, journal: Journal, deadline: float | None) -> JournaledEvaluator:
        setup = self._setup
        plain = PlainEvaluator(setup.calibration, samples, setup.metric, setup.device)
        return JournaledEvaluator(plain, journal, setup.context(samples), deadline, self._heard)

    def _heard(self, accuracy: Accuracy, worked: bool) -> None:
        self._worked += worked
        self._done += 1
        self._remaining = max(0, self._remaining - 1)
        left = None
        if self._worked:
            left = (time.monotonic() - self._begun) / self._worked * self._remaining
        self._listener(Progress(self._stage, self._done, self._done + self._remaining, left, self._detail))


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
    except (TypeError, ValueError):
        raise InputError(f"keep {keep!r} is not understood; give a number such as 0.99, or several") from None
    if not keeps:
        raise InputError("give at least one relative accuracy to keep, such as 0.99")
    for value in keeps:
        check_keep(value)
    return tuple(dict.fromkeys(keeps))


def _unreachable(result: Result) -> str:
    """Which floors do not hold, the nearest that does, and what is in the way."""
    float_accuracy = result.baselines["float32"].search.value
    lines = []
    for point in result.points:
        if point.status == "unreachable":
            reached = point.search.value / float_accuracy
            lines.append(
                f"keep {point.label} is out of reach within {result.settings['bits'][1]} bits: the best plan found "
                f"keeps {reached:.4f}; in the way: {', '.join(point.blockers) or 'not measured'}"
            )
    return "\n".join(lines)
