"""Where each value lies in one arena while a program runs, so that values which do not live together share their bytes.

A value that only the next step reads, element by element, needs no place: a layer's sums are clamped and rounded before
the next is begun. Values are packed at their bits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from picojoule.integer.program import Operation, Program

Key = TypeVar("Key")
"""What names something that needs a place."""

_ELEMENTWISE = ("clamp", "requantise", "sign", "table", "align", "reshape")


@dataclass(frozen=True)
class Memory:
    """`places` are offset and bytes of each value that has a place, `arena_bytes` what all of them take."""

    places: Mapping[str, tuple[int, int]]
    arena_bytes: int


def memory(program: Program) -> Memory:
    """The static memory plan of a program, input and output included."""
    holder = _holders(program)
    spans: dict[str, tuple[int, int]] = {}
    for step, each in enumerate(program.operations):
        for name in (each.name, *each.reads):
            kept = holder[name]
            first, _ = spans.get(kept, (step, step))
            spans[kept] = (first, step)
    kept = holder[program.output]
    spans[kept] = (spans[kept][0], len(program.operations))
    sizes = {name: -(-program.by_name[name].type.count * program.by_name[name].type.bits // 8) for name in spans}
    places = placed(spans, sizes)
    return Memory(places, max(offset + size for offset, size in places.values()))


def placed(spans: Mapping[Key, tuple[int, int]], sizes: Mapping[Key, int]) -> dict[Key, tuple[int, int]]:
    """An offset, and the size, of each value that lives from a step to a step, both included; none overlaps another.

    Greedy, each at the lowest free place: the largest first, or those that live longest, or in their order in time,
    whichever needs least.
    """
    orders: list[Callable[[Key], tuple[int, ...]]] = [
        lambda name: (-sizes[name], *spans[name]),
        lambda name: (spans[name][0] - spans[name][1], -sizes[name], *spans[name]),
        lambda name: (*spans[name], -sizes[name]),
    ]
    found = []
    for order in orders:
        places: dict[Key, tuple[int, int]] = {}
        for name in sorted(spans, key=order):
            places[name] = (_lowest(name, spans, sizes, places), sizes[name])
        found.append(places)
    return min(found, key=lambda places: max((offset + size for offset, size in places.values()), default=0))


def _lowest(
    name: Key, spans: Mapping[Key, tuple[int, int]], sizes: Mapping[Key, int], places: Mapping[Key, tuple[int, int]]
) -> int:
    """The lowest offset where a value fits beside those that live while it does."""
    first, last = spans[name]
    taken = sorted(place for other, place in places.items() if spans[other][0] <= last and first <= spans[other][1])
    offset = 0
    for start, size in taken:
        if offset + sizes[name] <= start:
            break
        offset = max(offset, start + size)
    return offset


def _holders(program: Program) -> dict[str, str]:
    """For each value the one in whose place it lies: that which is left of it once all element-wise steps are done."""
    readers: dict[str, list[Operation]] = {}
    for each in program.operations:
        for read in each.reads:
            readers.setdefault(read, []).append(each)
    holder: dict[str, str] = {}
    for each in reversed(program.operations):
        after = readers.get(each.name, [])
        alone = len(after) == 1 and each.name != program.output and after[0].kind in _ELEMENTWISE
        holder[each.name] = holder[after[0].name] if alone else each.name
    return holder
