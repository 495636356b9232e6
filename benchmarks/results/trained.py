"""Networks trained at few bits keep close to floating point, and the authors' topologies reach what their logs say."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pages
import torch
from drawing import COLOURS, axes, plain
from matplotlib.figure import Figure
from sources import Sources

import picojoule as pj
from picojoule.errors import FileError

BITS = (32, 16, 8, 4, 2, 1)
LOGS = {
    ("1x64-1x64-1x64", 4): 79.2,
    ("1x64-1x64-1x64", 1): 70.3,
    ("2x64-3x128-3x128", 4): 88.3,
    ("3x256-3x256-3x256", 4): 90.0,
    ("3x256-3x256-3x256", 1): 89.2,
}
"""Accuracy in % on 5 000 held-out training images of CIFAR-10 in the authors' logs: the best of 100 epochs."""
HERE = ("1x64-1x64-1x64",)
"""The topologies that a machine without an accelerator trains within hours; the others take a day and more."""


class Spec(NamedTuple):
    """One training."""

    model: str
    data: str
    bits: int
    epochs: int

    @property
    def label(self) -> str:
        """The name of its run."""
        return f"{self.data}-{self.model}-{self.bits}bit-{self.epochs}"


SPECS = (
    *(Spec(model, "mnist", bits, 10) for model in ("lenet5", "lenet-300-100") for bits in BITS),
    *(Spec(f"qnn-{topology}", "cifar10", bits, 30) for topology, bits in LOGS if topology in HERE),
)


def measure(sources: Sources, runs: Path) -> pages.Found:
    """Train each network by the recipe `modern`, and count the right answers on what is held out."""
    torch.set_num_threads(1)
    return {"trainings": [_trained(spec, sources, runs / spec.label) for spec in SPECS]}


def _trained(spec: Spec, sources: Sources, folder: Path) -> pages.Found:
    try:
        result = pj.load(folder)
    except FileError:
        data = sources.mnist() if spec.data == "mnist" else sources.cifar10_held_out()
        result = pj.train(spec.model, data, bits=spec.bits, epochs=spec.epochs, out=folder)
    point = result.point
    return {
        **spec._asdict(),
        "learning_rate": tomllib.loads(result.settings["recipe_toml"])["optimizer"]["learning_rate"],
        "correct": point.search.correct + point.report.correct,
        "total": point.search.total + point.report.total,
        "energy_pj": None if point.energy is None else point.energy.total_pj,
    }


def tables(found: pages.Found) -> Mapping[str, str]:
    of = _accuracies(found)
    models = list(dict.fromkeys(spec.model for spec in SPECS if spec.data == "mnist"))
    digits = [(model, *(_percent(of, model, bits) for bits in BITS)) for model in models]
    images = [
        (f"`qnn-{topology}`", str(bits), f"{theirs:.1f} %", _percent(of, f"qnn-{topology}", bits))
        for (topology, bits), theirs in LOGS.items()
    ]
    head = ("", "float", *(f"{bits} bits" if bits > 1 else "1 bit" for bits in BITS[1:]))
    return {
        "mnist": pages.table(head, digits),
        "cifar10": pages.table(("network", "bits", "the authors' log", "here"), images),
    }


def figure(found: pages.Found) -> Figure:
    plot = axes(1, "bits", "wrong on MNIST's test images (%)")
    of = _accuracies(found)
    for model, colour in zip(("lenet5", "lenet-300-100"), COLOURS, strict=False):
        wrong = [100 - of[model, bits] for bits in BITS[1:]]
        plot[0].plot(BITS[1:], wrong, "o-", c=colour, ms=5, lw=1.2, label=model)
        plot[0].axhline(100 - of[model, 32], c=colour, lw=0.8, ls=":")
    plot[0].set_xscale("log", base=2)
    plot[0].set_yscale("log")
    plain(plot[0].xaxis, BITS[1:])
    plain(plot[0].yaxis, (0.6, 1, 2, 4))
    plot[0].legend(frameon=False, title="dotted: floating point")
    return plot[0].figure  # type: ignore[no-any-return]


def row(found: pages.Found) -> tuple[str, str, str]:
    of = _accuracies(found)
    theirs = " and ".join(f"{LOGS['1x64-1x64-1x64', bits]} %" for bits in (4, 1))
    ours = " and ".join(f"{of['qnn-1x64-1x64-1x64', bits]:.1f} %" for bits in (4, 1))
    return (
        "networks trained at few bits",
        f"CIFAR-10, 3 layers of 64, 4 and 1 bits: {theirs} (best of 100 epochs)",
        f"{ours} (last of 30)",
    )


def _accuracies(found: pages.Found) -> dict[tuple[str, int], float]:
    return {(each["model"], each["bits"]): 100 * each["correct"] / each["total"] for each in found["trainings"]}


def _percent(of: dict[tuple[str, int], float], model: str, bits: int) -> str:
    return f"{of[model, bits]:.2f} %" if (model, bits) in of else "not run"
