"""What a sweep says of itself, whoever wrote its settings."""

import shlex
from dataclasses import replace
from typing import Any

import pytest
from tests.report import sweep as by_hand

import picojoule as pj
from picojoule.explore import Exploration, Point, Trial
from picojoule.report.study import words


def _remarks(*trials: Trial) -> list[str]:
    found = by_hand.sweep()
    return words.remarks(replace(found, trials=trials))


def _trial(number: int, state: str, seed: int = 0) -> Trial:
    return Trial(number, Point("small", 4, seed), state)


AGAIN = "left by a worker that died or was stopped; the same command goes on with it."


def test_each_kind_of_trouble_has_its_remark() -> None:
    assert words.remarks(by_hand.sweep()) == [
        "large-1bit-seed2: failed, and would fail again.",
        f"large-1bit-seed3, large-1bit-seed4: {AGAIN}",
        "large-1bit-seed5: still running when this was written.",
        "large-1bit-seed6: waiting to be trained; the same command goes on with it.",
    ]
    assert words.remarks(by_hand.only(1, 4, 8, 32)) == []


def test_many_of_a_kind_are_counted() -> None:
    told = _remarks(*(_trial(seed, "failed", seed) for seed in range(6)))
    assert told == ["small-4bit-seed0, small-4bit-seed1, small-4bit-seed2 and 3 more: failed, and would fail again."]


def test_what_died_and_was_trained_again_is_no_trouble() -> None:
    assert _remarks(_trial(0, "died"), by_hand.complete(1, Point("small", 4), 0.8)) == []
    assert _remarks(_trial(1, "stopped"), _trial(0, "died")) == [f"small-4bit-seed0: {AGAIN}"]


def test_what_kills_its_workers_is_given_up() -> None:
    told = _remarks(*(_trial(number, "died") for number in range(3)))
    assert told == ["small-4bit-seed0: given up: the workers died of it each time."]


def test_the_command_goes_on_with_the_sweep() -> None:
    found = by_hand.sweep(settings={**by_hand.SETTINGS, "below_pj": 400000.0, "data": "my data.npz"})
    command = words.shell(found, "runs/my sweep")
    assert command is not None
    assert shlex.split(command) == [
        "picojoule", "explore", "small", "middle", "large", "--data", "my data.npz", "--bits", "1", "4", "8", "32",
        "--width", "1", "--depth", "1", "--seed", "0", "--recipe", "short", "--epochs", "3", "--activation", "relu",
        "--platform", "moons2017", "--study", "runs/sweep/study.sqlite", "--below", "400000.0pJ", "--out",
        "runs/my sweep",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "settings", [{}, {"networks": "lenet5", "samples": [1], "platform": 3, "platform_toml": "no", "recipe_toml": 4}]
)
def test_settings_of_a_stranger_name_nothing(settings: dict[str, Any]) -> None:
    found = Exploration(settings, {}, ())
    assert words.title(found) == "networks"
    assert words.shell(found, "out") is None
    assert ["samples", ""] not in words.facts(found)
    assert words.platform_title(found, "pyproject.toml") == ""


def test_a_platform_of_the_users_own_has_its_title() -> None:
    text = pj.Platform.load("eyeriss").to_toml().replace('"eyeriss"', '"mine"')
    found = by_hand.sweep(settings={"platform": "mine", "platform_toml": text})
    assert words.platform_title(found, "mine") == words.platform_title(found, "eyeriss") != ""
