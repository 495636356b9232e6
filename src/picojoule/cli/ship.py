"""The verbs that hand a result over: `export` and `verify`."""

import json as json_text
from pathlib import Path
from typing import Annotated

import typer

from picojoule import files, units
from picojoule.cli import options, screen
from picojoule.errors import InputError
from picojoule.export.c import C
from picojoule.export.exporter import Exporter, exporter
from picojoule.integer import Program, memory
from picojoule.jobs.progress import Progress
from picojoule.report.ship import markdown, proof_table, sheet_of, summary
from picojoule.search import Result
from picojoule.verify import lowered
from picojoule.verify import verify as run_verify
from picojoule.verify.verify import FILE

SHEET = "sheet.md"
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of search, train, cluster or demo.")]
Point = Annotated[
    str | None, typer.Option("--point", metavar="KEEP", help="The floor whose plan is meant; else the first.")
]


def export(
    run: Run,
    to: Annotated[
        list[str], typer.Option("--to", metavar="TARGET", help="c, onnx, qonnx, program; several by repeating.")
    ],
    point: Point = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where to; else RUN/export.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Of c: run it on emulated boards, for its sheet.")
    ] = True,
    json: options.Json = False,
) -> None:
    """Write the network of a run as integers, for other engines; what a target cannot compute exactly is refused."""
    targets = [exporter(name) for name in to]
    result = _selected(run, point)
    folder = out or run / "export"
    with screen.work(), screen.progress(quiet=json) as listener:
        program = lowered(result)
        contents = {path: content for each in targets for path, content in _placed(each, program, folder).items()}
        made = None
        if C in targets:
            made = sheet_of(
                result, program, measure=measure, heard=lambda name: listener(Progress(f"measuring: {name}"))
            )
            contents[folder / C.name / SHEET] = markdown(made).encode()
        files.write_together(contents)
    sizes = {str(path): len(content) for path, content in contents.items()}
    arena = memory(program).arena_bytes
    if json:
        body = {"files": sizes, "weight_bytes": program.weight_bytes, "arena_bytes": arena}
        screen.plain(json_text.dumps(body | ({"sheet": made.to_table()} if made else {}), indent=2) + "\n")
        return
    for name, size in sizes.items():
        screen.show(f"{name}: {units.size(8 * size)}")
    weights, values = units.size(8 * program.weight_bytes), units.size(8 * arena)
    screen.show(f"packed at their bits, weights take {weights}, values at most {values} at once")
    if made is not None:
        screen.show("\nAs C:", summary(made), *made.remarks)


def _placed(target: type[Exporter], program: Program, folder: Path) -> dict[Path, bytes]:
    """A target's files in a folder; if they are several, in one of their own, so that no two targets' names meet."""
    found = target.files(program)
    place = folder / target.name if len(found) > 1 else folder
    return {place / name: content for name, content in found.items()}


def verify(
    run: Run,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATA", help="Real samples too: as of search, the held-out ones.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Of the data, at most.")] = 1000,
    random: Annotated[int, typer.Option("--random", min=1, help="Inputs of each kind made to be hard.")] = 100,
    slow: Annotated[int, typer.Option("--slow", min=1, help="Of each kind for qonnx and emulated boards.")] = 20,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", metavar="NAME", help="Only this one; several by repeating.")
    ] = None,
    point: Point = None,
    seed: options.Seed = 0,
    mean: options.Mean = None,
    std: options.Std = None,
    resize: options.Resize = None,
    json: options.Json = False,
) -> None:
    """Run a run's network in every engine at hand and compare all outputs, which must be equal. Writes proof.json."""
    result = _selected(run, point)
    with screen.work(), screen.progress(quiet=json) as listener:
        x = None
        if data is not None:
            listener(Progress("reading the data"))
            x = options.load_data(data, mean, std, resize).held_out.first(samples).x
        proof = run_verify(
            result.captured, result.plan, result.ranges, x, random=random, slow=slow, seed=seed, only=engine or (),
            heard=lambda name: listener(Progress(f"verifying: {name}")),
        )  # fmt: skip
        folder = run.parent if run.name == "result.json" else run
        files.write_bytes(folder / FILE, proof.to_json().encode())
    if json:
        screen.plain(proof.to_json())
    else:
        screen.show(proof_table(proof), f"\nThe proof is {folder / FILE}")
    if not proof.holds:
        screen.remark(
            "picojoule: the engines do not agree; this is a fault of picojoule or of an engine, please report it"
        )
        raise typer.Exit(1)


def _selected(run: Path, point: str | None) -> Result:
    """A run's result, at the floor that is meant.

    Raises:
        InputError: it has no such floor.
    """
    result = Result.load(run.parent if run.name == "result.json" else run)
    if point is None:
        return result
    labels = [each.label for each in result.points]
    if point not in labels:
        raise InputError(f"run '{run}' has no point '{point}'; it has {', '.join(labels)}")
    return Result(
        result.captured, result.points, result.baselines, result.settings, result.histograms, result.path,
        labels.index(point),
    )  # fmt: skip
