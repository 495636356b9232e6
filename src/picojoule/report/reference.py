"""Tables of what picojoule knows by itself: the formats, the platforms and where their constants come from."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from picojoule.energy import Platform, platforms
from picojoule.errors import FormatError
from picojoule.formats import Format, families, parse
from picojoule.units import energy

_SHOWN = 16
"""How many members of a grid are printed; of a larger one only its ends and its step."""


def formats() -> Table:
    """Every family of formats, one row each."""
    table = Table("format", "arithmetic", "what it is", box=None, pad_edge=False, header_style="bold")
    for family in families():
        first, last = family.examples[0], family.examples[-1]
        table.add_row(first if first == last else f"{first}..{last}", family.family, family.summary)
    return table


def format(text: str) -> RenderableType:
    """One format: bits, range and members on the unit scale, signed and unsigned.

    Raises:
        FormatError: no format has this text.
    """
    found = parse(text)
    lines = [f"{found}: {type(found).summary}", f"{found.bits} bits per element, {type(found).family} arithmetic"]
    return Group(*map(Text, [*lines, *_grids(found)]))


def all_platforms() -> Table:
    """The bundled platforms, with the energy of one MAC at 16, 8, 4 and 1 bits."""
    table = Table("platform", "MAC 16 bits", "8", "4", "1", "what it is", box=None, pad_edge=False, header_style="bold")
    for name in platforms():
        platform = Platform.load(name)
        table.add_row(name, *(energy(platform.mac_pj(bits)) for bits in (16, 8, 4, 1)), platform.title)
    return table


def platform(name: str) -> RenderableType:
    """One platform: its constants as its file has them, and where each comes from.

    Raises:
        PlatformError: no such platform, or a malformed file.
    """
    return Text(Platform.load(name).to_toml().rstrip())


def _grids(found: Format) -> list[str]:
    try:
        signed, unsigned = found.grid(True).tolist(), found.grid(False).tolist()
    except FormatError:
        return ["values pass unchanged"]
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
    return f"{len(grid)} from {grid[0]:g} to {grid[-1]:g} in steps of {grid[1] - grid[0]:g}"
