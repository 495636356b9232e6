"""The outcome of a search: what was asked, every point, and how each stands to its floor."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from picojoule import files, units
from picojoule.calibration import Histogram, Ranges
from picojoule.energy import EnergyReport
from picojoule.errors import InputError
from picojoule.evaluate import Accuracy, Floor, Tally
from picojoule.network import Network, NetworkModule
from picojoule.plan import LIMITED, Plan
from picojoule.quantize import quantize
from picojoule.search.result import folder as folders
from picojoule.search.result.point import OperatingPoint, Waypoint
from picojoule.search.strategy import Decision


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
        return self._parts.front

    @property
    def _parts(self) -> folders.Parts:
        return folders.Parts(*(getattr(self, name) for name in folders.Parts._fields))

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
                "even by a plan that is right wherever the float network is; "
                "give more of them, or a confidence of 'point'"
            )
        kept = Fraction(point.search.correct) / Fraction(reference.correct) if reference.correct else 0
        nearest = math.floor(10_000 * kept) / 10_000  # so that it holds when it is asked for
        if self.confidence is not None:
            nearest = self.floor(0.5).proven(point.searched) or 0.0
        limits = " and ".join(
            f"{self.settings[key]} bytes of {of}" for key, of in LIMITED.items() if key in self.settings
        )
        within = f" within {limits}" if limits else ""
        return (
            f"keep {point.label} is out of reach{within}: the best plan found keeps {nearest:.4f}; "
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
        return folders.text(self._parts)

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
        return cls(**folders.read(folder)._asdict())
