"""Trained networks at equal accuracy: what 8 bits take over fewer, when those may be wider and deeper."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median

import pages
from drawing import COLOURS, axes, legend, plain
from matplotlib.figure import Figure
from sources import Sources

import picojoule as pj
from picojoule.data import load
from picojoule.explore import Exploration

SETS = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
"""The folder and the name of each set; Fashion-MNIST's files are named as MNIST's."""
GRIDS = (
    {"width": [0.5, 1, 2], "depth": [1, 2], "bits": [1, 2, 4, 8, 16]},
    {"width": [4], "bits": [1, 2, 4]},
    {"width": [8], "bits": [1]},
)
BASE, EPOCHS = "qnn-1x8-1x8-1x8", 5
PUBLISHED = (2, 10)
"""Times less than 8 bits at equal accuracy, binary or 4 bits: arXiv 1711.00215."""


def measure(sources: Sources, runs: Path) -> pages.Found:
    """Train every network of the grids on each set; a study goes on where it was stopped."""
    found = {}
    for folder, name in SETS.items():
        data, out = load(f"idx:{sources.folder / folder}"), runs / folder
        for grid in GRIDS:
            study = pj.explore([BASE], data, recipe="sweep", epochs=EPOCHS, prune="none", out=out, **grid)
        found[name] = told(study)
    return {"sets": found}


def told(study: Exploration) -> pages.Found:
    """Of each platform the networks, and what 8 bits take over each bit count at each accuracy of theirs."""
    return {
        "networks": [
            {"network": each.network, "bits": each.bits, "accuracy": each.searched, "report": each.reported}
            | {"energy_pj": dict(each.cost.energy_pj)}
            for each in study.candidates
        ],
        "levels": {
            platform: [
                {
                    "accuracy": level.accuracy,
                    "energy_pj": {
                        str(bits): None if each is None else each.cost.energy_pj[platform]
                        for bits, each in level.by_bits.items()
                    },
                }
                for level in study.iso(platform)
            ]
            for platform in study.platforms
        },
    }


def tables(found: pages.Found) -> Mapping[str, str]:
    made = {}
    for name, study in found["sets"].items():
        made[f"{name} levels"] = _levels(study, "moons2017")
        made[f"{name} ratios"] = _ratios(study)
        made[f"{name} unseen"] = _unseen(study)
    return made


def _counts(study: pages.Found) -> list[str]:
    return list(next(iter(study["levels"].values()))[0]["energy_pj"])


def _bits(count: str) -> str:
    return "1 bit" if count == "1" else f"{count} bits"


def _saves(level: pages.Found, count: str) -> float | None:
    taken = level["energy_pj"].get(count)
    return None if taken is None else level["energy_pj"]["8"] / taken


def _levels(study: pages.Found, platform: str) -> str:
    def cell(level: pages.Found, count: str) -> str:
        taken, saves = level["energy_pj"].get(count), _saves(level, count)
        if taken is None or saves is None:
            return ""
        return f"{taken / 1e3:.0f} nJ" + ("" if count == "8" else f" ({saves:.2f}x)")

    counts = _counts(study)
    rows = [
        (f"{100 * level['accuracy']:.2f} %", *(cell(level, count) for count in counts))
        for level in study["levels"][platform]
    ]
    return pages.table(("accuracy", *map(_bits, counts)), rows)


def _ratios(study: pages.Found) -> str:
    fewer = [count for count in _counts(study) if count != "8"]
    rows = []
    for platform, levels in study["levels"].items():
        cells = []
        for count in fewer:
            ratios = [saves for level in levels if (saves := _saves(level, count)) is not None]
            span = f"{min(ratios):.2f}-{max(ratios):.2f}, {len(ratios)} of {len(levels)}" if ratios else ""
            cells.append(f"{median(ratios):.2f}x ({span})" if ratios else "not reached")
        rows.append((f"`{platform}`", *cells))
    return pages.table(("8 bits take, median (least to most, at how many accuracies)", *map(_bits, fewer)), rows)


def _unseen(study: pages.Found) -> str:
    """The ratios with both the levels and the choice by the accuracies of the report split."""
    rows = []
    for platform in study["levels"]:
        front: list[pages.Found] = []
        for each in sorted(_of(study, 8), key=lambda each: (each["energy_pj"][platform], -each["report"])):
            if not front or each["report"] > front[-1]["report"]:
                front.append(each)
        cells = []
        for bits in (2, 4):
            ratios = []
            for level in front:
                enough = [e["energy_pj"][platform] for e in _of(study, bits) if e["report"] >= level["report"]]
                if enough:
                    ratios.append(level["energy_pj"][platform] / min(enough))
            span = f" ({min(ratios):.2f}-{max(ratios):.2f}, {len(ratios)} of {len(front)})" if ratios else ""
            cells.append(f"{median(ratios):.2f}x{span}" if ratios else "not reached")
        rows.append((f"`{platform}`", *cells))
    return pages.table(("8 bits take, by the split that chose nothing", "2 bits", "4 bits"), rows)


def _of(study: pages.Found, bits: int) -> list[pages.Found]:
    return [each for each in study["networks"] if each["bits"] == bits]


def figure(found: pages.Found) -> Figure:
    drawn = axes(len(found["sets"]), "accuracy of the search split (%)", "energy on moons2017 (nJ)")
    for panel, (name, study) in zip(drawn, found["sets"].items(), strict=True):
        for count, colour in zip((1, 2, 4, 8, 16), COLOURS, strict=False):
            mine = [each for each in study["networks"] if each["bits"] == count]
            places = [(100 * each["accuracy"], each["energy_pj"]["moons2017"] / 1e3) for each in mine]
            panel.plot(*zip(*places, strict=True), "o", c=colour, ms=4, label=_bits(str(count)))
        panel.set_yscale("log")
        plain(panel.yaxis, (300, 1000, 3000, 10_000))
        panel.set_title(name)
    legend(drawn, 5)
    return drawn[0].figure  # type: ignore[no-any-return]


def row(found: pages.Found) -> tuple[str, str, str]:
    told = []
    for name, study in found["sets"].items():
        levels = study["levels"]["moons2017"]
        ratios = [saves for level in levels if (saves := _saves(level, "4")) is not None]
        told.append(f"{name} {median(ratios):.2f}x ({min(ratios):.2f}-{max(ratios):.2f})")
    theirs = "{}-{}x, binary or 4 bits".format(*PUBLISHED)
    return "trained networks: 8 bits over 4 bits at equal accuracy", theirs, ", ".join(told) + "; binary did not pay"
