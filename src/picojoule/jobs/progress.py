"""What a long job tells while it runs. Jobs emit these events; whoever draws them decides how."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One event: where the job stands.

    `bound` is the most `unit`s that this stage can take and `done` those already over; `seconds` is an estimate of what
    remains at most, None until the first one was timed. A bound of 0 makes the stage a remark.
    """

    stage: str
    done: int
    bound: int
    seconds: float | None
    detail: str = ""
    unit: str = "evaluations"


Listener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Listen and say nothing."""


class Meter:
    """Counts a job's evaluations, stage by stage, and tells a listener after each."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._worked, self._begun = 0, time.monotonic()
        self.stage("float network", 0)

    def stage(self, name: str, bound: int) -> None:
        """Begin a stage of at most `bound` evaluations."""
        self._stage, self._detail, self._done, self._remaining = name, "", 0, bound

    def narrow(self, remaining: int, detail: str = "") -> None:
        """At most so many are still to come in this stage."""
        self._remaining, self._detail = remaining, detail or self._detail

    def heard(self, worked: bool) -> None:
        """One more is over; `worked` says that it took work, and was not just looked up."""
        self._worked += worked
        self._done += 1
        self._remaining = max(0, self._remaining - 1)
        mean = (time.monotonic() - self._begun) / self._worked if self._worked else None
        left = None if mean is None else mean * self._remaining
        self._listener(Progress(self._stage, self._done, self._done + self._remaining, left, self._detail))
