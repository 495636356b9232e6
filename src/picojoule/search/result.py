"""What a search hands over: operating points with their proof, on disk as one folder that needs no data to be used."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from picojoule import files, units
from picojoule.calibration import Histogram, Ranges
from picojoule.energy import EnergyReport, Sparsity
from picojoule.errors import FileError, FormatError, InputError
from picojoule.evaluate import Accuracy, Floor, Tally
from picojoule.files import Fields
from picojoule.formats import Lut
from picojoule.network import Network, NetworkModule
from picojoule.plan import Plan
from picojoule.quantize import quantize
from picojoule.search.strategy import Decision

VERSION = 3


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


@dataclass(frozen=True, repr=False)
class Result:
    """The outcome of a search: one point per floor asked for, and the baselines it is measured against.

    `plan`, `ranges`, `accuracy`, `energy`, `log` and `network` are those of the selected point, at first that of the
    first floor asked for; `at(keep)` selects another. `histograms` are those of the float network's sites. `path` are
    plans between the floors, from accurate to cheap, where the strategy knows such.
    """

    captured: Network
    points: tuple[OperatingPoint, ...]
    baselines: Mapping[str, OperatingPoint]
    settings: Mapping[str, Any]
    histograms: Mapping[str, Histogram] = field(default_factory=dict, repr=False)
    path: tuple[Waypoint, ...] = ()
    selected: int = 0

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{'' if point.keep is None else 'keep '}{point.label}: {point.report.value:.2%}"
            + ("" if point.energy is None else f" at {units.energy(point.energy.total_pj)}")
            for point in self.points
        )
        return f"<Result {shown}>"

    def __post_init__(self) -> None:
        object.__setattr__(self, "baselines", MappingProxyType(dict(self.baselines)))
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))
        object.__setattr__(self, "histograms", MappingProxyType(dict(self.histograms)))

    @property
    def point(self) -> OperatingPoint:
        """The selected point."""
        return self.points[self.selected]

    @property
    def plan(self) -> Plan:
        """The selected point's plan."""
        return self.point.plan

    @property
    def ranges(self) -> Ranges:
        """The selected point's ranges."""
        return self.point.ranges

    @property
    def accuracy(self) -> Accuracy:
        """The selected point's accuracy on the report split."""
        return self.point.report

    @property
    def energy(self) -> EnergyReport:
        """The selected point's energy, layer by layer."""
        if self.point.energy is None:
            raise InputError(f"the platform has no figure for the plan of '{self.point.label}'")
        return self.point.energy

    @property
    def log(self) -> tuple[Decision, ...]:
        """How the selected point's plan was decided, in order."""
        return self.point.log

    @cached_property
    def network(self) -> NetworkModule:
        """The quantised network of the selected point, ready to run."""
        return quantize(self.captured, self.plan, self.ranges)

    @property
    def front(self) -> tuple[OperatingPoint, ...]:
        """The points and baselines that no other beats in both energy and report-split accuracy, cheapest first."""
        return non_dominated((*self.points, *self.baselines.values()))

    @property
    def holds(self) -> bool:
        """Whether every floor asked for was reached."""
        return all(point.holds for point in self.points)

    @property
    def unreached(self) -> tuple[str, ...]:
        """For each floor that no plan tried holds, one line: what the best keeps, and what is in the way."""
        return tuple(self.unreached_line(point) for point in self.points if not point.holds)

    def unreached_line(self, point: OperatingPoint) -> str:
        """Of a point that does not hold its floor: the nearest floor that it holds, and what is in the way."""
        reference = self.baselines["float32"].search
        flawless = Tally(reference.total, reference.total, reference.correct, 0, 0)
        if point.keep is not None and not self.floor(point.keep).holds(flawless):
            return (
                f"keep {point.label} cannot be shown at confidence {self.confidence} on {reference.total} samples, "
                "whatever the plan; give more of them, or a confidence of 'point'"
            )
        kept = Fraction(point.search.correct) / Fraction(reference.correct) if reference.correct else 0
        nearest = math.floor(10_000 * kept) / 10_000  # so that it holds when it is asked for
        if self.confidence is not None:
            nearest = self.floor(0.5).proven(point.searched) or 0.0
        return (
            f"keep {point.label} is out of reach: the best plan found keeps {nearest:.4f}; "
            f"in the way: {', '.join(point.blockers) or 'not measured'}"
        )

    def floor(self, keep: float) -> Floor:
        """The floor that keeps this share of the float network's accuracy on the search split."""
        return Floor(keep, self.baselines["float32"].search, self.confidence)

    @property
    def confidence(self) -> float | None:
        """How sure a plan must be to hold its floor; None for point estimates."""
        found = self.settings.get("confidence")
        return found if isinstance(found, float) and 0.5 <= found < 1 else None

    def cheaper(self, point: OperatingPoint) -> OperatingPoint | None:
        """The cheapest other point of this result that holds the point's floor on the search split for less energy.

        None where there is none: a sweep may spend the slack of a low floor badly, so that the plan of a stricter
        floor, or a uniform one, is better at both.
        """
        if point.keep is None or point.energy is None:
            return None
        floor = self.floor(point.keep)
        holding = [
            other
            for other in (*self.points, *self.baselines.values())
            if other.energy is not None
            and other.energy.total_pj < point.energy.total_pj
            and floor.holds(other.searched)
        ]
        return min(holding, key=lambda other: other.energy.total_pj if other.energy else 0.0, default=None)

    def at(self, keep: float) -> "Result":
        """The result with the point of another floor selected.

        Raises:
            InputError: no point was searched for at that floor; the message lists those that were.
        """
        for index, point in enumerate(self.points):
            if point.keep == keep:
                return replace(self, selected=index)
        known = ", ".join(f"{point.keep:g}" for point in self.points)
        raise InputError(f"keep {keep:g} was not searched for; this result has {known}")

    def to_json(self) -> str:
        """The text of `result.json`; it has no times in it, so the same search gives the same text."""
        body = {
            "settings": dict(self.settings),
            "weights_sha256": self.captured.digest(),
            "selected": self.selected,
            "points": [point.to_table() for point in self.points],
            "baselines": [point.to_table() for point in self.baselines.values()],
            "front": [point.label for point in self.front],
            "histograms": {site: found.to_table() for site, found in self.histograms.items()},
            "path": [waypoint.to_table() for waypoint in self.path],
        }
        return files.dump("result", VERSION, body)

    def save(self, folder: Path | str, also: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """Write the run folder: `weights.safetensors`, `plan.json`, `ranges.json`, files of `also`, and `result.json`.

        They are written together: where `result.json` stands, all are of this result.

        Raises:
            FileError: the folder cannot be written; what was there is then left as it was.
        """
        contents = {
            "weights.safetensors": self.captured.to_bytes(),
            "plan.json": self.plan.to_json().encode(),
            "ranges.json": self.ranges.to_json().encode(),
            **also,
            "result.json": self.to_json().encode(),
        }
        files.write_together({Path(folder) / name: content for name, content in contents.items()})

    @classmethod
    def load(cls, folder: Path | str) -> "Result":
        """Read a run folder. No data and no user code is needed, and none of the folder's files can run code.

        Raises:
            FileError: a file is missing, malformed, of another version, or they do not belong together.
        """
        path, weights = Path(folder) / "result.json", Path(folder) / "weights.safetensors"
        if not path.exists() and path.with_name("journal.sqlite").exists():
            raise FileError(f"the run in '{folder}' is not finished; the same command goes on from its journal")
        if not path.exists():
            raise FileError(f"'{folder}' is no run folder: it has no result.json; give the folder that a search wrote")
        origin = f"'{path}'"
        fields = Fields(files.parse(files.read_bytes(path), "result", VERSION, origin), origin)
        content = files.read_bytes(weights)
        if hashlib.sha256(content).hexdigest() != fields.text("weights_sha256"):
            raise FileError(f"'{weights}' is not the network of {origin}; the command of the search mends that")
        try:
            result = cls(
                captured=Network.from_bytes(content, f"'{weights}'"),
                settings=fields.table("settings").rest(),
                points=tuple(_points(fields, "points")),
                baselines={point.label: point for point in _points(fields, "baselines")},
                histograms=_histograms(fields.table("histograms")),
                path=tuple(Waypoint.from_table(Fields(entry, f"{origin}: 'path'")) for entry in fields.items("path")),
                selected=fields.integer("selected", 0),
            )
        except FormatError as error:
            raise FileError(f"{origin}: {error}") from error
        front = fields.items("front")
        fields.finish()
        if result.selected >= len(result.points):
            raise FileError(f"{origin}: key 'selected' is {result.selected}, but there are {len(result.points)} points")
        _check_fits(result, origin)
        if front != [point.label for point in result.front]:
            raise FileError(f"{origin}: key 'front' does not fit the points")
        return result


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


def _points(fields: Fields, key: str) -> list[OperatingPoint]:
    origin = f"{fields.origin}: '{key}'"
    found = [OperatingPoint.from_table(Fields(entry, origin)) for entry in fields.items(key)]
    if len({point.label for point in found}) < len(found):
        fields.fail(f"key '{key}' has two points of the same label")
    return found


def _check_fits(result: Result, origin: str) -> None:
    """Refuse points that are not of the captured network, and baselines without the one that floors refer to."""
    if "float32" not in result.baselines:
        raise FileError(f"{origin}: key 'baselines' has no point 'float32'")
    if result.baselines["float32"].search.correct == 0:
        raise FileError(f"{origin}: the point 'float32' is right on no sample, so that no floor can refer to it")
    for point in (*result.points, *result.baselines.values()):
        if point.keep is not None and point.label in result.baselines:
            raise FileError(f"{origin}: key 'keep' of point '{point.label}' does not fit; baselines have none")
        _check_names(result.captured, point, origin)
    for waypoint in result.path:
        if waypoint.plan.formats.keys() != result.captured.sites.keys():
            raise FileError(f"{origin}: key 'path' has a plan that does not fit the network's sites")
    if unknown := sorted(result.histograms.keys() - result.captured.sites.keys()):
        raise FileError(f"{origin}: key 'histograms' has a site '{unknown[0]}', which the network has not")


def _check_names(captured: Network, point: OperatingPoint, origin: str) -> None:
    """Refuse a point that names what the network has not, or does not name what it has."""
    sites, layers = captured.sites.keys(), {layer.name for layer in captured.layers}
    charged = layers if point.energy is None else point.energy.layers.keys()
    for what, names, needed, possible in (
        ("plan", point.plan.formats.keys(), sites, sites),
        ("ranges", point.ranges.sites.keys(), sites, sites),
        ("zeros", point.sparsity.zeros.keys(), set(), sites),
        ("log", {decision.site for decision in point.log}, set(), {*sites, "*"}),
        ("blockers", set(point.blockers), set(), sites),
        ("energy", charged, layers, {*layers, *(left.name for left in captured.leftovers)}),
    ):
        kind, other = "layer" if what == "energy" else "site", f"'{what}' of point '{point.label}'"
        for name in sorted(names - possible):
            raise FileError(f"{origin}: {other} has a {kind} '{name}', which the network has not")
        for name in sorted(needed - names):
            raise FileError(f"{origin}: the network has a {kind} '{name}', which {other} has not")
    for site, found in point.ranges.sites.items():
        if len(found.exponents) not in (1, captured.sites[site].channels):
            raise FileError(f"{origin}: the ranges of '{site}' in point '{point.label}' do not fit its channels")
        format = point.plan.formats[site]
        if isinstance(format, Lut) and not format.takes(found.members, found.signed):
            raise FileError(
                f"{origin}: the ranges of '{site}' in point '{point.label}' do not have the numbers of {format}"
            )


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


def _histograms(fields: Fields) -> dict[str, Histogram]:
    sites = fields.rest()
    each = Fields(sites, fields.origin)
    return {site: Histogram.from_table(each.table(site)) for site in sites}


def _energy(fields: Fields) -> EnergyReport | None:
    table = fields.take("energy", lambda v: v is None or isinstance(v, dict), "a table or null")
    return None if table is None else EnergyReport.from_table(Fields(table, f"{fields.origin}: 'energy'"))
