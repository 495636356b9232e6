"""k-means on a million weights: time and inertia beside scikit-learn's, one thread.

    python benchmarks/kmeans.py [VALUES] [ROUNDS]

scikit-learn's `KMeans` is taken as it comes (k-means++, one start, Lloyd) on the same values as a column. Inertia is
over the least that either found. It exits with 1 where scikit-learn takes less than 100 times as long for 16 clusters
or more (of fewer, most of the time goes to sorting the values), or finds less for any number. How near the exact
optimum is, `tests/calibration/kmeans/` holds.
"""

import sys
from collections.abc import Callable
from functools import partial

import torch
from measure import importable, interleaved, machine, ratio
from torch import Tensor

from picojoule.calibration import kmeans

CLUSTERS = (4, 16, 64, 256)
GOAL, MANY = 100.0, 16


def main(count: int = 1_000_000, rounds: int = 3) -> bool:
    """Print times and inertias; whether the goal is met."""
    torch.set_num_threads(1)
    x = torch.randn(count, generator=torch.Generator().manual_seed(0))
    print(machine())
    met = True
    for clusters in CLUSTERS:
        found: dict[str, Tensor] = {}
        builders = {"picojoule": _ours, "scikit-learn": _peer}
        contenders = importable({name: partial(build, x, clusters, found) for name, build in builders.items()})
        times = interleaved(contenders, rounds)
        inertia = {name: kmeans.inertia(x, centroids) for name, centroids in found.items()}
        print(f"\n{clusters} clusters; picojoule takes {min(times['picojoule']) * 1e3:.1f} ms")
        for name in times:
            over = inertia[name] / min(inertia.values()) - 1
            print(f"  {name:14} time {ratio(times, name, 'picojoule')}   inertia over the least {over:.1e}")
        if "scikit-learn" in times:
            faster = min(times["scikit-learn"]) >= GOAL * min(times["picojoule"])
            met &= faster or clusters < MANY
            met &= inertia["picojoule"] <= inertia["scikit-learn"] * (1 + 1e-4)
    return met


def _ours(x: Tensor, clusters: int, found: dict[str, Tensor]) -> Callable[[], object]:
    def run() -> None:
        found["picojoule"] = kmeans.fit(x, clusters)

    return run


def _peer(x: Tensor, clusters: int, found: dict[str, Tensor]) -> Callable[[], object]:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    column = x.reshape(-1, 1).numpy()

    def run() -> None:
        with threadpool_limits(1):
            centres = KMeans(clusters, n_init=1, random_state=0).fit(column).cluster_centers_
        found["scikit-learn"] = torch.from_numpy(centres).reshape(-1).double().sort().values

    return run


if __name__ == "__main__":
    sys.exit(0 if main(*map(int, sys.argv[1:])) else 1)
