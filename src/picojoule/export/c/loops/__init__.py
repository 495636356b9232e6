"""Which loop of C makes the elements of a step, and the numbers that its template takes."""

from collections.abc import Callable, Mapping

from picojoule.export.c.loops.layers import layer
from picojoule.export.c.loops.loop import Loop
from picojoule.export.c.loops.moves import concatenated, copied, copy, padded, permuted, reshaped, sliced, sum_over
from picojoule.export.c.loops.windows import pool
from picojoule.export.c.steps import Schedule, Step

LOOPS: Mapping[str, Callable[[Schedule, Step], Loop]] = {
    **dict.fromkeys(("conv1d", "conv2d", "linear"), layer),
    **dict.fromkeys(("max_pool", "sum_pool"), pool),
    "sum": sum_over,
    "concat": copied(concatenated),
    "reshape": copied(reshaped),
    "permute": copied(permuted),
    "slice": copied(sliced),
    "pad": copied(padded),
}
"""By kind of operation."""


def loop_of(schedule: Schedule, step: Step) -> Loop:
    """The loop of a step.

    Raises:
        InputError: C has none; the message names the operation.
    """
    if step.operation is None:
        return copy(schedule, step, concatenated)
    return LOOPS[step.operation.kind](schedule, step)
