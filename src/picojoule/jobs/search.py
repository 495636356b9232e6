"""The main job: a trained network and accuracy floors in, for each floor a plan with its proof and its energy out.

The three splits keep the floor honest: ranges come from the calibration split, every decision from the search split,
and what is stated in the end from the report split, which nothing was decided on.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from picojoule.calibration import Calibration, Settings
from picojoule.data import Loaded, Samples, Splits, as_loaded, split
from picojoule.energy import EnergyReport, Platform, Sparsity, energy
from picojoule.errors import DataError, InputError, PlatformError, UnreachableFloorError
from picojoule.evaluate import (
    METRICS,
    Accuracy,
    Evaluator,
    Floor,
    Metric,
    PlainEvaluator,
    check_keep,
    check_labels,
    measure_sparsity,
)
from picojoule.formats import Fixed, Float32
from picojoule.jobs.progress import Listener, Progress, silent
from picojoule.network import Network, capture
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
    strategies,
)
from picojoule.userref import resolve

BASELINES = ("fixed16", "fixed8", "float32")


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
    them (train, held-out), or a pair of arrays (x, y). `keep` is one or several relative accuracies; the first one's
    plan is selected in the result. `time_budget` is in seconds: past it no evaluation begins, and each floor ends with
    the best plan found so far. With `out` the run folder is written, and a second run there resumes from its journal.

    Raises:
        InputError: anything the user gave that cannot be used.
        UnreachableFloorError: a floor does not hold even with the most bits; its `result` has the best found.
        KeyboardInterrupt: after the best so far is saved to `out`.
    """
    keeps = _keeps(keep)
    settings = _Settings(keeps, strategy, Settings(observer, rescale, signed), _bits(bits), seed)
    prepared = _prepare(model, data, settings, platform, metric, splits, device)
    with Journal(None if out is None else Path(out) / "journal.sqlite") as journal:
        if journal.set_aside is not None:
            listener(Progress(f"the journal was damaged; it is set aside as '{journal.set_aside}'", 0, 0, None))
        deadline = None if time_budget is None else time.monotonic() + time_budget
        run = _Run(prepared, settings, journal, deadline, listener)
        result = run.result(about or {})
    if out is not None:
        result.save(out)
    if run.interrupted:
        raise KeyboardInterrupt
    if not result.holds:
        raise UnreachableFloorError(_unreachable(result), result)
    return result


@dataclass(frozen=True)
class _Settings:
    """What was asked for."""

    keeps: tuple[float, ...]
    strategy: str
    calibration: Settings
    bits: tuple[int, int]
    seed: int

    def __post_init__(self) -> None:
        if self.strategy not in strategies():
            known = ", ".join(strategies())
            raise InputError(f"strategy '{self.strategy}' is not known; choose one of {known}")


@dataclass(frozen=True, eq=False)
class _Prepared:
    """Everything that is fixed before the first evaluation."""

    network: Network
    splits: Splits
    calibration: Calibration
    platform: Platform
    metric: Metric
    metric_name: str
    device: str

    def context(self, samples: Samples, settings: _Settings) -> str:
        """A hash of all that an accuracy on these samples depends on, but the plan."""
        parts = {
            "network": self.network.digest(),
            "calibration": [self.splits.calibration.digest(), *vars(settings.calibration).values()],
            "samples": samples.digest(),
            "metric": self.metric_name,
            "device": self.device,
            "code": [version("picojoule"), torch.__version__],
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _prepare(
    model: nn.Module | Network,
    data: object,
    settings: _Settings,
    platform: str | Platform,
    metric: str | Metric,
    splits: Splits | None,
    device: str,
) -> _Prepared:
    chosen, name = _metric(metric)
    priced = platform if isinstance(platform, Platform) else Platform.load(platform)
    if splits is None:
        splits = split(data if isinstance(data, Loaded) else as_loaded(data), seed=settings.seed)
    network = capture(model, splits.calibration.x[:1])
    if not network.layers:
        raise InputError("the network has no layer that can be quantised; `picojoule inspect` lists why")
    _check_shape(network, splits.calibration)
    if name in METRICS:
        for part in (splits.search, splits.report):
            check_labels(network.output_shape, part.y)
    calibration = Calibration.of(network, splits.calibration.x, settings.calibration)
    return _Prepared(network, splits, calibration, priced, chosen, name, device)


class _Run:
    """One search under way: it counts evaluations, tells its listener, and ends with a result whatever happens."""

    def __init__(
        self, prepared: _Prepared, settings: _Settings, journal: Journal, deadline: float | None, listener: Listener
    ) -> None:
        self._prepared, self._settings, self._listener = prepared, settings, listener
        self.interrupted = False
        self._stage, self._detail, self._done, self._remaining = "float network", "", 0, 0
        self._worked, self._begun = 0, time.monotonic()
        self._search = self._evaluator(prepared.splits.search, journal, deadline)
        self._report = self._evaluator(prepared.splits.report, journal, None)

    def result(self, about: dict[str, Any]) -> Result:
        """Search every floor, then state every point on the report split."""
        network = self._prepared.network
        float_plan = Plan.uniform(network, Float32())
        reference = self._without_deadline(float_plan)
        if reference.correct == 0:
            raise InputError("the float network is right on no sample of the search split; are its weights loaded?")
        found = [self._floor(keep, reference) for keep in self._settings.keeps]
        self._tell("report split")
        points = tuple(
            self._point(f"{keep:g}", keep, *rest) for keep, rest in zip(self._settings.keeps, found, strict=True)
        )
        baselines = {label: self._baseline(label) for label in BASELINES}
        return Result(network, points, baselines, {**about, **self._described(reference)})

    def _floor(self, keep: float, reference: Accuracy) -> "tuple[Plan, str, tuple[Decision, ...], tuple[str, ...]]":
        """The plan for one floor, how its search ended, its decisions, and what blocks it where it does not hold."""
        prepared, floor = self._prepared, Floor(keep, reference)
        strategy = strategies()[self._settings.strategy]()
        problem = self._problem()
        self._stage, self._done, self._remaining = f"keep {keep:g}", 0, strategy.bound(problem)
        last: Step | None = None
        log: list[Decision] = []
        status = "complete"
        try:
            for step in strategy.steps(problem, floor):
                last, self._remaining = step, step.remaining
                self._detail = "" if step.decision is None else f"{step.decision.site} {step.decision.format}"
                log += [] if step.decision is None else [step.decision]
                self._check_interrupt()
        except OutOfTimeError:
            status = "stopped"
        except KeyboardInterrupt:
            self.interrupted, status = True, "stopped"
        plan = problem.widest() if last is None else last.plan
        accuracy = self._without_deadline(plan) if last is None else last.accuracy
        if floor.holds(accuracy):
            return plan, status, tuple(log), ()
        return plan, "unreachable", tuple(log), self._blockers(problem, floor)

    def _check_interrupt(self) -> None:
        if self.interrupted:
            raise OutOfTimeError

    def _blockers(self, problem: Problem, floor: Floor) -> tuple[str, ...]:
        """The sites that fail the floor on their own at the most bits, else the one that loses most."""
        network = self._prepared.network
        alone: dict[str, Accuracy] = {}
        self._stage, self._remaining = "what blocks the floor", len(network.sites)
        try:
            for site in network.sites:
                plan = Plan.uniform(network, Float32()).replace(site, problem.ladder(site)[0])
                alone[site] = self._search.accuracy(plan)
        except (OutOfTimeError, KeyboardInterrupt) as stopped:
            self.interrupted |= isinstance(stopped, KeyboardInterrupt)
        failing = tuple(site for site, accuracy in alone.items() if not floor.holds(accuracy))
        return failing or tuple(sorted(alone, key=lambda site: alone[site].correct)[:1])

    def _problem(self) -> Problem:
        prepared = self._prepared
        signed = {site: prepared.calibration.signed(site) for site in prepared.network.sites}
        return Problem(prepared.network, signed, self._settings.bits, self._search, self._cost)

    def _cost(self, plan: Plan) -> float:
        report, _ = self._priced(plan)
        return float("inf") if report is None else report.total_pj

    def _point(
        self,
        label: str,
        keep: float | None,
        plan: Plan,
        status: str,
        log: tuple[Decision, ...],
        blockers: tuple[str, ...],
    ) -> OperatingPoint:
        report, sparsity = self._priced(plan)
        return OperatingPoint(
            label=label,
            keep=keep,
            plan=plan,
            ranges=self._prepared.calibration.ranges(plan),
            search=self._without_deadline(plan),
            report=self._report.accuracy(plan),
            energy=report,
            sparsity=sparsity,
            status=status,
            log=log,
            blockers=blockers,
        )

    def _baseline(self, label: str) -> OperatingPoint:
        format = Float32() if label == "float32" else Fixed(int(label.removeprefix("fixed")))
        return self._point(label, None, Plan.uniform(self._prepared.network, format), "baseline", (), ())

    def _priced(self, plan: Plan) -> tuple[EnergyReport | None, Sparsity]:
        prepared = self._prepared
        ranges = prepared.calibration.ranges(plan)
        sparsity = measure_sparsity(prepared.network, plan, ranges, prepared.splits.calibration)
        try:
            return energy(prepared.network, plan, prepared.platform, sparsity), sparsity
        except PlatformError:
            if any(format.family != "float" for format in plan.formats.values()):
                raise
            return None, sparsity  # a platform without floating point has no float32 baseline

    def _without_deadline(self, plan: Plan) -> Accuracy:
        deadline, self._search.deadline = self._search.deadline, None
        try:
            return self._search.accuracy(plan)
        finally:
            self._search.deadline = deadline

    def _evaluator(self, samples: Samples, journal: Journal, deadline: float | None) -> JournaledEvaluator:
        prepared = self._prepared
        plain: Evaluator = PlainEvaluator(prepared.calibration, samples, prepared.metric, prepared.device)
        return JournaledEvaluator(plain, journal, prepared.context(samples, self._settings), deadline, self._heard)

    def _heard(self, accuracy: Accuracy, worked: bool) -> None:
        self._worked += worked
        self._done += 1
        self._remaining = max(0, self._remaining - 1)
        self._tell(self._stage)

    def _tell(self, stage: str) -> None:
        self._stage = stage
        mean = (time.monotonic() - self._begun) / self._worked if self._worked else None
        left = None if mean is None else mean * self._remaining
        self._listener(Progress(stage, self._done, self._done + self._remaining, left, self._detail))

    def _described(self, reference: Accuracy) -> dict[str, Any]:
        """The settings as the result states them."""
        prepared, settings = self._prepared, self._settings
        splits = prepared.splits
        return {
            "keep": list(settings.keeps),
            "strategy": settings.strategy,
            "rescale": settings.calibration.granularity,
            "observer": settings.calibration.observer,
            "signed": settings.calibration.signed,
            "bits": list(settings.bits),
            "platform": prepared.platform.name,
            "metric": prepared.metric_name,
            "seed": settings.seed,
            "samples": {
                "calibration": len(splits.calibration),
                "search": len(splits.search),
                "report": len(splits.report),
            },
            "reference": reference.to_table(),
        }


def _keeps(keep: float | Sequence[float]) -> tuple[float, ...]:
    keeps = (float(keep),) if isinstance(keep, int | float) else tuple(map(float, keep))
    if not keeps:
        raise InputError("give at least one relative accuracy to keep, such as 0.99")
    for value in keeps:
        check_keep(value)
    return tuple(dict.fromkeys(keeps))


def _bits(bits: tuple[int, int]) -> tuple[int, int]:
    low, high = bits
    if not 1 <= low <= high <= 16:
        raise InputError(f"bits {low}:{high} cannot be searched; give the least and the most bits within 1:16")
    return low, high


def _metric(metric: str | Metric) -> tuple[Metric, str]:
    """The metric and its name; a user's function is named with a hash of its code, since accuracies depend on it."""
    if callable(metric):
        return metric, _named(metric)
    if metric in METRICS:
        return METRICS[metric], metric
    if ":" not in metric:
        raise InputError(f"metric '{metric}' is not known; give one of {', '.join(METRICS)}, or path.py:function")
    function = resolve(metric)
    return cast(Metric, function), _named(cast(Metric, function))


def _named(metric: Metric) -> str:
    name = f"{getattr(metric, '__module__', '')}.{getattr(metric, '__qualname__', type(metric).__name__)}"
    code = getattr(metric, "__code__", None)
    if code is None:
        return name
    content = code.co_code + repr((code.co_consts, code.co_names)).encode()
    return f"{name} {hashlib.sha256(content).hexdigest()[:12]}"


def _check_shape(network: Network, samples: Samples) -> None:
    if tuple(samples.x.shape[1:]) != network.input_shape:
        raise DataError(
            f"samples have shape {list(samples.x.shape[1:])}, the network takes {list(network.input_shape)}; "
            "prepare the data (--resize) or give another model"
        )


def _unreachable(result: Result) -> str:
    """Which floors do not hold, the nearest that does, and what is in the way."""
    float_accuracy = result.baselines["float32"].search.value
    lines = []
    for point in result.points:
        if point.status == "unreachable":
            reached = point.search.value / float_accuracy
            lines.append(
                f"keep {point.label} is out of reach within {result.settings['bits'][1]} bits: the best plan found keeps "
                f"{reached:.4f}; the most in the way: {', '.join(point.blockers) or 'not measured'}"
            )
    return "\n".join(lines)
