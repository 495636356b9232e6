"""Short searches of the small network."""

from typing import Any

from tests.jobs.small import digits, network

import picojoule
from picojoule import Result
from picojoule.data import Splits


def splits() -> Splits:
    loaded = digits()
    assert loaded.train is not None
    held_out = loaded.held_out
    return Splits(loaded.train.first(100), held_out.take(range(200)), held_out.take(range(200, 400)))


def searched(**settings: Any) -> Result:
    asked = {"bits": (1, 6), "strategy": "greedy", **settings}
    return picojoule.search(network(), None, splits=splits(), **asked)
