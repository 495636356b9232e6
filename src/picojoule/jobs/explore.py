"""Explore: train networks over bits, width and depth, and find the least energy for each accuracy.

What a network costs is known before it is trained, and so is about how long that takes. Workers, on one machine or
many, share a study; each trial is a training of its own, in a folder of its own, which goes on where it was left.
"""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from picojoule import files, units
from picojoule.data import Loaded, as_loaded
from picojoule.energy import Platform, energy, platforms
from picojoule.errors import DataError, FileError, InputError, InUseError, PlatformError
from picojoule.explore import Claim, Cost, Exploration, Point, Study, Trial, grid, hopeless, undone
from picojoule.explore.exploration import FILE
from picojoule.jobs.progress import Listener, Progress, silent
from picojoule.jobs.setup import check_about, check_device
from picojoule.jobs.train import Curve, check_classes, train
from picojoule.models import load_model
from picojoule.network import Network, capture
from picojoule.plan import ram_bytes, weight_bytes
from picojoule.report.page import page
from picojoule.report.study import document
from picojoule.search import Result
from picojoule.training import LOSSES, Recipe, trainable

STUDY = "study.sqlite"
POLL = 2.0
"""Seconds between looks at what other workers are at, while there is nothing else to do."""
STEPS = 3
"""Steps of a training that are timed to foresee the whole of it."""
SAMPLES = 256
"""Samples that the range of the image is found from where only the cost is asked for."""


class _HopelessError(Exception):
    """A training is given up."""


class _TakenError(Exception):
    """Another worker has taken this one for dead, and has its trial now."""


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


def explore(
    networks: Sequence[str],
    data: object,
    *,
    bits: Sequence[int] = (1, 2, 4, 8, 16),
    widths: Sequence[float | str] = (1,),
    depths: Sequence[int] = (1,),
    seeds: Sequence[int] = (0,),
    recipe: str | os.PathLike[str] | Recipe = "modern",
    epochs: int | None = None,
    activation: str = "relu",
    platform: str | os.PathLike[str] | Platform = "moons2017",
    below_pj: float | None = None,
    prune: bool = True,
    time_budget: float | None = None,
    study: Path | str | None = None,
    threads: int = 1,
    device: str | torch.device = "cpu",
    out: Path | str = "runs/explore",
    listener: Listener = silent,
    about: Mapping[str, Any] | None = None,
) -> Exploration:
    """Train every network at every width, depth, bit count and seed, and say which needs least energy when.

    `networks` are names as `picojoule train` takes them. Trials lie in a study, `study.sqlite` in `out` unless `study`
    names another file or a URL such as `postgresql://user@host/name`: any number of processes that call this with the
    same study share the trials, and end with the same result. A trial that died with its process is trained again, from
    its last epoch where `out` is the same folder. Where `below_pj` is given, no network is trained whose energy is
    above; with `prune`, a training that is hopelessly behind cheaper ones of the same bits is given up. `time_budget`
    is in seconds: no trial is begun that would not end in time. A worker uses so many `threads`; for more cores, start
    more workers.

    `study.json` and `report.html` are written to `out`.

    Raises:
        InputError: anything the user gave that cannot be used, or a study that is gone.
        KeyboardInterrupt: with each trial's last epoch kept.
    """
    folder, points = Path(out), grid(networks, bits, widths, depths, seeds)
    files.check_place(folder)
    check_device(device)
    check_about(about)
    sweep = _Sweep(data, recipe, epochs, activation, platform, threads, device, listener)
    with sweep.threads():
        prospect = sweep.prospect(points, below_pj)
        shared = Study.open(folder / STUDY if study is None else study, sweep.facts, sweep.remark)
        worker = _Worker(sweep, prospect, shared, folder, prune, time_budget)
        worker.work()
        # A name that a study holds may stand for code, and none is run that this call did not name.
        named = {point.network for point in points}
        trials = [each for each in shared.trials() if ":" not in each.point.network or each.point.network in named]
        costs = {(each.point.network, each.point.bits): sweep.cost(each.point) for each in trials}
    settings = {**(about or {}), **prospect.settings, "study": shared.place}
    result = Exploration(settings, costs, tuple(sorted(trials, key=lambda each: (each.point, each.number))))
    drawn = page(document(str(out), result))
    files.write_together({folder / "report.html": drawn.encode(), folder / FILE: result.to_json().encode()})
    return result


def prospect(
    networks: Sequence[str],
    data: object,
    *,
    bits: Sequence[int] = (1, 2, 4, 8, 16),
    widths: Sequence[float | str] = (1,),
    depths: Sequence[int] = (1,),
    seeds: Sequence[int] = (0,),
    recipe: str | os.PathLike[str] | Recipe = "modern",
    epochs: int | None = None,
    activation: str = "relu",
    platform: str | os.PathLike[str] | Platform = "moons2017",
    below_pj: float | None = None,
    threads: int = 1,
    device: str | torch.device = "cpu",
    listener: Listener = silent,
) -> Prospect:
    """What `explore` would train: the grid with its costs, and about how long each training takes. Nothing is trained.

    Raises:
        InputError: anything the user gave that cannot be used.
    """
    check_device(device)
    sweep = _Sweep(data, recipe, epochs, activation, platform, threads, device, listener)
    with sweep.threads():
        return sweep.prospect(grid(networks, bits, widths, depths, seeds), below_pj)


class _Sweep:
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


class _Worker:
    """One process at the trials of a study, until none is left."""

    def __init__(
        self, sweep: _Sweep, prospect: Prospect, study: Study, folder: Path, prune: bool, time_budget: float | None
    ) -> None:
        self._sweep, self._prospect, self._study, self._folder, self._prune = sweep, prospect, study, folder, prune
        self._points = tuple(prospect.entries)
        self._deadline = None if time_budget is None else time.monotonic() + time_budget
        self._budget = time_budget
        self._pace = 1.0  # seconds that a foreseen one took
        self._trials: tuple[Trial, ...] = ()

    def work(self) -> None:
        """Train what waits; then wait for what others are at, and take over what they leave."""
        self._study.enqueue(self._points)
        self._check_budget()
        while True:
            self._study.enqueue(self._points)  # those whose workers died
            self._trials = self._study.trials()
            claim = self._study.claim([point for point in self._points if self._fits(point)])
            if claim is not None:
                self._train(claim)
                continue
            self._trials = self._study.trials()  # as it is now: another may have claimed the last one just before
            others = [each for each in self._trials if each.state == "running" and each.point in self._points]
            if not (others or any(map(self._fits, self._unbegun()))) or self._left() == 0:
                break
            self._sweep.listener(self._event(f"waiting for {len(others)} of other workers"))
            time.sleep(POLL)
        if left := self._unbegun():
            self._sweep.remark(f"the time is over with {len(left)} of {len(self._points)} networks left to train")

    def _unbegun(self) -> tuple[Point, ...]:
        """The points that are to be trained and no worker is at."""
        return undone(self._points, [each for each in self._trials if each.state != "waiting"])

    def _check_budget(self) -> None:
        """Refuse a budget that nothing can be trained in."""
        left = {each.point for each in self._study.trials() if each.state == "waiting"}
        quickest = min((self._prospect.entries[point][1] for point in self._points if point in left), default=0.0)
        if self._budget is not None and self._budget < quickest:
            raise InputError(
                f"a time budget of {units.duration(self._budget)} is less than any of these trainings takes, at least "
                f"about {units.roughly(quickest)}; give more, or fewer epochs"
            )

    def _left(self) -> float:
        """Seconds until the time is over."""
        return math.inf if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _fits(self, point: Point) -> bool:
        return self._pace * self._prospect.entries[point][1] <= self._left()

    def _train(self, claim: Claim) -> None:
        """Train a claimed trial to its end, whatever that is."""
        sweep, point, began = self._sweep, claim.point, time.monotonic()
        cost, foreseen = self._prospect.entries[point]

        def watch(curve: Curve) -> None:
            if not self._study.report(claim, curve):
                raise _TakenError
            if self._prune and hopeless(curve, sweep.epochs, self._cheaper(point)):
                raise _HopelessError(
                    f"behind the median of cheaper networks at {point.bits} bits after {len(curve)} epochs"
                )

        def took() -> float:
            return time.monotonic() - began

        with self._study.held(claim):
            try:
                result = self._result(point, watch)
            except _TakenError:
                sweep.remark(f"{point} is another worker's now: this one gave no sign for long")
            except _HopelessError as reason:
                self._study.end(claim, "pruned", str(reason), took())
            except FileError:  # a full disk, or the study itself is gone: nothing is wrong with the trial
                self._study.stop(claim, took())
                raise
            except InputError as error:
                self._study.end(claim, "failed", str(error), took())
            except Exception as error:  # a fault, which may be the trial's: it is not tried for ever
                self._study.end(claim, "died", repr(error), took())
                raise
            except BaseException:
                self._study.stop(claim, took())
                raise
            else:
                pj, trained = cost.energy_pj[sweep.platform.name], result.point
                assert pj is not None
                self._study.report(claim, result.settings["curve"])  # nobody watches where only measuring was left
                self._study.complete(claim, pj, trained.search, trained.report, took())
                self._pace = (self._pace + took() / max(foreseen, 1e-9)) / 2

    def _result(self, point: Point, watch: Callable[[Curve], None]) -> Result:
        """A training's result. Its folder may still be in use: by a worker taken for dead, until its epoch ends."""
        sweep = self._sweep
        while True:
            try:
                return train(
                    point.network, sweep.loaded, bits=point.bits, recipe=sweep.recipe, epochs=sweep.epochs,
                    activation=sweep.activation, seed=point.seed, platform=sweep.platform, device=sweep.device,
                    out=self._folder / "trials" / str(point), listener=self._heard(point), watch=watch,
                )  # fmt: skip
            except InUseError:
                sweep.listener(self._event(f"waiting for the folder of {point}", point))
                time.sleep(POLL)

    def _cheaper(self, point: Point) -> list[Curve]:
        """The curves of ended trainings of other networks at the same bits that cost no more.

        Of its own network there are other seeds: were the worst of them given up, the mean would be of the best.
        """
        bound = self._energy(point)
        return [
            trial.curve
            for trial in self._trials
            if trial.state in ("complete", "pruned")
            and trial.point.bits == point.bits
            and trial.point.network != point.network
            and trial.point in self._prospect.entries
            and self._energy(trial.point) <= bound
        ]

    def _energy(self, point: Point) -> float:
        pj = self._prospect.entries[point][0].energy_pj[self._sweep.platform.name]
        assert pj is not None
        return pj

    def _heard(self, point: Point) -> Callable[[Progress], None]:
        """What a training tells, as part of the whole."""

        def listen(event: Progress) -> None:
            if not event.remark:
                counted = f" {event.done}/{event.expected} {event.unit}" if event.expected > 1 else ""
                details = ", ".join(filter(None, (f"{event.stage}{counted}", event.detail)))
                self._sweep.listener(self._event(f"{point}: {details}", point, event.seconds))

        return listen

    def _event(self, detail: str, point: Point | None = None, seconds: float | None = None) -> Progress:
        """Where the sweep stands, and about how long one worker is still at it."""
        ended = {each.point for each in self._trials if each.state in ("complete", "pruned", "failed")}
        running = {each.point for each in self._trials if each.state == "running"} | {point}
        entries = self._prospect.entries
        left = sum(entries[each][1] for each in self._points if each not in ended and each not in running)
        now = seconds if seconds is not None else entries[point][1] if point is not None else 0.0
        return Progress("exploring", len(ended & set(self._points)), len(self._points),
                        left * self._pace + now, detail, "trials")  # fmt: skip
