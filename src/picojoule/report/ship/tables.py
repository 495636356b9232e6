"""A sheet in words: its main lines as a table for the terminal, and the whole as Markdown."""

from collections.abc import Callable, Iterable, Sequence

from rich.table import Table

from picojoule import units
from picojoule.report.ship.sheet import Measured, Sheet, Version
from picojoule.report.tables import columns

BOARD = "cortex-m4"
"""Whose code, stack and steps are told; of the others, the instructions in all."""
Rows = list[tuple[str, ...]]


def summary(sheet: Sheet) -> Table:
    """The main lines, a column for each version."""
    table = columns("", *_labels(sheet), left=(0,))
    for row in _main(sheet):
        table.add_row(*row)
    return table


def markdown(sheet: Sheet) -> str:
    """The whole sheet."""
    parts = [
        "# What the network takes on a microcontroller",
        _lines(_table(("", *_labels(sheet)), _main(sheet))),
        "Instructions are exact counts of emulated boards for one input, codes at random. They are neither cycles nor "
        "energy.\nThe energy is that of the plan on the platform named, not of a board.",
        *([_lines(f"- {_safe(each)}" for each in sheet.remarks)] if sheet.remarks else []),
        "## Step by step",
        _lines(_table(_STEPS, _steps(sheet))),
    ]
    if made := sorted({tool for each in sheet.versions for run in each.boards.values()
                       for tool in (run.compiler, run.emulator)}):  # fmt: skip
        parts += ["## Measured with", _lines(f"- {each}" for each in made)]
    return "\n\n".join(parts) + "\n"


def _labels(sheet: Sheet) -> tuple[str, ...]:
    return tuple(each.label if each is not sheet.own else f"this ({each.label})" for each in sheet.versions)


def _main(sheet: Sheet) -> Rows:
    rows: list[tuple[str, Callable[[Version], str]]] = [
        ("MACs", lambda its: units.count(its.figures.macs)),
        ("flash, weights: bytes", lambda its: units.count(its.figures.weight_bytes)),
        ("  at bits / 8", lambda its: units.count(its.figures.packed_bytes)),
        ("  more than that", lambda its: units.percent(its.figures.excess)),
        ("flash, tables: bytes", lambda its: units.count(its.figures.table_bytes)),
        ("RAM, arena: bytes", lambda its: units.count(its.figures.arena_bytes)),
        ("  the least possible", lambda its: units.count(its.figures.least_bytes)),
    ]
    if any(BOARD in each.boards for each in sheet.versions):
        rows += [
            (f"{_named(BOARD)}: flash in all", _of(lambda run, its: units.count(run.flash_bytes))),
            ("  code", _of(lambda run, its: units.count(run.code_bytes))),
            ("  constants", _of(lambda run, its: units.count(run.constant_bytes))),
            (f"{_named(BOARD)}: RAM beside the stack", _of(lambda run, its: units.count(run.ram_bytes))),
            ("  stack", _of(lambda run, its: units.count(run.stack_bytes))),
        ]
    for board in sorted({name for each in sheet.versions for name in each.boards}, key=_number):
        rows.append((f"{_named(board)}: instructions", _of(lambda run, its: units.count(run.total), board)))
        rows.append(("  for a MAC", _of(lambda run, its: _each(run.total, its.figures.macs), board)))
    platform = next((each.energy.platform for each in sheet.versions if each.energy), None)
    if platform is not None:
        rows.append((f"energy on {platform}", _energy))
    return [(name, *(tell(each) for each in sheet.versions)) for name, tell in rows]


def _of(tell: Callable[[Measured, Version], str], board: str = BOARD) -> Callable[[Version], str]:
    return lambda its: tell(its.boards[board], its) if board in its.boards else ""


_STEPS = (
    "step", "does", "MACs", "weight bits", "weight bytes", "Cortex-M4 instructions", "for a MAC", "energy",
    "in 8 bits: instructions", "energy",
)  # fmt: skip


def _steps(sheet: Sheet) -> Rows:
    """A row for each step, then what else is charged with energy, then all."""
    own, other = sheet.own, sheet.int8
    counted, counted_8 = _counts(own), _counts(other)
    rows: Rows = []
    for step in own.figures.steps:
        count = counted.get(step.name)
        rows.append((
            step.name, ", ".join(step.kinds), _or_blank(step.macs), _or_blank(step.weight_bits),
            _or_blank(step.weight_bytes), _or_blank(count), _each(count, step.macs), _energy(own, step.name),
            _or_blank(counted_8.get(step.name)), _energy(other, step.name),
        ))  # fmt: skip
    steps = {step.name for step in own.figures.steps}
    rows += [(name, "", *[""] * 5, _energy(own, name), "", _energy(other, name))
             for name in (own.energy.layers if own.energy else ()) if name not in steps]  # fmt: skip
    total, total_8 = sum(counted.values()), sum(counted_8.values())
    rows.append((
        "all", "", units.count(own.figures.macs), "", units.count(own.figures.weight_bytes), _or_blank(total),
        _each(total, own.figures.macs), _energy(own), _or_blank(total_8), _energy(other),
    ))  # fmt: skip
    return rows


def _counts(version: Version | None) -> dict[str, int]:
    """Instructions by the name of the step."""
    if version is None or BOARD not in version.boards:
        return {}
    names = (step.name for step in version.figures.steps)
    return dict(zip(names, version.boards[BOARD].instructions, strict=True))


def _energy(version: Version | None, layer: str | None = None) -> str:
    """Of a layer, or of all; blank where there is no figure."""
    if version is None or version.energy is None:
        return ""
    if layer is None:
        return units.energy(version.energy.total_pj)
    return units.energy(version.energy.layers[layer].total_pj) if layer in version.energy.layers else ""


def _or_blank(count: int | None) -> str:
    return units.count(count) if count else ""


def _each(count: int | None, macs: int) -> str:
    return f"{count / macs:.2f}" if count and macs else ""


def _named(board: str) -> str:
    return board.replace("cortex-m", "Cortex-M")


def _number(board: str) -> int:
    return int(board.removeprefix("cortex-m"))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of Markdown."""
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_safe(each.strip()) for each in cells)} |"


def _safe(text: str) -> str:
    """Names are the user's, and must not end a cell."""
    return text.replace("|", "\\|")


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)
