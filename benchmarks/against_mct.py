"""picojoule's plans need less energy than model-compression-toolkit's at equal or better accuracy on unseen samples.

    python benchmarks/against_mct.py MODEL --checkpoint FILE --data DATA [--resize N] [--mean ...] [--std ...]

The same network, splits and energy model for both. The toolkit quantises uniformly at 8 and 4 bits, and in mixed
precision within budgets of bit operations or memory, each that of so many bits everywhere; its ranges and sensitivities
come from the calibration split, and it never sees a label. Each of its points stands beside our cheapest one that is
right on at least as many samples of the report split, out of one run's floors and the plans between them, which the
search split alone decided on. Zeros are those of
each one's own quantised network. It all runs in an environment of its own, which is made on first use.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass

import torch
from measure import machine
from peers import mct
from peers.environment import enter
from task import Task, parser, task

import picojoule as pj
from picojoule import units
from picojoule.energy import Platform
from picojoule.errors import UnreachableFloorError
from picojoule.models import load_model

BITS = tuple(range(2, 9))
"""What the toolkit chooses from; it has no quantiser of 1 bit."""
KEEPS = (0.99, 1.0, 0.9995, 0.999, 0.998, 0.997, 0.995, 0.98, 0.97, 0.95, 0.9)


@dataclass(frozen=True)
class Point:
    """A plan's energy, and how many samples of the report split it is right on."""

    label: str
    energy_pj: float
    correct: int


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--platform", default="moons2017")
    options.add_argument("--keep", type=float, nargs="+", default=KEEPS)
    options.add_argument("--strategy", default="descent")
    options.add_argument("--observer", help="the strategy's own where it is not given")
    options.add_argument("--confidence", type=_confidence, default="point", help="of our floors, such as 0.95")
    options.add_argument("--mean-bits", type=float, nargs="+", default=[2.5, 3, 3.5, 4, 4.5, 5, 6, 7])
    options.add_argument("--images", type=int, default=64, help="for MCT's sensitivities; its default is 32")
    options.add_argument("--free-scales", action="store_true", help="MCT's weights: any scale, one for each channel")
    asked = options.parse_args()
    given = task(asked)
    ours = _ours(given, asked)
    theirs = _theirs(given, asked)
    _print(theirs, ours, len(given.splits.report), asked)


def _confidence(text: str) -> float | str:
    return text if text == "point" else float(text)


def _ours(given: Task, asked: argparse.Namespace) -> list[Point]:
    """Our points, the plans between them, and uniform ones for where no floor is as high."""
    begun = time.monotonic()
    ways = {"strategy": asked.strategy, "observer": asked.observer, "confidence": asked.confidence}
    try:
        result = pj.search(
            given.network, None, keep=asked.keep, platform=asked.platform, splits=given.splits, seed=asked.seed, **ways
        )
    except UnreachableFloorError as error:
        result = error.result
    print(f"picojoule, {asked.strategy}: {len(result.points)} floors in {time.monotonic() - begun:.0f} s", flush=True)
    points = [
        Point(f"keep {point.label}" if point.keep else point.label, point.energy.total_pj, int(point.report.correct))
        for point in (*result.points, *result.baselines.values())
        if point.energy is not None
    ]
    points += [
        Point(f"plan {number} of the path", each.energy_pj, int(each.reported.correct))
        for number, each in enumerate(result.path, 1)
    ]
    for point in points:
        print(f"  {point.label}: {units.energy(point.energy_pj)}, {point.correct / len(given.splits.report):.2%}")
    return points


def _theirs(given: Task, asked: argparse.Namespace) -> list[Point]:
    model = load_model(asked.model, asked.checkpoint).eval()
    _, network, splits = given
    macs = sum(layer.macs for layer in network.layers)
    platform = Platform.load(asked.platform)
    toolkit = mct.Toolkit(model, splits.calibration.x, asked.images, asked.free_scales)
    at_8 = toolkit.memory(8)
    wanted: list[tuple[str, tuple[int, ...], dict[str, float]]]
    wanted = [(f"uniform, {bits} bits", (bits,), {}) for bits in (8, 4)]
    wanted += [(f"operations of {mean:g} bits", BITS, {"bops": macs * mean**2}) for mean in asked.mean_bits]
    for mean in asked.mean_bits:
        wanted.append((f"memory of {mean:g} bits", BITS, {name: size * mean / 8 for name, size in at_8.items()}))
    points = []
    for label, bits, budget in wanted:
        begun = time.monotonic()
        torch.manual_seed(asked.seed)
        try:
            made = toolkit.quantised(bits, budget)
        except ValueError as error:
            print(f"MCT {label}: {error}")
            continue
        plan, zeros = mct.plan(made, network), mct.zeros(made, network, splits.calibration.x)
        with torch.no_grad():
            correct = sum(int((made(x).argmax(1) == y).sum()) for x, y in splits.report.batches(mct.BATCH))
        points.append(Point(label, pj.energy(network, plan, platform, zeros).total_pj, correct))
        chosen = " ".join(
            f"{plan.formats[each.weights].bits}/{plan.formats[each.inputs].bits}" for each in network.layers
        )
        print(f"MCT {label}: weights/inputs {chosen}, in {time.monotonic() - begun:.0f} s", flush=True)
    return points


def _print(theirs: list[Point], ours: list[Point], total: int, asked: argparse.Namespace) -> None:
    scales = "any scale, one for each channel" if asked.free_scales else "scales that are powers of two"
    right = next(own.correct for own in ours if own.label == "float32") / total
    print(f"\n{machine()}\n{asked.model} on {asked.platform}; MCT's weights have {scales}")
    print(f"The float network is right on {right:.2%} of the {total} samples of the report split.\n")
    print("| MCT | its energy | its accuracy | our cheapest as good | our energy | our accuracy | ours over its |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for point in theirs:
        as_good = [own for own in ours if own.correct >= point.correct]
        own = min(as_good, key=lambda own: own.energy_pj) if as_good else max(ours, key=lambda own: own.correct)
        cells = (
            point.label,
            units.energy(point.energy_pj),
            f"{point.correct / total:.2%}",
            own.label if as_good else f"none; {own.label} is nearest",
            units.energy(own.energy_pj),
            f"{own.correct / total:.2%}",
            f"{own.energy_pj / point.energy_pj:.3f}",
        )
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"  # the toolkit's bars
    if not enter("mct", "model-compression-toolkit"):
        sys.exit("nothing to compare with")
    main()
