"""The pages of results show what the data beside them say, and nothing else stands between their markers."""

import re
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from tests import needs

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "benchmarks/results"
NAMES = sorted(path.stem for path in (ROOT / "docs/results").glob("*.json"))


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return __import__("pages")


def test_every_result_has_data(pages: ModuleType) -> None:
    assert sorted(pages.NAMES) == NAMES


def test_make_measures_each_once() -> None:
    recipes = re.findall(r"^\t\$\(RESULTS\) (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert sorted(" ".join(recipes).split()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_those_of_the_data(pages: ModuleType, name: str) -> None:
    text = (pages.FOLDER / f"{name}.md").read_text()
    tables = pages.result(name).tables(pages.data(name))
    assert set(re.findall(r"<!-- begin (.+?) -->", text)) == set(tables)
    assert pages.filled(text, tables) == text


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_those_of_the_data(pages: ModuleType, name: str, tmp_path: Path) -> None:
    figure = pages.result(name).figure(pages.data(name))
    kept = pages.FOLDER / f"{name}.svg"
    assert (figure is not None) == kept.exists()
    if figure is None:
        return
    assert f"]({name}.svg)" in (pages.FOLDER / f"{name}.md").read_text()
    text = kept.read_text()
    if f"Matplotlib v{version('matplotlib')}" not in text:
        needs.absent("it was drawn by another Matplotlib, which places text differently")
    figure.savefig(tmp_path / "again.svg", metadata={"Date": None})
    assert (tmp_path / "again.svg").read_text() == text


def test_the_front_page_has_a_row_for_each(pages: ModuleType) -> None:
    front = pages.FOLDER / "index.md"
    assert pages.filled(front.read_text(), {"results": pages.front()}) == front.read_text()
    assert all(f"]({name}.md)" in front.read_text() for name in NAMES)


def test_a_page_without_the_place_is_refused(pages: ModuleType) -> None:
    with pytest.raises(ValueError, match="0 places for 'more'"):
        pages.filled("<!-- begin one -->\n<!-- end -->", {"more": "|"})
