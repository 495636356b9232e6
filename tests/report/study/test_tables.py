"""A sweep on the terminal has the study's own figures."""

from dataclasses import replace
from random import Random

import pytest
from rich.console import RenderableType
from tests.report import sweep as by_hand

from picojoule import units
from picojoule.cli import screen
from picojoule.explore import Exploration, Point
from picojoule.report.study import prospect, tables


def shown(part: RenderableType, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    screen.show(part)
    text = capsys.readouterr().out
    assert "…" not in text
    return text


def _row(text: str, *begins: str) -> list[str]:
    """The words of the one line that begins so."""
    (line,) = [line for line in text.splitlines() if line.split()[: len(begins)] == list(begins)]
    return line.split()


def test_the_front_the_levels_and_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(tables(by_hand.sweep()), capsys)
    assert "19 trials: 13 complete, 1 died, 1 failed, 1 pruned, 1 running, 1 stopped, 1 waiting" in text
    assert _row(text, "middle", "4")[2:8] == ["120", "nJ", "89.00", "%", "88.00", "%"]
    assert _row(text, "83.00", "%")[2:] == [
        "120", "nJ", "0.83x", "100", "nJ", "1.00x", "600", "nJ", "0.17x",
    ]  # fmt: skip
    assert _row(text, "96.00", "%")[2:] == ["500", "nJ", "1.00x", "3.00", "µJ", "0.17x"]
    assert "moons2017: 8 bits take, at the same accuracy, in the median: 4 bits 0.75x (0.67-0.83, 2 of 3" in text
    assert "large-1bit-seed2: failed, the loss is not finite; give a lower learning rate" in text.splitlines()
    assert "small 8" not in text  # it is beaten


def test_the_order_of_trials_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    found = by_hand.sweep()
    trials = list(found.trials)
    Random(0).shuffle(trials)
    assert shown(tables(replace(found, trials=tuple(trials))), capsys) == shown(tables(found), capsys)


@pytest.mark.parametrize("found", [by_hand.only(1, 4), by_hand.only(8), Exploration({}, {}, ())])
def test_where_there_is_nothing_to_compare_nothing_is_said(
    found: Exploration, capsys: pytest.CaptureFixture[str]
) -> None:
    text = shown(tables(found), capsys)
    assert "in the median" not in text
    assert f"{len(found.trials)} trials: " in text


def test_a_prospect_counts_what_it_lists(capsys: pytest.CaptureFixture[str]) -> None:
    points = [Point("small", 32), Point("large", 4)]
    entries = {
        point: (by_hand.cost(point.network, point.bits), 100.0 * (index + 1)) for index, point in enumerate(points)
    }
    text = shown(prospect(entries, 3, "envision"), capsys)
    assert text.splitlines()[0].split()[6:9] == ["envision", "eyeriss", "moons2017"]
    assert "no figure" in text.splitlines()[1]
    assert units.energy(3 * 300_000.0) in text.splitlines()[2]
    assert text.splitlines()[-1] == "2 trainings, about 5 min for one worker; 3 left out for their energy"
