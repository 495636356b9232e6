"""The verbs that train: `train` and `cluster`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from picojoule.cli import options, screen
from picojoule.cli.jobs import CacheGb, Confidence, Given, Jobs, finish, free_folder, own_folder, run
from picojoule.jobs.clustering.cluster import asked_of
from picojoule.jobs.clustering.cluster import cluster as run_cluster
from picojoule.jobs.progress import Progress
from picojoule.jobs.train import train as run_train
from picojoule.plan import Plan
from picojoule.training import Recipe

Model = Annotated[
    str | None, typer.Argument(metavar="[MODEL]", help="As of search; its topology and first weights are taken.")
]
Bits = Annotated[int | None, typer.Option("--bits", metavar="BITS", help="1 to 16; 32 is floating point; at first 4.")]
PlanFile = Annotated[Path | None, typer.Option("--plan", metavar="PLAN.json", help="Instead: a format for each site.")]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe", metavar="NAME|FILE.toml", help="modern, sweep, published, short; with --from, finetune or clusters."
    ),
]
Activation = Annotated[
    str | None, typer.Option("--activation", metavar="relu|hardtanh", help="At 1 bit it is the sign.")
]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Other than the recipe's.")]
From = Annotated[
    Path | None, typer.Option("--from", metavar="RUN", help="Train the network of a run on, at its plan; no MODEL.")
]


def train(
    data: options.Data,
    model: Model = None,
    bits: Bits = None,
    plan: PlanFile = None,
    recipe: RecipeName = None,
    activation: Activation = None,
    epochs: Epochs = None,
    start: From = None,
    platform: options.PlatformName = "moons2017",
    seed: options.Seed = 0,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    device: Annotated[str, typer.Option("--device", help="Where torch trains: cpu, cuda, ...")] = "cpu",
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="The run folder.")] = None,
    json: options.Json = False,
) -> None:
    """Train a network at a bit count or plan, from scratch or on from a run; the same command goes on after a kill."""
    about = {"model": model, "data": data, "plan": None if plan is None else str(plan),
             "from": None if start is None else str(start), "mean": mean, "std": std, "resize": resize}  # fmt: skip
    taken = None if recipe is None else Recipe.load(recipe)
    formats = None if plan is None else Plan.load(plan)
    place = Path("runs") / _name(model, start, bits, plan)
    folder = free_folder(place, about, platform) if out is None else own_folder(out, about)
    with screen.work(), screen.progress(quiet=json) as listener:
        listener(Progress("reading the data"))
        loaded = options.load_data(data, mean, std, resize)
        result = run_train(
            model, loaded, bits=bits, plan=formats, recipe=taken, activation=activation, epochs=epochs, start=start,
            platform=platform, seed=seed, device=device, out=folder, listener=listener, about=about,
        )  # fmt: skip
    finish(result, folder, json)


def cluster(
    model: options.Model,
    data: options.Data,
    checkpoint: options.Checkpoint = None,
    keep: Annotated[float, typer.Option("--keep", help="The relative accuracy to keep, 0 to 1.")] = 0.99,
    activations: Annotated[bool, typer.Option("--activations", help="Inputs of layers too; else 16 bits.")] = False,
    recipe: Annotated[str, typer.Option("--recipe", metavar="NAME|FILE.toml", help="How to retrain.")] = "clusters",
    epochs: Epochs = None,
    confidence: Confidence = None,
    platform: options.PlatformName = "horowitz45",
    seed: options.Seed = 0,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    device: Annotated[str, typer.Option("--device", help="Where torch trains: cpu, cuda, ...")] = "cpu",
    jobs: Jobs = None,
    cache_gb: CacheGb = 1.0,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="The run folder.")] = None,
    json: options.Json = False,
) -> None:
    """Find the fewest clusters of each layer's weights that keep a trained network's accuracy, retraining them."""
    taken, sure = Recipe.load(recipe), options.confidence(confidence)
    asked = {**asked_of(keep, activations, taken, epochs, sure), "seed": seed}
    job = partial(
        run_cluster, keep=keep, activations=activations, recipe=taken, epochs=epochs, confidence=sure, device=device,
        jobs=jobs, cache_gb=cache_gb,
    )  # fmt: skip
    run(job, Given(model, data, checkpoint, mean, std, resize), "clusters", asked, platform, seed, out, json)


def _name(model: str | None, start: Path | None, bits: int | None, plan: Path | None) -> str:
    """`mynet-build-4bit` for `nets/mynet.py:build`, `lenet5-descent-tuned` for a run of that name."""
    if start is not None:
        return f"{start.resolve().name}-tuned"
    place, _, name = (model or "network").rpartition(":")
    kind = plan.stem if plan is not None else f"{bits or 4}bit"
    named = (Path(place).name.removesuffix(".py"), Path(name).name.removesuffix(".onnx"), kind)
    return "-".join(part for part in named if part)
