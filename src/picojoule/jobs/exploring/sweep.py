"""What all trials of an exploration have in common, and what a network costs under it, before anything is trained."""

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from picojoule import units
from picojoule.data import Loaded, as_loaded
from picojoule.energy import Platform, energy, platforms
from picojoule.errors import DataError, InputError, PlatformError
from picojoule.explore import Cost, Point
from picojoule.jobs.progress import Listener, Progress
from picojoule.jobs.train import check_classes
from picojoule.models import load_model
from picojoule.network import Network, capture
from picojoule.plan import ram_bytes, weight_bytes
from picojoule.training import LOSSES, Recipe, trainable

STEPS = 3
"""Steps of a training that are timed to foresee the whole of it."""
SAMPLES = 256
"""Samples that the range of the image is found from where only the cost is asked for."""


@dataclass(frozen=True)
class Prospect:
    """What a sweep would train: each point with its cost and about how many seconds it takes, the cheapest first.

    `left_out` are the points above the bound of energy, or without a figure on the platform.
    """

    settings: Mapping[str, Any]
    entries: Mapping[Point, tuple[Cost, float]]
    left_out: Mapping[Point, Cost]

    def to_table(self) -> dict[str, Any]:
        """The prospect as plain data."""
        entries = [{**point.to_table(), **cost.to_table(), "seconds": seconds}
                   for point, (cost, seconds) in self.entries.items()]  # fmt: skip
        return {"settings": dict(self.settings), "networks": entries, "left_out": [*map(str, self.left_out)]}


class Sweep:
    """What all trials have in common, and what a network costs under it."""

    def __init__(
        self, data: object, recipe: str | os.PathLike[str] | Recipe, epochs: int | None, activation: str,
        platform: str | os.PathLike[str] | Platform, threads: int, device: str | torch.device, listener: Listener,
    ) -> None:  # fmt: skip
        if not (type(threads) is int and threads >= 1):
            raise InputError(f"threads {threads!r} cannot be used; give a whole number of at least 1")
        self.recipe = recipe if isinstance(recipe, Recipe) else Recipe.load(recipe)
        self.epochs = self.recipe.epochs if epochs is None else epochs
        if not (type(self.epochs) is int and self.epochs >= 1):
            raise InputError(f"epochs {epochs!r} cannot be trained for; give a whole number of at least 1")
        self.platform = platform if isinstance(platform, Platform) else Platform.load(platform)
        self.platforms = {name: Platform.load(name) for name in platforms()} | {self.platform.name: self.platform}
        self.activation, self.device, self.listener, self._threads = activation, device, listener, threads
        listener(Progress("reading the data"))
        self.loaded: Loaded = as_loaded(data)
        if self.loaded.train is None:
            raise DataError(
                "the data has no samples to train on; give a pair (train, held-out), or x_train and y_train"
            )
        self.train = self.loaded.train
        if self.recipe.batch > len(self.train):
            raise DataError(
                f"the recipe's batch of {self.recipe.batch} is larger than the {len(self.train)} samples to train on; "
                "give more samples, or a recipe with a smaller batch"
            )
        self._networks: dict[str, Network] = {}
        self._costs: dict[tuple[str, int], Cost] = {}
        self._seconds: dict[str, float] = {}

    @contextmanager
    def threads(self) -> Iterator[None]:
        """Use as many threads as were asked for."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def remark(self, text: str) -> None:
        """Say something in passing."""
        self.listener(Progress(text, remark=True))

    @cached_property
    def facts(self) -> Mapping[str, str]:
        """What all trials of a study have in common."""
        return {
            "data": f"{self.train.digest()} {self.loaded.held_out.digest()}",
            "recipe": repr(replace(self.recipe, name="", text="")),
            "number of epochs": str(self.epochs),
            "activation": self.activation,
            "platform": self.platform.to_toml(),
        }

    def prospect(self, points: Sequence[Point], below_pj: float | None) -> Prospect:
        """What would be trained of these points."""
        if below_pj is not None and not 0 < below_pj < math.inf:
            raise InputError(f"below_pj {below_pj!r} cannot be used; give an energy in pJ above 0")
        costs: dict[Point, Cost] = {}
        for done, point in enumerate(points):
            self.listener(Progress("pricing", done, len(points), detail=str(point), unit="networks"))
            costs[point] = self.cost(point)
        energies = {point: cost.energy_pj[self.platform.name] for point, cost in costs.items()}
        if not any(pj is not None for pj in energies.values()):
            raise PlatformError(f"platform '{self.platform.name}' has no figure for any of these networks")
        limit = math.inf if below_pj is None else below_pj
        taken = [(pj, point) for point, pj in energies.items() if pj is not None and pj <= limit]
        if not taken:
            least = min(pj for pj in energies.values() if pj is not None)
            raise InputError(
                f"no network of the grid costs {units.energy(limit)} or less; the cheapest costs {units.energy(least)}"
            )
        entries = {point: (costs[point], self.seconds(point)) for _, point in sorted(taken)}
        settings = {
            "job": "explore", "recipe": self.recipe.name, "recipe_toml": self.recipe.text, "epochs": self.epochs,
            "activation": self.activation, "platform": self.platform.name, "platform_toml": self.platform.to_toml(),
            "below_pj": below_pj, "samples": {"train": len(self.train), "held_out": len(self.loaded.held_out)},
        }  # fmt: skip
        return Prospect(settings, entries, {point: cost for point, cost in costs.items() if point not in entries})

    def cost(self, point: Point) -> Cost:
        """What a network costs at its bits on every platform, without counting on zeros."""
        key = point.network, point.bits
        if key not in self._costs:
            module = self._module(point)
            network, plan = module.network, module.plan
            energies: dict[str, float | None] = {}
            for name, platform in self.platforms.items():
                try:
                    energies[name] = energy(network, plan, platform).total_pj or None  # 0 is no figure either
                except PlatformError:
                    energies[name] = None
            self._costs[key] = Cost(network.macs, weight_bytes(network, plan), ram_bytes(network, plan), energies)
        return self._costs[key]

    def seconds(self, point: Point) -> float:
        """About how long a network trains, by the quickest of a few steps."""
        if point.network not in self._seconds:
            module = self._module(point).to(self.device).train()
            optimizer, loss = self.recipe.optimizer_of(module), LOSSES[self.recipe.loss]
            batch = self.train.first(self.recipe.batch)
            x, y = batch.x.to(self.device), batch.y.to(self.device)
            took = []
            for _ in range(1 + STEPS):
                began = time.perf_counter()
                optimizer.zero_grad()
                loss(module(x), y).backward()
                optimizer.step()
                took.append(time.perf_counter() - began)
            self._seconds[point.network] = min(took[1:]) * (len(self.train) // self.recipe.batch) * self.epochs
        return self._seconds[point.network]

    def _module(self, point: Point) -> Any:
        if point.network not in self._networks:
            model: nn.Module = load_model(point.network, None, 0, self.loaded.shape, self.loaded.classes)
            self._networks[point.network] = capture(model, self.train.x[:1])
            check_classes(self._networks[point.network], self.loaded)
        return trainable(self._networks[point.network], self.train.x[:SAMPLES], point.bits, None, self.activation)
