"""The page's data against the result it is made from, and against the energy model asked directly."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.jobs import small

import picojoule as pj
from picojoule.energy import Platform, platforms
from picojoule.energy.report import PARTS
from picojoule.report.document import document


@pytest.fixture(scope="module")
def found() -> pj.Result:
    return pj.search(small.trained(), small.few(200), keep=(0.9, 0.5), bits=(1, 10), about={"model": "m", "data": "d"})


@pytest.fixture(scope="module")
def drawn(found: pj.Result) -> dict[str, Any]:
    return document({"runs/here": found})


@pytest.fixture(scope="module")
def run(drawn: dict[str, Any]) -> dict[str, Any]:
    only: dict[str, Any] = drawn["runs"][0]
    return only


def test_it_is_plain_json_and_always_the_same(found: pj.Result, drawn: dict[str, Any]) -> None:
    text = json.dumps(drawn, allow_nan=False)
    assert json.loads(text) == drawn
    assert json.dumps(document({"runs/here": found})) == text


def test_points_state_what_the_result_holds(found: pj.Result, run: dict[str, Any]) -> None:
    points = [*found.points, *found.baselines.values()]
    assert [point["label"] for point in run["points"]] == ["0.9", "0.5", "fixed16", "fixed8", "float32"]
    reference = found.baselines["float32"]
    for told, point in zip(run["points"], points, strict=True):
        assert point.energy is not None
        assert (told["holds"], told["stopped"], told["keep"]) == (point.holds, point.stopped, point.keep)
        assert told["energy_pj"] == point.energy.total_pj
        for key, baseline in (("of_16_bits", "fixed16"), ("of_8_bits", "fixed8")):
            other = found.baselines[baseline].energy
            assert other is not None
            assert told[key] == point.energy.total_pj / other.total_pj
        for split in ("search", "report"):
            accuracy, base = getattr(point, split), getattr(reference, split)
            assert (told[split]["low"], told[split]["high"]) == accuracy.interval()
            assert told[split]["kept"] == accuracy.value / base.value
        assert told["front"] == (point in found.front)
    assert [point["needed"] for point in run["points"][2:]] == [None] * 3
    assert run["points"][0]["needed"] == pytest.approx(0.9 * reference.search.value)


def test_layers_add_up_to_the_point(found: pj.Result, run: dict[str, Any]) -> None:
    for told in run["points"]:
        assert [layer["layer"] for layer in told["layers"]] == [layer.name for layer in found.captured.layers]
        assert sum(layer["energy_pj"] for layer in told["layers"]) == pytest.approx(told["energy_pj"])
        for layer in told["layers"]:
            assert sum(layer[part] for part in PARTS) == pytest.approx(layer["energy_pj"])
    first = run["points"][0]
    for layer in first["layers"]:
        for kind in ("inputs", "weights"):
            site = layer[kind]
            assert site["format"] == str(found.plan.formats[site["site"]])
            assert tuple(site["exponents"]) == found.ranges.sites[site["site"]].exponents
            assert site["zeros"] == found.point.sparsity.of(site["site"])


def test_decisions_in_their_order(found: pj.Result, run: dict[str, Any]) -> None:
    told = run["points"][0]["log"]
    assert [decision["site"] for decision in told] == [decision.site for decision in found.log]
    for decision, made in zip(told, found.log, strict=True):
        assert [trial["format"] for trial in decision["trials"]] == [str(trial.format) for trial in made.trials]
        assert [trial["holds"] for trial in decision["trials"]] == [trial.holds for trial in made.trials]


def test_every_format_used_or_tried_is_described(run: dict[str, Any], drawn: dict[str, Any]) -> None:
    used = {layer[kind]["format"] for p in run["points"] for layer in p["layers"] for kind in ("inputs", "weights")}
    tried = {trial["format"] for p in run["points"] for decision in p["log"] for trial in decision["trials"]}
    assert drawn["formats"].keys() == used | tried
    for text, described in drawn["formats"].items():
        format = pj.format(text)
        assert described["bits"] == format.bits
        for key, signed in (("signed", True), ("unsigned", False)):
            listed = format.grid(signed).tolist() if format.bits <= 8 else None
            assert described[key] == listed


def test_ranking_asks_every_platform(found: pj.Result, run: dict[str, Any]) -> None:
    assert [ranked["platform"] for ranked in run["ranking"]] == ["moons2017", "envision", "eyeriss", "horowitz45"]
    assert {ranked["platform"] for ranked in run["ranking"]} == set(platforms())
    assert [ranked["own"] for ranked in run["ranking"]] == [True, False, False, False]
    for ranked in run["ranking"]:
        platform = Platform.load(ranked["platform"])
        for point in found.points:
            expected = pj.energy(found.captured, point.plan, platform, point.sparsity).total_pj
            assert ranked["energies"][point.label] == expected
        has_float = platform.float32_mac_pj is not None
        assert (ranked["energies"]["float32"] is not None) == has_float
    assert run["ranking"][0]["energies"]["0.9"] == found.energy.total_pj


def test_a_platform_of_the_users_comes_first_under_its_own_name() -> None:
    text = Platform.load("eyeriss").to_toml().replace('name = "eyeriss"', 'name = "mine"')
    mine = Platform.parse(text, "a test")
    found = pj.search(small.trained(), small.few(), keep=0.5, bits=(7, 8), platform=mine)
    run = document({"here": found})["runs"][0]
    assert [(ranked["platform"], ranked["own"]) for ranked in run["ranking"][:2]] == [
        ("mine", True),
        ("envision", False),
    ]
    assert len(run["ranking"]) == 5
    assert "platform='mine.toml'" in run["rerun"]["python"]


def test_what_stays_in_float_is_told_and_charged() -> None:
    class Mixed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = small.trained()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = torch.softmax(self.inner(x) @ torch.eye(10), 1)
            return out

    found = pj.search(Mixed(), small.few(), keep=0.5, bits=(7, 8))
    point = document({"here": found})["runs"][0]["points"][0]
    assert any("softmax" in line for line in point["in_float"])
    product = point["layers"][-1]
    assert (product["inputs"], product["weights"], product["macs"]) == (None, None, 100)
    assert product["energy_pj"] > 0


def test_settings_of_a_stranger_are_only_told(found: pj.Result) -> None:
    odd = {
        "model": ["x"],
        "data": {"a": 1},
        "keep": None,
        "bits": "1",
        "samples": 3,
        "platform": 5,
        "platform_toml": [],
    }
    run = document({"here": pj.Result(found.captured, found.points, found.baselines, odd)})["runs"][0]
    json.dumps(run)
    assert run["title"] == "['x'] on {'a': 1}"
    assert not any(ranked["own"] for ranked in run["ranking"])
    assert (
        document({"here": pj.Result(found.captured, found.points, found.baselines, {})})["runs"][0]["title"]
        == "network"
    )


def test_several_runs_keep_their_order_and_names(found: pj.Result, tmp_path: Path) -> None:
    drawn = document({"b": found, "a": found.at(0.5)})
    assert [(run["name"], run["selected"]) for run in drawn["runs"]] == [("b", 0), ("a", 1)]
