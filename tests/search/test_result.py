"""Results: their folder byte for byte, the front against a plain comparison of all pairs, and files made wrong."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.jobs.small import digits, network

import picojoule
from picojoule import Result
from picojoule.calibration import Range, Ranges
from picojoule.data import Splits
from picojoule.energy import EnergyReport, Sparsity
from picojoule.energy.report import LayerEnergy
from picojoule.errors import FileError, InputError, UnreachableFloorError
from picojoule.evaluate import Tally
from picojoule.network import Network
from picojoule.plan import Plan
from picojoule.search import OperatingPoint, non_dominated


def splits() -> Splits:
    loaded = digits()
    assert loaded.train is not None
    held_out = loaded.held_out
    return Splits(loaded.train.first(100), held_out.take(range(200)), held_out.take(range(200, 400)))


def searched(**settings: Any) -> Result:
    asked = {"bits": (1, 6), "strategy": "greedy", **settings}
    return picojoule.search(network(), None, splits=splits(), **asked)


@pytest.fixture(scope="module")
def found() -> Result:
    return searched(keep=(0.99, 0.8))


@pytest.fixture(scope="module")
def folder(found: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    found.save(folder)
    return folder


def test_the_folder_round_trips_byte_for_byte(found: Result, folder: Path, tmp_path: Path) -> None:
    again = picojoule.load(folder)
    again.save(tmp_path / "deep" / "again")
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["plan.json", "ranges.json", "result.json", "weights.safetensors"]
    for name in names:
        assert (tmp_path / "deep" / "again" / name).read_bytes() == (folder / name).read_bytes(), name
    assert again.points == found.points
    assert again.baselines == found.baselines
    assert (again.plan, again.ranges, again.accuracy, again.log) == (
        found.plan,
        found.ranges,
        found.accuracy,
        found.log,
    )
    assert again.energy.total_pj == found.energy.total_pj


def test_a_loaded_result_runs_without_data(found: Result, folder: Path) -> None:
    again = picojoule.load(folder)
    x, y = splits().report.x, splits().report.y
    with torch.no_grad():
        outputs = again.network(x)
        assert torch.equal(outputs, found.network(x))
    assert int((outputs.argmax(1) == y).sum()) == again.accuracy.correct


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


def test_the_front_has_no_point_that_another_beats(found: Result) -> None:
    everything = [*found.points, *found.baselines.values()]
    assert set(map(id, found.front)) <= set(map(id, everything))
    assert list(found.front) == brute_force(everything)


def point(label: str, energy_pj: float | None, correct: int) -> OperatingPoint:
    """A point of which only energy and accuracy matter."""
    layers = {} if energy_pj is None else {"l": LayerEnergy("l", 1, 1, 1, 1, energy_pj, 0.0, 0.0, 0.0)}
    return OperatingPoint(
        label=label,
        keep=0.9,
        plan=Plan({}),
        ranges=Ranges({"l.weights": Range((0,), True)}, (1,)),
        searched=Tally(10, 10, correct, 10 - correct, 0),
        reported=Tally(10, 10, correct, 10 - correct, 0),
        energy=None if energy_pj is None else EnergyReport("made up", layers),
        sparsity=Sparsity.none(),
    )


def brute_force(points: Sequence[OperatingPoint]) -> list[OperatingPoint]:
    """Each pair compared: kept is what no other beats in one and equals in the other, and of twins the first."""
    priced = [(each.energy.total_pj, each.report.value, each) for each in points if each.energy is not None]
    kept = []
    for index, (energy, accuracy, each) in enumerate(priced):
        beaten = any(
            (e <= energy and a >= accuracy) and ((e < energy or a > accuracy) or other < index)
            for other, (e, a, _) in enumerate(priced)
            if other != index
        )
        if not beaten:
            kept.append((energy, each))
    return [each for _, each in sorted(kept, key=lambda entry: entry[0])]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.none() | st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_non_dominated_against_all_pairs(values: list[tuple[int | None, int]]) -> None:
    points = [point(str(index), energy, correct) for index, (energy, correct) in enumerate(values)]
    expected = brute_force(points)
    assert [each.label for each in non_dominated(points)] == [each.label for each in expected]


def test_a_point_without_energy_says_so(found: Result) -> None:
    unpriced = replace(found, points=(replace(found.points[0], energy=None),))
    with pytest.raises(InputError, match=r"^the platform has no figure for the plan of '0\.99'$"):
        _ = unpriced.energy


def with_result(folder: Path, target: Path, table: Any) -> Path:
    """A copy of a run folder with another `result.json`."""
    shutil.copytree(folder, target, dirs_exist_ok=True)
    (target / "result.json").write_text(json.dumps(table))
    return target


def table_of(folder: Path) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return table


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("version",), 2, "version 2 of a result is not known; this picojoule reads 3"),
        (("picojoule",), "plan", "is not a result: its key 'picojoule' says 'plan'"),
        (("more",), 1, "unknown key 'more'"),
        (("selected",), 2, "key 'selected' is 2, but there are 2 points"),
        (("selected",), -1, "key 'selected' is -1, expected a whole number from 0 to"),
        (("points",), [], "key 'selected' is 0, but there are 0 points"),
        (("front",), [], "key 'front' does not fit the points"),
        (("points", 0, "holds"), "maybe", "key 'holds' is 'maybe', expected true or false"),
        (("histograms", "fc.inputs", "counts"), [-1], "key 'counts' is [-1], expected a list of whole numbers"),
        (("histograms", "fc.inputs", "high"), -1e9, "key 'high' is -1000000000.0, expected a finite number of at"),
        (("histograms",), {"gone": {"low": 0, "high": 1, "counts": [1], "zeros": 0}}, "has a site 'gone'"),
        (("points", 0, "plan", "conv.weights"), "fixed99", "format 'fixed99' is not known"),
        (("points", 0, "plan", "conv.weights"), 8, "key 'conv.weights' is 8, expected a text"),
        (("points", 0, "plan", "conv.weights"), ["fixed8"], "key 'conv.weights' is ['fixed8'], expected a text"),
        (("points", 0, "report", "correct"), 1e9, "key 'correct' is 1000000000.0, expected a finite number from 0 to"),
        (("points", 0, "ranges", "sites", "fc.inputs", "exponents"), [97], "must be whole numbers from -96 to 96"),
        (("points", 0, "zeros", "fc.inputs"), 1.5, "key 'fc.inputs' is 1.5, expected a finite number from 0 to 1"),
        (("points", 0, "keep"), True, "key 'keep' is True, expected a number above 0 and at most 1"),
        (("points", 0, "blockers"), [1], "key 'blockers' is [1], expected a list of texts"),
        (("points", 0, "log", 0, "more"), 1, "unknown key 'more'"),
        (("points", 0, "log", 0), 7, "expected a table, found int"),
        (("points", 0, "ranges", "sites", "conv.weights", "exponents"), [1, 2], "do not fit its channels"),
        (("points", 0, "plan", "conv.weights"), "lut4", "the ranges of 'conv.weights' in point '0.99' do not have the"),
        (("baselines", 0, "keep"), 0.5, "key 'keep' of point 'fixed16' does not fit; baselines have none"),
        (("baselines", 2, "search", "correct"), 0, "the point 'float32' is right on no sample"),
        (("points", 1, "label"), "0.99", "key 'points' has two points of the same label"),
        (("points", 0, "zeros", "gone"), 0.5, "'zeros' of point '0.99' has a site 'gone', which the network has not"),
        (("points", 0, "blockers"), ["gone"], "'blockers' of point '0.99' has a site 'gone', which the network has"),
        (("points", 0, "log", 0, "site"), "gone", "'log' of point '0.99' has a site 'gone', which the network has"),
        (("points", 0, "energy", "layers", 0, "name"), "x", "'energy' of point '0.99' has a layer 'x', which the"),
        (("points", 0, "energy", "layers"), [], "the network has a layer 'conv', which 'energy' of point '0.99' has"),
        (("baselines", 2, "label"), "float", "key 'baselines' has no point 'float32'"),
        (("baselines", 0, "energy"), 3, "key 'energy' is 3, expected a table or null"),
    ],
)
def test_a_result_made_wrong(folder: Path, tmp_path: Path, path: tuple[Any, ...], value: Any, message: str) -> None:
    table = table_of(folder)
    holder: Any = table
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    with pytest.raises(FileError) as caught:
        picojoule.load(with_result(folder, tmp_path, table))
    assert str(caught.value).startswith(f"'{tmp_path / 'result.json'}'")
    assert message in str(caught.value)


def test_a_plan_of_another_network(folder: Path, tmp_path: Path) -> None:
    text = (folder / "result.json").read_text().replace("conv.weights", "conf.weights")
    with pytest.raises(FileError) as caught:
        picojoule.load(with_result(folder, tmp_path, json.loads(text)))
    assert str(caught.value).startswith(f"'{tmp_path / 'result.json'}'")
    assert str(caught.value).endswith("'plan' of point '0.99' has a site 'conf.weights', which the network has not")


def test_a_duplicate_key(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    text = (folder / "result.json").read_text().replace('"selected": 0', '"selected": 0,\n  "selected": 1')
    (tmp_path / "result.json").write_text(text)
    message = f"'{tmp_path / 'result.json'}' is not a valid result: duplicate key 'selected'"
    with pytest.raises(FileError, match=f"^{re.escape(message)}$"):
        picojoule.load(tmp_path)


@pytest.mark.parametrize("name", ["result.json", "weights.safetensors"])
def test_a_file_that_is_missing(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).unlink()
    message = (
        f"'{tmp_path}' is no run folder: it has no result.json; give the folder that a search wrote"
        if name == "result.json"
        else f"cannot read '{tmp_path / name}': No such file or directory"
    )
    with pytest.raises(FileError, match=f"^{re.escape(message)}$"):
        picojoule.load(tmp_path)


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


def test_weights_of_another_run(folder: Path, tmp_path: Path) -> None:
    """They fit in every shape, and are not those that the result is of."""
    shutil.copytree(folder, tmp_path / "run")
    path = tmp_path / "run" / "weights.safetensors"
    network = Network.load(path)
    Network(network.nodes, {name: 2 * tensor for name, tensor in network.tensors.items()}, network.output).save(path)
    told = f"'{path}' is not the network of '{path.with_name('result.json')}'; the command of the search mends that"
    with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
        picojoule.load(tmp_path / "run")
