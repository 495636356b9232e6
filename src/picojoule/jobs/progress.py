"""What a long job tells while it runs. Jobs emit these events; whoever draws them decides how."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One event: where the job stands.

    `bound` is the most evaluations that this stage can take and `done` those already decided; `seconds` is an estimate
    of what remains at most, None until the first evaluation was timed.
    """

    stage: str
    done: int
    bound: int
    seconds: float | None
    detail: str = ""


Listener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Listen and say nothing."""
