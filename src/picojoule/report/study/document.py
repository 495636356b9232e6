"""What a sweep's page is drawn from: the study as one document of plain data, with all that follows from it.

The page's script only lays out and draws: fronts, energies at equal accuracy and what they save are found here, on
every platform that has figures.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from picojoule import units
from picojoule.explore import Candidate, Exploration, Trial
from picojoule.explore.exploration import REFERENCE_BITS
from picojoule.report.study import words

VERSION = 1
KIND = "study-report"


def document(name: str, found: Exploration) -> dict[str, Any]:
    """The page's data, in JSON's types; the same study gives the same, whatever the order in which trials ended."""
    trials = sorted(found.trials, key=lambda each: (each.point, each.number))
    places = {id(each): index for index, each in enumerate(found.candidates)}
    return {
        "picojoule": KIND,
        "version": VERSION,
        "name": name,
        "title": words.title(found),
        "facts": words.facts(found),
        "remarks": words.remarks(found),
        "recipe": {"name": _text(found, "recipe"), "toml": _text(found, "recipe_toml")},
        "rerun": {"shell": words.shell(found, name)},
        "reference_bits": REFERENCE_BITS,
        "bits": sorted({trial.point.bits for trial in trials}),
        "candidates": [_candidate(each, trials) for each in found.candidates],
        "platforms": [_platform(found, platform, places) for platform in found.platforms],
        "trials": [_trial(found, trial) for trial in trials],
    }


def _platform(found: Exploration, platform: str, places: Mapping[int, int]) -> dict[str, Any]:
    """Fronts and levels of accuracy on a platform, whose candidates are told by their places among all."""

    def front(bits: int | None = None) -> list[int]:
        return [places[id(each)] for each in found.front(platform, bits)]

    return {
        "name": platform,
        "title": words.platform_title(found, platform),
        "own": platform == found.settings.get("platform"),
        "front": front(),
        "fronts": {str(bits): front(bits) for bits in found.bits},
        "levels": [
            {
                "accuracy": level.accuracy,
                "by_bits": {
                    str(bits): {"candidate": places[id(each)], "saves": level.saves(bits, platform)}
                    for bits, each in level.by_bits.items()
                    if each is not None
                },
            }
            for level in found.iso(platform)
        ],
        "saves": {str(bits): _spread(found.ratios(platform, bits)) for bits in found.bits},
    }


def _spread(ratios: tuple[float, ...]) -> dict[str, Any] | None:
    """Least, median and most of what 8 bits take over it, and at how many accuracies; None where at none."""
    if not ratios:
        return None
    return {"least": min(ratios), "median": median(ratios), "most": max(ratios), "levels": len(ratios)}


def _candidate(each: Candidate, trials: Sequence[Trial]) -> dict[str, Any]:
    """A network at a bit count, with the places of its trials among all."""
    own = [index for index, trial in enumerate(trials) if any(trial is one for one in each.trials)]
    return {
        "network": each.network,
        "bits": each.bits,
        **each.cost.to_table(),
        "weights": units.size(8 * each.cost.weight_bytes),
        "ram": units.size(8 * each.cost.ram_bytes),
        "trials": own,
        **{name: _split(each, name) for name in ("searched", "reported")},
    }


def _split(each: Candidate, name: str) -> dict[str, float]:
    """Its mean accuracy on a split, the least and most of its seeds, and the ends of their 95 % intervals."""
    accuracies = [accuracy for trial in each.trials if (accuracy := getattr(trial, name)) is not None]
    values = [accuracy.value for accuracy in accuracies]
    ends = [accuracy.interval() for accuracy in accuracies]
    return {
        "value": getattr(each, name),
        "least": min(values),
        "most": max(values),
        "low": min(low for low, _ in ends),
        "high": max(high for _, high in ends),
    }


def _trial(found: Exploration, trial: Trial) -> dict[str, Any]:
    cost = found.costs[trial.point.network, trial.point.bits]
    counted = (("searched", trial.searched), ("reported", trial.reported))
    return {
        "number": trial.number,
        "name": str(trial.point),
        **trial.point.to_table(),
        "state": trial.state,
        "why": trial.why,
        "worker": trial.worker,
        "seconds": trial.seconds,
        "took": units.duration(trial.seconds) if trial.seconds else "",
        "energy_pj": dict(cost.energy_pj),
        "curve": [{"loss": loss, "accuracy": accuracy} for loss, accuracy in trial.curve],
        **{name: None if accuracy is None else accuracy.value for name, accuracy in counted},
    }


def _text(found: Exploration, key: str) -> str:
    value = found.settings.get(key)
    return value if isinstance(value, str) else ""
