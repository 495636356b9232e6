"""How figures look: one size, one set of colours, text as text, and the same bytes for the same data."""

from collections.abc import Iterable
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce", "#64748b", "#ca8a04", "#be185d", "#0f766e")

plt.rcParams.update(
    {"svg.hashsalt": "picojoule", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
     "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10}
)  # fmt: skip


def axes(panels: int, across: str, up: str, height: float = 3.6, width: float = 4.8) -> list[Axes]:
    """So many panels side by side, with light lines and the names of their axes."""
    _, drawn = plt.subplots(1, panels, figsize=(width * panels, height), squeeze=False, layout="constrained")
    for each in drawn[0]:
        each.grid(True, which="major", lw=0.3)
        each.set_axisbelow(True)
        each.set_xlabel(across)
    drawn[0][0].set_ylabel(up)
    return list(drawn[0])


def legend(drawn: list[Axes], columns: int) -> None:
    """One legend for all panels, below them."""
    handles, labels = drawn[0].get_legend_handles_labels()
    drawn[0].figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)


def plain(axis: Any, ticks: Iterable[float]) -> None:
    """These ticks and no others, as plain numbers: a logarithmic axis would write powers."""
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
