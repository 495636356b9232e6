"""Claim: one scale for all layers needs more energy than one per layer, which needs more than one per channel.

Searches the same network at the same floors with network-, layer- and channel-wise ranges and prints one row each.

    python benchmarks/rescaling.py MODEL --checkpoint FILE --data DATA [--resize N] [--mean ...] [--std ...] [--out DIR]
"""

import argparse
from pathlib import Path

import picojoule as pj
from picojoule import data, units
from picojoule.errors import UnreachableFloorError
from picojoule.models import load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--checkpoint")
    parser.add_argument("--data", required=True)
    parser.add_argument("--resize", type=int)
    parser.add_argument("--mean", type=lambda text: tuple(map(float, text.split(","))))
    parser.add_argument("--std", type=lambda text: tuple(map(float, text.split(","))))
    parser.add_argument("--keep", type=float, nargs="+", default=[0.99])
    parser.add_argument("--observer", nargs="+", default=["max", "mse"])
    parser.add_argument("--strategy", nargs="+", default=["greedy", "uniform"])
    parser.add_argument("--out", type=Path, default=Path("runs/rescaling"))
    asked = parser.parse_args()

    model = load_model(asked.model, asked.checkpoint)
    loaded = data.Prepare(asked.mean, asked.std, asked.resize).apply(data.load(asked.data))
    print("| strategy | observer | ranges | keep | energy | of 16 bits | search split | report split |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for strategy in asked.strategy:
        for observer in asked.observer:
            for rescale in ("network", "layer", "channel"):
                result = _search(model, loaded, asked, strategy, observer, rescale)
                for point in result.points:
                    print(_row(strategy, observer, rescale, result, point), flush=True)


def _search(
    model: object, loaded: object, asked: argparse.Namespace, strategy: str, observer: str, rescale: str
) -> pj.Result:
    out = asked.out / f"{strategy}-{observer}-{rescale}"
    try:
        return pj.search(model, loaded, keep=asked.keep, strategy=strategy, observer=observer, rescale=rescale, out=out)
    except UnreachableFloorError as error:
        return error.result


def _row(strategy: str, observer: str, rescale: str, result: pj.Result, point: pj.OperatingPoint) -> str:
    of_16 = point.energy.total_pj / result.baselines["fixed16"].energy.total_pj
    energy = units.energy(point.energy.total_pj)
    reached = "" if point.holds else " (out of reach)"
    cells = (
        strategy,
        observer,
        rescale,
        f"{point.label}{reached}",
        energy,
        f"{of_16:.3f}",
        f"{point.search.value:.2%}",
        f"{point.report.value:.2%}",
    )
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
