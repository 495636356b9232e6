"""What a long job tells while it runs. Jobs emit these events; whoever draws them decides how."""

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
