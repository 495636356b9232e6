"""One plan with its proof: what it scores on both splits, what it costs and how it was found; which no other beats."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from picojoule.calibration import Ranges
from picojoule.energy import EnergyReport, Sparsity
from picojoule.evaluate import Accuracy, Tally
from picojoule.files import Fields
from picojoule.plan import Plan
from picojoule.search.strategy import Decision


@dataclass(frozen=True)
class OperatingPoint:
    """One plan with everything that is known of it.

    `keep` is the relative accuracy asked for, None for a baseline. `searched` is what it scores on the split that
    decided, `reported` on the split that nothing was decided on, each beside the float network. `energy` is None where
    the platform has no figure for a format. `holds` says whether it keeps its floor there; where it does not,
    `blockers` names the sites in the way. `stopped` says that the search for it ended early, with the best plan until
    then.
    """

    label: str
    keep: float | None
    plan: Plan
    ranges: Ranges
    searched: Tally
    reported: Tally
    energy: EnergyReport | None
    sparsity: Sparsity
    holds: bool = True
    stopped: bool = False
    log: tuple[Decision, ...] = ()
    blockers: tuple[str, ...] = ()

    @property
    def search(self) -> Accuracy:
        """The accuracy on the split that decided."""
        return self.searched.accuracy

    @property
    def report(self) -> Accuracy:
        """The accuracy on the split that nothing was decided on."""
        return self.reported.accuracy

    def to_table(self) -> dict[str, Any]:
        """The point as plain data."""
        return {
            "label": self.label,
            "keep": self.keep,
            "holds": self.holds,
            "stopped": self.stopped,
            "plan": {site: str(format) for site, format in self.plan.formats.items()},
            "ranges": self.ranges.to_table(),
            "search": self.searched.to_table(),
            "report": self.reported.to_table(),
            "energy": None if self.energy is None else self.energy.to_table(),
            "zeros": self.sparsity.to_table(),
            "log": [decision.to_table() for decision in self.log],
            "blockers": list(self.blockers),
        }

    @classmethod
    def from_table(cls, fields: Fields) -> "OperatingPoint":
        """The point that `to_table` gave."""
        point = cls(
            label=fields.text("label"),
            keep=fields.take("keep", _is_keep, "a number above 0 and at most 1, or null"),
            holds=fields.boolean("holds"),
            stopped=fields.boolean("stopped"),
            plan=_plan(fields.table("plan")),
            ranges=Ranges.from_table(fields.table("ranges")),
            searched=_whole(fields.table("search")),
            reported=_whole(fields.table("report")),
            energy=_energy(fields),
            sparsity=Sparsity.from_table(fields.table("zeros")),
            log=tuple(Decision.from_table(Fields(entry, fields.origin)) for entry in fields.items("log")),
            blockers=tuple(fields.take("blockers", _all_texts, "a list of texts")),
        )
        fields.finish()
        return point


@dataclass(frozen=True)
class Waypoint:
    """A plan between the floors, with what it scores on both splits and its energy, for the whole curve."""

    plan: Plan
    searched: Tally
    reported: Tally
    energy_pj: float

    def to_table(self) -> dict[str, Any]:
        """The waypoint as plain data."""
        return {
            "plan": {site: str(format) for site, format in self.plan.formats.items()},
            "search": self.searched.to_table(),
            "report": self.reported.to_table(),
            "energy_pj": self.energy_pj,
        }

    @classmethod
    def from_table(cls, fields: Fields) -> "Waypoint":
        """The waypoint that `to_table` gave."""
        found = cls(
            _plan(fields.table("plan")),
            _whole(fields.table("search")),
            _whole(fields.table("report")),
            fields.number("energy_pj", 0),
        )
        fields.finish()
        return found


def non_dominated(points: Iterable[OperatingPoint]) -> tuple[OperatingPoint, ...]:
    """The points that no other beats, cheapest first; of points equal in both, the first stays.

    A point without an energy is not on the front.
    """
    priced = [(point.energy.total_pj, point) for point in points if point.energy is not None]
    ordered = sorted(priced, key=lambda entry: (entry[0], -entry[1].report.value))
    front: list[OperatingPoint] = []
    for _, point in ordered:
        if not front or point.report.value > front[-1].report.value:
            front.append(point)
    return tuple(front)


def _is_keep(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1)


def _all_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _plan(fields: Fields) -> Plan:
    sites = fields.rest()
    each = Fields(sites, fields.origin)
    return Plan.parse({site: each.text(site) for site in sites})


def _whole(fields: Fields) -> Tally:
    tally = Tally.from_table(fields)
    if tally.seen < tally.total:
        fields.fail(f"key 'seen' is {tally.seen}; of a point all {tally.total} samples must have been seen")
    return tally


def _energy(fields: Fields) -> EnergyReport | None:
    table = fields.take("energy", lambda v: v is None or isinstance(v, dict), "a table or null")
    return None if table is None else EnergyReport.from_table(Fields(table, f"{fields.origin}: 'energy'"))
