"""Where each stored value and each step's own buffer lies in the one arena, so that they share bytes over time."""

from collections.abc import Mapping
from dataclasses import dataclass

from picojoule.export.c.steps import Schedule
from picojoule.integer.memory import placed

ALIGNED = 4
"""Bytes: every place begins at a multiple of it."""


@dataclass(frozen=True)
class Layout:
    """`places` of values, `buffers` of steps, as offsets; `lives` are the bytes that live at once at each step."""

    places: Mapping[str, int]
    buffers: Mapping[int, int]
    arena_bytes: int
    lives: tuple[int, ...]

    @property
    def least_bytes(self) -> int:
        """What lives at once at the worst step: no arena can be smaller."""
        return max(self.lives, default=0)


def layout(schedule: Schedule, buffers: Mapping[int, int]) -> Layout:
    """The arena of a schedule whose steps need buffers of so many bytes; input and output are the caller's.

    A value that a step replaces element by element shares its bytes with what replaces it.
    """
    home = _homes(schedule)
    spans: dict[str | int, tuple[int, int]] = {}  # by value's name, or by the step whose buffer it is
    sizes: dict[str | int, int] = {}
    for k, step in enumerate(schedule.steps):
        for name in (*(schedule.values[each].lies_in for each in step.uses), step.makes):
            if name in home:
                first, _ = spans.get(home[name], (k, k))
                spans[home[name]] = (first, k)
                sizes[home[name]] = _whole(schedule.values[name].bytes)
    for k, size in buffers.items():
        spans[k], sizes[k] = (k, k), _whole(size)
    places = placed(spans, sizes)
    lives = tuple(sum(sizes[name] for name, (first, last) in spans.items() if first <= k <= last)
                  for k in range(len(schedule.steps)))  # fmt: skip
    end = max((offset + size for offset, size in places.values()), default=0)
    return Layout(
        {name: places[at][0] for name, at in home.items()},
        {k: places[k][0] for k in buffers},
        end,
        lives,
    )


def _whole(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED


def _homes(schedule: Schedule) -> dict[str, str]:
    """For each value in the arena the one whose place it takes."""
    last: dict[str, int] = {}
    for k, step in enumerate(schedule.steps):
        last |= dict.fromkeys((schedule.values[each].lies_in for each in step.uses), k)
    home: dict[str, str] = {}
    for k, step in enumerate(schedule.steps):
        if step.makes != schedule.output:
            after = schedule.values[step.makes]
            used, elsewhere = ({schedule.values[each].lies_in: None for each in names}
                               for names in (step.uses, step.uses_elsewhere))  # fmt: skip
            done = [name for name in used if name in home and last[name] == k and name not in elsewhere
                    and schedule.values[name].storage.bytes == after.storage.bytes > 0]  # fmt: skip
            home[step.makes] = home[done[0]] if done else step.makes
    return home
