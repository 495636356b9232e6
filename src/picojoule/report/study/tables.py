"""A sweep as tables for the terminal: its front, the energy at equal accuracy, what failed, what would be trained."""

from collections.abc import Iterable, Mapping
from statistics import median

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from picojoule import units
from picojoule.explore import Cost, Exploration, Point
from picojoule.explore.exploration import REFERENCE_BITS
from picojoule.report.study import words
from picojoule.report.tables import columns


def tables(found: Exploration) -> RenderableType:
    """What came of a sweep, on the platform it was made for: the front, the energy of each bit count, what failed."""
    platform = str(found.settings.get("platform", ""))
    head = (
        f"{words.title(found)}: recipe {found.settings.get('recipe')}, {found.settings.get('epochs')} epochs, platform "
        f"{platform}\n{len(found.trials)} trials: {words.states(found) or 'none'}; no zeros are counted on"
    )
    parts: list[RenderableType] = [Text(head)]
    if found.front(platform):
        parts += [Text("\nThe least energy for each accuracy:"), front(found, platform)]
    if found.iso(platform):
        parts += [Text(f"\nAt the accuracy of each {REFERENCE_BITS}-bit network that no other of its bits beats:"),
                  iso(found, platform), *map(Text, _headlines(found))]  # fmt: skip
    parts += [
        Text(f"{trial.point}: {trial.state}, {trial.why}")
        for trial in sorted(found.trials, key=lambda each: (each.point, each.number))
        if trial.state in ("failed", "died")
    ]
    return Group(*parts)


def front(found: Exploration, platform: str) -> Table:
    """One row per network that no other beats in both energy and accuracy."""
    table = columns("network", "bits", "energy", "search split", "report split", "MACs", "weights", "seeds", left=(0,))
    for each in found.front(platform):
        table.add_row(
            each.network, str(each.bits), _energy(each.cost, platform), units.percent(each.searched),
            units.percent(each.reported), units.count(each.cost.macs), units.size(8 * each.cost.weight_bytes),
            str(len(each.trials)),
        )  # fmt: skip
    return table


def iso(found: Exploration, platform: str) -> Table:
    """One row per accuracy: the energy of each bit count's cheapest network there, and what it saves."""
    heads = [words.bits(bits) for bits in found.bits]
    table = columns("accuracy", *(each for head in heads for each in (head, "saves")), left=())
    for level in found.iso(platform):
        cells = []
        for bits in found.bits:
            each, saves = level.by_bits[bits], level.saves(bits, platform)
            cells += ["", ""] if each is None else [_energy(each.cost, platform), f"{saves:.2f}x"]
        table.add_row(units.percent(level.accuracy), *cells)
    return table


def prospect(entries: Mapping[Point, tuple[Cost, float]], left_out: int, platform: str) -> RenderableType:
    """What would be trained: each network's counts, its energy on every platform, and about how long it takes."""
    platforms = sorted(
        {name for cost, _ in entries.values() for name in cost.energy_pj}, key=lambda n: (n != platform, n)
    )
    table = columns("network", "bits", "seed", "MACs", "weights", "RAM", *platforms, "training", left=(0,))
    for point, (cost, seconds) in entries.items():
        table.add_row(
            point.network, str(point.bits), str(point.seed), units.count(cost.macs), units.size(8 * cost.weight_bytes),
            units.size(8 * cost.ram_bytes), *(_energy(cost, name) for name in platforms), units.roughly(seconds),
        )  # fmt: skip
    total = sum(seconds for _, seconds in entries.values())
    told = f"{len(entries)} training{'s' * (len(entries) != 1)}, about {units.roughly(total)} for one worker"
    more = f"; {left_out} left out for their energy" if left_out else ""
    return Group(table, Text(told + more))


def _headlines(found: Exploration) -> Iterable[str]:
    """What each bit count saves against 8 bits, on every platform."""
    for platform in found.platforms:
        told = []
        for bits in found.bits:
            ratios = found.ratios(platform, bits)
            if ratios and bits != REFERENCE_BITS:
                reach = f"{len(ratios)} of {len(found.iso(platform))} accuracies"
                spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
                told.append(f"{words.bits(bits)} {median(ratios):.2f}x ({spread}, {reach})")
        if told:
            yield f"{platform}: {REFERENCE_BITS} bits take, at the same accuracy, in the median: {'; '.join(told)}"


def _energy(cost: Cost, platform: str) -> str:
    pj = cost.energy_pj.get(platform)
    return "no figure" if pj is None else units.energy(pj)
