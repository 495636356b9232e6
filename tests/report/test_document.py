"""The page's data against the result it is made from, and against the energy model asked directly."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.jobs import small
from tests.report.conftest import mixed

import picojoule as pj
from picojoule.energy import Platform, platforms
from picojoule.energy.report import PARTS
from picojoule.evaluate import Floor, Tally
from picojoule.formats import Fixed
from picojoule.report.document import document
from picojoule.search import Decision, Trial


@pytest.fixture(scope="module")
def found() -> pj.Result:
    about = {"model": "m", "data": "d"}
    return pj.search(small.trained(), small.few(200), keep=(0.9, 0.5), bits=(1, 10), strategy="greedy", about=about)


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
            tally = point.searched if split == "search" else point.reported
            assert (told[split]["lost"], told[split]["gained"]) == (tally.lost, tally.gained)
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
        for trial, tried in zip(decision["trials"], made.trials, strict=True):
            tally = tried.tally
            assert (trial["format"], trial["holds"]) == (str(tried.format), tried.holds)
            assert (trial["seen"], trial["lost"], trial["gained"]) == (tally.seen, tally.lost, tally.gained)


def test_a_trial_that_was_certain_early_is_told_as_a_bound(found: pj.Result) -> None:
    log = (
        Decision(
            "conv.inputs",
            Fixed(4),
            (
                Trial(Fixed(8), True, Tally(200, 200, 190, 1, 1)),
                Trial(Fixed(4), True, Tally(200, 150, 140, 3, 1)),
                Trial(Fixed(3), False, Tally(200, 60, 20, 35, 1)),
                Trial(Fixed(2), False, Tally(200, 200, 30, 160, 1)),
            ),
        ),
    )
    result = replace(found, points=(replace(found.point, log=log),))
    told = document({"here": result})["runs"][0]["points"][0]["log"][0]["trials"]
    bounds = [("", 190 / 200), ("at least", 140 / 200), ("at most", 160 / 200), ("", 30 / 200)]
    assert [(trial["bound"], trial["accuracy"]) for trial in told] == bounds
    reference = found.baselines["float32"].search
    assert [trial["kept"] for trial in told] == [accuracy / reference.value for _, accuracy in bounds]


def test_what_is_proven_is_the_greatest_floor_that_holds(descent: pj.Result, curved: dict[str, Any]) -> None:
    run = curved["runs"][0]
    assert run["confidence"] == descent.confidence == 0.95
    reference = descent.baselines["float32"]
    for point, told in zip(descent.points, run["points"], strict=False):
        assert point.keep is not None
        for split, tally, base in (
            ("search", point.searched, reference.search),
            ("report", point.reported, reference.report),
        ):
            proven = told[split]["proven"]
            assert Floor(proven, base, 0.95).holds(tally)
            assert not Floor(round(proven + 1e-4, 4), base, 0.95).holds(tally)
            assert told[split]["holds"] == (proven >= point.keep) == Floor(point.keep, base, 0.95).holds(tally)
    for told in run["points"][len(descent.points) :]:
        assert [told[split][key] for split in ("search", "report") for key in ("proven", "holds")] == [None] * 4


def test_a_point_estimate_proves_nothing_and_is_confirmed_by_the_count(found: pj.Result, run: dict[str, Any]) -> None:
    assert run["confidence"] is None
    for point, told in zip(found.points, run["points"], strict=False):
        assert point.keep is not None
        assert (told["search"]["proven"], told["report"]["proven"]) == (None, None)
        reference = found.baselines["float32"].report
        assert told["report"]["holds"] == Floor(point.keep, reference).holds(point.report)


def test_the_curve_is_told_in_short(descent: pj.Result, curved: dict[str, Any]) -> None:
    run = curved["runs"][0]
    sixteen, reference = descent.baselines["fixed16"].energy, descent.baselines["float32"]
    assert sixteen is not None
    assert len(run["path"]) == len(descent.path) > 5
    for told, waypoint in zip(run["path"], descent.path, strict=True):
        assert told["energy_pj"] == waypoint.energy_pj
        assert told["of_16_bits"] == waypoint.energy_pj / sixteen.total_pj
        assert told["search"]["value"] == waypoint.searched.accuracy.value
        assert told["report"]["kept"] == waypoint.reported.accuracy.value / reference.report.value
        formats = waypoint.plan.formats
        for layer, short in zip(descent.captured.layers, told["bits"], strict=True):
            pair = (formats[layer.inputs], formats[layer.weights])
            assert short == "/".join(str(f.bits) if isinstance(f, Fixed) else str(f) for f in pair)
        weights = {site.count: formats[site.name].bits for site in descent.captured.sites.values()
                   if site.kind == "weights"}  # fmt: skip
        mean = sum(count * bits for count, bits in weights.items()) / sum(weights)
        assert told["weights_bits"] == pytest.approx(mean)
        assert len(json.dumps(told, separators=(",", ":"))) < 400
    assert document({"here": replace(descent, path=())})["runs"][0]["path"] == []


def test_a_log_of_sites_decided_together_is_told_apart_from_a_sweep(
    curved: dict[str, Any], run: dict[str, Any], three: dict[str, Any]
) -> None:
    points = curved["runs"][0]["points"]
    assert [point["together"] for point in points] == [True, True, False, False, False]
    for point in points[:2]:  # what was taken is the plan itself
        taken = [decision["trials"][0] for decision in point["log"]]
        assert {(trial["accuracy"], trial["bound"]) for trial in taken} == {(point["search"]["value"], "")}
    assert not any(point["together"] for point in run["points"])
    assert not any(point["together"] for each in three["runs"] for point in each["points"])


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
            ends = list(format.limits(signed)) if format.rounds else None
            assert described["limits"][key] == ends


def test_blocks_have_no_one_grid_and_count_their_scales(descent: pj.Result) -> None:
    told = document({"here": mixed(descent)})
    assert told == json.loads(json.dumps(told, allow_nan=False))
    blocks, e4m3 = told["formats"]["e2m1/32:e8m0"], told["formats"]["e4m3"]
    assert (blocks["signed"], blocks["unsigned"], blocks["limits"]) == (None, None, {"signed": None, "unsigned": None})
    assert (e4m3["signed"][-1], len(e4m3["signed"]), e4m3["limits"]["unsigned"]) == (448.0, 253, [-448.0, 448.0])
    run, captured = told["runs"][0], descent.captured
    assert run["points"][0]["energy_pj"] is None
    sites = [site.name for site in captured.sites.values() if site.kind == "weights"]
    format = pj.format("e2m1/32:e8m0")
    stored = sum(format.size_bits(captured.shape(name)) for name in sites)
    elements = sum(captured.sites[name].count for name in sites)
    assert 4.25 <= stored / elements == run["path"][0]["weights_bits"] <= 12
    assert run["path"][0]["inputs_bits"] == 8


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


def test_every_plan_says_its_family_and_who_is_best(families: pj.Result, coloured: dict[str, Any]) -> None:
    run = coloured["runs"][0]
    plans = [*families.points, *families.baselines.values()]
    assert [point["family"] for point in run["points"][-3:]] == ["fixed", "fixed", None]
    told = {each["numbers"]: each for each in run["path"]}
    assert {each["family"] for each in run["path"]} == {"fixed", "float", "codebook"}
    assert all(each["uniform"] for each in run["path"])
    assert told["nf4 everywhere"]["family"] == told["nf4/64 everywhere"]["family"] == "codebook"
    known = [(point.energy.total_pj, point.report.value) for point in plans if point.energy is not None]
    known += [(each.energy_pj, each.reported.accuracy.value) for each in families.path]
    for each in run["path"]:
        pj_, value = each["energy_pj"], each["report"]["value"]
        beaten = any(e <= pj_ and v >= value and (e < pj_ or v > value) for e, v in known)
        assert each["front"] != beaten
    assert 1 < sum(each["front"] for each in run["path"]) < len(run["path"])
    for point in families.points:
        assert point.keep is not None
        holding = [each for each in families.path if families.floor(point.keep).holds(each.searched)]
        for family, least in run["least"][point.label].items():
            own = [each for each in holding if next(iter(each.plan.formats.values())).arithmetic == family]
            assert least["energy_pj"] == min(each.energy_pj for each in own)
        assert run["least"][point.label].keys() == {
            next(iter(each.plan.formats.values())).arithmetic for each in holding
        }


def test_a_mixed_plan_is_no_uniform_one(descent: pj.Result) -> None:
    run = document({"here": mixed(descent)})["runs"][0]
    assert (run["points"][0]["family"], run["path"][0]["family"]) == ("float", "float")
    assert run["points"][0]["numbers"] == "inputs e4m3; weights e2m1/32:e8m0"
    assert not run["path"][0]["uniform"]
    layer = run["points"][0]["layers"][0]
    assert layer["weights"]["range"] == "its blocks' own"
    assert layer["inputs"]["range"].startswith("±448·2^")


def test_a_codebooks_numbers_are_the_sites(clustered: pj.Result) -> None:
    told = document({"here": clustered})
    assert told["formats"]["lut16"]["signed"] is None
    assert told["formats"]["lut16"]["limits"] == {"signed": None, "unsigned": None}
    for point, made in zip(told["runs"][0]["points"], (*clustered.points, *clustered.baselines.values()), strict=True):
        for site in (layer[kind] for layer in point["layers"] for kind in ("inputs", "weights")):
            found = made.ranges.sites[site["site"]]
            scaled = [member * 2.0 ** found.exponents[0] for member in found.members]
            assert site["members"] == (scaled if site["format"] == "lut16" else None)
            assert bool(scaled) is (site["format"] == "lut16")
