"""The meter on simulated searches with a clock of their own: what it foresees against what then comes."""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from picojoule.jobs.progress import EVERY, Meter, Progress, Recent, Stage

WORK = 1000
"""Samples in an evaluation."""


@dataclass
class Job:
    """A search in which time passes only while samples run; every event is kept with the time it came at."""

    seconds: Callable[[float], float] = lambda now: 2.0  # of an evaluation that begins then
    batches: int = 1
    now: float = 0.0
    events: list[tuple[float, Progress]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.meter = Meter(lambda event: self.events.append((self.now, event)), lambda: self.now)

    def evaluate(self, worked: bool = True) -> None:
        """One evaluation, in so many batches, or one that is looked up."""
        if worked:
            seconds = self.seconds(self.now)
            for _ in range(self.batches):
                self.now += seconds / self.batches
                self.meter.ran(WORK // self.batches)
        self.meter.heard(worked)

    def sweep(self, stage: Stage, sites: Sequence[int], rungs: int, known: int) -> None:
        """One floor: the widest plan, then so many trials at each site; the first `known` of all are looked up."""
        self.meter.begin(stage)
        evaluations = itertools.count()
        bound = stage.units
        for trials, steps in ((1, 1), *((each, rungs) for each in sites)):
            for _ in range(trials):
                self.evaluate(worked=next(evaluations) >= known)
            bound -= steps
            self.meter.narrow(bound, "a site")

    def search(self, *floors: Sequence[int], rungs: int, known: Sequence[int] = ()) -> "Job":
        """A whole search: the float network, a sweep for each floor, the report of each plan and three baselines."""
        report = Stage("report", len(floors) + 3, WORK, "points")
        stages = [Stage(f"keep {k}", 1 + rungs * len(sites), WORK, open=True) for k, sites in enumerate(floors)]
        self.meter.expect(*stages, report)
        self.meter.begin(Stage("float", 1, WORK))
        self.evaluate()
        for stage, sites, looked_up in zip(stages, floors, (*known, *[0] * len(floors)), strict=False):
            self.sweep(stage, sites, rungs, looked_up)
        self.meter.begin(report)
        for _ in range(report.units):
            self.evaluate()
        return self

    def ratios(self, since: float = 0.25) -> list[float]:
        """Each estimate over what then really came, from that share of the whole time on until near the end."""
        return [
            event.seconds / (self.now - then)
            for then, event in self.events
            if since * self.now <= then < 0.95 * self.now and event.seconds is not None
        ]


SHAPES: dict[str, Callable[[random.Random, int, int], list[int]]] = {
    "every site stops at once": lambda draw, sites, rungs: [1] * sites,
    "every site goes to the end": lambda draw, sites, rungs: [rungs] * sites,
    "half of each ladder, more or less": lambda draw, sites, rungs: [
        max(1, round(rungs / 2 + draw.uniform(-1, 1) * rungs / 4)) for _ in range(sites)
    ],
    "to the end until the slack is spent": lambda draw, sites, rungs: [
        rungs if site < sites // 8 else max(1, 2 * rungs // 3 + draw.randint(-2, 2)) for site in range(sites)
    ],
    "inputs far, weights not": lambda draw, sites, rungs: [rungs if site % 2 else 1 for site in range(sites)],
}
RESNET20 = [10, 13, 13, 11, 12, 11, 14, 7, 8, 9, 8, 7, 11, 14, 14, 13, 14, 10, 15, 14, 15, 11, 10, 10, 13, 9, 10, 8, 13,
            11, 11, 11, 10, 9, 8, 10, 10, 12, 8, 10]  # fmt: skip
"""Trials at each site that a real search took, with 16 bits down to 1 on CIFAR-10."""


class TestSearches:
    """From a quarter of the time on, what is said to be left is within a factor of two of what then comes."""

    @pytest.mark.parametrize("rungs", [1, 7, 15])
    @pytest.mark.parametrize("sites", [10, 40, 128])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_one_floor(self, shape: str, sites: int, rungs: int) -> None:
        ratios = Job().search(SHAPES[shape](random.Random(0), sites, rungs), rungs=rungs).ratios()
        assert 0.5 <= min(ratios) <= max(ratios) <= 2

    def test_one_that_really_was(self) -> None:
        ratios = Job().search(RESNET20, rungs=15).ratios()
        assert 0.5 <= min(ratios) <= max(ratios) <= 2

    @pytest.mark.parametrize("known", [(), (0, 30, 60), (300,), (432, 200, 50)], ids=str)
    def test_several_floors_and_what_is_known_of_them(self, known: tuple[int, ...]) -> None:
        lower = [min(15, trials + 1) for trials in RESNET20]
        ratios = Job().search(RESNET20, lower, lower, rungs=15, known=known).ratios()
        assert 0.5 <= min(ratios) <= max(ratios) <= 2

    @pytest.mark.parametrize("factor", [0.4, 2.5])
    def test_a_machine_whose_speed_changes(self, factor: float) -> None:
        """Some evaluations after the change it is within two again."""
        job = Job(lambda now: 2.0 if now < 300 else 2.0 * factor).search(RESNET20, rungs=15)
        later = [
            event.seconds / (job.now - then) for then, event in job.events
            if 300 + 20 * factor < then < job.now - 10 and event.seconds is not None
        ]  # fmt: skip
        assert 0.5 <= min(later) <= max(later) <= 2


class TestMeter:
    def test_nothing_is_told_before_anything_was_timed(self) -> None:
        job = Job()
        job.search([1, 1], rungs=1, known=[3])
        assert [event.seconds for _, event in job.events[:1]] == [None]
        assert all(event.seconds is not None for _, event in job.events[1:])

    def test_nothing_is_told_before_the_rest_of_the_job_is_known(self) -> None:
        job = Job()
        job.meter.begin(Stage("calibrating", 1, WORK))
        job.evaluate()
        job.meter.begin(Stage("counting", 2, WORK))
        assert {event.seconds for _, event in job.events} == {None}
        job.meter.expect()
        job.evaluate()
        assert job.events[-1][1].seconds == pytest.approx(2.0)

    def test_one_batch_is_enough_to_tell(self) -> None:
        job = Job(batches=10)
        job.search([7] * 10, rungs=7)
        at, first = next((at, event) for at, event in job.events if event.seconds is not None)
        assert (at, first.stage, first.done) == (EVERY, "float", 0)
        assert 0.2 < (first.seconds or 0) / job.events[-1][0] < 2

    def test_within_an_evaluation_it_tells_now_and_then(self) -> None:
        job = Job(lambda now: 10.0, batches=100)
        job.meter.expect()
        job.meter.begin(Stage("counting", 3, WORK))
        job.evaluate()
        assert 10 <= len(job.events) <= 12
        for at, event in job.events[1:]:
            assert event.seconds == pytest.approx(30 - at)
            assert event.done == (at > 9.99 and event is job.events[-1][1])

    def test_a_deadline_cuts_what_may_be_cut(self) -> None:
        job = Job()
        stage, report = Stage("keep", 1001, WORK, open=True), Stage("report", 4, WORK)
        job.meter.deadline = 100.0
        job.meter.expect(stage, report)
        job.meter.begin(stage)
        for _ in range(10):
            job.evaluate()
        assert job.events[-1][1] == Progress("keep", 10, 10 + 40, 80.0 + 4 * 2.0)
        job.now = 103.0
        job.meter.begin(report)
        assert job.events[-1][1].seconds == 8.0

    def test_what_was_not_expected_is_added(self) -> None:
        job = Job()
        job.meter.expect(Stage("report", 4, WORK))
        job.meter.begin(Stage("what blocks", 5, WORK))
        job.evaluate()
        assert job.events[-1][1].seconds == (4 + 4) * 2.0

    def test_less_work_than_foreseen_counts_as_all_of_it(self) -> None:
        """An evaluation that was decided early makes evaluations quicker, and not fewer."""
        job = Job()
        job.meter.expect()
        job.meter.begin(Stage("counting", 5, WORK))
        job.now = 0.5
        job.meter.ran(WORK // 4)
        job.meter.heard(worked=True)
        assert job.events[-1][1].seconds == pytest.approx(4 * 0.5, rel=0.1)

    def test_what_is_looked_up_takes_no_time(self) -> None:
        job = Job()
        job.meter.expect()
        job.meter.begin(Stage("counting", 4, WORK))
        job.evaluate()
        left = []
        for _ in range(2):
            job.now += 0.3
            job.evaluate(worked=False)
            left.append(job.events[-1][1].seconds)
        assert left == [4.0, 2.0]

    def test_a_stage_of_unknown_size(self) -> None:
        job = Job()
        job.meter.begin(Stage("capturing"))
        job.meter.remark("by the way")
        assert [event for _, event in job.events] == [Progress("capturing"), Progress("by the way", remark=True)]

    def test_a_clock_that_stands_still(self) -> None:
        job = Job(lambda now: 0.0).search([2, 2], rungs=3)
        assert {event.seconds for _, event in job.events} == {None}

    def test_units_are_counted_and_named(self) -> None:
        job = Job().search([1, 3], rungs=3)
        keep = [event for _, event in job.events if event.stage == "keep 0"]
        assert list(dict.fromkeys((event.done, event.detail) for event in keep)) == [
            (0, ""), (1, ""), (1, "a site"), (2, "a site"), (3, "a site"), (4, "a site"), (5, "a site")
        ]  # fmt: skip
        assert all(event.done <= event.expected <= 7 for event in keep)
        assert {(event.expected, event.unit) for _, event in job.events if event.stage == "report"} == {(4, "points")}


def test_recent_values_count_most() -> None:
    steady, changed = Recent(), Recent()
    assert steady.mean == 0
    for took in (4.0, 4.0, 4.0, 4.0):
        steady.add(took, 2, half=2)
    assert steady.mean == 2
    for took in (0.0, 0.0, 4.0):
        changed.add(took, 1, half=1)
    assert changed.mean == pytest.approx(4 / 1.75)
    prior = Recent(prior=3, weight=1)
    assert prior.mean == 3
    prior.add(1, 1, half=10)
    assert prior.mean == 2
