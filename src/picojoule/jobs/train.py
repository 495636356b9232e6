"""Train a network at a plan: from scratch at a bit count, or on from what a search found, to win accuracy back.

Only training samples are trained on. What is stated is measured on the search and the report split, neither of which
decides anything here.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from picojoule import files, units
from picojoule.calibration import Settings
from picojoule.data import Loaded, Splits, as_loaded, split
from picojoule.energy import Platform, Sparsity
from picojoule.errors import DataError, InputError, check_type
from picojoule.evaluate import Accuracy, Tally, check_labels, measure_sparsity, scores
from picojoule.jobs.progress import Listener, Meter, Stage, silent
from picojoule.jobs.setup import BASELINES, Setup, check_about, check_device, energy_of, set_up
from picojoule.models import load_model
from picojoule.network import Network
from picojoule.plan import Plan
from picojoule.quantize import quantize
from picojoule.report.document import document
from picojoule.report.page import page
from picojoule.search import OperatingPoint, Result
from picojoule.training import Checkpoint, Course, Deployed, Epoch, Recipe, Trainable, trainable, whole_biases

CHECKPOINT = "training.safetensors"
BATCH = 250

Curve = Sequence[tuple[float, float]]
"""The loss and the share of right answers of each epoch, on the samples as they were trained on."""


def train(
    model: nn.Module | Network | str | None,
    data: object,
    *,
    bits: int | None = None,
    plan: Plan | None = None,
    recipe: str | os.PathLike[str] | Recipe | None = None,
    activation: str | None = None,
    epochs: int | None = None,
    start: Result | Path | str | None = None,
    platform: str | os.PathLike[str] | Platform = "moons2017",
    seed: int = 0,
    device: str | torch.device = "cpu",
    out: Path | str | None = None,
    listener: Listener = silent,
    watch: Callable[[Curve], None] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Result:
    """Train a network at `bits` (1 to 16, at first 4; 32 is floating point) or at a plan, and measure what it became.

    `model` is a module, of which the topology and the first weights are taken, or what `picojoule train` takes, such as
    "lenet5". With `start`, a result or its folder, the selected network of that is trained on instead, at its own plan
    and ranges, and the result has the same floor. `recipe` is a bundled one's name or a `.toml` file: "modern" from
    scratch, "finetune" with `start`. `activation` is "relu" or "hardtanh"; one bit takes the sign.

    `data` is anything `picojoule.data.as_loaded` takes, with samples to train on. With `out` a checkpoint is kept there
    after each epoch, from which the same call goes on, and the run folder is written in the end. The result's baselines
    are those of the network that training started from, or without one of the trained network itself. `watch` gets the
    loss and accuracy of each epoch so far after every one, when its checkpoint is kept; what it raises ends the
    training.

    Raises:
        InputError: anything the user gave that cannot be used; or the training diverged.
        KeyboardInterrupt: with the last epoch's checkpoint in `out`.
    """
    folder = None if out is None else Path(out)
    if folder is not None:
        files.check_place(folder)
    check_device(device)
    check_about(about)
    begun = start if start is None or isinstance(start, Result) else Result.load(start)
    _check_start(model, begun, bits, plan, activation)
    priced = platform if isinstance(platform, Platform) else Platform.load(platform)
    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe or ("modern" if begun is None else "finetune"))
    meter = Meter(listener)
    meter.begin(Stage("reading the data"))
    loaded = as_loaded(data)
    course = course_of(loaded, recipe, epochs, seed, device)
    meter.begin(Stage("capturing the network"))
    if begun is not None:
        module = Trainable(begun.captured, begun.plan, begun.ranges)
    else:
        bits, activation = 4 if bits is None and plan is None else bits, activation or "relu"
        module = trainable(_model(model, loaded, seed), course.samples.x, bits, plan, activation)
    check_classes(module.network, loaded)
    for each in (module.plan, *(point.plan for point in (begun.baselines.values() if begun else ()))):
        energy_of(module.network, each, priced, Sparsity.none())  # what has no figure is refused before any training
    splits = split(loaded, seed=seed)
    training = Stage("training", course.epochs, course.steps * recipe.batch, "epochs")
    measuring = Stage("measuring", 1, (1 + len(BASELINES)) * (len(splits.search) + len(splits.report)) / 3)
    meter.expect(training, measuring)
    with nullcontext() if folder is None else files.claimed(folder):
        job = _Job(course, module, splits, meter, None if folder is None else folder / CHECKPOINT)
        deployed = job.trained(training, watch).deployed()
        if begun is None:
            deployed = deployed._replace(network=whole_biases(*deployed))
        meter.begin(measuring)
        setup = set_up(deployed.network, None, Settings(), priced, seed, splits, device, Meter(silent))
        asked = {"job": "train", "bits": bits, "activation": activation, "recipe": recipe.name,
                 "recipe_toml": recipe.text, "epochs": course.epochs, "seed": seed, **job.notes}  # fmt: skip
        result = _result(deployed, setup, begun, {**(about or {}), **setup.described(), **asked})
        meter.heard(worked=True)
        if folder is not None:
            drawn = page(document({str(out): result}))
            result.save(folder, {"report.html": drawn.encode()})
    return result


def _model(model: nn.Module | Network | str | None, loaded: Loaded, seed: int) -> nn.Module | Network:
    """The model; where a text names it, its first weights are drawn from the seed, and the zoo's fit the data."""
    if not isinstance(model, str):
        assert model is not None
        return model
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return load_model(model, None, seed, loaded.shape, loaded.classes)


class _Job:
    """One training under way, from its checkpoint where there is one."""

    def __init__(self, course: Course, module: Trainable, splits: Splits, meter: Meter, path: Path | None) -> None:
        self._course, self._module, self._splits, self._meter, self._path = course, module, splits, meter, path
        self._about = _about(module, course)
        self._optimizer = course.recipe.optimizer_of(module)
        self.notes: dict[str, Any] = {"curve": []}

    def trained(self, stage: Stage, watch: Callable[[Curve], None] | None) -> Trainable:
        """The module at the end of the course, without batch norm."""
        course = self._course
        done = self._resume()
        self._meter.begin(stage)
        for _ in range(done):
            self._meter.heard()
        for number in range(done, course.epochs):
            if number == course.fold_at:
                self._fold()
            epoch = course.run(self._module, self._optimizer, number, self._heard)
            self.notes["curve"] = [*self.notes["curve"], [epoch.loss, epoch.accuracy]]
            if self._path is not None:
                folded = not self._module.has_norms
                now = Checkpoint.of(self._module, self._optimizer, self._about, number + 1, folded, self.notes)
                now.save(self._path)
            self._meter.heard()
            if watch is not None:
                watch([(loss, accuracy) for loss, accuracy in self.notes["curve"]])
        self._fold()
        return self._module

    def _resume(self) -> int:
        """Go to where the checkpoint is; returns the epochs that are done."""
        if self._path is None or not self._path.exists():
            return 0
        kept = Checkpoint.load(self._path, self._about, self._course.epochs)
        if kept.folded:
            self._take(self._module.folded())
        kept.restore(self._module, self._optimizer)
        self.notes = dict(kept.notes)
        return kept.epochs

    def _fold(self) -> None:
        """Leave batch norm behind, where there is any, and note what that does to the accuracy."""
        if self._module.has_norms:
            self._course.settle(self._module)
            before = self._accuracy(self._module)
            self._take(self._module.folded())
            after = self._accuracy(self._module)
            self.notes["fold"] = {"before": before.to_table(), "after": after.to_table()}
            told = f"{units.percent(before.value)} before, {units.percent(after.value)} after"
            self._meter.remark(f"batch norm is folded; accuracy on the search split: {told}")

    def _take(self, module: Trainable) -> None:
        self._module, self._optimizer = module, self._course.recipe.optimizer_of(module)

    def _accuracy(self, module: Trainable) -> Accuracy:
        found = scores(module.eval(), self._splits.search, device=self._course.device, batch=BATCH)
        return Accuracy(float(found.sum()), len(found))

    def _heard(self, epoch: Epoch) -> None:
        detail = f"loss {epoch.loss:.4g}, accuracy {units.percent(epoch.accuracy)}"
        self._meter.narrow(self._course.epochs - epoch.number, detail)
        self._meter.ran(self._course.recipe.batch)


def _result(deployed: Deployed, setup: Setup, start: Result | None, settings: Mapping[str, Any]) -> Result:
    """The trained network beside its baselines: those of the network it started from, or else its own."""
    if start is None:
        plans = {label: setup.baseline(label) for label in BASELINES}
        others = {label: Deployed(setup.network, plan, setup.calibration.ranges(plan)) for label, plan in plans.items()}
        zeros = {label: setup.zeros(plan) for label, plan in plans.items()}
        label, keep = "trained", None
    else:
        others = {label: Deployed(start.captured, each.plan, each.ranges) for label, each in start.baselines.items()}
        zeros = {label: each.sparsity for label, each in start.baselines.items()}
        label, keep = start.point.label, start.point.keep
        settings = {"confidence": start.confidence, **settings}
    reference = _scores(others["float32"], setup)
    baselines = {name: _point(name, ran, zeros[name], setup, reference) for name, ran in others.items()}
    own = measure_sparsity(*deployed, setup.splits.calibration, setup.device, setup.meter.ran)
    point = replace(_point(label, deployed, own, setup, reference), keep=keep)
    result = Result(deployed.network, (point,), baselines, settings, setup.calibration.histograms())
    holds = keep is None or result.floor(keep).holds(point.searched)
    return replace(result, points=(replace(point, holds=holds),))


def _point(
    label: str, ran: Deployed, zeros: Sparsity, setup: Setup, reference: tuple[Tensor, Tensor]
) -> OperatingPoint:
    pairs = zip(reference, _scores(ran, setup), strict=True)
    searched, reported = (Tally(len(own), 0, 0, 0, 0).and_also(other, own) for other, own in pairs)
    return OperatingPoint(label, None, ran.plan, ran.ranges, searched, reported, setup.price(ran.plan, zeros), zeros)


def _scores(ran: Deployed, setup: Setup) -> tuple[Tensor, Tensor]:
    """Which samples of the search and of the report split a network has right."""
    module, splits = quantize(*ran).to(setup.device), setup.splits
    searched, reported = (
        scores(module, part, device=setup.device, batch=BATCH, ran=setup.meter.ran)
        for part in (splits.search, splits.report)
    )
    return searched, reported


def _check_start(model: object, start: Result | None, bits: int | None, plan: Plan | None, given: str | None) -> None:
    if plan is not None:
        check_type("plan", plan, Plan, "make it with Plan.load or Plan.parse")
    if start is None and model is None:
        raise InputError("there is nothing to train; give a model, or a run to start from")
    if start is not None and model is not None:
        raise InputError("a run to start from has a network of its own; give either that or a model")
    if start is not None and any(each is not None for each in (bits, plan, given)):
        raise InputError(
            "a run to start from has a plan and activations of its own; leave bits, plan and activation out"
        )
    if bits is not None and plan is not None:
        raise InputError("a plan says the bits of every site; give either that or bits")


def course_of(loaded: Loaded, recipe: Recipe, epochs: int | None, seed: int, device: str | torch.device) -> Course:
    """Refuse what cannot be trained on or for, before any work."""
    if loaded.train is None:
        raise DataError("the data has no samples to train on; give a pair (train, held-out), or x_train and y_train")
    if epochs is not None and not (type(epochs) is int and epochs >= 1):
        raise InputError(f"epochs {epochs!r} cannot be trained for; give a whole number of at least 1")
    if recipe.batch > len(loaded.train):
        raise DataError(
            f"the recipe's batch of {recipe.batch} is larger than the {len(loaded.train)} samples to train on; "
            "give more samples, or a recipe with a smaller batch"
        )
    return Course(loaded.train, recipe, recipe.epochs if epochs is None else epochs, seed, str(device))


def check_classes(network: Network, loaded: Loaded) -> None:
    """Refuse labels that have no output, and outputs that are no sample's label."""
    assert loaded.train is not None
    for part in (loaded.train, loaded.held_out):
        check_labels(network.output_shape, part.y)
    counts = loaded.train.y.bincount(minlength=network.output_shape[0])
    if missing := (counts == 0).nonzero().flatten().tolist():
        shown = ", ".join(map(str, missing[:6])) + (" and others" if len(missing) > 6 else "")
        raise DataError(
            f"the samples to train on have none of class {shown}, of the network's {len(counts)}; give some of each"
        )


def _about(module: Trainable, course: Course) -> dict[str, str]:
    """What tells one training from another, in words for people and texts to compare."""
    plan = [*map(str, module.plan.formats.values()), module.ranges.to_json()]
    return {
        "network": module.network.digest(),
        "plan": hashlib.sha256(json.dumps(plan).encode()).hexdigest(),
        "data": course.samples.digest(),
        "recipe": repr(replace(course.recipe, name="", text="")),
        "number of epochs": str(course.epochs),
        "seed": str(course.seed),
    }
