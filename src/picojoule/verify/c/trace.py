"""Instructions from the readings of a board's timer.

The emulator is told that an instruction takes 128 ns, some ticks of the processor's clock, so a difference of two
readings tells exactly how many instructions lie between. SysTick counts down in 24 bits; an interrupt counts its wraps.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

INSTRUCTION_NS = 128
WRAP = 2**24
INTERRUPT = 5
"""The interrupt's own instructions, see `tick` in board.c."""
PENDING = 1 << 26


class Reading(NamedTuple):
    """Interrupts so far, the timer's value, and the register that says whether an interrupt is pending."""

    wraps: int
    value: int
    state: int

    @property
    def ticks(self) -> int:
        """Since the timer started at 0, which it leaves for its largest value."""
        passed = -self.value % WRAP
        # The state is read after the value: a pending wrap that the value knows nothing of came in between.
        pending = bool(self.state & PENDING) and passed < WRAP // 2
        return (self.wraps + pending) * WRAP + passed


def reading(line: str) -> Reading:
    """The reading in a line that a board printed."""
    return Reading(*map(int, line.split()))


def instructions(readings: Sequence[Reading], clock_hz: int) -> list[int]:
    """The instructions of each step, from one sample's readings.

    Between the first two lies only what taking one costs, which is subtracted. From the third on there is one at each
    step's start, and one at the end of the last.
    """
    ticks = Fraction(INSTRUCTION_NS * clock_hz, 10**9)
    counts = [
        round((after.ticks - before.ticks) / ticks) - INTERRUPT * (after.wraps - before.wraps)
        for before, after in pairwise(readings)
    ]
    return [count - counts[0] for count in counts[2:]]
