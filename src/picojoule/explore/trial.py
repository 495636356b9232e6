"""The data of a sweep: which network to train at how many bits, what that costs, and what came of it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from picojoule import zoo
from picojoule.errors import InputError
from picojoule.evaluate import Accuracy
from picojoule.files import Fields
from picojoule.models import is_own

STATES = ("complete", "pruned", "failed", "died", "stopped", "running", "waiting")
"""A failed trial would fail again; one whose worker died or was stopped is trained again."""
MOST_DEATHS = 3
"""Trials of a point whose workers died, and came no further, before it is given up: it may be what kills them."""
FLOAT_BITS = 32
MOST_SEED = 2**32 - 1
LEAST_PJ = 1e-150
"""The least energy: none is 0, for they are divided by each other."""


@dataclass(frozen=True, order=True)
class Point:
    """One network to train: what `picojoule train NETWORK --bits BITS --seed SEED` trains."""

    network: str
    bits: int
    seed: int = 0

    def __str__(self) -> str:
        """`lenet5-x0.5-4bit-seed0`, which names its folder too."""
        name = "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in self.network)
        return f"{name}-{self.bits}bit-seed{self.seed}"

    def to_table(self) -> dict[str, Any]:
        """The point as plain data."""
        return {"network": self.network, "bits": self.bits, "seed": self.seed}

    @classmethod
    def from_table(cls, fields: Fields) -> "Point":
        """The point that `to_table` gave."""
        point = cls(fields.text("network"), fields.integer("bits", 1, FLOAT_BITS), fields.integer("seed"))
        fields.finish()
        return point


def grid(
    networks: Iterable[str],
    bits: Iterable[int],
    widths: Iterable[float | str] = (1,),
    depths: Iterable[int] = (1,),
    seeds: Iterable[int] = (0,),
) -> tuple[Point, ...]:
    """Every network at every width, depth, bit count and seed, each once; a network of the user's own as it is.

    >>> [str(point) for point in grid(["lenet5"], bits=[4, 8], widths=[0.5])]
    ['lenet5-x0.5-4bit-seed0', 'lenet5-x0.5-8bit-seed0']

    Raises:
        InputError: nothing to train, bits other than 1 to 16 or 32, no seed, a network that is not known or has no
            other sizes, or two whose folders would have one name.
    """
    scales = tuple(product(dict.fromkeys(widths), dict.fromkeys(depths)))
    chosen, seeds = tuple(dict.fromkeys(bits)), tuple(dict.fromkeys(seeds))
    for each in chosen:
        if not (type(each) is int and (1 <= each <= 16 or each == FLOAT_BITS)):
            raise InputError(f"bits {each!r} cannot be trained at; give 1 to 16, or 32 for floating point")
    for each in seeds:
        if not (type(each) is int and 0 <= each <= MOST_SEED):
            raise InputError(f"seed {each!r} cannot be used; give a whole number from 0 to {MOST_SEED}")
    names: dict[str, None] = {}
    for network in networks:
        own = network.endswith(".py") or is_own(network)
        for width, depth in scales:
            if own and (width not in (1, "1") or depth != 1):
                raise InputError(f"network '{network}' is your own and has one width and depth; leave those out")
            names[network if own else zoo.scaled(network, width, depth)] = None
    points = tuple(Point(*each) for each in product(names, chosen, seeds))
    if not points:
        raise InputError("the grid is empty; give at least one network, width, depth, bit count and seed")
    folders: dict[str, Point] = {}
    for point in points:
        if (other := folders.setdefault(str(point), point)) != point:
            raise InputError(f"networks '{other.network}' and '{point.network}' would share a folder; rename one")
    return points


@dataclass(frozen=True)
class Cost:
    """What a network costs at a bit count, known before it is trained: no zeros are counted on.

    `energy_pj` is by platform; None where that has no figure for these bits.
    """

    macs: int
    weight_bytes: int
    ram_bytes: int
    energy_pj: Mapping[str, float | None]

    def to_table(self) -> dict[str, Any]:
        """The cost as plain data."""
        return {"macs": self.macs, "weight_bytes": self.weight_bytes, "ram_bytes": self.ram_bytes,
                "energy_pj": dict(self.energy_pj)}  # fmt: skip

    @classmethod
    def from_table(cls, fields: Fields) -> "Cost":
        """The cost that `to_table` gave."""
        macs, weights, ram = (fields.integer(key, 0) for key in ("macs", "weight_bytes", "ram_bytes"))
        table = fields.table("energy_pj")
        energies = {}
        for name, energy in table.rest().items():
            within = Fields({name: energy}, table.origin)
            energies[name] = None if energy is None else within.number(name, LEAST_PJ)
        fields.finish()
        return cls(macs, weights, ram, energies)


@dataclass(frozen=True)
class Trial:
    """What came of a point. `number` is the study's.

    `curve` is the loss and the share of right answers of each epoch, on the samples as they were trained on; `why` says
    why it failed or was given up; `worker` is the host and process that had it.
    """

    number: int
    point: Point
    state: str
    curve: tuple[tuple[float, float], ...] = ()
    searched: Accuracy | None = None
    reported: Accuracy | None = None
    seconds: float = 0.0
    why: str = ""
    worker: str = ""

    def to_table(self) -> dict[str, Any]:
        """The trial as plain data."""
        return {
            "number": self.number,
            "point": self.point.to_table(),
            "state": self.state,
            "curve": [list(epoch) for epoch in self.curve],
            "searched": None if self.searched is None else self.searched.to_table(),
            "reported": None if self.reported is None else self.reported.to_table(),
            "seconds": self.seconds,
            "why": self.why,
            "worker": self.worker,
        }

    @classmethod
    def from_table(cls, fields: Fields) -> "Trial":
        """The trial that `to_table` gave."""
        number, point = fields.integer("number", 0), Point.from_table(fields.table("point"))
        state = fields.text("state", STATES)
        curve = tuple(_epoch(epoch, fields) for epoch in fields.items("curve"))
        searched, reported = (_accuracy(key, fields) for key in ("searched", "reported"))
        if state == "complete" and (searched is None or reported is None):
            fields.fail("a complete trial has accuracies")
        trial = cls(number, point, state, curve, searched, reported, fields.number("seconds", 0), fields.text("why"),
                    fields.text("worker"))  # fmt: skip
        fields.finish()
        return trial


def undone(points: Iterable[Point], trials: Iterable[Trial]) -> tuple[Point, ...]:
    """The points that are to be trained and no trial has: none but those that were stopped, or whose workers died.

    A point whose workers died `MOST_DEATHS` times without an epoch more than before is not trained again.
    """
    taken, deaths, epochs = set[Point](), Counter[Point](), Counter[Point]()
    for trial in sorted(trials, key=lambda each: each.number):
        deaths[trial.point] += trial.state == "died" and len(trial.curve) <= epochs[trial.point]
        epochs[trial.point] = max(epochs[trial.point], len(trial.curve))
        if trial.state not in ("died", "stopped") or deaths[trial.point] >= MOST_DEATHS:
            taken.add(trial.point)
    return tuple(point for point in points if point not in taken)


def _epoch(epoch: Any, fields: Fields) -> tuple[float, float]:
    if not (isinstance(epoch, list) and len(epoch) == 2):
        fields.fail("key 'curve' is no list of pairs [loss, accuracy]")
    table = Fields(dict(zip(("loss", "accuracy"), epoch, strict=True)), f"{fields.origin}: 'curve'")
    return table.number("loss"), table.number("accuracy", 0, 1)


def _accuracy(key: str, fields: Fields) -> Accuracy | None:
    found = fields.take(key, lambda value: value is None or isinstance(value, dict), "a table or null")
    return None if found is None else Accuracy.from_table(Fields(found, f"{fields.origin}: '{key}'"))
