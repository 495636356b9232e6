"""Cluster a network: the fewest numbers for each layer's weights that keep its accuracy, once those are retrained.

A search finds the plan of codebooks that keeps the floor as it is; then plans of less energy are retrained, as few as
halving takes, to find the cheapest that keeps it (Han, Mao, Dally, *Deep Compression*, arXiv 1510.00149: memberships
stay, the numbers train). The search and each retraining have folders of their own within the run's, and go on from
where they were.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from picojoule import files, units
from picojoule.calibration import Calibration, Ranges, Settings
from picojoule.data import Loaded, as_loaded, split
from picojoule.energy import Platform, has_figure
from picojoule.errors import InputError, UnreachableFloorError
from picojoule.evaluate import check_keep
from picojoule.formats import Lut
from picojoule.jobs.clustering.plans import candidates, cheapest
from picojoule.jobs.progress import Listener, Progress, silent
from picojoule.jobs.search import search
from picojoule.jobs.searching.ways import Ways
from picojoule.jobs.setup import check_about, check_device
from picojoule.jobs.train import check_classes, course_of, train
from picojoule.network import Network, capture
from picojoule.plan import Plan
from picojoule.report.document import document
from picojoule.report.page import page
from picojoule.report.trained import BEFORE
from picojoule.search import OperatingPoint, Result
from picojoule.training import Recipe

SEARCHED, RETRAINED = "searched", "retrained"
"""The folders within a run's."""
INPUTS = "fixed16"
"""What inputs are where they are not clustered: as wide as a table's numbers."""


def cluster(
    model: nn.Module | Network,
    data: object,
    *,
    keep: float = 0.99,
    activations: bool = False,
    recipe: str | os.PathLike[str] | Recipe = "clusters",
    epochs: int | None = None,
    confidence: float | str | None = None,
    platform: str | os.PathLike[str] | Platform = "horowitz45",
    seed: int = 0,
    device: str | torch.device = "cpu",
    jobs: int | None = None,
    cache_gb: float = 1.0,
    out: Path | str | None = None,
    listener: Listener = silent,
    about: Mapping[str, Any] | None = None,
) -> Result:
    """Find the fewest clusters of each layer's weights that keep a trained network as accurate as asked when retrained.

    Inputs are in 16 bits, or with `activations` clustered too, which no training changes. `keep`, `confidence`, `jobs`
    and `cache_gb` are those of `search`, `recipe` and `epochs` those of `train`; `data` needs samples to train on. The
    result has one point, and beside the baselines the plan that the search ended with, `not retrained`;
    where no retraining ends better, that plan is the result. With `out` an interrupted run goes on by the same call.

    Raises:
        InputError: anything the user gave that cannot be used; or a retraining diverged.
        UnreachableFloorError: no plan tried holds the floor; its `result` has the most accurate.
        KeyboardInterrupt: after the best so far is saved to `out`, if the search was over.
    """
    if isinstance(keep, bool) or not isinstance(keep, int | float):
        raise InputError(f"keep {keep!r} is not understood; give one number such as 0.99")
    check_keep(keep)
    check_about(about)
    check_device(device)
    priced = platform if isinstance(platform, Platform) else Platform.load(platform)
    if not has_figure(Lut(2), priced):
        raise InputError(
            f"platform '{priced.name}' has no figure for codebooks; give its [codebook] table, or choose horowitz45"
        )
    folder = None if out is None else Path(out)
    if folder is not None:
        files.check_place(folder)
    loaded = as_loaded(data)
    course = course_of(loaded, recipe if isinstance(recipe, Recipe) else Recipe.load(recipe), epochs, seed, device)
    network = capture(model, course.samples.x[:1])
    check_classes(network, loaded)
    asked = asked_of(keep, activations, course.recipe, course.epochs, confidence)
    with nullcontext() if folder is None else files.claimed(folder):
        try:
            found = search(
                network, loaded, keep=keep, platform=priced, seed=seed, device=device, jobs=jobs, cache_gb=cache_gb,
                out=folder and folder / SEARCHED, listener=listener, about=dict(about or {}),
                **_ways(activations, confidence),
            )  # fmt: skip
        except UnreachableFloorError as error:
            found = error.result
        how = {"recipe": course.recipe, "epochs": course.epochs, "platform": priced, "seed": seed, "device": device}
        retraining = _Retraining(found, loaded, how, folder, listener)
        stopped = retraining.run()
        result = retraining.result({**found.settings, **asked}, stopped)
        if folder is not None:
            result.save(folder, {"report.html": page(document({str(out): result})).encode()})
    if stopped:
        raise KeyboardInterrupt
    if not result.holds:
        raise UnreachableFloorError("\n".join(result.unreached), result)
    return result


def asked_of(
    keep: float, activations: bool, recipe: Recipe, epochs: int | None, confidence: float | str | None
) -> dict[str, Any]:
    """What a clustering is asked for, as its result states it.

    Raises:
        InputError: the confidence cannot be used.
    """
    return {
        **Ways.settled(**_ways(activations, confidence)).described(),
        "job": "cluster", "keep": [keep], "activations": activations, "recipe": recipe.name,
        "recipe_toml": recipe.text, "epochs": recipe.epochs if epochs is None else epochs,
    }  # fmt: skip


def _ways(activations: bool, confidence: float | str | None) -> dict[str, Any]:
    """How a clustering searches."""
    return {"confidence": confidence, "formats": "lut", "inputs": "lut" if activations else INPUTS}


@dataclass
class _Retraining:
    """The retrainings of one search's plans, in the order in which they were asked for."""

    found: Result
    loaded: Loaded
    how: Mapping[str, Any]
    folder: Path | None
    listener: Listener
    tried: dict[Plan, Result] = field(default_factory=dict)

    def run(self) -> bool:
        """Retrain what halving asks for; returns whether it was interrupted."""
        plans = candidates(self.found)
        samples = split(self.loaded, seed=self.how["seed"]).calibration.x
        calibration = Calibration.of(self.found.captured, samples, Settings("mse", prepare="bias"))

        def holds(plan: Plan) -> bool:
            most = len(plans).bit_length()
            remark = f"retraining {len(self.tried) + 1} of at most {most}, {_numbers(plan)} of weights"
            self.listener(Progress(remark, remark=True))
            point = replace(self.found.point, plan=plan, ranges=self._ranges(calibration, plan), log=(), stopped=False)
            start = replace(self.found, points=(point,), path=())
            self.tried[plan] = train(
                None, self.loaded, start=start, out=self._place(plan), listener=self.listener, **self.how
            )
            return self.tried[plan].holds

        try:
            cheapest(plans, holds)
        except KeyboardInterrupt:
            return True
        return False

    def _ranges(self, calibration: Calibration, plan: Plan) -> Ranges:
        """A plan's ranges: those that the search chose where its formats are the same, the others calibrated."""
        own, found = calibration.ranges(plan), self.found
        same = {site for site, format in plan.formats.items() if found.plan.formats[site] == format}
        return replace(own, sites={**own.sites, **{site: found.ranges.sites[site] for site in same}})

    def result(self, settings: Mapping[str, Any], stopped: bool) -> Result:
        """The cheapest that holds the floor, of equal ones the more accurate, or else the most accurate; beside it the
        search's own plan."""
        every = [self.found, *self.tried.values()]
        holding = [each for each in every if each.holds]
        if holding:
            best = min(holding, key=lambda each: (each.energy.total_pj, -each.point.search.value))
        else:
            best = max(every, key=lambda each: each.point.search.value)
        retrained = [{"holds": each.holds, "energy_pj": each.energy.total_pj, "search": each.point.searched.to_table()}
                     for each in self.tried.values()]  # fmt: skip
        point = replace(best.point, stopped=stopped or best.point.stopped, blockers=self.found.point.blockers)
        return replace(
            self.found, captured=best.captured, points=(point,), settings={**settings, "retrained": retrained},
            baselines={**self.found.baselines, **self._before(best)},
        )  # fmt: skip

    def _before(self, best: Result) -> dict[str, OperatingPoint]:
        if best is self.found:
            return {}
        return {BEFORE: replace(self.found.point, label=BEFORE, keep=None, holds=True, log=(), blockers=())}

    def _place(self, plan: Plan) -> Path | None:
        """A folder for each plan, so that another floor in the same run folder finds it again."""
        name = hashlib.sha256(plan.to_json().encode()).hexdigest()[:12]
        return self.folder and self.folder / RETRAINED / name


def _numbers(plan: Plan) -> str:
    """`4 to 16 numbers` of a plan's codebooks."""
    counts = sorted({format.count for format in plan.formats.values() if isinstance(format, Lut)})
    return f"{units.count(counts[0])} to {units.count(counts[-1])} numbers"
