"""What a long job tells while it runs, and how it foresees what is left. Whoever hears the events decides how to draw.

Work is counted in samples run through the network, and timed. A search may end long before its bound, so the share of
the bound that it really needs is learned from what it decides.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

EVERY = 1.0
"""Seconds between events within one evaluation."""

SHARE = 0.25
"""The share of its bound that a search is taken to need before it has decided anything."""

AGAIN = 0.7
"""The share of its evaluations that a second search is taken to find anew, and the first one did not make already."""


@dataclass(frozen=True)
class Progress:
    """One event: where the job stands.

    `done` of about `expected` `unit`s of this stage are over; 0 are expected where that is not known. `seconds` is
    about what is left of the whole job, None until that can be told. A remark is said once, and begins no stage.
    """

    stage: str
    done: int = 0
    expected: int = 0
    seconds: float | None = None
    detail: str = ""
    unit: str = "evaluations"
    remark: bool = False


Listener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Listen and say nothing."""


@dataclass(frozen=True)
class Stage:
    """A part of a job: so many units, each of about `work` samples run through the network; 0 where that is not known.

    An `open` one, a search, has so many at most: it may end sooner, know some already, and is cut by a deadline.
    """

    name: str
    units: int = 0
    work: float = 0.0
    unit: str = "evaluations"
    open: bool = False


class Recent:
    """What one of something takes: the mean of all so far, where each `half` of it counts twice as much as that before.

    `prior` is what one is taken to take before anything is known, and counts as much as `weight` of it.
    """

    def __init__(self, prior: float = 0.0, weight: float = 0.0) -> None:
        self._prior, self._weight = prior, weight
        self._took = self._amount = 0.0

    def add(self, took: float, amount: float, half: float) -> None:
        """An amount took so much."""
        fade = 2 ** (-amount / half) if half else 1.0
        self._took, self._amount = fade * self._took + took, fade * self._amount + amount

    @property
    def mean(self) -> float:
        """What one takes; 0 where nothing is known."""
        amount = self._amount + self._weight
        return (self._took + self._weight * self._prior) / amount if amount else 0.0


class _Underway:
    """A stage as far as it is done: how many of its units are over, and about how many are still to come."""

    def __init__(self, stage: Stage, share: float) -> None:
        self.stage, self.detail = stage, ""
        self.done = self.worked = 0
        self.within = 0.0  # samples of the unit under way
        self._bound = self._undecided = stage.units
        self._since = 0
        self._needed = Recent(share, stage.units / 25)  # units for one of the bound

    def narrow(self, bound: int) -> None:
        """Something was decided: at most so many are still to come."""
        self._needed.add(self._since, self._undecided - bound, self.stage.units / 6)
        self._bound = self._undecided = bound
        self._since = 0

    def heard(self, worked: bool) -> None:
        """One more is over."""
        self.done += 1
        self.worked += worked
        self.within = 0.0
        self._bound = max(0, self._bound - 1)
        self._since += 1

    @property
    def left(self) -> float:
        """About how many are still to come."""
        return self._bound * (self._needed.mean if self.stage.open else 1.0)

    @property
    def samples_left(self) -> float:
        """About how many samples have still to run."""
        return max(0.0, self.left * self.stage.work - self.within)

    @property
    def share(self) -> float:
        """About which share of its bound it needs in all."""
        return (self.done + self.left) / self.stage.units

    @property
    def new(self) -> float:
        """About which share of all that it needs is not looked up."""
        return (self.worked + self.left) / max(1.0, self.done + self.left)


class Meter:
    """Follows a job from stage to stage, and tells a listener where it stands and about how long it will take."""

    def __init__(self, listener: Listener, clock: Callable[[], float] = time.monotonic) -> None:
        self.deadline: float | None = None
        self._listener, self._clock = listener, clock
        self._ahead: tuple[Stage, ...] | None = None  # not known
        self._pace = Recent()  # seconds a sample
        self._share, self._searches = SHARE, 0
        self._now = _Underway(Stage(""), SHARE)
        self._last = self._told = clock()

    def expect(self, *stages: Stage) -> None:
        """These stages are still to come, and then the job is done."""
        self._ahead = stages

    def begin(self, stage: Stage) -> None:
        """A stage begins, expected or not, and the one before is over."""
        if self._now.stage.open:  # what this search needed, the next is taken to need
            self._share = self._now.share
        if self._ahead is not None:
            self._ahead = tuple(each for each in self._ahead if each != stage)
        self._searches += stage.open
        self._now = _Underway(stage, self._share)
        self._last = self._clock()
        self._tell()

    def remark(self, text: str) -> None:
        """Say something in passing."""
        self._listener(Progress(text, remark=True))

    def narrow(self, bound: int, detail: str = "") -> None:
        """Something was decided: at most so many units of this stage are still to come."""
        self._now.narrow(bound)
        self._now.detail = detail or self._now.detail

    def ran(self, samples: int) -> None:
        """So many more samples went through the network."""
        self._now.within += samples
        self._time(samples)
        if self._last - self._told >= EVERY:
            self._tell()

    def heard(self, worked: bool = False) -> None:
        """One more unit is over; `worked` says that it took all of a unit's work, and was not looked up."""
        if worked:
            self._time(max(0.0, self._now.stage.work - self._now.within))
        self._last = self._clock()
        self._now.heard(worked)
        self._tell()

    def _time(self, samples: float) -> None:
        """What passed since the last time is what these samples took; the last seven units count half."""
        now = self._clock()
        self._pace.add(now - self._last, samples, 7 * self._now.stage.work)
        self._last = now

    def _tell(self) -> None:
        self._told = self._clock()
        now, left = self._now, self._now.left
        a_unit = self._pace.mean * now.stage.work
        if now.stage.open and a_unit:
            left = min(left, self._time_left() / a_unit)
        expected = now.done + math.ceil(left)
        self._listener(Progress(now.stage.name, now.done, expected, self._seconds(), now.detail, now.stage.unit))

    def _time_left(self) -> float:
        """Seconds until the deadline."""
        return math.inf if self.deadline is None else max(0.0, self.deadline - self._told)

    def _seconds(self) -> float | None:
        """About what is left of the whole job."""
        if self._ahead is None or not self._pace.mean:
            return None
        searching, sure = 0.0, 0.0
        if self._now.stage.open:
            searching = self._now.samples_left
        else:
            sure = self._now.samples_left
        share = self._now.share if self._now.stage.open else self._share
        for stage in self._ahead:
            if stage.open:
                searching += share * self._new() * stage.units * stage.work
            else:
                sure += stage.units * stage.work
        return min(searching * self._pace.mean, self._time_left()) + sure * self._pace.mean

    def _new(self) -> float:
        """Which share of its evaluations a search still ahead will not find in the journal."""
        if self._searches > 1 and self._now.stage.open:
            return self._now.new
        return AGAIN if self._searches else 1.0
