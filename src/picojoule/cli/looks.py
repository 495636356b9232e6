"""The verbs that only look: `inspect`, `energy`, `report`, `formats`, `platforms`."""

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from picojoule import files, units
from picojoule.calibration import compare as ranking
from picojoule.cli import options, screen
from picojoule.errors import InputError
from picojoule.explore import Exploration
from picojoule.explore.exploration import FILE as SWEEP
from picojoule.formats import parse
from picojoule.jobs.price import price
from picojoule.jobs.progress import Progress
from picojoule.models import input_of, load_model, load_tensors
from picojoule.network import Network, capture
from picojoule.plan import Plan
from picojoule.report import formats as told_formats
from picojoule.report import reference, study, tables
from picojoule.report.document import document
from picojoule.report.page import GENERATOR, page
from picojoule.search import Result

RESULT = "result.json"

OptionalData = Annotated[
    str | None, typer.Option("--data", metavar="DATA", help="Data to take the input's shape from; as for search.")
]


def inspect(
    model: options.Model,
    data: OptionalData = None,
    checkpoint: options.Checkpoint = None,
    resize: options.Resize = None,
    json: options.Json = False,
) -> None:
    """Show a network's layers, MACs and sizes, and what cannot be quantised."""
    with screen.work(), screen.progress(quiet=json) as listener:
        listener(Progress("reading the model"))
        if data is not None:
            loaded = options.load_data(data, None, None, resize)
            module, example = load_model(model, checkpoint, 0, loaded.shape, loaded.classes), loaded.held_out.x[:1]
        elif resize is not None:
            raise InputError("--resize changes the data, and none is given; give --data too")
        else:
            module = load_model(model, checkpoint)
            example = input_of(model, module)
        listener(Progress("capturing the network"))
        network = capture(module, example)
    if json:
        screen.plain(json_text.dumps(_described(network), indent=2) + "\n")
    else:
        screen.show(tables.network(network))


def energy(
    model: options.Model,
    data: options.Data,
    plan: Annotated[Path, typer.Option("--plan", metavar="plan.json", help="The formats of every site.")],
    checkpoint: options.Checkpoint = None,
    platform: options.PlatformName = "moons2017",
    rescale: options.Rescale = "layer",
    observer: options.ObserverName = "max",
    signed: options.Signed = "auto",
    seed: options.Seed = 0,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    json: options.Json = False,
) -> None:
    """Show what a plan costs, layer by layer, beside the same network in 16 and 8 bits and in float32."""
    asked = Plan.load(plan)
    with screen.work(), screen.progress(quiet=json) as listener:
        listener(Progress("reading the model and the data"))
        loaded = options.load_data(data, mean, std, resize)
        module = load_model(model, checkpoint, seed, loaded.shape, loaded.classes)
        priced = price(module, loaded, asked, platform, rescale, observer, signed, seed, listener)
    if priced.energy is None:
        raise InputError(
            f"platform '{platform}' has no figure for float32, and the plan leaves everything there; "
            "give some site a format, or choose another platform"
        )
    if json:
        screen.plain(priced.to_json())
        return
    screen.show(tables.energies(priced.energy))
    for label, baseline in priced.baselines.items():
        ratio = "no figure" if baseline is None else units.energy(baseline.total_pj)
        times = "" if baseline is None else f", {baseline.total_pj / priced.energy.total_pj:.2f} times the plan's"
        screen.show(f"{label}: {ratio}{times}")


def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Run folders, or one of a sweep.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.html", help="The page; else report.html in the one folder.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Show finished runs or a sweep again: tables here, and a page for the browser, of several runs side by side."""
    named = (folder.parent if folder.name in (RESULT, SWEEP) else folder for folder in folders)
    places = list(dict.fromkeys(named))
    sweeps = [place for place in places if (place / SWEEP).exists() and not (place / RESULT).exists()]
    if sweeps and len(places) > 1:
        raise InputError(f"'{sweeps[0]}' is a sweep, which has a page of its own; give it alone")
    drawn, shown = _swept(places[0]) if sweeps else _ran(places)
    if json:
        screen.plain(files.dump(drawn["picojoule"], drawn["version"], drawn))
        return
    target = out or (places[0] if len(places) == 1 else Path()) / "report.html"
    _check_replaceable(target)
    screen.show(*shown)
    files.write_bytes(target, page(drawn).encode())
    screen.show(f"The page is {target}")


def _ran(places: list[Path]) -> tuple[dict[str, Any], list[RenderableType]]:
    """The document of some runs, and what to show of them."""
    results = {str(place): Result.load(place) for place in places}
    parts = [[f"{name}\n"] * (len(results) > 1) + [tables.result(each), ""] for name, each in results.items()]
    return document(results), [part for some in parts for part in some]


def _swept(place: Path) -> tuple[dict[str, Any], list[RenderableType]]:
    """The document of a sweep, and what to show of it."""
    found = Exploration.load(place)
    return study.document(str(place), found), [study.tables(found), ""]


def _check_replaceable(target: Path) -> None:
    """Refuse to write a page over a file that is something else.

    Raises:
        InputError: what is there is no page of picojoule's.
    """
    if target.exists() and not (target.is_file() and GENERATOR.encode() in target.read_bytes()[:4096]):
        raise InputError(f"'{target}' exists and is no report of picojoule's; give another place with --out")


def formats(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One format.")] = None,
    compare: Annotated[
        list[str] | None, typer.Option("--compare", metavar="NAME...", help="Formats to rank, on the weights of --on.")
    ] = None,
    on: Annotated[
        Path | None, typer.Option("--on", metavar="FILE", help="Weights to round: safetensors, or of torch.save.")
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE.svg", help="Draw the values of NAME, or of --compare NAME...")
    ] = None,
    json: options.Json = False,
) -> None:
    """List the number formats, or show one: its bits, its range, its values; or rank several on real weights."""
    if svg is not None and on is None and (compare is None) != (name is None):
        files.write_bytes(svg, told_formats.svg([parse(each) for each in compare or [name or ""]]).encode())
        return
    if (compare is None) != (on is None) or (name is not None and compare is not None):
        raise InputError("formats are compared by --compare NAME... and --on FILE together, and no other NAME")
    if svg is not None:
        raise InputError("--svg draws one NAME, or those of --compare NAME... without --on")
    told: Any
    if compare is not None and on is not None:
        found = ranking(map(parse, compare), load_tensors(on))
        told, shown = told_formats.ranked(found), told_formats.ranking(found)
    elif name is not None:
        told, shown = told_formats.facts(parse(name)), told_formats.one(parse(name))
    else:
        told, shown = told_formats.classes_told(), told_formats.every()
    if json:
        screen.plain(json_text.dumps(told, indent=2) + "\n")
    else:
        screen.show(shown)


def platforms(
    name: Annotated[str | None, typer.Argument(metavar="[NAME|FILE.toml]", help="One platform.")] = None,
) -> None:
    """List the platforms, or show one: every constant with its source."""
    screen.show(reference.all_platforms() if name is None else reference.platform(name))


def _described(network: Network) -> dict[str, object]:
    return {
        "layers": [vars(layer) for layer in network.layers],
        "left_in_float": [vars(leftover) for leftover in network.leftovers],
        "macs": network.macs,
        "input_shape": network.input_shape,
        "output_shape": network.output_shape,
    }
