"""A run's folder byte for byte, and files made wrong."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.search.result.searches import splits

import picojoule
from picojoule import Result
from picojoule.errors import FileError
from picojoule.network import Network


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


def test_weights_of_another_run(folder: Path, tmp_path: Path) -> None:
    """They fit in every shape, and are not those that the result is of."""
    shutil.copytree(folder, tmp_path / "run")
    path = tmp_path / "run" / "weights.safetensors"
    network = Network.load(path)
    Network(network.nodes, {name: 2 * tensor for name, tensor in network.tensors.items()}, network.output).save(path)
    told = f"'{path}' is not the network of '{path.with_name('result.json')}'; the command of the search mends that"
    with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
        picojoule.load(tmp_path / "run")
