"""`train` and `cluster` through the command line: tables, documents, folders, and what a signal leaves."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.cli import refusals
from tests.cli.conftest import Run
from tests.cli.test_errors import fits
from tests.jobs import small

import picojoule as pj
from picojoule import units
from picojoule.formats import Lut
from picojoule.jobs.train import CHECKPOINT
from picojoule.plan import compression

Start = Callable[..., "subprocess.Popen[str]"]
SHORT = ("--recipe", "short", "--epochs", "2")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> str:
    """DATA with a part to train on."""
    train, held_out = small.digits().train, small.digits().held_out.first(100)
    assert train is not None
    path = tmp_path_factory.mktemp("data") / "both.npz"
    np.savez(path, x=held_out.x.numpy(), y=held_out.y.numpy(), x_train=train.x.numpy(), y_train=train.y.numpy())
    return str(path)


def test_tables_have_the_figures_of_the_result(run: Run, model: str, both: str, tmp_path: Path) -> None:
    done = run("train", model, "--data", both, *SHORT, "--bits", "3", "--out", tmp_path / "run")
    assert done.code == 0
    result = pj.load(tmp_path / "run")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "trained at 3 bits by the recipe short, 2 epochs, platform moons2017" in lines[0]
    line = next(line for line in lines if line.startswith("trained "))
    assert units.energy(result.energy.total_pj) in line
    assert units.percent(result.accuracy.value) in line
    assert "Layer by layer at trained:" in lines
    assert lines[-1].startswith(f"The run is in {tmp_path / 'run'}: ")
    told = next(line for line in lines if line.startswith("batch norm folded: accuracy on the search split "))
    assert told.split("split ")[1] in done.err.replace(" after\n", " after, and trained on\n")


def test_json_is_one_document(run: Run, model: str, both: str, tmp_path: Path) -> None:
    done = run("train", model, "--data", both, *SHORT, "--json")
    assert done.code == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name == "net-trained-4bit"
    assert done.out == (folder / "result.json").read_text()
    assert json.loads(done.out)["settings"]["bits"] == 4


def test_another_training_gets_a_folder_of_its_own(run: Run, model: str, both: str, tmp_path: Path) -> None:
    for options in (("--bits", "2"), ("--bits", "2", "--mean", "0.5"), ("--bits", "2")):
        assert run("train", model, "--data", both, *SHORT, *options).code == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"net-trained-2bit", "net-trained-2bit-2"}


def test_a_run_of_something_else_is_not_replaced(run: Run, both: str, folder: Path, model: str) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    for words in (
        ("train", "--from", folder, "--data", both, "--recipe", "short"),
        ("search", "lenet5", "--data", both),
        ("search", model, "--data", both),
    ):
        done = run(*words, "--out", folder)
        assert done.code == 2
        assert fits(done.err.removeprefix("picojoule: ").strip(), refusals.OTHER), done.err
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_from_a_run(run: Run, both: str, folder: Path, tmp_path: Path) -> None:
    done = run("train", "--data", both, "--from", folder, *SHORT, "--out", tmp_path / "tuned")
    assert done.code == (0 if pj.load(tmp_path / "tuned").holds else 3)
    assert pj.load(tmp_path / "tuned").plan == pj.load(folder).plan
    assert pj.load(tmp_path / "tuned").point.keep == 1.0
    shown = run("report", tmp_path / "tuned")
    assert shown.code == 0
    assert f"trained on from {folder} by the recipe short" in shown.out


def test_every_option_at_once(run: Run, model: str, both: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text((Path(pj.__file__).parent / "training" / "recipes" / "short.toml").read_text())
    options = ("--recipe", "mine.toml", "--activation", "hardtanh", "--epochs", "1", "--seed", "7", "--mean", "0.5",
               "--std", "0.5", "--platform", "envision", "--device", "cpu", "--bits", "5", "--out", "run")  # fmt: skip
    assert run("train", model, "--data", both, *options).code == 0
    settings = pj.load("run").settings
    asked = ("recipe", "activation", "epochs", "seed", "mean", "std", "platform", "device", "bits")
    assert [settings[key] for key in asked] == ["mine", "hardtanh", 1, 7, "0.5", "0.5", "envision", "cpu", 5]


def test_at_a_plan(run: Run, model: str, both: str) -> None:
    Path("plan.json").write_text(pj.Plan.parse({"*": "fixed4", "fc.*": "fixed6"}).to_json())
    assert run("train", model, "--data", both, *SHORT, "--plan", "plan.json", "--out", "run").code == 0
    assert {str(format) for format in pj.load("run").plan.formats.values()} == {"fixed4", "fixed6"}


def test_the_command_on_the_page_makes_the_run_again(run: Run, model: str, both: str) -> None:
    from picojoule.report.document import document

    assert run("train", model, "--data", both, *SHORT, "--bits", "1", "--out", "run").code == 0
    shell = document({"again": pj.load("run")})["runs"][0]["rerun"]["shell"]
    assert run(*shell.split()[1:]).code == 0
    assert pj.load("again").captured == pj.load("run").captured


@pytest.mark.slow
def test_a_signal_leaves_what_the_same_command_goes_on_from(
    start: Start, run: Run, model: str, both: str, tmp_path: Path
) -> None:
    command = ("train", model, "--data", both, "--recipe", "short", "--epochs", "2000", "--out", "run")
    process = start(*command)
    while not (tmp_path / "run" / CHECKPOINT).exists():
        assert process.poll() is None
    process.send_signal(2)
    assert process.wait() == 130
    assert process.stderr is not None
    assert process.stderr.read().splitlines()[-1] == "picojoule: stopped; the same command goes on from here"
    assert [path.name for path in (tmp_path / "run").iterdir()] == [CHECKPOINT]


class TestCluster:
    def test_tables_have_the_figures_of_the_result(self, run: Run, model: str, both: str, tmp_path: Path) -> None:
        command = ("cluster", model, "--data", both, "--keep", "0.95", "--confidence", "point", "--epochs", "4")
        done = run(*command)
        assert done.code == 0
        (folder,) = (tmp_path / "runs").iterdir()
        assert folder.name == "net-trained-clusters"
        result = pj.load(folder)
        lines = [" ".join(line.split()) for line in done.out.splitlines()]
        at = next(place for place, line in enumerate(lines) if line.startswith("Clusters, and how many times smaller"))
        ratio = f"{compression(result.captured, result.plan):.2f}"
        assert lines[at + 4].split()[:2] == ["all", ratio]
        formats = result.plan.formats["fc.weights"]
        assert isinstance(formats, Lut)
        assert lines[at + 3].split()[:2] == ["fc", str(formats.count)]
        assert units.energy(result.energy.total_pj) in lines[at + 4]
        assert run(*command, "--json").out == (folder / "result.json").read_text()
        assert run(*command, "--seed", "1").code in (0, 3)
        assert {path.name for path in (tmp_path / "runs").iterdir()} == {folder.name, f"{folder.name}-2"}

    def test_the_command_on_the_page_makes_the_run_again(self, run: Run, model: str, both: str) -> None:
        from picojoule.report.document import document

        options = ("--keep", "0.9", "--activations", "--epochs", "1", "--seed", "3", "--confidence", "0.8")
        code = run("cluster", model, "--data", both, *options, "--out", "run").code
        shell = document({"again": pj.load("run")})["runs"][0]["rerun"]["shell"]
        assert run(*shell.split()[1:]).code == code
        assert pj.load("again").to_json() == pj.load("run").to_json()

    def test_one_floor_at_a_time(self, run: Run, model: str, both: str) -> None:
        done = run("cluster", model, "--data", both, "--keep", "0.9", "0.8")
        assert done.code == 2
        assert done.err.splitlines()[-1] == "Error: Got unexpected extra argument(s) (0.8)"
