"""The verb that sweeps: `explore`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from picojoule import files
from picojoule.cli import options, screen
from picojoule.errors import InputError
from picojoule.jobs.explore import explore as run_explore
from picojoule.jobs.explore import prospect
from picojoule.jobs.progress import Progress
from picojoule.report import study as told

Networks = Annotated[list[str], typer.Argument(metavar="MODEL...", help="As of train; qnn-1x32-1x32-1x32, lenet5, ...")]
Bits = Annotated[list[str], typer.Option("--bits", metavar="BITS...", help="1 to 16; 32 is floating point.")]
Width = Annotated[list[str], typer.Option("--width", metavar="FACTOR...", help="Times as many channels; 0.5 1 2.")]
Depth = Annotated[list[str], typer.Option("--depth", metavar="FACTOR...", help="Times as many layers, of qnn-….")]
Seeds = Annotated[list[str], typer.Option("--seed", metavar="SEED...", help="One training for each.")]
Below = Annotated[str | None, typer.Option("--below", metavar="ENERGY", help="Train none that costs more; 400nJ.")]
Prune = Annotated[str, typer.Option("--prune", metavar="median|none", help="Whether hopeless trainings are given up.")]
StudyPlace = Annotated[
    str | None, typer.Option("--study", metavar="FILE|URL", help="postgresql://user@host/name; else in the folder.")
]


def explore(
    models: Networks,
    data: options.Data,
    bits: Bits = ["1", "2", "4", "8", "16"],  # noqa: B006 (typer reads the default and never changes it)
    width: Width = ["1"],  # noqa: B006
    depth: Depth = ["1"],  # noqa: B006
    seed: Seeds = ["0"],  # noqa: B006
    recipe: Annotated[str, typer.Option("--recipe", metavar="NAME|FILE.toml", help="As of train.")] = "modern",
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Other than the recipe's.")] = None,
    activation: Annotated[str, typer.Option("--activation", metavar="relu|hardtanh", help="As of train.")] = "relu",
    platform: options.PlatformName = "moons2017",
    below: Below = None,
    prune: Prune = "median",
    time_budget: Annotated[
        str | None, typer.Option("--time-budget", metavar="TIME", help="Begin nothing that ends after 90s, 10m or 2h.")
    ] = None,
    study: StudyPlace = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=256, help="Of this worker; start more for more.")] = 1,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    device: Annotated[str, typer.Option("--device", help="Where torch trains: cpu, cuda, ...")] = "cpu",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be trained and what it costs.")] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder of the sweep.")] = Path("runs/explore"),
    json: options.Json = False,
) -> None:
    """Train networks over bits, width and depth: which takes least energy? Several workers may share a study."""
    if prune not in ("median", "none"):
        raise InputError(f"--prune '{prune}' is not known; choose one of median, none")
    lists = {"bits": options.numbers("--bits", bits, int), "width": options.numbers("--width", width, float),
             "depth": options.numbers("--depth", depth, int), "seed": options.numbers("--seed", seed, int)}  # fmt: skip
    about = {"networks": models, "data": data, **lists, "mean": mean, "std": std, "resize": resize}
    with screen.work(), screen.progress(quiet=json) as listener:
        listener(Progress("reading the data"))
        asked: dict[str, Any] = {
            "networks": models, "data": options.load_data(data, mean, std, resize), "bits": lists["bits"],
            "widths": lists["width"], "depths": lists["depth"], "seeds": lists["seed"], "recipe": recipe,
            "epochs": epochs, "activation": activation, "platform": platform, "below_pj": options.energy(below),
            "threads": threads, "device": device, "listener": listener,
        }  # fmt: skip
        if dry_run:
            foreseen = prospect(**asked)
        else:
            result = run_explore(
                **asked, prune=prune == "median", time_budget=options.duration(time_budget), study=study, out=out,
                about=about,
            )  # fmt: skip
    if dry_run and json:
        screen.plain(files.dump("prospect", 1, foreseen.to_table()))
    elif dry_run:
        screen.show(told.prospect(foreseen.entries, len(foreseen.left_out), str(foreseen.settings["platform"])))
    elif json:
        screen.plain(result.to_json())
    else:
        screen.show(told.tables(result), f"\nThe sweep is in {out}: study.json, its trials, and report.html, the page.")
