"""Where results lie in the documents: data, figure, and the tables between the markers of their pages.

A page under docs/results is written by hand but for what stands between `<!-- begin NAME -->` and `<!-- end -->`, which
is drawn from the data beside it; the front page has a row for each result.
"""

import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/results"

NAMES = (
    "test-time",
    "bits-per-layer",
    "rescaling",
    "minimum-energy",
    "trained",
    "deep-compression",
    "four-bits",
    "energy-model",
    "exactness",
    "speed",
)
"""Every result, in the order of the front page."""

Found = dict[str, Any]
"""What a result's data file holds."""


class Result(Protocol):
    """What the module of a result offers; its docstring begins with the claim."""

    def measure(self, sources: Any, runs: Path) -> Found:
        """Everything the tables and the figure need, as JSON's types."""

    def tables(self, found: Found) -> Mapping[str, str]:
        """Markdown by the name of its place on the page."""

    def figure(self, found: Found) -> Figure | None:
        """The picture of the page."""

    def row(self, found: Found) -> tuple[str, str, str]:
        """The front page's line: what was asked, what is published, what came out here."""


def result(name: str) -> Result:
    """The module of a result."""
    module: Any = importlib.import_module(name.replace("-", "_"))
    return module


def keep(name: str, found: Found) -> None:
    """Write a result's data."""
    (FOLDER / f"{name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def data(name: str) -> Found:
    """A result's data as they were kept."""
    found: Found = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def draw(name: str) -> None:
    """Put a result's tables into its page, and its figure beside it."""
    module, found = result(name), data(name)
    page = FOLDER / f"{name}.md"
    page.write_text(filled(page.read_text(), module.tables(found)))
    figure = module.figure(found)
    if figure is not None:
        figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


def draw_front() -> None:
    """Put a row for each result into the front page."""
    page = FOLDER / "index.md"
    page.write_text(filled(page.read_text(), {"results": front()}))


def front() -> str:
    """One row per result: published, ours, command."""
    rows = []
    for name in NAMES:
        asked, published, ours = result(name).row(data(name))
        rows.append((f"[{asked}]({name}.md)", published, ours, f"`python benchmarks/results {name} --data DIR`"))
    return table(("result", "published", "here", "command"), rows)


def filled(page: str, tables: Mapping[str, str]) -> str:
    """The page with each table between its markers."""
    for name, text in tables.items():
        page, count = re.subn(
            rf"(<!-- begin {name} -->\n).*?(<!-- end -->)",
            lambda found, text=text: f"{found[1]}\n{text}\n{found[2]}",
            page,
            flags=re.DOTALL,
        )
        if count != 1:
            raise ValueError(f"the page has {count} places for '{name}', not one")
    return page


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
