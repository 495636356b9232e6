"""k-means against the best there is: every way to cut a sorted row, tried by exact rationals."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from picojoule.calibration import kmeans
from picojoule.errors import DataError, InputError

VALUES = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=9)


@given(VALUES, st.integers(1, 5))
def test_no_way_to_cut_a_short_row_has_less_inertia(values: list[float], clusters: int) -> None:
    x = torch.tensor(values)
    found = kmeans.inertia(x, kmeans.fit(x, clusters))
    assert found <= float(least_inertia(values, clusters)) + 1e-9 * float(x.double().square().sum())


def least_inertia(values: list[float], clusters: int) -> Fraction:
    row = sorted(map(Fraction, values))
    ways = combinations(range(1, len(row)), min(clusters, len(row)) - 1)
    return min(sum(map(spread, np.split(np.array(row, dtype=object), way))) for way in ways)


def spread(part: np.ndarray) -> Fraction:
    mean = sum(part) / len(part)
    return sum(((each - mean) ** 2 for each in part), Fraction(0))


def normal() -> Tensor:
    return torch.randn(20_000, generator=torch.Generator().manual_seed(1))


ROWS = {
    "normal": normal,
    "rectified": lambda: normal().relu(),
    "heavy-tailed": lambda: normal() / normal().flip(0).abs().clamp(min=1e-2),
    "two far apart": lambda: torch.cat([normal() * 0.01, 1000 + 10 * normal()]),
    "a few values": lambda: (normal() * 8).round() / 8,
    "one outlier": lambda: torch.cat([normal(), torch.tensor([1e6])]),
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("clusters", [2, 4, 16, 64, 256])
def test_a_long_row_comes_within_1e_4_of_the_exact_optimum(name: str, clusters: int) -> None:
    x = ROWS[name]()
    best = exact_inertia(x.double().numpy(), clusters)
    assert kmeans.inertia(x, kmeans.fit(x, clusters)) <= best * (1 + 1e-4) + 1e-9


def exact_inertia(values: np.ndarray, clusters: int) -> float:
    """By the dynamic programme over all distinct values, each last cut looked for between those of its neighbours."""
    distinct, counts = np.unique(values, return_counts=True)
    shifted = distinct - distinct.mean()
    n = np.append(0, counts.cumsum())
    s, q = (np.append(0, (counts * shifted**power).cumsum()) for power in (1, 2))
    ends = np.arange(1, len(distinct) + 1)
    cost = q[1:] - s[1:] ** 2 / n[1:]
    cost = np.append(0.0, cost)
    for _ in range(1, clusters):
        cost = np.minimum(cost, cheaper(cost, n, s, q, ends))
    return float(cost[-1])


def cheaper(cost: np.ndarray, n: np.ndarray, s: np.ndarray, q: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The least cost with one part more, level by level of a halving of the ends."""
    size = len(ends)
    low, high, found = np.zeros(size + 2, int), np.full(size + 2, size, int), np.full(size + 1, np.inf)
    found[0], step = 0.0, 1 << size.bit_length()
    place = np.zeros(size + 2, int)
    while step:
        j = np.arange(step, size + 1, 2 * step)
        if len(j):
            low = place[np.maximum(j - step, 0)]
            after = np.minimum(j + step, size + 1)
            high = np.where(j + step <= size, place[np.minimum(after, size)], j - 1)
            width = np.maximum(high, low) - low + 1
            starts = np.repeat(width.cumsum() - width, width)
            i = np.repeat(low, width) + np.arange(width.sum()) - starts
            jj = np.repeat(j, width)
            i = np.minimum(i, jj - 1)
            each = cost[i] + np.maximum(q[jj] - q[i] - (s[jj] - s[i]) ** 2 / (n[jj] - n[i]), 0)
            firsts = width.cumsum() - width
            found[j] = np.minimum.reduceat(each, firsts)
            is_best = each == np.repeat(found[j], width)
            place[j] = np.minimum.reduceat(np.where(is_best, i, size), firsts)
        step //= 2
    return found


@pytest.mark.parametrize("start", kmeans.STARTS)
@pytest.mark.parametrize("clusters", [1, 2, 7, 32])
def test_every_start_ends_ascending_where_a_round_of_lloyd_changes_nothing(start: str, clusters: int) -> None:
    x = normal()
    found = kmeans.fit(x, clusters, start)
    assert len(found) == clusters
    assert bool((found.diff() > 0).all())
    nearest = torch.bucketize(x.double(), (found[1:] + found[:-1]) / 2, right=True)
    for place in range(clusters):
        torch.testing.assert_close(x.double()[nearest == place].mean(), found[place], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("start", [start for start in kmeans.STARTS if start != "optimal"])
def test_no_start_of_the_literature_beats_the_optimal_one(start: str) -> None:
    x = normal()
    assert kmeans.inertia(x, kmeans.fit(x, 16)) <= kmeans.inertia(x, kmeans.fit(x, 16, start))


@pytest.mark.parametrize(
    ("values", "clusters", "centroids"),
    [
        ([3.0, 3.0, 3.0], 4, [3.0]),
        ([1.0, 2.0, 1.0], 16, [1.0, 2.0]),
        ([5.0], 1, [5.0]),
        ([0.0, 1.0, 5.0], 1, [2.0]),
        ([0.0, 1.0, 5.0], 2, [0.5, 5.0]),
    ],
)
def test_fewer_distinct_values_than_clusters_and_one_cluster(
    values: list[float], clusters: int, centroids: list[float]
) -> None:
    assert kmeans.fit(torch.tensor(values), clusters).tolist() == centroids


def test_a_value_midway_counts_to_the_greater() -> None:
    assert kmeans.inertia(torch.tensor([0.5]), torch.tensor([0.0, 1.0])) == 0.25
    assert kmeans.fit(torch.tensor([0.0, 0.0, 1.0, 2.0, 2.0]), 2).tolist() == pytest.approx([0.0, 5 / 3])


@pytest.mark.parametrize("start", kmeans.STARTS)
def test_zeros_by_the_thousand_beside_a_few_values(start: str) -> None:
    x = torch.cat([torch.zeros(50_000), torch.arange(1.0, 40.0)])
    found = kmeans.fit(x, 8, start)
    assert bool(found.isfinite().all())
    assert bool((found.diff() >= 0).all())
    if start == "optimal":
        assert float(found[0]) == pytest.approx(3 / 50_002)  # 1 and 2 are too few for a cluster


@pytest.mark.parametrize(
    ("values", "clusters", "start", "message"),
    [
        ([], 2, "optimal", "there are no values"),
        ([1.0, float("nan")], 2, "optimal", "1 of 2 values to cluster are NaN or Inf"),
        ([1.0, float("-inf")], 2, "linear", "1 of 2 values to cluster are NaN or Inf"),
    ],
)
def test_values_that_cannot_be_clustered_are_refused(
    values: list[float], clusters: int, start: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        kmeans.fit(torch.tensor(values), clusters, start)


def test_unknown_starts_and_no_clusters_are_refused() -> None:
    with pytest.raises(InputError, match="start 'random' is not known; choose one of optimal, linear"):
        kmeans.fit(torch.ones(3), 2, "random")
    with pytest.raises(InputError, match="0 clusters cannot be made"):
        kmeans.fit(torch.ones(3), 0)


@pytest.mark.parametrize(
    ("values", "clusters", "centroids"),
    [
        ([1e6, 1e6, 1e6 + 0.125, 1e6 + 0.25, 1e6 + 0.25, 1e6 + 0.25], 2, [1e6 + 0.125 / 3, 1e6 + 0.25]),
        ([3e38, 3e38, 3e38, -3e38, 2e38, 1e38, -1e38, 0.0], 2, [-4e38 / 3, 2.4e38]),
        ([1e-40, 2e-40, 5e-40, 9e-40], 2, [8e-40 / 3, 9e-40]),
    ],
)
def test_values_few_ulps_apart_and_at_the_ends_of_float32(
    values: list[float], clusters: int, centroids: list[float]
) -> None:
    assert kmeans.fit(torch.tensor(values), clusters).tolist() == pytest.approx(centroids, rel=1e-6)


def test_squares_beyond_float64_are_none() -> None:
    values = torch.tensor([1.0, 2.0, 5.0, 9.0], dtype=torch.float64)
    for scale in (2.0**-700, 2.0**700):
        assert kmeans.fit(values * scale, 2).tolist() == (kmeans.fit(values, 2) * scale).tolist()


def test_zero_is_held_and_the_others_are_means_beside_it() -> None:
    x = torch.cat([torch.zeros(6), torch.tensor([-1.0, 1.0, -1.0, 1.0, 0.1])])
    found = kmeans.fit(x, 2, zero=True)
    assert 0.0 in found.tolist()
    assert kmeans.inertia(x, found) < float(x.square().sum()) / 1.5
    free = kmeans.fit(x, 3).tolist()
    assert kmeans.fit(x, 3, zero=True).tolist() == pytest.approx([free[0], 0.0, free[2]], abs=1e-6)
