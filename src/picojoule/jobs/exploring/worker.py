"""One process at the trials of a study, which it may share with others on any machine."""

import math
import time
from collections.abc import Callable
from pathlib import Path

from picojoule import units
from picojoule.errors import FileError, InputError, InUseError
from picojoule.explore import Claim, Point, Study, Trial, hopeless, undone
from picojoule.jobs.exploring.sweep import Prospect, Sweep
from picojoule.jobs.progress import Progress
from picojoule.jobs.train import Curve, train
from picojoule.search import Result

POLL = 2.0
"""Seconds between looks at what other workers are at, while there is nothing else to do."""


class _HopelessError(Exception):
    """A training is given up."""


class _TakenError(Exception):
    """Another worker has taken this one for dead, and has its trial now."""


class Worker:
    """One process at the trials of a study, until none is left."""

    def __init__(
        self, sweep: Sweep, prospect: Prospect, study: Study, folder: Path, prune: bool, time_budget: float | None
    ) -> None:
        self._sweep, self._prospect, self._study, self._folder, self._prune = sweep, prospect, study, folder, prune
        self._points = tuple(prospect.entries)
        self._deadline = None if time_budget is None else time.monotonic() + time_budget
        self._budget = time_budget
        self._pace = 1.0  # seconds that a foreseen one took
        self._trials: tuple[Trial, ...] = ()

    def work(self) -> None:
        """Train what waits; then wait for what others are at, and take over what they leave."""
        self._study.enqueue(self._points)
        self._check_budget()
        while True:
            self._study.enqueue(self._points)  # those whose workers died
            self._trials = self._study.trials()
            claim = self._study.claim([point for point in self._points if self._fits(point)])
            if claim is not None:
                self._train(claim)
                continue
            self._trials = self._study.trials()  # as it is now: another may have claimed the last one just before
            others = [each for each in self._trials if each.state == "running" and each.point in self._points]
            if not (others or any(map(self._fits, self._unbegun()))) or self._left() == 0:
                break
            self._sweep.listener(self._event(f"waiting for {len(others)} of other workers"))
            time.sleep(POLL)
        if left := self._unbegun():
            self._sweep.remark(f"the time is over with {len(left)} of {len(self._points)} networks left to train")

    def _unbegun(self) -> tuple[Point, ...]:
        """The points that are to be trained and no worker is at."""
        return undone(self._points, [each for each in self._trials if each.state != "waiting"])

    def _check_budget(self) -> None:
        """Refuse a budget that nothing can be trained in."""
        left = {each.point for each in self._study.trials() if each.state == "waiting"}
        quickest = min((self._prospect.entries[point][1] for point in self._points if point in left), default=0.0)
        if self._budget is not None and self._budget < quickest:
            raise InputError(
                f"a time budget of {units.duration(self._budget)} is less than any of these trainings takes, at least "
                f"about {units.roughly(quickest)}; give more, or fewer epochs"
            )

    def _left(self) -> float:
        """Seconds until the time is over."""
        return math.inf if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _fits(self, point: Point) -> bool:
        return self._pace * self._prospect.entries[point][1] <= self._left()

    def _train(self, claim: Claim) -> None:
        """Train a claimed trial to its end, whatever that is."""
        sweep, point, began = self._sweep, claim.point, time.monotonic()
        cost, foreseen = self._prospect.entries[point]

        def watch(curve: Curve) -> None:
            if not self._study.report(claim, curve):
                raise _TakenError
            if self._prune and hopeless(curve, sweep.epochs, self._cheaper(point)):
                raise _HopelessError(
                    f"behind the median of cheaper networks at {point.bits} bits after {len(curve)} epochs"
                )

        def took() -> float:
            return time.monotonic() - began

        with self._study.held(claim):
            try:
                result = self._result(point, watch)
            except _TakenError:
                sweep.remark(f"{point} is another worker's now: this one gave no sign for long")
            except _HopelessError as reason:
                self._study.end(claim, "pruned", str(reason), took())
            except FileError:  # a full disk, or the study itself is gone: nothing is wrong with the trial
                self._study.stop(claim, took())
                raise
            except InputError as error:
                self._study.end(claim, "failed", str(error), took())
            except Exception as error:  # a fault, which may be the trial's: it is not tried for ever
                self._study.end(claim, "died", repr(error), took())
                raise
            except BaseException:
                self._study.stop(claim, took())
                raise
            else:
                pj, trained = cost.energy_pj[sweep.platform.name], result.point
                assert pj is not None
                self._study.report(claim, result.settings["curve"])  # nobody watches where only measuring was left
                self._study.complete(claim, pj, trained.search, trained.report, took())
                self._pace = (self._pace + took() / max(foreseen, 1e-9)) / 2

    def _result(self, point: Point, watch: Callable[[Curve], None]) -> Result:
        """A training's result. Its folder may still be in use: by a worker taken for dead, until its epoch ends."""
        sweep = self._sweep
        while True:
            try:
                return train(
                    point.network, sweep.loaded, bits=point.bits, recipe=sweep.recipe, epochs=sweep.epochs,
                    activation=sweep.activation, seed=point.seed, platform=sweep.platform, device=sweep.device,
                    out=self._folder / "trials" / str(point), listener=self._heard(point), watch=watch,
                )  # fmt: skip
            except InUseError:
                sweep.listener(self._event(f"waiting for the folder of {point}", point))
                time.sleep(POLL)

    def _cheaper(self, point: Point) -> list[Curve]:
        """The curves of ended trainings of other networks at the same bits that cost no more.

        Of its own network there are other seeds: were the worst of them given up, the mean would be of the best.
        """
        bound = self._energy(point)
        return [
            trial.curve
            for trial in self._trials
            if trial.state in ("complete", "pruned")
            and trial.point.bits == point.bits
            and trial.point.network != point.network
            and trial.point in self._prospect.entries
            and self._energy(trial.point) <= bound
        ]

    def _energy(self, point: Point) -> float:
        pj = self._prospect.entries[point][0].energy_pj[self._sweep.platform.name]
        assert pj is not None
        return pj

    def _heard(self, point: Point) -> Callable[[Progress], None]:
        """What a training tells, as part of the whole."""

        def listen(event: Progress) -> None:
            if not event.remark:
                counted = f" {event.done}/{event.expected} {event.unit}" if event.expected > 1 else ""
                details = ", ".join(filter(None, (f"{event.stage}{counted}", event.detail)))
                self._sweep.listener(self._event(f"{point}: {details}", point, event.seconds))

        return listen

    def _event(self, detail: str, point: Point | None = None, seconds: float | None = None) -> Progress:
        """Where the sweep stands, and about how long one worker is still at it."""
        ended = {each.point for each in self._trials if each.state in ("complete", "pruned", "failed")}
        running = {each.point for each in self._trials if each.state == "running"} | {point}
        entries = self._prospect.entries
        left = sum(entries[each][1] for each in self._points if each not in ended and each not in running)
        now = seconds if seconds is not None else entries[point][1] if point is not None else 0.0
        return Progress("exploring", len(ended & set(self._points)), len(self._points),
                        left * self._pace + now, detail, "trials")  # fmt: skip
