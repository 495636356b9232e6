"""How to train, as data: a TOML file, read strictly. Bundled ones lie in `recipes/`; a new one is one more file."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from picojoule.errors import InputError
from picojoule.files import Fields, parse_toml, read_bytes

VERSION = 1
_BUNDLED = Path(__file__).with_name("recipes")

Loss = Callable[[Tensor, Tensor], Tensor]


def squared_hinge(outputs: Tensor, targets: Tensor) -> Tensor:
    """The mean of `max(0, 1 - t y)^2` over outputs y [n, classes], with t = 1 for the target's class and -1 else."""
    signs = 2.0 * one_hot(targets, outputs.shape[1]) - 1
    return (1 - signs * outputs).clamp(min=0).square().mean()


LOSSES: Mapping[str, Loss] = {"cross_entropy": cross_entropy, "squared_hinge": squared_hinge}
OPTIMIZERS = ("adam", "adamw", "sgd")
MIRRORS = ("never", "colour", "always")


@dataclass(frozen=True)
class Schedule:
    """What the learning rate is multiplied by, over the course of all steps, from 0 to 1.

    It rises evenly for the first `warmup` of them. Then it is `constant`, falls as half a cosine (`cosine`), or is what
    `steps` say, each from a share of the course on.
    """

    name: str
    warmup: float = 0.0
    steps: tuple[tuple[float, float], ...] = ()

    def factor(self, course: float) -> float:
        """The factor at a place of the course.

        >>> Schedule("steps", steps=((0.25, 0.1), (0.8, 1.0))).factor(0.5)
        0.1
        """
        if course < self.warmup:
            return max(course / self.warmup, 0.01)
        if self.name == "cosine":
            return 0.5 + 0.5 * math.cos(math.pi * (course - self.warmup) / (1 - self.warmup))
        return ([1.0] + [factor for start, factor in self.steps if start <= course])[-1]


@dataclass(frozen=True)
class Recipe:
    """Everything of a training but the network, its data, and the seed.

    The last `folded` of the epochs run without batch norm. Images are moved by up to `shift` pixels, edges filled with
    zeros, and half of them mirrored: `always`, `never`, or where they have three channels (`colour`).
    """

    name: str
    text: str
    loss: str
    epochs: int
    batch: int
    folded: float
    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    schedule: Schedule
    shift: int
    mirror: str

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> Self:
        """The bundled recipe of that name, or the file at a path that ends in `.toml`.

        Raises:
            InputError: an unknown name, or a malformed file (the message names file and key).
        """
        name = os.fspath(name_or_path)
        if name.endswith(".toml"):
            return cls.parse(read_bytes(Path(name)), f"'{name}'", Path(name).stem)
        if name not in recipes():
            raise InputError(
                f"recipe '{name}' is not known; choose one of {', '.join(recipes())}, or give a .toml file"
            )
        return cls.parse(read_bytes(_BUNDLED / f"{name}.toml"), f"recipe '{name}'", name)

    @classmethod
    def parse(cls, content: bytes, origin: str, name: str) -> Self:
        """The recipe that a TOML text describes; `origin` names the text in errors.

        Raises:
            FileError: not TOML, another version, a key that is unknown, missing or out of bounds.
        """
        fields = Fields(parse_toml(content, origin), origin)
        if fields.integer("version") != VERSION:
            fields.fail(f"this picojoule reads version {VERSION} of recipes")
        fields.text("source")
        optimizer, schedule, images = (fields.table(key) for key in ("optimizer", "schedule", "images"))
        recipe = cls(
            name=name,
            text=content.decode(),
            loss=fields.text("loss", tuple(LOSSES)),
            epochs=fields.integer("epochs", 1, 100_000),
            batch=fields.integer("batch", 2, 1_000_000),
            folded=fields.number("folded", 0, 1),
            optimizer=optimizer.text("name", OPTIMIZERS),
            learning_rate=optimizer.number("learning_rate", 1e-9, 1e3),
            momentum=optimizer.number("momentum", 0, 1) if "momentum" in optimizer else 0.9,
            weight_decay=optimizer.number("weight_decay", 0, 1) if "weight_decay" in optimizer else 0.0,
            schedule=_schedule(schedule),
            shift=images.integer("shift", 0, 64),
            mirror=images.text("mirror", MIRRORS),
        )
        for table in (fields, optimizer, schedule, images):
            table.finish()
        return recipe

    def optimizer_of(self, module: nn.Module) -> torch.optim.Optimizer:
        """An optimiser of all that trains in a module. Only layers' weights decay."""
        trained = [each for each in module.parameters() if each.requires_grad]
        groups = [
            {"params": [each for each in trained if each.dim() > 1], "weight_decay": self.weight_decay},
            {"params": [each for each in trained if each.dim() <= 1], "weight_decay": 0.0},
        ]
        if self.optimizer == "sgd":
            return torch.optim.SGD(groups, self.learning_rate, self.momentum, nesterov=self.momentum > 0)
        kind = torch.optim.Adam if self.optimizer == "adam" else torch.optim.AdamW
        return kind(groups, self.learning_rate, (self.momentum, 0.999))

    def mirrors(self, shape: tuple[int, ...]) -> bool:
        """Whether samples of a shape are mirrored."""
        return len(shape) == 3 and (self.mirror == "always" or (self.mirror == "colour" and shape[0] == 3))


def recipes() -> tuple[str, ...]:
    """The bundled recipes, by name."""
    return tuple(sorted(path.stem for path in _BUNDLED.glob("*.toml")))


def _schedule(fields: Fields) -> Schedule:
    name = fields.text("name", ("constant", "cosine", "steps"))
    warmup = fields.number("warmup", 0, 0.9) if "warmup" in fields else 0.0
    steps = fields.items("steps") if name == "steps" else []
    for pair in steps:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(each) in (int, float) for each in pair)):
            fields.fail("key 'steps' must be pairs of a share of the course and a factor, such as [[0.25, 0.1]]")
    return Schedule(name, warmup, tuple((float(start), float(factor)) for start, factor in steps))
