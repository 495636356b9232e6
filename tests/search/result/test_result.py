"""What a search hands over, and what it says of its points."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.jobs.small import network
from tests.search.result.searches import searched

import picojoule
from picojoule import Result
from picojoule.calibration import Ranges
from picojoule.errors import InputError, UnreachableFloorError
from picojoule.plan import Plan


def test_plan_and_ranges_are_those_of_the_selected_point(found: Result, folder: Path, tmp_path: Path) -> None:
    assert Plan.load(folder / "plan.json") == found.plan == found.points[0].plan
    assert Ranges.load(folder / "ranges.json") == found.ranges
    found.at(0.8).save(tmp_path)
    assert Plan.load(tmp_path / "plan.json") == found.points[1].plan != found.plan
    assert picojoule.load(tmp_path).plan == found.points[1].plan
    assert picojoule.load(tmp_path).at(0.99).plan == found.plan


def test_at_selects_another_floor(found: Result) -> None:
    assert found.at(0.99) == found
    assert found.at(0.8).point is found.points[1]
    message = "keep 0.5 was not searched for; this result has 0.99, 0.8"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        found.at(0.5)


def test_a_point_without_energy_says_so(found: Result) -> None:
    unpriced = replace(found, points=(replace(found.points[0], energy=None),))
    with pytest.raises(InputError, match=r"^the platform has no figure for the plan of '0\.99'$"):
        _ = unpriced.energy


def test_an_unreachable_floor_still_hands_over_the_best_plan(tmp_path: Path) -> None:
    with pytest.raises(UnreachableFloorError) as caught:
        searched(keep=1.0, bits=(1, 2), out=tmp_path)
    result = caught.value.result
    assert isinstance(result, Result)
    assert not result.holds
    assert not result.point.holds
    assert {str(format) for format in result.plan.formats.values()} == {"fixed2"}
    assert result.point.blockers
    assert set(result.point.blockers) <= set(network().sites)
    assert all(name in str(caught.value) for name in result.point.blockers)
    assert "keep 1 is out of reach" in str(caught.value)
    assert picojoule.load(tmp_path).point == result.point


def test_limits_that_no_plan_keeps_are_named() -> None:
    with pytest.raises(UnreachableFloorError) as caught:
        searched(keep=0.99, strategy="descent", confidence="point", max_weight_bytes=60, max_ram_bytes=100_000)
    assert "keep 0.99 is out of reach within 60 bytes of weights and 100000 bytes of RAM: " in str(caught.value)


def test_a_time_budget_of_nothing_still_gives_a_plan_that_holds() -> None:
    result = searched(keep=0.9, bits=(1, 8), time_budget=0)
    assert result.point.stopped
    assert {str(format) for format in result.plan.formats.values()} == {"fixed8"}
    needed = 0.9 * result.baselines["float32"].search.correct
    assert result.point.search.correct >= needed
    assert result.holds


@pytest.mark.parametrize("strategy", ["greedy", "descent"])
def test_a_second_run_evaluates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str) -> None:
    first = searched(keep=0.9, strategy=strategy, out=tmp_path)
    before = (tmp_path / "result.json").read_bytes()

    def forbidden(*_: object) -> None:
        raise AssertionError("evaluated again")

    monkeypatch.setattr("picojoule.execute.Runner.run", forbidden)
    second = searched(keep=0.9, strategy=strategy, out=tmp_path)
    assert second.points == first.points
    assert (tmp_path / "result.json").read_bytes() == before


def test_the_same_search_gives_the_same_bytes(found: Result) -> None:
    assert searched(keep=(0.99, 0.8)).to_json() == found.to_json()


def test_a_laxer_floor_costs_no_more_bits_on_this_network(found: Result) -> None:
    strict, lax = (sum(format.bits for format in point.plan.formats.values()) for point in found.points)
    assert lax < strict


OTHERS = (
    {"rescale": "network"},
    {"rescale": "channel"},
    {"signed": "always"},
    {"observer": "mse"},
    {"observer": "percentile"},
    {"prepare": "bias"},
    {"strategy": "uniform"},
    {"strategy": "descent", "prepare": "none"},
    {"strategy": "descent", "observer": "max"},
    {"strategy": "descent", "rescale": "network"},
    {"strategy": "descent", "rescale": "channel", "confidence": 0.8},
)


@pytest.mark.parametrize("settings", OTHERS, ids=lambda settings: " ".join(map(str, settings.values())))
def test_other_settings_hold_their_floor_too(settings: dict[str, Any]) -> None:
    result = searched(**{"keep": 0.9, "confidence": "point", **settings})
    assert result.point.search.correct >= 0.9 * result.baselines["float32"].search.correct
    assert {key: result.settings[key] for key in settings} == settings
    if settings.get("rescale") == "network":
        exponents = {name.split(".")[1]: found.exponents for name, found in result.ranges.sites.items()}
        assert all(found.exponents == exponents[name.split(".")[1]] for name, found in result.ranges.sites.items())
    if settings == {"signed": "always"}:
        assert all(found.signed for found in result.ranges.sites.values())
    if settings == {"strategy": "uniform"}:
        assert len({format.bits for format in result.plan.formats.values()}) == 1
