"""Number formats told: the list of classes, one format with its numbers drawn, several drawn for a document, and a
ranking on real tensors."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from picojoule.calibration import Comparison
from picojoule.errors import FormatError
from picojoule.formats import Block, Float32, Format, Lut, Minifloat, classes, listed, parse

_SHOWN = 16
"""How many members of a grid are printed; of a larger one only its ends and its step."""
_LISTED = 256
_COLUMNS = 65
"""Of the line that a grid is drawn on; odd, so that a symmetric one has its zero in the middle."""
_POLICIES = {
    "ieee": "Inf and NaN have codes",
    "fn": "the code of all ones is NaN, and there is no Inf",
    "finite": "every code is a finite number",
}
_FACTS = {
    "largest": "largest",
    "least_normal": "least normal",
    "least_subnormal": "least subnormal",
    "relative_error": "relative error of rounding",
}


def every() -> Table:
    """Every class of formats, one row each."""
    table = Table("format", "arithmetic", "what it is", box=None, pad_edge=False, header_style="bold")
    for told in classes_told():
        table.add_row(told["formats"], ", ".join(told["arithmetic"]), told["summary"])
    return table


def classes_told() -> list[dict[str, Any]]:
    """The classes as plain data."""
    return [
        {
            "formats": listed(each),
            "arithmetic": list(dict.fromkeys(parse(text).arithmetic for text in each.examples)),
            "summary": each.summary,
        }
        for each in classes()
    ]


def one(format: Format) -> RenderableType:
    """One format: its bits, its range, how exactly it rounds, and its members on the unit scale, drawn and in words."""
    element = format.element if isinstance(format, Block) else format
    known = facts(element)
    stored = f", {format.stored_bits:g} in storage" if format.with_scales else ""
    lines = [f"{format}: {type(format).summary}"]
    lines += [f"{format.bits} bits per element{stored}, {format.arithmetic} arithmetic"]
    lines += [f"elements: {element}"] * format.with_scales
    told = [f"{label} {known[key]:g}" for key, label in _FACTS.items() if known[key] is not None]
    lines += [", ".join(told)] if told else []
    if known["relative_error"] is not None:
        lines[-1] += " (half a unit in the last place)"
    if known["policy"] is not None:
        lines += [f"{_POLICIES[known['policy']]}; rounding saturates, and NaN stays NaN"]
    if element.rounds and not element.fitted:
        lines += drawn(element.grid().tolist())
    return Group(*(Text(line, no_wrap=True) for line in [*lines, *_grids(format)]))


def facts(format: Format) -> dict[str, Any]:
    """One format as plain data; a key is null where the format has nothing of the kind. Up to 256 members are listed.

    `relative_error` is the most that a normal number changes by rounding, relative to the power of two below it.
    """
    known: dict[str, Any] = {
        "format": str(format),
        "summary": type(format).summary,
        "arithmetic": format.arithmetic,
        "bits": format.bits,
        "stored_bits": format.stored_bits,
        "largest": None,
        "least_normal": None,
        "least_subnormal": None,
        "relative_error": None,
        "policy": None,
        "element": facts(format.element) if isinstance(format, Block) else None,
        "signed": None,
        "unsigned": None,
    }
    if isinstance(format, Float32):
        kind = torch.finfo(torch.float32)
        known |= {"least_subnormal": kind.tiny * kind.eps, "relative_error": kind.eps / 2}
        return known | {"largest": kind.max, "least_normal": kind.tiny}
    if isinstance(format, Minifloat):
        known |= {key: getattr(format, key) for key in ("least_normal", "least_subnormal", "policy")}
        if format.least_normal is not None:
            known["relative_error"] = 2.0 ** -(format.mantissa_bits + 1)
    if not (format.with_scales or format.fitted) and format.rounds:
        signed, unsigned = format.grid(True).tolist(), format.grid(False).tolist()
        known["largest"] = signed[-1]
        if len(signed) <= _LISTED:
            known |= {"signed": signed, "unsigned": unsigned}
    return known


def ranking(found: Sequence[Comparison]) -> RenderableType:
    """Formats side by side, best first: the relative error for each tensor and over all, and what they store."""
    table = Table("relative error", box=None, pad_edge=False, header_style="bold")
    for each in found:
        table.add_column(str(each.format), justify="right")
    for name in found[0].tensors:
        table.add_row(Text(name), *(f"{each.tensors[name]:.4f}" for each in found))
    table.add_row("over all", *(f"{each.error:.4f}" for each in found), style="bold")
    table.add_row("bits stored", *(f"{each.stored_bits:.4g}" for each in found))
    return table


def ranked(found: Sequence[Comparison]) -> list[dict[str, Any]]:
    """The same as plain data."""
    return [{**vars(each), "format": str(each.format), "tensors": dict(each.tensors)} for each in found]


def drawn(grid: Sequence[float]) -> list[str]:
    """A grid as a line of dots, `:` where several members fall on a column, and its ends and its zero below."""
    low, high = grid[0], grid[-1]
    columns = [round((member - low) / (high - low) * (_COLUMNS - 1)) for member in grid]
    dots = ["".join(" .:"[min(columns.count(column), 2)] for column in range(_COLUMNS))]
    zero = round(-low / (high - low) * (_COLUMNS - 1))
    ends = f"{low:g}", f"{high:g}"
    below = list(ends[0] + ends[1].rjust(_COLUMNS - len(ends[0])))
    if len(ends[0]) < zero < _COLUMNS - len(ends[1]) - 1:
        below[zero] = "0"
    return [*dots, "".join(below)]


_DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 740 {height}">
<style>
text {{ fill: #333; font: 13px sans-serif }} path {{ stroke: #06c; fill: none }} .axis {{ stroke: #999 }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} path {{ stroke: #6bf }} .axis {{ stroke: #777 }} }}
</style>
{rows}
</svg>
"""
_ROW = """<g transform="translate(400 {y})"><title>{name}: {count} numbers</title>
<text x="-390" y="5">{name}</text><text x="282" y="5">±{end:g}</text>
<path class="axis" d="M-270 0H270"/><path d="{members}"/></g>"""


def svg(formats: Sequence[Format]) -> str:
    """The members of each format as ticks on a line of its own, all scaled to the same largest magnitude; of blocks
    their elements'.

    Raises:
        FormatError: a format has more than 256 members, none before calibration, or does not round.
    """
    rows = []
    for place, format in enumerate(formats):
        element = format.element if isinstance(format, Block) else format
        if element.fitted:
            raise FormatError(f"format '{format}' has no numbers to draw before calibration finds them; leave it out")
        if element.bits > 8:
            raise FormatError(f"format '{format}' has too many members to draw; give formats of up to 8 bits")
        grid = element.grid()
        end = float(grid.abs().max())
        members = "".join(f"M{270 * member / end:.4g}-9v18" for member in grid.tolist())
        rows.append(_ROW.format(y=24 + 36 * place, name=escape(str(format)), end=end, count=len(grid), members=members))
    return _DRAWING.format(height=48 + 36 * (len(rows) - 1), rows="\n".join(rows))


def _grids(format: Format) -> list[str]:
    if isinstance(format, Lut):
        return [f"values: up to {format.count} of {format.entry}, a table for each site, which calibration finds"]
    try:
        signed, unsigned = format.grid(True).tolist(), format.grid(False).tolist()
    except FormatError as error:
        return [str(error) if format.rounds else "values pass unchanged"]
    if signed == unsigned:
        return [f"values: {_members(signed)} (times the site's power of two)"]
    return [
        f"signed:   {_members(signed)}",
        f"unsigned: {_members(unsigned)}",
        "(times the site's power of two; unsigned where a range is never negative)",
    ]


def _members(grid: list[float]) -> str:
    if len(grid) <= _SHOWN:
        return " ".join(f"{value:g}" for value in grid)
    steps = {after - before for before, after in pairwise(grid)}
    even = f"in steps of {min(steps):g}" if len(steps) == 1 else f"in steps of {min(steps):g} to {max(steps):g}"
    return f"{len(grid)} from {grid[0]:g} to {grid[-1]:g} {even}"
