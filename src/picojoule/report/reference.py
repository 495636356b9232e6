"""Tables of the platforms that picojoule knows, and where their constants come from."""

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from picojoule.energy import Platform, platforms
from picojoule.units import energy


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
