"""Speed beside named peers, which take turns with ours in one process: the ratios, each with its spread."""

import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pages
from matplotlib.figure import Figure
from script import printed
from sources import Sources

PEERS = pages.ROOT / "benchmarks/peers"
BENCHMARKS = {
    "fake_quantize": ("1",),
    "low_precision": ("16777216", "10"),
    "kmeans": ("1000000", "5"),
    "training_step": ("1",),
    "evaluation": ("1",),
    "integers": (),
    "cortex_m": (),
}
"""The scripts and their arguments, in the order of the page."""
RATIO = re.compile(r"^  (?P<name>\S.*?) +(?P<ratio>\d[\d.]*)  \(", re.MULTILINE)


def measure(sources: Sources, runs: Path) -> pages.Found:
    """Run every benchmark, and keep what it prints."""
    made = {
        name: {
            "command": " ".join(("python", f"benchmarks/{name}.py", *arguments)),
            "printed": printed(name, *arguments),
        }
        for name, arguments in BENCHMARKS.items()
    }
    return {"versions": _versions(), "benchmarks": made}


def _versions() -> dict[str, str]:
    """The versions of the peers, as their files pin them, and of those that picojoule itself rests on."""
    found = {package: version(package) for package in ("torch", "scikit-learn")}
    for file in sorted(PEERS.glob("*.txt")):
        pinned = re.search(rf"^{re.escape(file.stem)}==(\S+)", file.read_text(), re.MULTILINE | re.IGNORECASE)
        if pinned:
            found[file.stem] = pinned[1]
    return found


def tables(found: pages.Found) -> Mapping[str, str]:
    rows = list(found["versions"].items())
    shown = {
        name: f"`{each['command']}`\n\n```text\n{each['printed']}\n```\n" for name, each in found["benchmarks"].items()
    }
    return {"versions": pages.table(("package", "version"), rows), **shown}


def figure(found: pages.Found) -> Figure | None:
    """None: the tables have every round's spread."""
    return None


def row(found: pages.Found) -> tuple[str, str, str]:
    text = found["benchmarks"]["fake_quantize"]["printed"]
    first = {each["name"]: each["ratio"] for each in reversed(list(RATIO.finditer(text)))}
    shown = {"torch.fake_quantize_per_tensor_affine": "torch", "torchao": "torchao", "Brevitas' IntQuant": "Brevitas"}
    rivals = ", ".join(f"{short} {first[name]}" for name, short in shown.items() if name in first)
    return (
        "speed: rounding 16 million floats to 4 bits, over a copy",
        f"others, measured here: {rivals}",
        first["picojoule"],
    )
