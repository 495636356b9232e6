"""The best cuts against every way to cut, of the loops as they stand and as machine code."""

from collections.abc import Callable, Iterator
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import pytest

from picojoule.calibration.kmeans import partition


@pytest.fixture(params=["as it stands", "compiled"], autouse=True)
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def as_it_stands(function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    if request.param == "as it stands":
        monkeypatch.setattr(partition, "_loop", as_it_stands)


def rows() -> Iterator[np.ndarray]:
    random = np.random.default_rng(0)
    for size in (1, 2, 3, 7, 10):
        for _ in range(4):
            yield np.sort(random.normal(size=size))


def gain(sums: np.ndarray, cuts: tuple[int, ...]) -> float:
    """Σ sum² / count of the parts between the cuts; an empty part adds nothing."""
    parts = pairwise(cuts)
    return sum((sums[stop] - sums[start]) ** 2 / (stop - start) for start, stop in parts if stop > start)


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_no_other_cuts_have_more(parts: int) -> None:
    for row in rows():
        if parts > len(row):
            continue
        n, sums = len(row), np.append(0.0, row.cumsum())
        cuts = partition.best_cuts(np.arange(n + 1.0), sums, parts)
        assert cuts[0] == 0
        assert cuts[-1] == n
        best = max(gain(sums, (0, *way, n)) for way in combinations(range(1, n), parts - 1))
        assert gain(sums, tuple(cuts)) == pytest.approx(best)


def test_cells_of_several_values_count_as_many() -> None:
    counts, sums = np.array([0.0, 3.0, 4.0, 8.0]), np.array([0.0, 0.3, 1.2, 9.2])
    assert partition.best_cuts(counts, sums, 2).tolist() == [0, 2, 3]


def test_of_some_places_the_best_in_order() -> None:
    for row in rows():
        n, sums = len(row), np.append(0.0, row.cumsum())
        places = np.sort(np.random.default_rng(1).integers(0, n + 1, (3, 4)), axis=1)
        found = partition.best_among(places, sums)
        ways = [way for way in product(*places) if list(way) == sorted(way)]
        if ways:
            best = max(gain(sums, (0, *map(int, way), n)) for way in ways)
            assert gain(sums, (0, *map(int, found), n)) == pytest.approx(best)
