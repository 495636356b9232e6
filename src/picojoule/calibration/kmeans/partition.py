"""The best cut of a sorted row into parts: the dynamic programme of k-means in one dimension.

The cost of a part is monotone in the sense of Monge, so that the best last cut of a longer row never lies before that
of a shorter one: each is looked for between those of its neighbours (divide and conquer), O(k n log n) in all.

Source: Wu, *Optimal quantization by matrix searching*, J. Algorithms 12 (1991); Grønlund et al., *Fast exact k-means,
k-medians and Bregman divergence clustering in 1D*, arXiv 1701.07204, sections 2 and 3.
"""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Cuts = NDArray[np.int64]
Numbers = NDArray[np.float64]


def best_cuts(counts: Numbers, sums: Numbers, parts: int) -> Cuts:
    """The `parts` + 1 places that cut cells into parts of least squared distance from their means, 0 and n the ends.

    `counts` and `sums` [n + 1] are the number of values before each cell, and their sum; cells ascend, each holds a
    value, and there are at least as many as parts.
    """
    chosen = _loop(_last_cuts)(counts, sums, parts)
    cuts = np.empty(parts + 1, np.int64)
    cuts[parts] = len(counts) - 1
    for part in range(parts - 1, -1, -1):
        cuts[part] = chosen[part, cuts[part + 1]]
    return cuts


def best_among(places: Cuts, sums: Numbers) -> Cuts:
    """The best inner cuts of a row of values where each is one of some: places [cuts, choices], ascending by rows.

    `sums` [n + 1] are those of the values before each place. No cut lies before that of the row before.
    """
    chosen, last = _loop(_last_choices)(places, sums)
    cuts = np.empty(len(places), np.int64)
    for cut in range(len(places) - 1, -1, -1):
        cuts[cut] = places[cut, last]
        last = chosen[cut, last]
    return cuts


def _last_cuts(counts: Any, sums: Any, parts: int) -> Any:
    """For each number of parts, less one, and each row of the first cells, where its last part begins.

    Least squares about the means are the most of Σ sum² / count, for the squares themselves are the same for any cut.
    """
    n = len(counts) - 1
    chosen = np.zeros((parts, n + 1), np.int32)
    before, now = np.zeros(n + 1), np.zeros(n + 1)
    for j in range(1, n + 1):
        before[j] = sums[j] * sums[j] / counts[j]
    span = 1
    while 2 * span <= n:
        span *= 2
    for part in range(1, parts):
        step = span
        while step:
            for j in range(step, n + 1, 2 * step):
                low = max(chosen[part, j - step], min(part, j))
                high = min(chosen[part, j + step], j - 1) if j + step <= n else j - 1
                best, place = before[j], j  # an empty last part, where there are fewer cells than parts
                for i in range(low, high + 1):
                    there = sums[j] - sums[i]
                    gain = before[i] + there * there / (counts[j] - counts[i])
                    if gain > best:
                        best, place = gain, i
                now[j], chosen[part, j] = best, place
            step //= 2
        before, now = now, before
    return chosen


def _last_choices(places: Any, sums: Any) -> Any:
    """For each cut and its choices, which choice of the cut before is best; and the best choice of the last cut."""
    cuts, choices = places.shape
    chosen = np.zeros((cuts, choices), np.int32)
    before, now = np.zeros(choices), np.zeros(choices)
    for j in range(choices):
        at = places[0, j]
        before[j] = sums[at] * sums[at] / at if at else 0.0
    for cut in range(1, cuts):
        for j in range(choices):
            at = places[cut, j]
            best, choice = -1.0, 0
            for i in range(choices):
                start = places[cut - 1, i]
                if start > at:
                    break
                if before[i] < 0:  # no cut before it lies where it may
                    continue
                there = sums[at] - sums[start]
                gain = before[i] + (there * there / (at - start) if at > start else 0.0)
                if gain > best:
                    best, choice = gain, i
            now[j], chosen[cut, j] = best, choice
        before, now = now, before
    end = len(sums) - 1
    best, last = -1.0, 0
    for j in range(choices):
        start = places[cuts - 1, j]
        there = sums[end] - sums[start]
        gain = before[j] + (there * there / (end - start) if end > start else 0.0)
        if before[j] >= 0 and gain > best:
            best, last = gain, j
    return chosen, last


@cache
def _loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function as machine code; where numba does not work, as it stands."""
    try:
        from numba import njit

        signature = _SIGNATURES[function]
        try:
            compiled: Callable[..., Any] = njit(signature, cache=True)(function)
        except Exception:  # no folder to keep it in, a full disk, a damaged file
            compiled = njit(signature)(function)
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        warnings.warn(f"numba cannot compile picojoule's loops ({why}); k-means is slower", stacklevel=4)
        return function
    return compiled


_SIGNATURES = {
    _last_cuts: "i4[:,::1](f8[::1], f8[::1], i8)",
    _last_choices: "Tuple((i4[:,::1], i8))(i8[:,::1], f8[::1])",
}
