"""Fit: sort, find where to start, and polish on the values themselves until no value changes its cluster.

`optimal` starts from the best clusters of cells, each some values next to each other, and ends within 1e-4 of the best
there is, mostly within 1e-7. The others are the starts of the literature, for comparison: Han, Mao, Dally, *Deep
Compression*, arXiv 1510.00149, section 3.2.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from picojoule.calibration.kmeans.partition import best_among, best_cuts
from picojoule.errors import DataError, InputError

CELLS, CELLS_PER_CLUSTER = 1024, 16
"""How many cells the best clusters are made of, at least, and for each cluster."""
PASSES = 3
"""How often the best clusters of cells are found."""
CHOICES = 12
"""Places on either side of a cut that are looked at together."""
ROUNDS = 1000
"""Of Lloyd, at most; most fits take tens."""

_USUAL = 60
"""Exponents up to which nothing needs to be scaled."""

Numbers = NDArray[np.float64]


class _Row:
    """Values in ascending order, and the sum of those before each place, from the middle of the row."""

    def __init__(self, values: NDArray[np.floating]) -> None:
        self.values = np.sort(values)
        self.middle = float(self.values[len(self.values) // 2])
        self.before = np.empty(len(values) + 1)
        self.before[0] = 0
        shifted = torch.from_numpy(self.values - self.values.dtype.type(self.middle))
        torch.cumsum(shifted, 0, dtype=torch.float64, out=torch.from_numpy(self.before[1:]))  # numpy's takes ten times

    def places(self, bounds: Numbers) -> NDArray[np.int64]:
        """For each bound, how many values lie below it."""
        kind = self.values.dtype.type
        near = bounds.astype(kind)
        above = np.where(near < bounds, np.nextafter(near, kind(np.inf)), near)  # else a value below could lie on it
        return np.searchsorted(self.values, above).astype(np.int64)

    def means(self, cuts: NDArray[np.int64]) -> Numbers:
        """The mean of each part between two cuts."""
        means: Numbers = np.diff(self.before[cuts]) / np.diff(cuts) + self.middle
        return means


def fit(values: Tensor, clusters: int, start: str = "optimal", seed: int = 0, zero: bool = False) -> Tensor:
    """The centroids of `clusters` clusters of least squared error, ascending, float64 [at most clusters].

    Values of any shape, float16 to float64. Where they have no more distinct values than clusters these are the
    centroids, and there may be fewer. A value midway between two centroids counts to the greater. `start` is `optimal`,
    `linear` (evenly from the least to the greatest value), `density` (evenly in rank) or `forgy` (values drawn with the
    seed); from these the ordinary rounds of Lloyd follow, in which a cluster that loses all values stays as it is. With
    `zero` the centroid nearest to zero is zero, and the others are polished once more beside it.

    Raises:
        DataError: there are no values, or some are NaN or Inf.
        InputError: an unknown start, or less than one cluster.
    """
    if start not in STARTS:
        raise InputError(f"start '{start}' is not known; choose one of {', '.join(STARTS)}")
    if clusters < 1:
        raise InputError(f"{clusters} clusters cannot be made; give at least 1")
    flat = values.detach().reshape(-1).cpu()
    if not flat.numel():
        raise DataError("there are no values to cluster; give at least one")
    if not all(end.isfinite() for end in flat.aminmax()):
        lost = int((~flat.isfinite()).sum())
        raise DataError(f"{lost} of {flat.numel()} values to cluster are NaN or Inf; give finite ones")
    flat = flat if flat.dtype in (torch.float32, torch.float64) else flat.float()
    scale = _scale(flat)
    row = _Row((flat if scale == 1 else flat * scale).numpy())
    centroids = _few_distinct(row.values, clusters)
    if centroids is None:
        centroids = _lloyd(row, STARTS[start](row, clusters, seed))
        if zero:
            held = int(np.abs(centroids).argmin())
            centroids[held] = 0
            centroids = _lloyd(row, centroids, held)
    return torch.from_numpy(centroids.astype(np.float64)) / scale


def inertia(values: Tensor, centroids: Tensor) -> float:
    """The sum of squared distances of values from their nearest centroid (ascending)."""
    flat, table = values.detach().reshape(-1).cpu().double(), centroids.double()
    nearest = table[torch.bucketize(flat, (table[1:] + table[:-1]) / 2, right=True)]
    return float((flat - nearest).square().sum())


def _scale(values: Tensor) -> float:
    """The power of two by which squares stay within float64, and differences within the type of the values."""
    exponent = math.frexp(float(values.abs().amax()))[1]
    most = 126 if values.dtype == torch.float32 else 1022
    return 1.0 if abs(exponent) <= _USUAL else 2.0 ** max(-most, min(-exponent, most))


def _few_distinct(ascending: NDArray[np.floating], most: int) -> NDArray[np.floating] | None:
    """The distinct values, where they are at most so many."""
    found = ascending[:1]
    while len(found) <= most:
        place = np.searchsorted(ascending, found[-1], side="right")
        if place == len(ascending):
            return found
        found = np.append(found, ascending[place])
    return None


def _lloyd(row: _Row, centroids: Numbers, held: int | None = None) -> Numbers:
    """Each value to its nearest centroid, each centroid but one held to the mean of its values, until none changes."""
    ends, last = (np.array([0]), np.array([len(row.values)])), None
    for _ in range(ROUNDS):
        cuts = np.concatenate([ends[0], row.places((centroids[1:] + centroids[:-1]) / 2), ends[1]])
        if last is not None and np.array_equal(cuts, last):
            break
        filled = np.diff(cuts) > 0
        centroids = centroids.copy()
        centroids[filled] = row.means(np.append(cuts[:-1][filled], cuts[-1]))
        if held is not None:
            centroids[held] = 0
        last = cuts
    return np.sort(centroids)


def _optimal(row: _Row, clusters: int, seed: int) -> Numbers:
    """The best clusters of cells, over again since each tells where cells have to be narrow; then the best cuts near
    those, nearer and nearer."""
    values, each = row.values, max(CELLS // clusters, CELLS_PER_CLUSTER)
    count = clusters * each // 2
    wide = row.places(np.linspace(values[0], values[-1], count + 1)[1:-1])
    cells = np.concatenate([wide, np.arange(1, count) * len(values) // count])
    for _ in range(PASSES):
        cells = np.unique(np.append(cells, [0, len(values)]))
        cuts = np.unique(cells[best_cuts(cells.astype(np.float64), row.before[cells], clusters)])
        first, last = values[cuts[:-1]], values[cuts[1:] - 1]
        cells = np.append(row.places(np.linspace(first, last, each, dtype=np.float64).ravel()), cuts)
    gaps = np.diff(cuts)
    reach = np.minimum(gaps[1:], gaps[:-1])
    while len(reach):
        steps = np.maximum(1, reach // CHOICES)
        choices = cuts[1:-1, None] + np.arange(-CHOICES, CHOICES + 1) * steps[:, None]
        found = best_among(np.clip(choices, 0, len(values)), row.before)
        if steps.max() == 1 and np.array_equal(found, cuts[1:-1]):
            break
        cuts = np.concatenate([cuts[:1], found, cuts[-1:]])
        reach //= 2
    return row.means(np.unique(cuts))


def _linear(row: _Row, clusters: int, seed: int) -> Numbers:
    if clusters == 1:
        return np.array([(row.values[0] + row.values[-1]) / 2], np.float64)
    return np.linspace(row.values[0], row.values[-1], clusters, dtype=np.float64)


def _density(row: _Row, clusters: int, seed: int) -> Numbers:
    places = (np.arange(clusters) + 0.5) / clusters * len(row.values)
    return row.values[places.astype(np.int64)].astype(np.float64)


def _forgy(row: _Row, clusters: int, seed: int) -> Numbers:
    return np.sort(np.random.default_rng(seed).choice(row.values, clusters, replace=False)).astype(np.float64)


STARTS: Mapping[str, Callable[[_Row, int, int], Numbers]] = {
    "optimal": _optimal,
    "linear": _linear,
    "density": _density,
    "forgy": _forgy,
}
"""Where to start: (values, clusters, seed) → centroids."""
