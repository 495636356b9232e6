"""`explore` through the command line: what would be trained, what was, and the texts of its options."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.conftest import Run
from tests.jobs import small

from picojoule import files, units
from picojoule.explore import Exploration, Point
from picojoule.explore.exploration import FILE

Start = Callable[..., "subprocess.Popen[str]"]
TINY = ("lenet-300-100", "--width", "0.05", "--recipe", "short", "--epochs", "1")
NAME = "lenet-300-100-x0.05"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> str:
    """DATA with a part to train on."""
    train, held_out = small.digits().train, small.digits().held_out.first(100)
    assert train is not None
    path = tmp_path_factory.mktemp("data") / "both.npz"
    np.savez(
        path, x=held_out.x.numpy(), y=held_out.y.numpy(), x_train=train.x[:300].numpy(), y_train=train.y[:300].numpy()
    )
    return str(path)


@pytest.fixture
def ahead(run: Run, both: str) -> Callable[..., list[dict[str, Any]]]:
    """What would be trained, by a dry run's document."""

    def asked(*options: str) -> list[dict[str, Any]]:
        done = run("explore", *TINY, "--data", both, "--dry-run", "--json", *options)
        assert done.code == 0
        found: list[dict[str, Any]] = files.parse(done.out, "prospect", 1, "the output")["networks"]
        return found

    return asked


def squeezed(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


class TestDryRun:
    def test_shows_what_each_training_costs(self, run: Run, both: str, ahead: Any) -> None:
        done = run("explore", *TINY, "--data", both, "--bits", "4", "1", "--dry-run")
        assert (done.code, done.err) == (0, "")
        lines, known = squeezed(done.out), ahead("--bits", "4", "1")
        assert [each["bits"] for each in known] == [1, 4]
        for each in known:
            (line,) = (line for line in lines if line.startswith(f"{NAME} {each['bits']} 0 "))
            energies = [units.energy(each["energy_pj"][name]) for name in ("moons2017", "envision", "eyeriss")]
            assert f"{units.count(each['macs'])} {units.size(8 * each['weight_bytes'])} " in line
            assert " ".join(energies) in line
        assert re.fullmatch(r"2 trainings, about .* for one worker", lines[-1])

    def test_leaves_nothing(self, run: Run, both: str, tmp_path: Path) -> None:
        for options in ((), ("--json",)):
            assert run("explore", *TINY, "--data", both, "--bits", "4", "--dry-run", *options).code == 0
        assert not list(tmp_path.iterdir())

    def test_says_what_is_left_out(self, run: Run, both: str) -> None:
        done = run("explore", *TINY, "--data", both, "--bits", "1,4,16", "--below", "14nJ", "--dry-run")
        assert squeezed(done.out)[-1].endswith("for one worker; 1 left out for their energy")
        done = run("explore", *TINY, "--data", both, "--bits", "1,4,16", "--below", "14nJ", "--dry-run", "--json")
        assert json.loads(done.out)["left_out"] == [f"{NAME}-16bit-seed0"]


class TestTexts:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (("--bits", "1", "2", "4"), [1, 2, 4]),
            (("--bits", "1,2,4"), [1, 2, 4]),
            (("--bits=1", "2", "4"), [1, 2, 4]),
            (("--bits", "1", "--bits", "2", "--bits", "4"), [1, 2, 4]),
            (("--bits", "4,2,1,2"), [1, 2, 4]),
            ((), [1, 2, 4, 8, 16]),
        ],
    )
    def test_bits(self, ahead: Any, options: tuple[str, ...], expected: list[int]) -> None:
        assert [each["bits"] for each in ahead(*options)] == expected

    def test_width_depth_and_seed(self, run: Run, both: str) -> None:
        done = run(
            "explore", "qnn-1x2-1x2-1x2", "lenet-300-100-x0.05", "--data", both, "--width", "0.5", "1", "--bits", "4",
            "--seed", "0", "7", "--recipe", "short", "--epochs", "1", "--dry-run", "--json",
        )  # fmt: skip
        found = {(each["network"], each["seed"]) for each in json.loads(done.out)["networks"]}
        names = ("qnn-1x2-1x2-1x2", "qnn-1x1-1x1-1x1", "lenet-300-100-x0.05", "lenet-300-100-x0.025")
        assert found == {(name, seed) for name in names for seed in (0, 7)}
        done = run("explore", "qnn-1x2-1x1-1x1", "--data", both, "--depth", "2", "--bits", "4", "--recipe", "short",
                   "--dry-run", "--json")  # fmt: skip
        assert [each["network"] for each in json.loads(done.out)["networks"]] == ["qnn-2x2-2x1-2x1"]

    @pytest.mark.parametrize("text", ["14nJ", "14 nJ", "0.014uJ", "0.014µJ", "14000pJ", "0.000014mJ"])
    def test_below(self, ahead: Any, text: str) -> None:
        assert [each["bits"] for each in ahead("--bits", "1", "4", "16", "--below", text)] == [1, 4]


class TestSweep:
    def test_tables_and_folder(self, run: Run, both: str, tmp_path: Path) -> None:
        done = run("explore", *TINY, "--data", both, "--bits", "2", "8", "--out", "sweep")
        assert done.code == 0
        found = Exploration.load(tmp_path / "sweep")
        assert [each.point for each in found.trials] == [Point(NAME, 2), Point(NAME, 8)]
        asked = {
            "networks": ["lenet-300-100"],
            "data": both,
            "bits": [2, 8],
            "width": [0.05],
            "depth": [1],
            "seed": [0],
        }
        assert found.settings.items() >= asked.items()
        lines = squeezed(done.out)
        assert lines[0].startswith(f"lenet-300-100 on {both}: recipe short, 1 epochs, platform moons2017")
        assert "2 complete" in lines[1]
        for each in found.front("moons2017"):
            (line,) = (line for line in lines if line.startswith(f"{NAME} {each.bits} "))
            assert units.energy(each.cost.energy_pj["moons2017"] or 0) in line
            assert units.percent(each.searched) in line
        assert lines[-1] == "The sweep is in sweep: study.json, its trials, and report.html, the page."
        assert run("report", "sweep").code == 0

    def test_json_is_one_document_and_the_file(self, run: Run, both: str, tmp_path: Path) -> None:
        done = run("explore", *TINY, "--data", both, "--bits", "2", "--json")
        assert (done.code, done.err) == (0, "")
        found = Exploration.parse(done.out, "the output")
        assert done.out == found.to_json() == (tmp_path / "runs" / "explore" / FILE).read_text()

    def test_every_option_at_once(self, run: Run, both: str, tmp_path: Path) -> None:
        options = ("--activation", "hardtanh", "--platform", "envision", "--below", "1mJ", "--prune", "none",
                   "--time-budget", "1h", "--study", "here.sqlite", "--threads", "2", "--mean", "0.5", "--std", "0.5",
                   "--resize", "8", "--device", "cpu", "--bits", "4", "--out", "out", "--depth", "1",
                   "--seed", "5")  # fmt: skip
        assert run("explore", *TINY, "--data", both, *options).code == 0
        settings = Exploration.load(tmp_path / "out").settings
        asked = ("activation", "platform", "below_pj", "study", "mean", "std", "resize", "bits", "depth", "seed")
        assert [settings[key] for key in asked] == [
            "hardtanh", "envision", 1e9, "here.sqlite", "0.5", "0.5", 8, [4], [1], [5],
        ]  # fmt: skip
        assert (tmp_path / "here.sqlite").exists()

    @pytest.mark.slow
    def test_a_log_says_where_it_is_and_a_signal_leaves_what_goes_on(
        self, start: Start, run: Run, both: str, tmp_path: Path
    ) -> None:
        command = ("explore", "lenet-300-100", "--data", both, "--recipe", "short", "--bits", "4", "--out", "out")
        process = start(*command, "--width", "0.05", "--epochs", "20000")
        while not list(tmp_path.glob("out/trials/*/training.safetensors")):
            assert process.poll() is None
        assert process.stderr is not None
        line = next(line for line in process.stderr if "exploring" in line)
        assert re.match(rf"\[[\d.]+ .*\] exploring: .*left, {NAME}-4bit-seed0: \w+", line)
        process.send_signal(2)
        assert process.wait() == 130
        assert process.stderr.read().splitlines()[-1] == "picojoule: stopped; the same command goes on from here"
        assert not (tmp_path / "out" / FILE).exists()
        assert (tmp_path / "out" / "study.sqlite").exists()
