"""A floor asked for with a confidence holds on samples that the search has not seen.

    python benchmarks/floors.py MODEL --checkpoint FILE --data DATA [--resize N] [--mean ...] [--std ...]
        [--samples 2000] [--splits 20] [--keep 0.99] [--confidence 0.95]

Searches the same network on so many random splits of the held-out samples, and counts where the plan keeps the floor on
those left to report on. At 95 % one in twenty may fail.
"""

import argparse

from measure import machine
from task import parser, task

import picojoule as pj
from picojoule.errors import UnreachableFloorError


def main() -> None:
    options = parser(__doc__)
    options.set_defaults(samples=2000)
    options.add_argument("--splits", type=int, default=20)
    options.add_argument("--keep", type=float, default=0.99)
    options.add_argument("--confidence", type=float, default=0.95)
    asked = options.parse_args()
    print(machine())
    held = [_holds(asked, seed) for seed in range(asked.seed, asked.seed + asked.splits)]
    print(f"keep {asked.keep:g} at confidence {asked.confidence:g} holds on {sum(held)} of {len(held)} report splits")


def _holds(asked: argparse.Namespace, seed: int) -> bool:
    given = task(argparse.Namespace(**{**vars(asked), "seed": seed}))
    try:
        result = pj.search(given.network, None, splits=given.splits, keep=asked.keep, confidence=asked.confidence)
    except UnreachableFloorError as error:
        result = error.result
    point, sixteen, reference = result.point, result.baselines["fixed16"], result.baselines["float32"]
    kept = point.report.value / reference.report.value
    energy = point.energy.total_pj / sixteen.energy.total_pj
    searched = f"lost {point.searched.lost:g}, gained {point.searched.gained:g} of {point.searched.total}"
    print(f"split {seed}: {searched}; keeps {kept:.4f} of {point.reported.total} others, at {energy:.3f}", flush=True)
    return kept >= asked.keep


if __name__ == "__main__":
    main()
