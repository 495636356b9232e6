"""`search` through the command line: tables, documents, folders and exit codes."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Run
from tests.jobs import small

import picojoule as pj
from picojoule import units

BITS = ("--bits", "3:8")
Start = Callable[..., "subprocess.Popen[str]"]


class TestSearch:
    def test_tables_have_the_figures_of_the_result(self, run: Run, model: str, data: str, tmp_path: Path) -> None:
        done = run("search", model, "--data", data, "--keep", "1.0", "0.9", *BITS, "--out", tmp_path / "run")
        assert done.code == 0
        assert "…" not in done.out
        assert {path.name for path in (tmp_path / "run").iterdir()} == small.FILES
        result = pj.load(tmp_path / "run")
        lines = [" ".join(line.split()) for line in done.out.splitlines()]
        for point in (*result.points, *result.baselines.values()):
            assert point.energy is not None
            line = next(line for line in lines if line.split(" ")[0] == point.label and "nJ" in line)
            assert units.energy(point.energy.total_pj) in line
            assert units.percent(point.search.value) in line
            assert units.percent(point.report.value) in line
        for layer in result.captured.layers:
            line = next(line for line in lines if line.split(" ")[0] == layer.name)
            assert str(result.plan.formats[layer.inputs]) in line
            assert str(result.plan.formats[layer.weights]) in line
            assert units.energy(result.energy.layers[layer.name].total_pj) in line
        assert lines[-1].startswith(f"The run is in {tmp_path / 'run'}: ")
        assert "report.html, the page to open in a browser." in lines[-1]

    def test_json_is_one_document_and_nothing_else(self, run: Run, model: str, data: str, folder: Path) -> None:
        done = run("search", model, "--data", data, "--keep", "1.0", "0.9", *BITS, "--json")
        assert (done.code, done.err) == (0, "")
        assert json.loads(done.out)["picojoule"] == "result"
        assert done.out == (folder / "result.json").read_text()

    def test_the_default_folder_is_below_the_working_one(self, run: Run, model: str, data: str, tmp_path: Path) -> None:
        options = ("--data", data, "--keep", "0.5", "--confidence", "point", "--bits", "7:8", "--json")
        assert run("search", model, *options).code == 0
        assert run("search", model, *options, "--strategy", "uniform").code == 0
        runs = sorted(path.name for path in (tmp_path / "runs").iterdir())
        assert runs == ["net-trained-descent", "net-trained-uniform"]
        assert {path.name for path in (tmp_path / "runs" / runs[0]).iterdir()} == small.FILES

    def test_every_option_at_once(self, run: Run, model: str, data: str, home: Path, tmp_path: Path) -> None:
        (tmp_path / "metric.py").write_text("def best(outputs, targets):\n    return outputs.argmax(1) == targets\n")
        done = run(
            "search", model, "--data", data, "--checkpoint", home / "trained.safetensors", "--keep", "0.9,0.5",
            "--strategy", "descent", "--rescale", "channel", "--observer", "mse", "--signed", "always",
            "--confidence", "0.6", "--prepare", "none", "--max-weight-bytes", "64k", "--max-ram-bytes", "9999",
            "--jobs", "1", "--cache-gb", "0.5", "--bits", "2:16", "--formats", "fixed",
            "--platform", "eyeriss", "--metric", f"{tmp_path / 'metric.py'}:best",
            "--time-budget", "10m", "--seed", "3", "--mean", "0", "--std", "1", "--resize", "8", "--device", "cpu",
            "--out", tmp_path / "run", "--json",
        )  # fmt: skip
        settings = json.loads(done.out)["settings"]
        assert settings.pop("metric") == f"{tmp_path / 'metric.py'}:best"
        assert settings.pop("platform_toml") == pj.Platform.load("eyeriss").to_toml()
        assert settings == {
            "model": model, "data": data, "checkpoint": str(home / "trained.safetensors"),
            "device": "cpu", "mean": "0", "std": "1", "resize": 8,
            "keep": [0.9, 0.5], "strategy": "descent", "bits": [2, 16], "formats": "fixed", "seed": 3,
            "rescale": "channel",
            "confidence": 0.6, "prepare": "none", "max_weight_bytes": 65536, "max_ram_bytes": 9999,
            "observer": "mse", "signed": "always", "platform": "eyeriss",
            "samples": {"calibration": 10, "search": 45, "report": 45},
        }  # fmt: skip

    def test_a_checkpoint_counts(self, run: Run, home: Path, data: str) -> None:
        options = ("--data", data, "--bits", "8", "--keep", "0.9", "--json")
        fresh = run("search", f"{home / 'net.py'}:Small", *options)
        loaded = run("search", f"{home / 'net.py'}:Small", *options, "--checkpoint", home / "trained.safetensors")
        right = [json.loads(done.out)["baselines"][2]["search"]["correct"] for done in (fresh, loaded)]
        assert right[0] < 20 < 40 < right[1]

    def test_what_the_users_code_prints_stays_out_of_the_document(
        self, run: Run, home: Path, data: str, tmp_path: Path
    ) -> None:
        shutil.copy(home / "trained.safetensors", tmp_path)
        code = (home / "net.py").read_text().replace("model = Small()", "model = Small()\n    print('made', model)")
        (tmp_path / "chatty.py").write_text("print('importing')\n" + code)
        done = run("search", "chatty.py:trained", "--data", data, "--bits", "8", "--keep", "0.5", "--json")
        assert json.loads(done.out)["settings"]["model"] == "chatty.py:trained"
        assert done.err.startswith("importing\nmade Small(")

    def test_one_more_run_resumes(self, run: Run, model: str, data: str, folder: Path, tmp_path: Path) -> None:
        shutil.copytree(folder, tmp_path / "run")
        done = run("search", model, "--data", data, "--keep", "1.0", "0.9", *BITS, "--out", tmp_path / "run", "--json")
        assert done.out == (folder / "result.json").read_text()
        kept = []
        for path in (folder / "journal.sqlite", tmp_path / "run" / "journal.sqlite"):
            with closing(sqlite3.connect(path)) as connection:
                kept.append(connection.execute("SELECT * FROM evaluations").fetchall())
        assert kept[0] == kept[1]

    def test_out_of_reach(self, run: Run, model: str, data: str, tmp_path: Path) -> None:
        done = run("search", model, "--data", data, "--keep", "1.0", "0.1", "--bits", "1", "--out", tmp_path / "run")
        assert done.code == 3
        result = pj.load(tmp_path / "run")
        point = result.points[0]
        assert point.blockers
        (told,) = result.unreached
        assert told.endswith(f"; in the way: {', '.join(point.blockers)}")
        assert told in done.out.splitlines()
        assert "Layer by layer at keep 1:" in done.out
        assert "FAILS" in done.out
        assert "Traceback" not in done.err
        again = run("search", model, "--data", data, "--keep", "1.0", "0.1", "--bits", "1", "--out", tmp_path / "run",
                    "--json")  # fmt: skip
        assert (again.code, again.err) == (3, f"picojoule: {told}\n")
        assert json.loads(again.out)["points"][0]["blockers"] == list(point.blockers)

    def test_a_folder_is_named_as_it_is(self, run: Run, model: str, data: str) -> None:
        done = run("search", model, "--data", data, "--bits", "8", "--keep", "0.5", "--out", "a [bold] :dog: [/x]")
        assert done.code == 0
        assert "The run is in a [bold] :dog: [/x]: plan.json" in done.out

    def test_without_time(self, run: Run, model: str, data: str) -> None:
        done = run("search", model, "--data", data, "--time-budget", "0s", "--confidence", "point", *BITS)
        assert done.code == 0
        assert "holds, stopped" in done.out

    def test_a_damaged_journal_is_set_aside_and_named(self, run: Run, model: str, data: str, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "journal.sqlite").write_bytes(bytes(range(256)) * 16)
        done = run("search", model, "--data", data, "--bits", "8", "--keep", "0.5", "--out", tmp_path / "run")
        assert done.code == 0
        aside = tmp_path / "run" / "journal.sqlite.corrupt-1"
        assert f"the journal was damaged; it is set aside as '{aside}'" in done.err.splitlines()[0]
        assert aside.read_bytes() == bytes(range(256)) * 16

    def test_a_platform_without_float32(self, run: Run, model: str, data: str) -> None:
        done = run("search", model, "--data", data, "--bits", "8", "--keep", "0.5", "--platform", "envision")
        assert done.code == 0
        line = next(line for line in done.out.splitlines() if line.startswith("float32"))
        assert "no figure" in line

    def test_a_network_that_is_never_right(self, run: Run, home: Path, tmp_path: Path) -> None:
        wrong = small.mislabelled()
        np.savez(tmp_path / "wrong.npz", x=wrong.x.numpy(), y=wrong.y.numpy())
        done = run("search", f"{home / 'net.py'}:trained", "--data", "wrong.npz", "--json")
        told = "the float network is right on no sample of the search split; are its weights loaded?"
        assert done.refused() == told


@pytest.mark.slow
class TestProcess:
    """In processes of their own; `tests/jobs/test_survival.py` stops and kills such."""

    def test_a_document_from_a_process_of_its_own(self, start: Start, model: str, data: str, folder: Path) -> None:
        process = start("search", model, "--data", data, "--keep", "1.0", "0.9", *BITS, "--json")
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
        assert out == (folder / "result.json").read_text()

    def test_bad_input_in_a_process_of_its_own(self, start: Start, model: str) -> None:
        process = start("search", model, "--data", "nowhere.npz")
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (2, "")
        assert err == "picojoule: cannot read 'nowhere.npz': No such file or directory\n"


def test_a_run_with_other_settings_replaces_nothing(run: Run, model: str, data: str, tmp_path: Path) -> None:
    options = ("search", model, "--data", data, "--bits", "7:8", "--strategy", "greedy", "--json")
    for keep in ("0.5", "0.4", "0.5"):
        assert run(*options, "--keep", keep).code == 0
    runs = {path.name: json.loads((path / "result.json").read_text()) for path in (tmp_path / "runs").iterdir()}
    assert {name: found["settings"]["keep"] for name, found in runs.items()} == {
        "net-trained-greedy": [0.5],
        "net-trained-greedy-2": [0.4],
    }
