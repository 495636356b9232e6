"""What a page is drawn from: one or several results as one document of plain data, with all that follows from them.

The page's script only lays out and draws; whatever is computed (ratios, intervals, grids, the ranking under every
platform) is computed here, by the same code that the search used.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from operator import itemgetter
from typing import Any

from picojoule.energy import Platform, energy, platforms
from picojoule.energy.report import PARTS, LayerEnergy
from picojoule.errors import PlatformError
from picojoule.evaluate import Accuracy, Floor, Tally
from picojoule.formats import Fixed, Format
from picojoule.plan import Plan
from picojoule.report import rerun, trained, words
from picojoule.search import Decision, OperatingPoint, Result, Trial, Waypoint

VERSION = 2
LISTED_BITS = 8
"""The grids of formats up to so many bits are listed; of a wider one the page draws the ends alone."""


def document(runs: Mapping[str, Result]) -> dict[str, Any]:
    """The page's data for runs by name, in JSON's types; the same runs give the same document."""
    used = {
        str(format): format
        for result in runs.values()
        for point in _all(result)
        for format in (*point.plan.formats.values(), *_tried(point))
    }
    return {
        "picojoule": "report",
        "version": VERSION,
        "title": " · ".join(rerun.title(result.settings) for result in runs.values()),
        "formats": {text: _format(format) for text, format in sorted(used.items())},
        "runs": [_run(name, result) for name, result in runs.items()],
    }


def _run(name: str, result: Result) -> dict[str, Any]:
    settings, network, front = result.settings, result.captured, _unbeaten(result)
    own = rerun.own_platform(settings)
    return {
        "name": name,
        "title": rerun.title(settings),
        "strategy": str(settings.get("strategy", "")),
        "platform": str(settings.get("platform", "")),
        "platform_title": own.title if own is not None else "",
        "selected": result.selected,
        "confidence": result.confidence,
        "least_bits": (words.searched_bits(result) or (None,))[0],
        "facts": rerun.facts(settings),
        "rerun": {"shell": rerun.shell(settings, name), "python": rerun.python(settings, name)},
        "network": {
            "layers": [{**vars(layer), "outputs": list(layer.outputs)} for layer in network.layers],
            "macs": network.macs,
            "input_shape": list(network.input_shape),
            "output_shape": list(network.output_shape),
        },
        "histograms": {site: found.to_table() for site, found in result.histograms.items()},
        "points": [_point(result, point) for point in _all(result)],
        "path": [_waypoint(result, waypoint, front) for waypoint in result.path],
        "least": {point.label: _least(result, point.keep) for point in result.points if point.keep is not None},
        "left_out": words.left_out(result),
        "ranking": [_ranked(result, platform, own) for platform in _every_platform(own)],
    }


def _all(result: Result) -> tuple[OperatingPoint, ...]:
    return (*result.points, *result.baselines.values())


def _tried(point: OperatingPoint) -> list[Format]:
    return [trial.format for decision in point.log for trial in decision.trials]


def _format(format: Format) -> dict[str, Any]:
    listed = format.rounds and not format.with_scales and not format.fitted and format.bits <= LISTED_BITS
    return {
        "bits": format.bits,
        "family": format.arithmetic,
        "signed": format.grid(True).tolist() if listed else None,
        "unsigned": format.grid(False).tolist() if listed else None,
        "limits": {"signed": _limits(format, True), "unsigned": _limits(format, False)},
    }


def _limits(format: Format, signed: bool) -> list[float] | None:
    """The ends of a range on the unit scale; none where blocks find scales for whatever comes, and of codebooks, whose
    numbers are the sites' own."""
    if format.fitted:
        return None
    ends = format.limits(signed)
    return list(ends) if all(map(math.isfinite, ends)) else None


def _point(result: Result, point: OperatingPoint) -> dict[str, Any]:
    reference = result.baselines["float32"]
    floor = None if point.keep is None else result.floor(point.keep)
    proof = words.report_floor(result, point)
    confirmed = None if proof is None else proof.holds(point.reported)
    total_pj = None if point.energy is None else point.energy.total_pj
    return {
        "label": point.label,
        "keep": point.keep,
        "family": words.arithmetic(point.plan),
        "numbers": words.numbers(result.captured, point.plan),
        "baseline": point.label in result.baselines,
        "holds": point.holds,
        "stopped": point.stopped,
        "search": _split(point.searched, reference.search, floor, None if floor is None else point.holds),
        "report": _split(point.reported, reference.report, proof, confirmed),
        "standing": words.standing(result, point),
        "needed": None if floor is None else float(floor.needed) / reference.search.total,
        "energy_pj": total_pj,
        "of_16_bits": _ratio(total_pj, result.baselines.get("fixed16")),
        "of_8_bits": _ratio(total_pj, result.baselines.get("fixed8")),
        "front": point in result.front,
        "layers": _layers(result, point),
        "together": words.together(point),
        "log": [_decision(decision, point, reference.search) for decision in point.log],
        "blockers": list(point.blockers),
        "remarks": words.remarks(result, point),
        "in_float": words.left_in_float(result.captured, point),
    }


def _split(tally: Tally, reference: Accuracy, floor: Floor | None, holds: bool | None) -> dict[str, Any]:
    """What a point scores on one split, what it lost and gained beside the float network, and what that proves."""
    accuracy = tally.accuracy
    low, high = accuracy.interval()
    return {
        **accuracy.to_table(),
        "value": accuracy.value,
        "low": low,
        "high": high,
        "kept": _kept(accuracy, reference),
        "lost": tally.lost,
        "gained": tally.gained,
        "proven": None if floor is None else floor.proven(tally),
        "holds": holds,
    }


def _kept(accuracy: Accuracy, reference: Accuracy) -> float | None:
    return accuracy.value / reference.value if reference.correct else None


def _ratio(energy_pj: float | None, baseline: OperatingPoint | None) -> float | None:
    if energy_pj is None or baseline is None or baseline.energy is None or baseline.energy.total_pj == 0:
        return None
    return energy_pj / baseline.energy.total_pj


def _waypoint(result: Result, waypoint: Waypoint, front: list[Waypoint]) -> dict[str, Any]:
    """A plan of the curve, its bits short: for each layer the inputs' and the weights', such as `5/3`."""
    reference, plan = result.baselines["float32"], waypoint.plan
    return {
        "family": words.arithmetic(plan),
        "numbers": words.numbers(result.captured, plan),
        "uniform": len({"binary" if str(format) == "fixed1" else str(format) for format in plan.formats.values()}) == 1,
        "front": waypoint in front,
        "energy_pj": waypoint.energy_pj,
        "of_16_bits": _ratio(waypoint.energy_pj, result.baselines.get("fixed16")),
        **{
            name: {"value": tally.accuracy.value, "kept": _kept(tally.accuracy, base)}
            for name, tally, base in (
                ("search", waypoint.searched, reference.search),
                ("report", waypoint.reported, reference.report),
            )
        },
        **{f"{kind}_bits": _mean_bits(result, plan, kind) for kind in ("inputs", "weights")},
        "bits": [
            f"{_short(plan.formats[layer.inputs])}/{_short(plan.formats[layer.weights])}"
            for layer in result.captured.layers
        ],
    }


def _unbeaten(result: Result) -> list[Waypoint]:
    """The plans of the curve that no other of it, and no point, beats in both energy and report-split accuracy."""
    known = [(point.energy.total_pj, point.report.value) for point in _all(result) if point.energy is not None]
    known += [(each.energy_pj, each.reported.accuracy.value) for each in result.path]

    def beaten(waypoint: Waypoint) -> bool:
        pj, value = waypoint.energy_pj, waypoint.reported.accuracy.value
        return any(cost <= pj and other >= value and (cost, other) != (pj, value) for cost, other in known)

    return [waypoint for waypoint in result.path if not beaten(waypoint)]


def _least(result: Result, keep: float) -> dict[str, dict[str, Any]]:
    """By family the plan of least energy that holds a floor on the search split, of all plans that are known."""
    known = [(point.energy.total_pj, point.plan, point.searched) for point in _all(result) if point.energy is not None]
    known += [(each.energy_pj, each.plan, each.searched) for each in result.path]
    floor, found = result.floor(keep), dict[str, dict[str, Any]]()
    for energy_pj, plan, tally in sorted(known, key=itemgetter(0)):
        family = words.arithmetic(plan)
        if family is not None and family not in found and floor.holds(tally):
            found[family] = {"energy_pj": energy_pj, "numbers": words.numbers(result.captured, plan)}
    return found


def _mean_bits(result: Result, plan: Plan, kind: str) -> float:
    """What a value of this kind is stored in on average, over all values that a plan gives a format."""
    sites = [site for site in result.captured.sites.values() if site.kind == kind]
    values = sum(site.count for site in sites)
    stored = sum(plan.formats[site.name].size_bits(result.captured.shape(site.name)) for site in sites)
    return stored / values if values else 0.0


def _short(format: Format) -> str:
    """Fixed point, which is usual, as its bits alone."""
    return str(format.bits) if isinstance(format, Fixed) else str(format)


def _layers(result: Result, point: OperatingPoint) -> list[dict[str, Any]]:
    """The quantised layers in order, then what is charged as floating point."""
    priced = {} if point.energy is None else dict(point.energy.layers)
    retrained = point.label not in result.baselines and trained.is_retrained(result)
    rows = [
        {
            "layer": layer.name,
            "macs": layer.macs,
            "inputs": _site(layer.inputs, point),
            "weights": {**_site(layer.weights, point), "retrained": retrained},
            **_parts(priced.pop(layer.name, None)),
        }
        for layer in result.captured.layers
    ]
    rows += [
        {"layer": left.name, "macs": left.macs, "inputs": None, "weights": None, **_parts(left)}
        for left in priced.values()
    ]
    return rows


def _site(site: str, point: OperatingPoint) -> dict[str, Any]:
    found = point.ranges.sites[site]
    return {
        "site": site,
        "format": str(point.plan.formats[site]),
        "range": words.span(found, point.plan.formats[site]),
        "exponents": list(found.exponents),
        "members": [member * 2.0 ** found.exponents[0] for member in found.members] or None,
        "signed": found.signed,
        "zeros": point.sparsity.of(site),
    }


def _parts(layer: LayerEnergy | None) -> dict[str, float | None]:
    parts: dict[str, float | None] = {part: None if layer is None else getattr(layer, part) for part in PARTS}
    return {**parts, "energy_pj": None if layer is None else layer.total_pj}


def _decision(decision: Decision, point: OperatingPoint, reference: Accuracy) -> dict[str, Any]:
    trials = decision.trials
    if words.together(point):  # what was taken is the plan itself, of which by now every sample was seen
        trials = (replace(trials[0], tally=point.searched), *trials[1:])
    told = [_trial(trial, reference) for trial in trials]
    return {"site": decision.site, "format": str(decision.format), "trials": told}


def _trial(trial: Trial, reference: Accuracy) -> dict[str, Any]:
    """A trial; where it was certain before all samples were seen, its accuracy is at least or at most that stated."""
    tally = trial.tally
    found = Accuracy(tally.low if trial.holds else tally.high, tally.total)
    return {
        "format": str(trial.format),
        "accuracy": found.value,
        "bound": "" if tally.seen == tally.total else "at least" if trial.holds else "at most",
        "kept": _kept(found, reference),
        "seen": tally.seen,
        "lost": tally.lost,
        "gained": tally.gained,
        "holds": trial.holds,
    }


def _every_platform(own: Platform | None) -> list[Platform]:
    """The run's own platform first, then the bundled ones."""
    bundled = [Platform.load(name) for name in platforms()]
    others = [platform for platform in bundled if own is None or platform.text != own.text]
    return [*([] if own is None else [own]), *others]


def _ranked(result: Result, platform: Platform, own: Platform | None) -> dict[str, Any]:
    return {
        "platform": platform.name,
        "title": platform.title,
        "own": platform is own,
        "energies": {point.label: _price(result, point, platform) for point in _all(result)},
    }


def _price(result: Result, point: OperatingPoint, platform: Platform) -> float | None:
    try:
        return energy(result.captured, point.plan, platform, point.sparsity).total_pj
    except PlatformError:
        return None  # no figure for a format of the plan
