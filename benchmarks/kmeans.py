"""k-means on a million weights: time and inertia beside scikit-learn's, one thread.

    python benchmarks/kmeans.py [--no-peers] [VALUES] [ROUNDS]

scikit-learn's `KMeans` is taken as it comes (k-means++, one start, Lloyd) on the same values as a column. Inertia is
over the least that either found. It exits with 1 where scikit-learn takes less than 100 times as long, or finds less.
"""

import sys
from collections.abc import Callable

import torch
from measure import importable, interleaved, machine, ratio
from peers.environment import enter
from torch import Tensor

CLUSTERS = (4, 16, 64)
GOAL = 100.0


def main(count: int = 1_000_000, rounds: int = 3) -> bool:
    """Print times and inertias; whether the goal is met."""
    from picojoule.calibration import kmeans

    torch.set_num_threads(1)
    x = torch.randn(count, generator=torch.Generator().manual_seed(0))
    print(machine())
    met = True
    for clusters in CLUSTERS:
        found: dict[str, Tensor] = {}
        contenders = importable(
            {"picojoule": lambda c=clusters: _ours(x, c, found), "scikit-learn": lambda c=clusters: _peer(x, c, found)}
        )
        times = interleaved(contenders, rounds)
        inertia = {name: kmeans.inertia(x, centroids) for name, centroids in found.items()}
        print(f"\n{clusters} clusters; picojoule takes {min(times['picojoule']) * 1e3:.1f} ms")
        for name in times:
            over = inertia[name] / min(inertia.values()) - 1
            print(f"  {name:14} time {ratio(times, name, 'picojoule')}   inertia over the least {over:.1e}")
        if "scikit-learn" in times:
            faster = min(times["scikit-learn"]) >= GOAL * min(times["picojoule"])
            met &= faster and inertia["picojoule"] <= inertia["scikit-learn"] * (1 + 1e-4)
    return met


def _ours(x: Tensor, clusters: int, found: dict[str, Tensor]) -> Callable[[], object]:
    from picojoule.calibration import kmeans

    def run() -> None:
        found["picojoule"] = kmeans.fit(x, clusters)

    return run


def _peer(x: Tensor, clusters: int, found: dict[str, Tensor]) -> Callable[[], object]:
    from sklearn.cluster import KMeans

    column = x.reshape(-1, 1).numpy()

    def run() -> None:
        centres = KMeans(clusters, n_init=1, random_state=0).fit(column).cluster_centers_
        found["scikit-learn"] = torch.from_numpy(centres).reshape(-1).double().sort().values

    return run


if __name__ == "__main__":
    enter("scikit-learn", "scikit-learn")
    sys.exit(0 if main(*map(int, sys.argv[1:])) else 1)
