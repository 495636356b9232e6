"""What a result has to say in sentences: shared by the terminal and the page, so that both say the same."""

from collections.abc import Iterator

from picojoule import units
from picojoule.evaluate import Floor
from picojoule.network import Network
from picojoule.search import OperatingPoint, Result


def remarks(found: Result, point: OperatingPoint) -> list[str]:
    """What must be known of a point: its floor out of reach, not confirmed by the report split, or had for less."""
    return [*_unreached(found, point), *_missed(found, point), *_beaten(found, point)]


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


def _unreached(found: Result, point: OperatingPoint) -> Iterator[str]:
    if not point.holds:
        yield found.unreached_line(point)


def _missed(found: Result, point: OperatingPoint) -> Iterator[str]:
    """A floor that the search split decided and the report split does not confirm."""
    reference = found.baselines["float32"].report
    if point.keep is None or not point.holds or reference.correct == 0:
        return
    if not Floor(point.keep, reference).holds(point.report):
        kept = point.report.value / reference.value
        yield f"keep {point.label}: on the report split, which decided nothing, the plan keeps only {kept:.4f}"


def _beaten(found: Result, point: OperatingPoint) -> Iterator[str]:
    if (other := found.cheaper(point)) is not None and other.energy is not None:
        plan = f"keep {other.label}" if other.keep is not None else f"{other.label} everywhere"
        price = units.energy(other.energy.total_pj)
        yield f"keep {point.label}: the plan of {plan} holds this floor too, at {price}"
