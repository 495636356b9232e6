"""What a result has to say in sentences: shared by the terminal and the page, so that both say the same."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain

from picojoule import search, units
from picojoule.calibration import Range
from picojoule.errors import FormatError
from picojoule.evaluate import Floor, Tally
from picojoule.evaluate.floor import GRAIN
from picojoule.formats import Format, parse
from picojoule.network import Network
from picojoule.plan import Plan
from picojoule.report import rerun
from picojoule.search import FAMILIES, OperatingPoint, Result

NAMED = 6
"""So many sites or formats are named where there may be many."""


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


def arithmetic(plan: Plan) -> str | None:
    """The arithmetic that a plan's rounded sites need; `mixed` where it is of several kinds, None where none rounds."""
    found = {format.arithmetic for format in plan.formats.values() if format.rounds}
    return "mixed" if len(found) > 1 else next(iter(found), None)


def numbers(captured: Network, plan: Plan) -> str:
    """What numbers a plan is of: `fixed5 everywhere`, or the formats of the inputs and those of the weights."""
    if len(set(plan.formats.values())) == 1:
        return f"{next(iter(plan.formats.values()))} everywhere"
    return "; ".join(
        f"{kind} {_some(_formats(plan.formats[site.name] for site in captured.sites.values() if site.kind == kind))}"
        for kind in ("inputs", "weights")
    )


def span(range: Range, format: Format) -> str:
    """How far a site's numbers reach: `±2^-1`, `<2^3` where never negative, `±448·2^-3` where the format goes to 448.

    The extremes where channels differ, as in `±2^-3..1`; empty where the format does not round; of a codebook how many
    numbers there are and their ends.
    """
    if not format.rounds:
        return ""
    low, high = format.with_members(range.members).limits(range.signed)
    if format.fitted:
        scale = 2.0 ** range.exponents[0]
        return f"{len(range.members)} from {low * scale:.3g} to {high * scale:.3g}"
    if math.isinf(high):
        return "its blocks' own"
    least, most = min(range.exponents), max(range.exponents)
    exponents = f"2^{least}" if least == most else f"2^{least}..{most}"
    return f"{'±' if low < 0 else '<'}{'' if high == 1 else f'{high:.5g}·'}{exponents}"


def left_out(found: Result) -> list[str]:
    """One line for each family of formats that was asked for and of which none could be tried, with the reason."""
    bits, platform = searched_bits(found), rerun.own_platform(found.settings)
    asked = [str(found.settings.get(key, "")).split(",") for key in ("formats", "inputs")]
    if bits is None or platform is None:
        return []
    reasons = search.left_out(filter(_is_known, dict.fromkeys(chain(*asked))), bits, platform)
    return [f"formats '{name}' were left out: {why}" for name, why in reasons.items()]


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


def _is_known(name: str) -> bool:
    """Whether a text of the settings, which may be a stranger's, names a family or a format."""
    try:
        return name in FAMILIES or bool(parse(name))
    except FormatError:
        return False


def _formats(formats: Iterable[Format]) -> list[str]:
    """Formats once each, the fewest bits first."""
    return [str(format) for format in sorted(set(formats), key=lambda format: (format.bits, str(format)))]


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


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
        plan = f"keep {other.label}" if other.keep is not None else numbers(found.captured, other.plan)
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
        why = "" if together(point) or point.log[0].site in sites else ", the slack being spent on the sites before"
        stay = "stays" if len(sites) == 1 else "stay"
        yield f"keep {point.label}: {_some(sites)} {stay} at {most} bits: one bit fewer fails the floor{why}"


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
