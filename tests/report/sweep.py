"""A sweep made by hand: three networks at 1, 4, 8 and 32 bits, two seeds of one, and trials of every state."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from picojoule.evaluate import Accuracy
from picojoule.explore import Cost, Exploration, Point, Trial

NETWORKS = {"small": 100.0, "middle": 200.0, "large": 500.0}
"""By name, the energy in nJ of 8 bits."""
SHARE = {1: 0.3, 4: 0.6, 8: 1.0, 32: 6.0}
"""Of that, what other bits take."""
SEARCHED = {
    ("small", 1): 0.70, ("small", 4): 0.81, ("small", 8): 0.83, ("small", 32): 0.84,
    ("middle", 1): 0.80, ("middle", 4): 0.88, ("middle", 8): 0.90, ("middle", 32): 0.91,
    ("large", 1): 0.79, ("large", 4): 0.94, ("large", 8): 0.96, ("large", 32): 0.965,
}  # fmt: skip
"""The accuracy on the search split of seed 0; the report split has a hundredth less."""
SETTINGS: Mapping[str, Any] = {
    "networks": ["small", "middle", "large"], "data": "digits", "bits": [1, 4, 8, 32], "width": [1], "depth": [1],
    "seed": [0], "recipe": "short", "recipe_toml": "version = 1\nepochs = 3\n", "epochs": 3, "activation": "relu",
    "platform": "moons2017", "samples": {"train": 3000, "held_out": 2000}, "study": "runs/sweep/study.sqlite",
    "below_pj": None, "mean": None,
}  # fmt: skip
ODD = (
    ("pruned", "behind the median of cheaper networks at 1 bits after 2 epochs"),
    ("failed", "the loss is not finite; give a lower learning rate"),
    ("died", "its worker died"),
    ("stopped", ""),
    ("running", ""),
    ("waiting", ""),
)


def cost(network: str, bits: int) -> Cost:
    """Eyeriss charges 1 bit as 8 bits; Envision has no figure for float32."""
    pj = 1000 * NETWORKS[network] * SHARE[bits]
    eyeriss = 2000 * NETWORKS[network] * max(SHARE[bits], 0.9)
    macs = int(NETWORKS[network]) * 100
    return Cost(macs, macs * bits // 8, 2048, {"eyeriss": eyeriss, "moons2017": pj, "envision": None if bits == 32 else
                                               3 * pj})  # fmt: skip


def complete(number: int, point: Point, accuracy: float) -> Trial:
    """A trial that ended with so many right of a thousand on the search split."""
    curve = tuple((2.0 / (epoch + 1), accuracy * (epoch + 1) / 3) for epoch in range(3))
    right = round(1000 * accuracy)
    return Trial(number, point, "complete", curve, Accuracy(right, 1000), Accuracy(right - 10, 1000), 75.0 + number, "",
                 f"here:{number}")  # fmt: skip


def sweep(**changes: Any) -> Exploration:
    """All of it, with other settings, costs or trials where given."""
    points = [Point(*key) for key in SEARCHED]
    trials = [complete(number, point, SEARCHED[point.network, point.bits]) for number, point in enumerate(points)]
    trials.append(complete(12, Point("middle", 4, 1), 0.90))
    trials += [
        Trial(13 + index, Point("large", 1, index + 1), state, ((2.0, 0.3),) * (index < 3), why=why, worker="there:7")
        for index, (state, why) in enumerate(ODD)
    ]
    costs = {key: cost(*key) for key in SEARCHED}
    return replace(Exploration(SETTINGS, costs, tuple(trials)), **changes)


def only(*bits: int) -> Exploration:
    """The complete trials of some bit counts."""
    whole = sweep()
    return replace(
        whole, trials=tuple(each for each in whole.trials if each.point.bits in bits and each.state == "complete")
    )
