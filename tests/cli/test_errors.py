"""Bad input on the command line: one line on standard error that names the thing, exit code 2, no traceback."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.cli.conftest import Run
from tests.jobs.test_models import Payload

import picojoule as pj

BROKEN = """
from torch import nn

def fails():
    raise KeyError("weights")

def leaves():
    raise SystemExit(7)

def number():
    return 3

def two():
    class Two(nn.Module):
        def forward(self, x):
            return x, x
    return Two()
"""


class TestModels:
    @pytest.fixture
    def broken(self, tmp_path: Path) -> None:
        (tmp_path / "broken.py").write_text(BROKEN)
        (tmp_path / "syntax.py").write_text("def net(:\n    pass\n")
        (tmp_path / "absent.py").write_text("import no_such_package\n")

    @pytest.mark.usefixtures("broken")
    @pytest.mark.parametrize(
        ("model", "text"),
        [
            ("missing.py:net", "'missing.py:net': there is no file 'missing.py'"),
            ("syntax.py:net", "'syntax.py:net' raised SyntaxError at line 1 of '{here}/syntax.py': invalid syntax"),
            ("absent.py:net", "'absent.py:net' raised ModuleNotFoundError at line 1 of '{here}/absent.py': No module"),
            ("broken.py:fails", "'broken.py:fails' raised KeyError at line 5 of '{here}/broken.py': 'weights'"),
            ("broken.py:leaves", "'broken.py:leaves' raised SystemExit at line 8 of '{here}/broken.py': 7"),
            ("broken.py:number", "model 'broken.py:number' returned int, expected a torch.nn.Module"),
            ("broken.py:nn", "'broken.py:nn' is a module, not a function"),
            ("broken.py", "model 'broken.py' names a file; give the function in it that returns the model"),
            ("broken.py:two", "the model returns more than one tensor; wrap it so that it returns one"),
            ("no.such.module:net", "'no.such.module:net': there is no module 'no.such.module'"),
            ("lenet", "network 'lenet' is not known; give one of lenet5, lenet-300-100, resnet20, ds-cnn"),
            ("", "network '' is not known; give one of"),
            ("lenet5", "the model fails on an input of shape [n, 1, 8, 8]: "),
        ],
    )
    def test_a_model(self, run: Run, data: str, tmp_path: Path, model: str, text: str) -> None:
        for verb in (("search",), ("inspect",), ("energy", "--plan", "plan.json")):
            pj.Plan.parse({"*": "fixed8"}).save(tmp_path / "plan.json")
            refused = run(verb[0], model, "--data", data, *verb[1:], *(["--json"] if verb[0] == "search" else []))
            assert refused.refused().startswith(text.format(here=tmp_path.resolve())), verb
        assert not (tmp_path / "runs").exists()

    def test_checkpoints(self, run: Run, home: Path, data: str, tmp_path: Path) -> None:
        torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pt")
        torch.save(Payload(tmp_path / "witness"), tmp_path / "code.pt")
        (tmp_path / "noise.pt").write_bytes(b"\x80\x04noise\nnoise")
        for name, text in (
            ("missing.pt", "cannot read checkpoint 'missing.pt': no such file"),
            ("other.pt", "checkpoint 'other.pt' is of another network (missing: conv.bias, fc.weight, fc.bias; of"),
            (
                "code.pt",
                "checkpoint 'code.pt' holds more than weights, or is damaged, and is not loaded, since it could",
            ),
            ("noise.pt", "checkpoint 'noise.pt' holds more than weights, or is damaged, and is not loaded"),
        ):
            done = run("search", f"{home / 'net.py'}:Small", "--data", data, "--checkpoint", name)
            assert done.refused().startswith(text)
        assert not (tmp_path / "witness").exists()


class TestData:
    def test_data(self, run: Run, model: str, tmp_path: Path) -> None:
        x, y = np.random.default_rng(0).random((40, 1, 8, 8), np.float32), np.zeros(40, int)
        np.savez(tmp_path / "whole.npz", x=x, y=y)
        whole = (tmp_path / "whole.npz").read_bytes()
        (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "flipped.npz").write_bytes(whole[:300] + bytes(200) + whole[500:])
        (tmp_path / "text.npz").write_text("x, y")
        np.savez(tmp_path / "nan.npz", x=np.where(np.arange(64).reshape(8, 8) == 3, np.nan, x), y=y)
        np.savez(tmp_path / "names.npz", images=x, labels=y)
        np.savez(tmp_path / "objects.npz", x=np.array([None] * 40), y=y)
        np.savez(tmp_path / "few.npz", x=x[:2], y=y[:2])
        np.savez(tmp_path / "labels.npz", x=x, y=y + 12)
        (tmp_path / "data.py").write_text("def three():\n    return 3\n\ndef fails():\n    return open('nowhere')\n")
        for name, text in (
            ("missing.npz", "data 'missing.npz': there is no such file"),
            ("cut.npz", "file 'cut.npz' is not a numpy archive"),
            ("flipped.npz", "file 'flipped.npz' is a broken numpy archive: "),
            ("text.npz", "file 'text.npz' is not a numpy archive"),
            (
                "nan.npz",
                "file 'nan.npz', arrays 'x' and 'y': data has NaN or Inf in 40 of 40 samples (first: sample 0)",
            ),
            ("names.npz", "file 'names.npz' has no array 'x'; it has 'images', 'labels'"),
            ("objects.npz", "file 'objects.npz' holds Python objects; store plain numeric arrays"),
            ("few.npz", "1 samples cannot be cut into 0 for search and 1 for report; each split needs at least 1"),
            ("labels.npz", "label 12 of sample 0 is outside 0..9, the classes of the network's 10 outputs"),
            ("idx:nowhere", "data 'idx:nowhere': there is no folder 'nowhere'"),
            ("cifar10:nowhere", "data 'cifar10:nowhere': "),
            ("data.py:three", "data 'data.py:three': data cannot be made of int; give a torch Dataset"),
            ("data.py:fails", f"'data.py:fails' raised FileNotFoundError at line 5 of '{tmp_path.resolve()}/data.py'"),
            ("imagenet", "data 'imagenet' is not known; give one of digits, mnist5k, cifar10:DIR"),
        ):
            assert run("search", model, "--data", name).refused().startswith(text), name


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            (["--keep", "1.7"], "keep 1.7 is not a relative accuracy: give a number above 0 and at most 1"),
            (["--keep", "0.9", "0"], "keep 0 is not a relative accuracy"),
            (["--keep", "nan"], "keep nan is not a relative accuracy"),
            (["--keep", "99%"], "--keep '99%' is not understood; give numbers such as 0.99"),
            (["--keep="], "--keep '' is not understood; give numbers such as 0.99"),
            (["--bits", "0:20"], "bits 0:20 cannot be searched; give the least and the most bits within 1:16"),
            (["--bits", "8:4"], "bits 8:4 cannot be searched"),
            (["--bits", "x"], "--bits 'x' is not understood; give the least and the most bits, such as 1:16"),
            (["--bits", "1:8:16"], "--bits '1:8:16' is not understood"),
            (["--bits", "1-16"], "--bits '1-16' is not understood"),
            (["--time-budget", "soon"], "--time-budget 'soon' is not understood; give a time such as 90s, 10m or 2h"),
            (["--time-budget", "-5"], "--time-budget '-5' is not understood"),
            (["--time-budget", "nan"], "--time-budget 'nan' is not understood"),
            (["--time-budget", ""], "--time-budget '' is not understood"),
            (["--mean", "a"], "--mean 'a' is not understood; give numbers with commas between"),
            (["--std", "1,,2"], "--std '1,,2' is not understood; give numbers with commas between"),
            (["--std", "0"], "std 0.0 cannot be used; give a finite number above 0"),
            (["--mean", "1,2"], "mean has 2 values, but the samples have 1 channels; give 1 or 1"),
            (["--resize", "0"], "resize to 0 pixels is not possible; give at least 1"),
            (["--strategy", "magic"], "strategy 'magic' is not known; choose one of "),
            (["--rescale", "row"], "rescale 'row' is not known; choose one of network, layer, channel"),
            (["--observer", "min"], "observer 'min' is not known; choose one of max, percentile, mse"),
            (["--signed", "never"], "signed 'never' is not known; choose one of auto, always"),
            (["--metric", "top3"], "metric 'top3' is not known; give one of top1, top5, or path.py:function"),
            (["--metric", "nowhere.py:best"], "'nowhere.py:best': there is no file 'nowhere.py'"),
            (["--device", "gpu"], "device 'gpu' cannot be used: "),
            (["--platform", "moons"], "no platform 'moons'; choose one of "),
            (["--platform", "mine.toml"], "cannot read 'mine.toml': No such file or directory"),
        ],
        ids=" ".join,
    )
    def test_a_value(self, run: Run, model: str, data: str, tmp_path: Path, options: list[str], text: str) -> None:
        assert run("search", model, "--data", data, *options).refused().startswith(text)
        assert not (tmp_path / "runs").exists()

    def test_an_output_folder_that_is_a_file(self, run: Run, model: str, data: str, tmp_path: Path) -> None:
        (tmp_path / "run").write_text("mine")
        refused = run("search", model, "--data", data, "--out", "run").refused()
        assert (
            refused
            == "cannot open the journal 'run/journal.sqlite': [Errno 17] File exists: 'run'; choose another folder"
        )
        assert (tmp_path / "run").read_text() == "mine"

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (["search", "lenet5", "--data", "digits", "--fast"], "No such option: --fast"),
            (["search", "lenet5"], "Missing option '--data'"),
            (["search", "--data", "digits"], "Missing argument 'MODEL'"),
            (["search", "lenet5", "digits"], "Missing option '--data'"),
            (["serach"], "No such command 'serach'"),
            (["report"], "Missing argument 'DIR'"),
            (["demo", "--seed", "-1"], "Invalid value for '--seed'"),
            (["search", "lenet5", "--data", "digits", "--seed", "9" * 30], "Invalid value for '--seed'"),
            (["energy", "lenet5", "--data", "digits"], "Missing option '--plan'"),
        ],
        ids=" ".join,
    )
    def test_usage(self, run: Run, arguments: list[str], text: str) -> None:
        done = run(*arguments)
        assert (done.code, done.out) == (2, "")
        assert text in done.err
        assert "Traceback" not in done.err

    def test_help(self, run: Run) -> None:
        done = run("--help")
        assert done.code == 0
        assert all(
            verb in done.out for verb in ("search", "demo", "inspect", "energy", "report", "formats", "platforms")
        )
        assert run("search", "--help").code == 0


class TestFiles:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ('{"picojoule": "plan", "version": 1, "formats": {"fc9.weights": "fixed4"}}',
             "plan key 'fc9.weights' matches no site of the network; its sites are conv.inputs, conv.weights"),
            ('{"picojoule": "plan", "version": 1, "formats": {"*": "fixed4", "*": "fixed5"}}',
             "'plan.json' is not a valid plan: duplicate key '*'"),
            ('{"picojoule": "plan", "version": 2, "formats": {}}',
             "'plan.json': version 2 of a plan is not known; this picojoule reads 1"),
            ('{"picojoule": "plan", "version": 1, "formats": {}, "bits": 4}', "'plan.json': unknown key 'bits'"),
            ('{"picojoule": "plan", "version": 1, "formats": {"*": "int4"}}', "'plan.json': format 'int4' is not"),
            ('{"picojoule": "plan", "version": 1, "formats": {"*": 4}}', "'plan.json': site '*' has 4, expected a"),
            ('{"picojoule": "plan", "version": 1}', "'plan.json': key 'formats' is missing (a table)"),
            ('{"picojoule": "ranges", "version": 1}', "'plan.json' is not a plan: its key 'picojoule' says 'ranges'"),
            ("[]", "'plan.json' is not a plan: expected a JSON object, found list"),
            ("{", "'plan.json' is not a valid plan: Expecting property name"),
            ("", "'plan.json' is not a valid plan: Expecting value"),
        ],
    )  # fmt: skip
    def test_a_plan(self, run: Run, model: str, data: str, tmp_path: Path, text: str, told: str) -> None:
        (tmp_path / "plan.json").write_text(text)
        assert run("energy", model, "--data", data, "--plan", "plan.json").refused().startswith(told)

    @pytest.mark.parametrize("path", ["missing.json", "."])
    def test_a_plan_that_is_no_file(self, run: Run, model: str, data: str, path: str) -> None:
        assert run("energy", model, "--data", data, "--plan", path).refused().startswith(f"cannot read '{path}': ")

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            ("pj = 3.7\n", "pj = 3.7\npj = 3.8\n", "'mine.toml' is not valid TOML: Cannot overwrite a value"),
            ("[dram]\n", "[dram]\ncolour = 1\n", "'mine.toml': 'dram': unknown key 'colour'"),
            ("[dram]\n", "[extra]\nx = 1\n[dram]\n", "'mine.toml': unknown key 'extra'"),
            ("pj = 3.7\n", "pj = -3.7\n", "'mine.toml': 'mac': key 'pj' is -3.7, expected a finite number from 0 to"),
            (
                "version = 1",
                "version = 2",
                "'mine.toml': key 'version' is 2, expected 1, the version",
            ),
            ("pj = 473.6\n", "", "'mine.toml': 'dram': key 'pj' is missing (a finite number from 0 to"),
            ("status = ", "states = ", "'mine.toml': 'mac': key 'status' is missing (one of 'read', 'recalled'"),
        ],
    )
    def test_a_platform(self, run: Run, model: str, data: str, tmp_path: Path, old: str, new: str, told: str) -> None:
        text = pj.Platform.load("moons2017").to_toml()
        assert old in text
        (tmp_path / "mine.toml").write_text(text.replace(old, new, 1))
        assert run("search", model, "--data", data, "--platform", "mine.toml").refused().startswith(told)
        assert run("platforms", "mine.toml").refused().startswith(told)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """A change of `result.json` as a document."""

    def edit(folder: Path) -> None:
        document = json.loads((folder / "result.json").read_text())
        change(document)
        (folder / "result.json").write_text(json.dumps(document))

    return edit


class TestRunFolders:
    """What `report` says of a folder that is no run, or no longer one."""

    @pytest.mark.parametrize("name", ["nowhere", "empty"])
    def test_no_run(self, run: Run, tmp_path: Path, name: str) -> None:
        (tmp_path / "empty").mkdir()
        assert run("report", name).refused() == f"cannot read '{name}/result.json': No such file or directory"

    @pytest.mark.parametrize(
        ("tamper", "told"),
        [
            (lambda f: (f / "weights.safetensors").unlink(), "cannot read '{f}/weights.safetensors': No such file"),
            (lambda f: (f / "weights.safetensors").write_bytes(b"no weights"), "'{f}/weights.safetensors'"),
            (lambda f: (f / "result.json").write_text("{}"), "'{f}/result.json' is not a result: its key 'picojoule'"),
            (edited(lambda d: d.update(version=9)), "'{f}/result.json': version 9 of a result is not known"),
            (edited(lambda d: d.update(colour=1)), "'{f}/result.json': unknown key 'colour'"),
            (edited(lambda d: d.update(selected=5)), "'{f}/result.json': key 'selected' is 5, but there are 2 points"),
            (edited(lambda d: d.pop("points")), "'{f}/result.json': key 'points' is missing (a list)"),
            (edited(lambda d: d.update(front=[])), "'{f}/result.json': key 'front' does not fit the points"),
            (edited(lambda d: d["points"][0]["plan"].update({"fc.weights": "int3"})),
             "'{f}/result.json': format 'int3' is not known"),
            (edited(lambda d: d["points"][0]["search"].update(correct=1e9)), "'{f}/result.json': 'points': 'search'"),
            (edited(lambda d: d["baselines"].pop()), "'{f}/result.json': key 'baselines' has no point 'float32'"),
            (edited(lambda d: d["points"][0]["plan"].pop("fc.weights")),
             "'{f}/result.json': the network has a site 'fc.weights', which 'plan' of point '1' has not"),
            (edited(lambda d: d["points"][0]["ranges"]["sites"].pop("fc.weights")),
             "'{f}/result.json': the network has a site 'fc.weights', which 'ranges' of point '1' has not"),
            (edited(lambda d: d["points"][0].update(status="done")), "'{f}/result.json': 'points': key 'status'"),
            (edited(lambda d: d["points"][0]["energy"]["layers"][0].update(compute_pj=-1)),
             "'{f}/result.json': 'points': 'energy': 'layers': key 'compute_pj' is -1"),
        ],
    )  # fmt: skip
    def test_tampered(self, run: Run, folder: Path, tmp_path: Path, tamper: Callable[[Path], None], told: str) -> None:
        shutil.copytree(folder, tmp_path / "run")
        tamper(tmp_path / "run")
        assert run("report", "run").refused().startswith(told.format(f="run"))

    def test_settings_are_whatever_they_are(self, run: Run, folder: Path, tmp_path: Path) -> None:
        shutil.copytree(folder, tmp_path / "run")
        edited(lambda d: d["settings"].update(samples=3, model=["a"]))(tmp_path / "run")
        done = run("report", "run")
        assert done.code == 0
        assert done.out.startswith("['a'] on ")
