"""What the code says of itself, as the templates of the reference take it: verbs, formats, platforms, public names."""

import tomllib
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import typer

import picojoule
from picojoule import Format, Platform
from picojoule.cli.main import app
from picojoule.energy import platforms
from picojoule.formats import Block, classes, parse
from picojoule.report.formats import facts

VERSION = picojoule.__version__

__all__ = ["VERSION", "cell", "classes", "entries", "format_row", "platform", "platforms", "verbs"]


def verbs() -> Iterator[dict[str, Any]]:
    """Each verb with its help, its usage, and its arguments and options as `--help` has them."""
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    for name, verb in group.commands.items():
        context = typer.Context(verb, info_name=f"picojoule {name}")
        records = [parameter.get_help_record(context) for parameter in verb.get_params(context)]
        yield {"name": name, "help": verb.help, "usage": verb.get_usage(context), "records": filter(None, records)}


def format_row(text: str) -> list[str]:
    """Of a format its text, arithmetic, bits stored, how many numbers, the least, the largest, the one nearest zero."""
    format = parse(text)
    element = format.element if isinstance(format, Block) else format
    return [cell(text), format.arithmetic, f"{format.stored_bits:.4g}", *_numbers(element, format)]


def _numbers(element: Format, format: Format) -> list[str]:
    if element.fitted:
        return [f"up to {2**element.bits}", "", "", ""]
    if not element.rounds:
        known = facts(element)
        return ["", f"{-known['largest']:.5g}", f"{known['largest']:.5g}", f"{known['least_subnormal']:.5g}"]
    grid = element.grid().tolist()
    if format.with_scales:  # an element never goes beyond its largest number, either way
        grid = [member for member in grid if member >= -grid[-1]]
    return [str(len(grid)), *(f"{end:.5g}" for end in (grid[0], grid[-1], min(abs(each) for each in grid if each)))]


def platform(name: str) -> tuple[Platform, list[tuple[str, str, str, str]]]:
    """A bundled platform, and of each of its tables the name, the constants, the status and the source."""
    loaded = Platform.load(name)
    tables = tomllib.loads(loaded.to_toml())
    return loaded, [
        (each.table, _constants(tables[each.table]), each.status, each.source) for each in loaded.provenance
    ]


def _constants(table: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in table.items() if key not in ("source", "status"))


def entries(*names: str) -> str:
    """Directives by which Sphinx shows the docstrings of public names, of classes with their members."""
    lines = (_entry(name, attrgetter(name)(picojoule)) for name in names)
    return "\n".join(["```{eval-rst}", *lines, "```"])


def _entry(name: str, value: object) -> str:
    kind, option = ("autoclass", "\n   :members:\n") if isinstance(value, type) else ("autofunction", "\n")
    return f".. {kind}:: picojoule.{name}{option}"


def cell(text: str) -> str:
    """A text as code in a cell of a table."""
    return f"`{text}`".replace("|", r"\|")
