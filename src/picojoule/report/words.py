"""What a result has to say in sentences: shared by the terminal and the page, so that both say the same."""

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from picojoule import units
from picojoule.evaluate import Floor, Tally
from picojoule.evaluate.floor import GRAIN
from picojoule.network import Network
from picojoule.search import OperatingPoint, Result

NAMED = 6
"""So many sites are named where there may be many."""


def remarks(found: Result, point: OperatingPoint) -> list[str]:
    """What must be known of a point: its floor out of reach or not confirmed, had for less, sites without slack."""
    return [*_unreached(found, point), *_missed(found, point), *_beaten(found, point), *_stuck(found, point)]


def certainty(found: Result) -> str:
    """How sure the floors of a result are, in one line."""
    if found.confidence is None:
        return "floors decided by point estimate: what the search split counts, without a margin for chance"
    confident = f"{sure(found.confidence)} confidence"
    return f"floors hold with {confident}, by what a plan lost and gained beside the float network"


def standing(found: Result, point: OperatingPoint) -> list[str]:
    """How a point stands to its floor, one sentence for each split; none for a baseline."""
    return [] if point.keep is None else [_decided(found, point), _confirmed(found, point)]


def report_floor(found: Result, point: OperatingPoint) -> Floor | None:
    """A point's floor as the report split would decide it; None for a baseline, or where the network is never right."""
    reference = found.baselines["float32"].report
    if point.keep is None or reference.correct == 0:
        return None
    return Floor(point.keep, reference, found.confidence)


def together(point: OperatingPoint) -> bool:
    """Whether all sites were decided together, so that the log tells of the one plan: what is taken comes first."""
    taken = {decision.trials[0].tally for decision in point.log if decision.trials}
    return len(taken) == 1 and all(
        decision.trials and decision.trials[0].format == decision.format for decision in point.log
    )


def searched_bits(found: Result) -> tuple[int, int] | None:
    """The least and the most bits that were searched, where the settings tell."""
    bits = found.settings.get("bits")
    if isinstance(bits, list | tuple) and len(bits) == 2 and all(type(each) is int for each in bits):
        return bits[0], bits[1]
    return None


def sure(confidence: float) -> str:
    """`95 %`."""
    return f"{100 * confidence:.12g} %"


def left_in_float(captured: Network, point: OperatingPoint | None = None) -> list[str]:
    """One line for each operation, and each site of the plan, that is not quantised, with the reason."""
    lines = [f"left in float: {leftover.name} ({leftover.op.split('.')[1]}): {leftover.reason}"
             + (f"; {units.count(leftover.macs)} MACs" if leftover.macs else "")
             for leftover in captured.leftovers]  # fmt: skip
    if point is not None:
        floating = [site for site, format in point.plan.formats.items() if not format.rounds]
        lines += [f"left in float: {site}: the plan names no other format for it" for site in floating]
        uncounted = () if point.energy is None else point.energy.uncounted
        lines += [f"not in the energy: {name}: the platform has no figure for floating point" for name in uncounted]
    return lines or ["Nothing is left in float."]


def changes(tally: Tally) -> tuple[str, str]:
    """What a plan lost and gained beside the float network, as texts; scores may add up to a fraction."""
    lost, gained = (
        units.count(int(sum)) if sum == int(sum) else f"{sum:.1f}" for sum in (tally.lost, tally.gained)
    )  # fmt: skip
    return lost, gained


def _unreached(found: Result, point: OperatingPoint) -> Iterator[str]:
    if not point.holds:
        yield found.unreached_line(point)


def _missed(found: Result, point: OperatingPoint) -> Iterator[str]:
    """A floor that the search split decided and that the report split is below, by its count."""
    if point.holds and _below(found, point):
        yield (
            f"keep {point.label}: on the report split, which decided nothing, the plan keeps only "
            f"{_kept(found, point)}: {_of_all(point.reported)}"
        )


def _beaten(found: Result, point: OperatingPoint) -> Iterator[str]:
    if (other := found.cheaper(point)) is not None and other.energy is not None:
        plan = f"keep {other.label}" if other.keep is not None else f"{other.label} everywhere"
        price = units.energy(other.energy.total_pj)
        yield f"keep {point.label}: the plan of {plan} holds this floor too, at {price}"


def _stuck(found: Result, point: OperatingPoint) -> Iterator[str]:
    """Sites left at the most bits since one bit fewer fails the floor; in a sweep, sites before may be why."""
    _, most = searched_bits(found) or (0, 0)
    sites = [
        decision.site
        for decision in point.log
        if decision.site != "*" and decision.format.bits == most
        and any(trial.format.bits == most - 1 and not trial.holds for trial in decision.trials)
    ]  # fmt: skip
    if sites:
        names = ", ".join(sites[:NAMED]) + (f" and {len(sites) - NAMED} more" if len(sites) > NAMED else "")
        why = "" if together(point) or point.log[0].site in sites else ", the slack being spent on the sites before"
        stay = "stays" if len(sites) == 1 else "stay"
        yield f"keep {point.label}: {names} {stay} at {most} bits: one bit fewer fails the floor{why}"


def _decided(found: Result, point: OperatingPoint) -> str:
    """What the search split says of a point's floor."""
    assert point.keep is not None
    tally, sure_of = point.searched, found.floor(point.keep).proven(point.searched)
    lost, gained = changes(tally)
    proof = (
        f"on the {units.count(tally.total)} samples of the search split the plan lost "
        f"{'none' if lost == '0' else lost} that the float network had right and gained "
        f"{'none' if gained == '0' else gained} that it had wrong"
    )
    if found.confidence is None or sure_of is None:
        how = "holds by the count alone, without a margin for chance" if point.holds else "does not hold"
        return f"Keep {point.label} {how}: {proof}."
    confident = f"with {sure(found.confidence)} confidence"
    if not point.holds:
        how, bound = f"does not hold {confident}", "at this confidence it keeps"
    elif point.keep == 1 and tally.lost == 0:
        how, bound = "holds, as no sample is lost", f"{confident} it keeps"
    else:
        how, bound = f"holds {confident}", "at this confidence it keeps"
    return f"Keep {point.label} {how}: {proof}; {bound} at least {sure_of:.4f} of the float network's accuracy."


def _confirmed(found: Result, point: OperatingPoint) -> str:
    """Whether the report split, which decided nothing, says the same."""
    floor, facts = report_floor(found, point), _of_all(point.reported)
    if floor is None:
        return f"The report split, which decided nothing, cannot tell: {facts}."
    kept = f"it keeps {_kept(found, point)}"
    if not point.holds:
        return f"On the report split, which decided nothing, {kept}: {facts}."
    if _below(found, point):
        verdict = f"does not confirm it: there {kept}, below the floor"
    elif not floor.holds(point.reported):
        verdict = f"agrees, but is no proof by itself: there {kept}, too little above the floor to be sure"
    else:
        verdict = f"confirms it{' by the same test' if found.confidence is not None else ''}: there {kept}"
    return f"The report split, which decided nothing, {verdict}; {facts}."


def _below(found: Result, point: OperatingPoint) -> bool:
    """Whether a point's count on the report split is below its floor."""
    floor = report_floor(found, point)
    return floor is not None and not replace(floor, confidence=None).holds(point.report)


def _kept(found: Result, point: OperatingPoint) -> str:
    """The share of the float network's accuracy on the report split, rounded down, so as not to look like its floor."""
    share = Fraction(point.report.correct) / Fraction(found.baselines["float32"].report.correct)
    return f"{math.floor(GRAIN * share) / GRAIN:.4f}"


def _of_all(tally: Tally) -> str:
    lost, gained = changes(tally)
    return f"of {units.count(tally.total)} samples it lost {lost} and gained {gained}"
