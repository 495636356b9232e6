"""Shared weights lose no accuracy at the bits of Deep Compression, and retraining the shared values gains some."""

import re
from collections.abc import Mapping
from pathlib import Path

import pages
from drawing import COLOURS, axes
from matplotlib.figure import Figure
from script import printed
from sources import Sources

EPOCHS = "5"
LINE = re.compile(
    r"^(?P<network>\S+), (?P<weights>[^:\n]+): float (?P<float>[\d.]+) %, clustered (?P<clustered>[\d.]+) %, "
    r"retrained (?P<retrained>[\d.]+) %, (?P<smaller>[\d.]+) times smaller; "
    r"published (?P<before>[\d.]+) -> (?P<after>[\d.]+) %",
    re.MULTILINE,
)
ERRORS = ("float", "clustered", "retrained")


def measure(sources: Sources, runs: Path) -> pages.Found:
    """Train in floating point, cluster, retrain, by the benchmark of that name."""
    told = printed("deep_compression", "published", f"idx:{sources.folder / 'mnist'}", str(runs), EPOCHS)
    numbers = (*ERRORS, "smaller", "before", "after")
    rows = [found.groupdict() for found in LINE.finditer(told)]
    assert rows, told
    return {"networks": [row | {key: float(row[key]) for key in numbers} for row in rows]}


def tables(found: pages.Found) -> Mapping[str, str]:
    head = ("network", "weights", "float", "clustered", "retrained", "times smaller", "published, float → clustered")
    rows = [
        (each["network"], each["weights"], *(f"{each[error]:.2f} %" for error in ERRORS), f"{each['smaller']:.2f}",
         f"{each['before']:.2f} → {each['after']:.2f} %")
        for each in found["networks"]
    ]  # fmt: skip
    return {"errors": pages.table(head, rows)}


def figure(found: pages.Found) -> Figure:
    (panel,) = axes(1, "", "error on MNIST's test images (%)")
    for index, (error, colour) in enumerate(
        zip(("before", "after", *ERRORS), ("#cbd5e1", "#94a3b8", *COLOURS), strict=False)
    ):
        label = {"before": "published, float", "after": "published, clustered"}.get(error, f"here, {error}")
        places = [place + 0.16 * (index - 2) for place in range(len(found["networks"]))]
        panel.bar(places, [each[error] for each in found["networks"]], 0.15, color=colour, label=label)
    panel.set_xticks(range(len(found["networks"])), [each["network"] for each in found["networks"]])
    panel.legend(frameon=False, fontsize=7)
    return panel.figure  # type: ignore[no-any-return]


def row(found: pages.Found) -> tuple[str, str, str]:
    theirs = "; ".join(f"{e['network']} {e['before']:.2f} → {e['after']:.2f} %" for e in found["networks"])
    ours = "; ".join(f"{e['network']} {e['float']:.2f} → {e['retrained']:.2f} %" for e in found["networks"])
    return "Deep Compression's clusters: error, float → clustered", theirs, ours
