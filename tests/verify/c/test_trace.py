"""From ticks to instructions, by hand: 16/5 ticks each at 25 MHz, 512/125 at 32 MHz."""

import pytest

from picojoule.verify.c.trace import PENDING, WRAP, Reading, instructions, reading

MHZ = 10**6


def test_a_line_is_a_reading() -> None:
    assert reading("3 16777000 2048\n") == Reading(3, 16777000, 2048)


def test_the_timer_counts_down_from_nought() -> None:
    assert [Reading(0, value, 0).ticks for value in (0, WRAP - 1, 1)] == [0, 1, WRAP - 1]
    assert Reading(2, 0, 0).ticks == 2 * WRAP


def test_a_pending_wrap_counts_where_the_value_has_begun_anew() -> None:
    assert Reading(1, WRAP - 3, PENDING).ticks == 2 * WRAP + 3
    assert Reading(1, 0, PENDING).ticks == 2 * WRAP
    assert Reading(1, 2, PENDING).ticks == 2 * WRAP - 2


@pytest.mark.parametrize(("clock_hz", "ticks"), [(25 * MHZ, 3.2), (32 * MHZ, 4.096)])
def test_instructions_are_exact_wherever_ticks_are_cut_off(clock_hz: int, ticks: float) -> None:
    for phase in range(50):
        passed = [phase, phase + 20, phase + 30, phase + 50, phase + 1_000_050, phase + 1_000_071]
        readings = [Reading(0, -int(each * ticks) % WRAP, 0) for each in passed]
        assert instructions(readings, clock_hz) == [0, 1_000_000 - 20, 1]


def test_interrupts_do_not_count() -> None:
    ends = [0, 16, 32, 32 + 3 * WRAP + 16]  # of steps in ticks; three wraps take 15 instructions
    readings = [Reading(each // WRAP, -each % WRAP, 0) for each in ends]
    assert instructions(readings, 25 * MHZ) == [3 * 5 * WRAP // 16 - 15]
