"""The files of a result: `result.json` as text, and a run folder read back, of which nothing is believed unchecked."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from picojoule import files
from picojoule.calibration import Histogram
from picojoule.errors import FileError, FormatError
from picojoule.files import Fields
from picojoule.formats import Lut
from picojoule.network import Network
from picojoule.search.result.point import OperatingPoint, Waypoint, non_dominated

VERSION = 3


class Parts(NamedTuple):
    """What a result is made of, by the names it has there."""

    captured: Network
    points: tuple[OperatingPoint, ...]
    baselines: Mapping[str, OperatingPoint]
    settings: Mapping[str, Any]
    histograms: Mapping[str, Histogram]
    path: tuple[Waypoint, ...]
    selected: int

    @property
    def front(self) -> tuple[OperatingPoint, ...]:
        """Its points and baselines that no other beats."""
        return non_dominated((*self.points, *self.baselines.values()))


def text(parts: Parts) -> str:
    """The text of `result.json`."""
    body = {
        "settings": dict(parts.settings),
        "weights_sha256": parts.captured.digest(),
        "selected": parts.selected,
        "points": [point.to_table() for point in parts.points],
        "baselines": [point.to_table() for point in parts.baselines.values()],
        "front": [point.label for point in parts.front],
        "histograms": {site: found.to_table() for site, found in parts.histograms.items()},
        "path": [waypoint.to_table() for waypoint in parts.path],
    }
    return files.dump("result", VERSION, body)


def read(folder: Path | str) -> Parts:
    """What a run folder's result is made of, which fits together."""
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
        parts = Parts(
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
    if parts.selected >= len(parts.points):
        raise FileError(f"{origin}: key 'selected' is {parts.selected}, but there are {len(parts.points)} points")
    _check_fits(parts, origin)
    if front != [point.label for point in parts.front]:
        raise FileError(f"{origin}: key 'front' does not fit the points")
    return parts


def _points(fields: Fields, key: str) -> list[OperatingPoint]:
    origin = f"{fields.origin}: '{key}'"
    found = [OperatingPoint.from_table(Fields(entry, origin)) for entry in fields.items(key)]
    if len({point.label for point in found}) < len(found):
        fields.fail(f"key '{key}' has two points of the same label")
    return found


def _histograms(fields: Fields) -> dict[str, Histogram]:
    sites = fields.rest()
    each = Fields(sites, fields.origin)
    return {site: Histogram.from_table(each.table(site)) for site in sites}


def _check_fits(parts: Parts, origin: str) -> None:
    """Refuse points that are not of the captured network, and baselines without the one that floors refer to."""
    if "float32" not in parts.baselines:
        raise FileError(f"{origin}: key 'baselines' has no point 'float32'")
    if parts.baselines["float32"].search.correct == 0:
        raise FileError(f"{origin}: the point 'float32' is right on no sample, so that no floor can refer to it")
    for point in (*parts.points, *parts.baselines.values()):
        if point.keep is not None and point.label in parts.baselines:
            raise FileError(f"{origin}: key 'keep' of point '{point.label}' does not fit; baselines have none")
        _check_names(parts.captured, point, origin)
    for waypoint in parts.path:
        if waypoint.plan.formats.keys() != parts.captured.sites.keys():
            raise FileError(f"{origin}: key 'path' has a plan that does not fit the network's sites")
    if unknown := sorted(parts.histograms.keys() - parts.captured.sites.keys()):
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
