"""One search under way: sensitivities where the strategy wants them, every floor, and each point stated on data that
decided nothing. It tells its meter, and ends with a result whatever happens.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from picojoule.data import Samples
from picojoule.energy import has_figure
from picojoule.errors import InputError
from picojoule.evaluate import Accuracy, Floor, IncrementalEvaluator, Metric
from picojoule.formats import Format
from picojoule.jobs.progress import Stage
from picojoule.jobs.searching.ways import Ways
from picojoule.jobs.setup import BASELINES, Setup
from picojoule.plan import Plan
from picojoule.search import (
    Decision,
    Journal,
    JournaledEvaluator,
    Memo,
    OperatingPoint,
    OutOfTimeError,
    Problem,
    Result,
    Sensitivities,
    Step,
    Waypoint,
    by_energy,
    formats_of,
    ladders_of,
    left_out,
    measure,
    strategies,
)

T = TypeVar("T")


@dataclass(frozen=True)
class _Outcome:
    """How the search for one floor ended."""

    plan: Plan
    holds: bool = True
    stopped: bool = False
    log: tuple[Decision, ...] = ()
    blockers: tuple[str, ...] = ()


class Run:
    """A search that counts its evaluations and can be cut short."""

    def __init__(
        self, setup: Setup, ways: Ways, metric: tuple[Metric, str], machine: Mapping[str, Any], journal: Journal
    ) -> None:
        """`metric` is the function and its identity; `machine` has the evaluators' `jobs` and `cache_gb`."""
        self._setup, self._ways, self._meter = setup, ways, setup.meter
        self._strategy, self._journal = strategies()[ways.strategy](), journal
        self._metric, self._machine = metric, machine
        self.interrupted = False
        self._worth_saving = False
        self._limits = ways.limits
        signed = {site: setup.calibration.signed(site) for site in setup.network.sites}
        self._ladders = ladders_of(signed, self._formats(signed, "formats", ways.families))
        if ways.inputs:
            inputs = ladders_of(signed, self._formats(signed, "inputs", ways.inputs))
            sites = setup.network.sites
            self._ladders |= {site: inputs[site] for site in sites if sites[site].kind == "inputs"}
        self._begin(None)

    def result(self, keeps: tuple[float, ...], settings: dict[str, Any]) -> Result:
        """Search every floor, then state every point on the report split."""
        self._strategy = strategies()[self._ways.strategy]()  # one learns from floor to floor, and they begin again
        report = self._foresee(keeps)
        reference = self._sure.accuracy(self._setup.baseline("float32"))
        if reference.correct == 0:
            raise InputError("the float network is right on no sample of the search split; are its weights loaded?")
        self._worth_saving = self._journal.path is not None
        if self._unmeasured:
            self._measure()
        outcomes = [self._floor(keep, reference) for keep in keeps]
        path = self._path()
        asked: list[tuple[str, float | None, _Outcome]]
        asked = [(f"{keep:.12g}", keep, outcome) for keep, outcome in zip(keeps, outcomes, strict=True)]
        asked += [(label, None, _Outcome(self._setup.baseline(label))) for label in BASELINES]
        self._meter.begin(report)
        points = [self._point(*each) for each in asked]
        baselines = {point.label: point for point in points[len(keeps) :]}
        histograms = self._setup.calibration.histograms()
        return Result(self._setup.network, tuple(points[: len(keeps)]), baselines, settings, histograms, path)

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

    def _begin(self, sensitivities: Sensitivities | None) -> None:
        """Make the evaluators and the problem, for the setup as it now is."""
        setup, (metric, identity) = self._setup, self._metric

        def evaluator(samples: Samples, **how: Any) -> Callable[..., JournaledEvaluator]:
            how = {**self._machine, **how}
            inner = IncrementalEvaluator(setup.calibration, samples, metric, setup.device, self._meter.ran, **how)
            return partial(JournaledEvaluator, inner, self._journal, setup.context(samples, identity))

        searched = evaluator(setup.splits.search, hardest_first=True)
        self._search = searched(stopped=self._over, listener=self._meter.heard)
        self._sure = searched()  # for what every result needs, and nothing may cut short
        self._report = evaluator(setup.splits.report, cache_gb=0)()
        self._problem = Problem(setup.network, self._ladders, self._search, setup.estimate, sensitivities, self._limits)
        self._fits()

    def _formats(self, signed: Mapping[str, bool], option: str, families: tuple[str, ...]) -> tuple[Format, ...]:
        """Those of the families that an option asks for, most energy first; what cannot be searched is named and left
        out."""
        bits, platform = self._ways.bits, self._setup.platform
        missing = [f"{option} '{name}' are left out: {why}" for name, why in left_out(families, bits, platform).items()]
        known = formats_of(families, bits)
        found = [format for format in known if has_figure(format, platform)]
        if not found:
            other = f"another platform than '{platform.name}'" if known else "other bits than {}:{}".format(*bits)
            raise InputError(f"{'; '.join(missing)}; give {option} '{','.join(('fixed', *families))}', or {other}")
        for line in missing:
            self._meter.remark(line)

        def everywhere_pj(format: Format) -> float:
            return self._setup.estimate(Plan({site: each for site, (each,) in ladders_of(signed, [format]).items()}))

        return by_energy(found, everywhere_pj)

    def _fits(self) -> None:
        """Refuse limits that even the fewest bits exceed."""
        narrowest = self._problem.narrowest()
        if self._limits.excess(self._setup.network, narrowest) > 0:
            raise InputError(self._limits.refusal(self._setup.network, narrowest))

    def _measure(self) -> None:
        """Find how sensitive each site is at each format, and with it the exponents that disturb least."""
        setup, calibration = self._setup, self._setup.splits.calibration
        self._meter.begin(self._sensing)
        try:
            exponents, found = measure(
                setup.calibration, calibration.x, self._ladders, self._ways.tuned,
                Memo(self._journal, setup.context(calibration, "margins"), self._over, self._meter.heard),
                device=setup.device, ran=self._meter.ran, **self._machine,
            )  # fmt: skip
        except OutOfTimeError:
            return
        if exponents:  # with one exponent for the network no site can have its own
            self._setup = self._setup.tuned(exponents)
        self._begin(found)

    def _over(self) -> bool:
        """Whether the search is to end: the time is up, or the user said so."""
        return self.interrupted or (self._meter.deadline is not None and time.monotonic() > self._meter.deadline)

    def _sweep(self, keep: float) -> Stage:
        """The search for one floor, as the meter knows it."""
        bound = self._strategy.bound(self._problem)
        return Stage(f"keep {keep:.12g}", bound, len(self._setup.splits.search), open=True)

    @property
    def _unmeasured(self) -> bool:
        """Whether there are no sensitivities where some are needed."""
        return self._senses and self._problem.sensitivities is None

    @property
    def _senses(self) -> bool:
        """Whether the strategy or the ranges need sensitivities."""
        return self._strategy.weighs or self._ways.tuned

    @property
    def _sensing(self) -> Stage:
        formats = sum(map(len, self._ladders.values()))
        return Stage("sensitivities", formats, len(self._setup.splits.calibration) / 2, "formats", open=True)

    def _paving(self, plans: int) -> Stage:
        sizes = len(self._setup.splits.search) + len(self._setup.splits.report)
        return Stage("plans between the floors", plans, sizes)

    def _foresee(self, keeps: tuple[float, ...]) -> Stage:
        """Tell the meter of all that is to come, and begin; returns the last stage, the report of every point."""
        sizes = {name: len(samples) for name, samples in vars(self._setup.splits).items()}
        known = (self._problem.widest(), self._setup.baseline("float32"))
        new = [label for label in BASELINES if self._setup.baseline(label) not in known]
        points = len(keeps) + len(BASELINES)
        work = sizes["report"] + sizes["calibration"] + sizes["search"] * len(new) / points
        report = Stage("report split", points, work, "points")
        ahead = [self._sensing] if self._senses else []
        self._meter.expect(*ahead, *map(self._sweep, keeps), report)
        self._meter.begin(Stage("float network", 1, sizes["search"]))
        return report

    def _floor(self, keep: float, reference: Accuracy) -> _Outcome:
        """Search one floor, until it is done, the time is up or the user stops it."""
        floor = Floor(keep, reference, self._ways.confidence)
        last: Step | None = None
        log: list[Decision] = []
        stopped = False
        try:
            self._meter.begin(self._sweep(keep))
            if self._unmeasured:
                raise OutOfTimeError
            for step in self._strategy.steps(self._problem, floor):
                last = step
                log += [] if step.decision is None else [step.decision]
                self._meter.narrow(step.remaining, self._detail(step))
        except OutOfTimeError:
            stopped = True
        plan = self._fitting() if last is None else last.plan
        holds = floor.holds(self._sure.tally(plan)) if last is None else last.holds
        return _Outcome(plan, holds, stopped, tuple(log), () if holds else self._blockers(floor))

    def _detail(self, step: Step) -> str:
        """What a step is worth telling."""
        if step.decision is not None:
            return f"{step.decision.site} {step.decision.format}"
        if self._strategy.weighs:
            most = self._setup.estimate(self._problem.widest())
            return f"{self._setup.estimate(step.plan) / most:.3f} of {self._ways.bits[1]} bits" if most else ""
        return ""

    def _fitting(self) -> Plan:
        """The plan of most energy that is within the limits, one format everywhere."""
        depth = max(map(len, self._ladders.values()))
        plans = (self._problem.rung(rung) for rung in range(depth))
        return next(plan for plan in plans if not self._limits.excess(self._setup.network, plan))

    def _path(self) -> tuple[Waypoint, ...]:
        """The plans that the strategy knows beside those of the floors, as far as there is time."""
        plans = () if self._unmeasured else self._strategy.path(self._problem)
        if plans:
            self._meter.begin(self._paving(len(plans)))
        found = []
        try:
            for plan in plans:
                searched = self._search.tally(plan)
                found.append(Waypoint(plan, searched, self._report.tally(plan), self._setup.cost(plan)))
        except OutOfTimeError:
            pass
        return tuple(found)

    def _blockers(self, floor: Floor) -> tuple[str, ...]:
        """The sites that fail the floor on their own at the most bits, else the one that loses most.

        Of those that could be measured before the search was to end.
        """
        alone = {}
        everywhere_float = self._setup.baseline("float32")
        widest = self._problem.widest().formats
        try:
            self._meter.begin(Stage("what blocks the floor", len(widest), len(self._setup.splits.search)))
            for site, format in widest.items():
                alone[site] = self._search.tally(everywhere_float.replace(site, format))
        except OutOfTimeError:
            pass
        failing = tuple(site for site, tally in alone.items() if not floor.holds(tally))
        return failing or tuple(sorted(alone, key=lambda site: alone[site].correct)[:1])

    def _point(self, label: str, keep: float | None, outcome: _Outcome) -> OperatingPoint:
        zeros = self._setup.zeros(outcome.plan)
        point = OperatingPoint(
            label=label,
            keep=keep,
            plan=outcome.plan,
            ranges=self._setup.calibration.ranges(outcome.plan),
            searched=self._sure.tally(outcome.plan),
            reported=self._report.tally(outcome.plan),
            energy=self._setup.price(outcome.plan, zeros),
            sparsity=zeros,
            holds=outcome.holds,
            stopped=outcome.stopped,
            log=outcome.log,
            blockers=outcome.blockers,
        )
        self._meter.heard()
        return point
