"""Shared weights lose no accuracy: LeNet-300-100 at 6 bits, LeNet-5 at 8 and 5, and how much retraining gives back.

    python benchmarks/deep_compression.py published|starts DATA OUT [EPOCHS]

`published`: the error on all held-out samples in float, with clusters, and with clusters retrained, and how many times
smaller weights, tables and biases are; beside what Han, Mao and Dally, *Deep Compression*, arXiv 1510.00149, tables 1
to 3, print of networks that were pruned before. `starts`: LeNet-300-100 at 2 to 5 bits from each start of k-means.
Networks are trained in float first, in OUT, where a second run finds them.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from measure import machine

import picojoule as pj
from picojoule import data
from picojoule.calibration import Range, Ranges, kmeans
from picojoule.data import Loaded, Samples, split
from picojoule.formats import Lut
from picojoule.network import Network
from picojoule.plan import compression

PUBLISHED = {
    "lenet-300-100": ({"*.weights": "lut64"}, "1.64 -> 1.58 %"),
    "lenet5": ({"conv*.weights": "lut256", "fc*.weights": "lut32"}, "0.80 -> 0.74 %"),
}
"""The clusters of each network, and its published error before and after compression."""
STARTS = ("linear", "density", "forgy", "optimal")

Books = Callable[[torch.Tensor, Lut], Range]


def main(what: str, spec: str, out: str, epochs: str = "10") -> None:
    torch.set_num_threads(1)
    print(machine())
    {"published": published, "starts": starts}[what](data.load(spec), spec, Path(out), int(epochs))


def published(loaded: Loaded, spec: str, out: Path, epochs: int) -> None:
    print(f"error of {len(loaded.held_out)} held-out samples; {epochs} epochs by the recipe clusters")
    for name, (formats, theirs) in PUBLISHED.items():
        begun = in_float(name, loaded, spec, out)
        before, after = both(begun, loaded, formats, epochs, fitted)
        shown = ", ".join(f"{site} {format}" for site, format in formats.items())
        print(
            f"{name}, {shown}: float {error(begun, loaded.held_out)}, clustered {error(before, loaded.held_out)}, "
            f"retrained {error(after, loaded.held_out)}, {compression(after.captured, after.plan):.2f} times smaller; "
            f"published {theirs}",
            flush=True,
        )


def starts(loaded: Loaded, spec: str, out: Path, epochs: int) -> None:
    begun = in_float("lenet-300-100", loaded, spec, out)
    print(f"lenet-300-100: error in float {error(begun, loaded.held_out)}; with clusters, retrained {epochs} epochs:")
    for bits in (2, 3, 4, 5):
        for start in STARTS:
            found = both(begun, loaded, {"*.weights": f"lut{2**bits}"}, epochs, from_start(start))
            before, after = (error(each, loaded.held_out) for each in found)
            print(f"  {bits} bits, {start:8} {before:>8} {after:>8}", flush=True)


def both(
    begun: pj.Result, loaded: Loaded, formats: dict[str, str], epochs: int, books: Books
) -> tuple[pj.Result, pj.Result]:
    """A network with clusters as they are found, inputs in 16 bits, and retrained."""
    plan = pj.Plan.parse({"*.inputs": "fixed16", **formats}).expand(begun.captured)
    ranges = clustered(begun.captured, plan, pj.calibrate(begun.captured, split(loaded).calibration.x, plan), books)
    before = replace(begun, points=(replace(begun.point, plan=plan, ranges=ranges),), path=())
    return before, pj.train(None, loaded, start=before, recipe="clusters", epochs=epochs, platform="horowitz45")


def clustered(network: Network, plan: pj.Plan, ranges: Ranges, books: Books) -> Ranges:
    found = dict(ranges.sites)
    for name, format in plan.formats.items():
        if isinstance(format, Lut):
            found[name] = books(network.tensors[network.sites[name].tensor], format)
    return Ranges(found, ranges.input_shape)


def fitted(weights: torch.Tensor, format: Lut) -> Range:
    exponent, members = kmeans.codebook(weights, format, signed=True)
    return Range((exponent,), True, members=members)


def from_start(start: str) -> Books:
    """Codebooks by Lloyd's rounds from a start of the literature."""

    def found(weights: torch.Tensor, format: Lut) -> Range:
        centroids = kmeans.fit(weights, format.count, start)
        exponent = int(centroids.abs().amax().log2().ceil())
        return Range((exponent,), True, members=format.entries(centroids * 2.0**-exponent, signed=True))

    return found


def in_float(name: str, loaded: Loaded, spec: str, out: Path) -> pj.Result:
    """The network trained in floating point."""
    return pj.train(name, loaded, bits=32, recipe="sweep", out=out / name, about={"model": name, "data": spec})


@torch.no_grad()
def error(result: pj.Result, samples: Samples) -> str:
    """`1.23 %` of a network's answers."""
    wrong = sum(int((result.network(x).argmax(1) != y).sum()) for x, y in samples.batches(500))
    return f"{100 * wrong / len(samples):.2f} %"


if __name__ == "__main__":
    main(*sys.argv[1:])
