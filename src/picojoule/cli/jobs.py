"""The verbs that run a job: `search` and `demo`, and what a verb does around its job."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import typer

from picojoule.cli import options, screen
from picojoule.energy import Platform
from picojoule.errors import InputError, UnreachableFloorError
from picojoule.jobs.demo import demo as run_demo
from picojoule.jobs.progress import Progress
from picojoule.jobs.search import search as run_search
from picojoule.jobs.searching.ways import Ways
from picojoule.models import is_own, load_model
from picojoule.report import tables
from picojoule.search import Result

Keep = Annotated[list[str], typer.Option("--keep", metavar="KEEP...", help="Relative accuracies to keep, 0 to 1.")]
StrategyName = Annotated[
    str, typer.Option("--strategy", metavar="NAME", help="How to search: descent, greedy or uniform.")
]
Confidence = Annotated[
    str | None,
    typer.Option("--confidence", metavar="0.95|point", help="How sure a floor is; descent 0.95, others point."),
]
Bits = Annotated[str, typer.Option("--bits", metavar="MIN:MAX", help="The least and the most bits a site may take.")]
Formats = Annotated[
    str,
    typer.Option("--formats", metavar="fixed,float,nf,lut", help="Families of formats that each site chooses from."),
]
Inputs = Annotated[
    str | None, typer.Option("--inputs", metavar="FORMATS", help="Those of inputs, where not as of weights.")
]
MetricName = Annotated[
    str, typer.Option("--metric", metavar="top1|top5|path.py:function", help="What accuracy means, per sample.")
]
Budget = Annotated[
    str | None, typer.Option("--time-budget", metavar="TIME", help="Stop searching after 90s, 10m or 2h.")
]


Observer = Annotated[
    str | None,
    typer.Option(
        "--observer",
        metavar="max|percentile|mse|output",
        help="How exponents are chosen; descent: output, others: max.",
    ),
]
Prepare = Annotated[
    str | None,
    typer.Option(
        "--prepare", metavar="none|bias|equalize|all", help="What is mended first; descent: bias, others: none."
    ),
]
WeightBytes = Annotated[
    str | None, typer.Option("--max-weight-bytes", metavar="BYTES", help="All weights together, such as 64k.")
]
RamBytes = Annotated[
    str | None, typer.Option("--max-ram-bytes", metavar="BYTES", help="All values between layers at once, such as 16k.")
]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, max=256, help="Cores to use; the result is the same.")]
CacheGb = Annotated[
    float, typer.Option("--cache-gb", min=0, max=1024, help="Memory for what evaluations have in common.")
]


def search(
    model: options.Model,
    data: options.Data,
    checkpoint: options.Checkpoint = None,
    keep: Keep = ["0.99"],  # noqa: B006 (typer reads the default and never changes it)
    strategy: StrategyName = "descent",
    confidence: Confidence = None,
    rescale: options.Rescale = "layer",
    observer: Observer = None,
    prepare: Prepare = None,
    signed: options.Signed = "auto",
    bits: Bits = "1:16",
    formats: Formats = "fixed",
    inputs: Inputs = None,
    max_weight_bytes: WeightBytes = None,
    max_ram_bytes: RamBytes = None,
    platform: options.PlatformName = "moons2017",
    metric: MetricName = "top1",
    time_budget: Budget = None,
    seed: options.Seed = 0,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    device: Annotated[str, typer.Option("--device", help="Where torch evaluates: cpu, cuda, ...")] = "cpu",
    jobs: Jobs = None,
    cache_gb: CacheGb = 1.0,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="The run folder.")] = None,
    json: options.Json = False,
) -> None:
    """Find the fewest bits, and so the least energy, that keep a trained network as accurate as asked."""
    keeps = _keeps(keep)
    span, budget = options.bits(bits), options.duration(time_budget)
    ways: dict[str, Any] = {
        "strategy": strategy, "confidence": options.confidence(confidence), "rescale": rescale, "observer": observer,
        "prepare": prepare, "signed": signed, "bits": span, "formats": formats, "inputs": inputs,
        "max_weight_bytes": options.size("--max-weight-bytes", max_weight_bytes),
        "max_ram_bytes": options.size("--max-ram-bytes", max_ram_bytes),
    }  # fmt: skip
    asked = {"keep": list(keeps), **Ways.settled(**ways).described(), "metric": metric, "seed": seed}
    job = partial(
        run_search, keep=keeps, metric=metric, time_budget=budget, device=device, jobs=jobs, cache_gb=cache_gb, **ways
    )
    run(job, Given(model, data, checkpoint, mean, std, resize), strategy, asked, platform, seed, out, json)


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The run folder.")] = Path("runs/demo"),
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Train LeNet-5 on 3 000 real digits and search it at 99, 100, 95 and 90 % of its accuracy."""
    with screen.progress(quiet=json) as listener:
        try:
            result = run_demo(out, seed, listener)
        except UnreachableFloorError as error:
            result = error.result
    finish(result, out, json)


@dataclass(frozen=True)
class Given:
    """A trained network and its data, as the command line names them."""

    model: str
    data: str
    checkpoint: Path | None
    mean: str | None
    std: str | None
    resize: int | None

    def about(self) -> dict[str, object]:
        """What a result keeps of it."""
        return {**vars(self), "checkpoint": None if self.checkpoint is None else str(self.checkpoint)}


def run(
    job: Callable[..., Result],
    given: Given,
    kind: str,
    asked: Mapping[str, object],
    platform: str,
    seed: int,
    out: Path | None,
    json: bool,
) -> None:
    """Run a job on a trained network and print its result; without `out` in a folder of what is `asked`, named `kind`.

    Exits with 3 where a floor was not reached.
    """
    about = given.about()
    place = Path("runs") / folder_name(given.model, kind)
    folder = free_folder(place, {**about, **asked}, platform) if out is None else own_folder(out, about)
    with screen.work(), screen.progress(quiet=json) as listener:
        listener(Progress("reading the model and the data"))
        loaded = options.load_data(given.data, given.mean, given.std, given.resize)
        network = load_model(given.model, given.checkpoint, seed, loaded.shape, loaded.classes)
        if not is_own(given.model) and given.checkpoint is None and not json:
            told = f"'{given.model}' is a network of the zoo with fresh random weights"
            screen.remark(f"{told}; give its own by --checkpoint")
        try:
            result = job(network, loaded, platform=platform, seed=seed, out=folder, listener=listener, about=about)
        except UnreachableFloorError as error:
            result = error.result
    finish(result, folder, json)


def finish(result: Result, folder: Path, json: bool) -> None:
    """Print a result; exit with 3 where a floor was not reached."""
    if json:
        screen.plain(result.to_json())
        for line in result.unreached:
            screen.remark(f"picojoule: {line}")
    else:
        screen.show(
            tables.result(result),
            f"\nThe run is in {folder}: plan.json, ranges.json, weights.safetensors, result.json, and report.html, "
            "the page to open in a browser.",
        )
    if not result.holds:
        raise typer.Exit(3)


def folder_name(model: str, strategy: str) -> str:
    """`mynet-build-greedy` for `nets/mynet.py:build`."""
    place, _, name = model.rpartition(":")
    named = (Path(place).name.removesuffix(".py"), Path(name).name.removesuffix(".onnx"), strategy)
    return "-".join(part for part in named if part)


def free_folder(folder: Path, asked: Mapping[str, object], platform: str) -> Path:
    """The folder, or the first of `folder-2`, `folder-3`, ... that holds no result of another search.

    So a run with other settings replaces nothing, and the same command finds its own folder again.
    """
    text = Platform.load(platform).to_toml()
    for k in count(1):
        place = folder if k == 1 else folder.with_name(f"{folder.name}-{k}")
        if not (place / "result.json").exists():
            return place
        try:
            settings = Result.load(place).settings
        except InputError:
            continue  # it cannot be read, and is left as it is
        if settings.get("platform_toml") == text and all(settings.get(key) == value for key, value in asked.items()):
            return place
    raise AssertionError("unreachable: there is always a next number")


def own_folder(folder: Path, about: Mapping[str, object]) -> Path:
    """The folder that was asked for.

    Raises:
        InputError: it holds a finished run of another network or other data, which would be lost.
    """
    if (folder / "result.json").exists():
        try:
            settings = Result.load(folder).settings
        except InputError:
            return folder  # it cannot be read: nothing is lost
        if any(settings.get(key) != about.get(key) for key in ("model", "data", "from")):
            known = " on ".join(str(settings[key]) for key in ("model", "data") if settings.get(key))
            what = known or "another network"
            raise InputError(f"'{folder}' holds a run of {what}; give --out another folder, or remove that one")
    return folder


def _keeps(texts: list[str]) -> tuple[float, ...]:
    parts = [part for text in texts for part in text.split(",")]
    try:
        return tuple(float(part) for part in parts)
    except ValueError:
        raise InputError(f"--keep '{' '.join(texts)}' is not understood; give numbers such as 0.99") from None
