"""Measure a result anew, draw its figure, and put its tables into the documents.

    python benchmarks/results NAME [NAME ...] --data DIR    measure, then draw
    python benchmarks/results --draw [NAME ...]             draw again from what was measured before

DIR has `mnist/`, `cifar10/`, `lenet5-mnist.pth` and `resnet20-12fca82f.th`. What is measured goes to
docs/results/NAME.json, runs on the way to runs/results/NAME, where the same command goes on after it was stopped. Each
result is one module here: `measure` makes its data, `tables` and `figure` show them, `row` is its line of the front
page.
"""

import argparse
import sys
from pathlib import Path

import pages
from sources import Sources

from picojoule.errors import PicojouleError

RUNS = pages.ROOT / "runs/results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(pages.NAMES))
    parser.add_argument("--data", type=Path, help="the folder of data and checkpoints")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in pages.NAMES]
    if unknown:
        sys.exit(f"no result '{unknown[0]}'; choose among {', '.join(pages.NAMES)}")
    if not asked.draw and (asked.data is None or not asked.names):
        sys.exit("give the names of results and --data DIR, or --draw")
    try:
        for name in asked.names or pages.NAMES:
            if not asked.draw:
                pages.keep(name, pages.result(name).measure(Sources(asked.data), RUNS / name))
            pages.draw(name)
    except PicojouleError as error:  # of the data or the checkpoints, most likely
        sys.exit(f"{name}: {error}")
    pages.draw_front()


if __name__ == "__main__":
    main()
