"""Searches that several results rest on: a network that others trained, at the floors of the literature.

Floors are decided by point estimates, as published ones are; what holds with confidence is another result
(docs/results/search.md). Runs lie beside each other, so that a result finds those that another has made.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sources import Sources

import picojoule as pj
from picojoule.energy import Platform, Sparsity, energy
from picojoule.errors import UnreachableFloorError

NETWORKS = {"lenet5": "LeNet-5, MNIST", "resnet20": "ResNet-20, CIFAR-10"}
KEEPS = (0.99, 1.0, 0.95, 0.9)
"""Relative accuracies; the first one's plan is the run's selected one."""
STRATEGIES = ("greedy", "descent")


def searched(
    sources: Sources,
    runs: Path,
    network: str,
    strategy: str,
    platform: str = "moons2017",
    rescale: str = "layer",
    keeps: Sequence[float] = KEEPS,
) -> pj.Result:
    """The search of a network, made or found."""
    model, data = sources.given(network)
    out = runs.parent / "searches" / f"{network}-{strategy}-{platform}-{rescale}"
    try:
        return pj.search(
            model, data, keep=keeps, strategy=strategy, platform=platform, rescale=rescale, confidence="point", out=out
        )
    except UnreachableFloorError as error:
        return error.result


def points(result: pj.Result) -> Iterator[tuple[float, pj.OperatingPoint]]:
    """The floors that hold, the strictest first, each with its plan."""
    kept = {float(point.label): point for point in result.points if point.holds}
    for keep in sorted(kept, reverse=True):
        yield keep, kept[keep]


def arithmetic_pj(result: pj.Result, plan: pj.Plan, platform: Platform, zeros: Sparsity | None = None) -> float:
    """What multiplying and adding takes at a plan, memories left out."""
    return energy(result.captured, plan, platform, zeros).compute_pj


def relative(result: pj.Result, point: pj.OperatingPoint) -> float:
    """Accuracy on the report split over that of the float network."""
    return point.report.value / result.baselines["float32"].report.value
