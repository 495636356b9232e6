"""The files of a result: `result.json` as text, and a run folder read back, of which nothing is believed unchecked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from picojoule import files
from picojoule.calibration import Histogram
from picojoule.errors import FileError, FormatError
from picojoule.files import Fields
from picojoule.formats import Lut
from picojoule.network import Network
from picojoule.search.result.point import OperatingPoint, Waypoint

if TYPE_CHECKING:
    from picojoule.search.result.result import Result

VERSION = 3


def text(result: Result) -> str:
    """The text of `result.json`."""
    body = {
        "settings": dict(result.settings),
        "weights_sha256": result.captured.digest(),
        "selected": result.selected,
        "points": [point.to_table() for point in result.points],
        "baselines": [point.to_table() for point in result.baselines.values()],
        "front": [point.label for point in result.front],
        "histograms": {site: found.to_table() for site, found in result.histograms.items()},
        "path": [waypoint.to_table() for waypoint in result.path],
    }
    return files.dump("result", VERSION, body)


def read(folder: Path | str, kind: type[Result]) -> Result:
    """What `Result.load` reads; `kind` is the class."""
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
        result = kind(
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
