"""`export` and `verify` through the command line: files, tables, documents, refusals."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests import needs
from tests.cli.conftest import Run
from tests.export.engines import RUNTIMES
from tests.jobs import small
from torch import Tensor

import picojoule as pj
from picojoule.export import exporters
from picojoule.integer import Interpreter, Program
from picojoule.report.ship import sheet as sheets
from picojoule.verify import Proof
from picojoule.verify import engines as all_engines
from picojoule.verify.c import BOARDS


@pytest.fixture(scope="module")
def found() -> pj.Result:
    """A search with two floors."""
    return pj.search(small.trained(), small.few(200), keep=(0.97, 0.8), bits=(1, 8), strategy="uniform")


@pytest.fixture
def folder(found: pj.Result, tmp_path: Path) -> Path:
    """Its run folder."""
    needs.packages("onnx", "onnxruntime", "qonnx")
    found.save(tmp_path / "run")
    return tmp_path / "run"


class TestExport:
    def test_writes_the_files_of_each_target(self, run: Run, folder: Path, tmp_path: Path) -> None:
        done = run("export", folder, "--to", "program", "--to", "onnx", "--to", "qonnx", "--out", tmp_path / "ship")
        assert done.code == 0
        names = {"program.safetensors", "model.onnx", "model.qonnx.onnx"}
        assert {path.name for path in (tmp_path / "ship").iterdir()} == names
        assert all(f"{tmp_path / 'ship' / name}: " in done.out for name in names)
        program = Program.load(tmp_path / "ship" / "program.safetensors")
        assert program.to_bytes() == pj.lower(folder).to_bytes()
        x = small.few(20).held_out.x
        right = Interpreter(program).run(program.encode(x)).argmax(1) == small.few(20).held_out.y
        assert right.float().mean() > 0.8

    def test_json_has_the_sizes(self, run: Run, folder: Path) -> None:
        done = run("export", folder, "--to", "program", "--json")
        told = json.loads(done.out)
        path = folder / "export" / "program.safetensors"
        assert told["files"] == {str(path): path.stat().st_size}
        assert told["weight_bytes"] == Program.load(path).weight_bytes > 0
        assert told["arena_bytes"] > 0

    def test_another_floor_is_another_program(self, run: Run, folder: Path, found: pj.Result) -> None:
        run("export", folder, "--to", "program", "--point", "0.8", "--out", folder / "low")
        own = pj.lower(found.at(0.8)).to_bytes()
        assert (folder / "low" / "program.safetensors").read_bytes() == own != pj.lower(found).to_bytes()

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--to", "tflite"), f"target 'tflite' is not known; give one of {', '.join(exporters())}"),
            (("--to", "program", "--point", "0.5"), "run '{run}' has no point '0.5'; it has 0.97, 0.8"),
        ],
    )
    def test_refuses(self, run: Run, folder: Path, options: tuple[str, ...], said: str) -> None:
        assert run("export", folder, *options).refused() == said.format(run=folder)

    def test_writes_nothing_where_one_target_refuses(self, run: Run, folder: Path, tmp_path: Path) -> None:
        float32 = pj.search(small.trained(), small.few(), keep=0.9, strategy="uniform").baselines["float32"]
        result = pj.load(folder)
        wide = pj.Result(result.captured, (float32,), result.baselines, result.settings)
        wide.save(tmp_path / "wide")
        told = run("export", tmp_path / "wide", "--to", "program", "--out", tmp_path / "ship").refused()
        assert "float32" in told
        assert not (tmp_path / "ship").exists()


class TestExportToC:
    NAMES = ("network.h", "network.c", "vectors.h", "main.c", "Makefile", "README.md", "sheet.md")

    def test_writes_a_folder_of_its_own_beside_other_targets(self, run: Run, folder: Path, tmp_path: Path) -> None:
        done = run("export", folder, "--to", "c", "--to", "program", "--no-measure", "--out", tmp_path / "ship")
        assert done.code == 0
        assert {path.name for path in (tmp_path / "ship").iterdir()} == {"c", "program.safetensors"}
        assert {path.name for path in (tmp_path / "ship" / "c").iterdir()} == {*self.NAMES}
        assert all(f"{tmp_path / 'ship' / 'c' / name}: " in done.out for name in self.NAMES)
        assert "flash, weights: bytes" in done.out
        assert "Nothing was measured" in done.out
        assert "instructions" not in done.out
        again = run("export", folder, "--to", "c", "--no-measure", "--out", tmp_path / "again")
        assert again.code == 0
        for name in self.NAMES:
            assert (tmp_path / "again" / "c" / name).read_bytes() == (tmp_path / "ship" / "c" / name).read_bytes()

    def test_the_sheet_is_measured(self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        needs.programs("arm-none-eabi-gcc", "qemu-system-arm")
        monkeypatch.setattr(sheets, "BOARDS", {"cortex-m4": BOARDS["cortex-m4"]})
        done = run("export", folder, "--to", "c")
        assert done.code == 0
        text = (folder / "export" / "c" / "sheet.md").read_text()
        assert "Cortex-M4: instructions" in done.out
        assert "| Cortex-M4: instructions |" in text
        told = json.loads(run("export", folder, "--to", "c", "--json").out)
        assert told["files"][str(folder / "export" / "c" / "sheet.md")] == len(text.encode())
        assert told["sheet"]["own"]["boards"]["cortex-m4"]["differ"] == 0
        assert told["sheet"]["int8"]["energy"]["platform"] == told["sheet"]["own"]["energy"]["platform"]

    def test_without_the_tools_it_says_so_and_writes_all(
        self, run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        done = run("export", folder, "--to", "c")
        assert done.code == 0
        assert "No instructions, stack or code size: compiler or emulator not installed; apt install" in done.out
        assert {path.name for path in (folder / "export" / "c").iterdir()} == {*self.NAMES}

    @pytest.mark.parametrize("compiler", ["gcc", "clang"])
    def test_its_makefile_tests_it_on_the_host(self, run: Run, folder: Path, tmp_path: Path, compiler: str) -> None:
        needs.programs("make", compiler)
        run("export", folder, "--to", "c", "--no-measure", "--out", tmp_path)
        make = ["make", "-C", tmp_path / "c", "test", f"CC={compiler}"]
        done = subprocess.run(make, capture_output=True, text=True, check=True)
        assert "0 of 40 outputs differ" in done.stdout

    def test_its_makefile_fails_where_a_vector_is_altered(self, run: Run, folder: Path, tmp_path: Path) -> None:
        needs.programs("make", "cc")
        run("export", folder, "--to", "c", "--no-measure", "--out", tmp_path)
        path = tmp_path / "c" / "vectors.h"
        head, _, outputs = path.read_text().partition("vector_outputs")
        first = re.search(r"-?\d+(?=,)", outputs)
        assert first is not None
        altered = outputs[: first.start()] + str(int(first[0]) + 1) + outputs[first.end() :]
        path.write_text(f"{head}vector_outputs{altered}")
        done = subprocess.run(["make", "-C", tmp_path / "c", "test"], capture_output=True, text=True)
        assert done.returncode != 0
        assert "1 of 40 outputs differ" in done.stdout

    def test_its_header_serves_cpp(self, run: Run, folder: Path, tmp_path: Path) -> None:
        needs.programs("clang")
        run("export", folder, "--to", "c", "--no-measure", "--out", tmp_path)
        (tmp_path / "main.cpp").write_text(
            '#include "network.h"\nint main() { static network_input_t in[NETWORK_INPUTS]; '
            "static network_output_t out[NETWORK_OUTPUTS]; return network_run(in, out); }\n"
        )
        strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Ic"]
        subprocess.run(["clang", "-std=c99", *strict, "-c", "c/network.c"], cwd=tmp_path, check=True)
        subprocess.run(["clang", "-std=c++11", *strict, "-c", "main.cpp"], cwd=tmp_path, check=True)
        subprocess.run(["clang", "main.o", "network.o", "-o", "main"], cwd=tmp_path, check=True)
        assert subprocess.run([tmp_path / "main"]).returncode == 0


class TestVerify:
    def test_all_engines_agree(self, run: Run, folder: Path) -> None:
        done = run(
            "verify", folder, "--data", "digits", "--samples", "30", "--random", "4", "--slow", "1", "--seed", "3"
        )
        assert done.code == 0
        proof = Proof.parse((folder / "proof.json").read_bytes(), "proof.json")
        assert proof.holds
        for verdict in proof.verdicts:
            row = next(line for line in done.out.splitlines() if line.startswith(verdict.engine))
            assert row.split(verdict.engine)[1].split()[0] == verdict.state
        ran = {each.engine: each.samples["samples"] for each in proof.verdicts if each.state == "equal"}
        assert ran["float64"] == 30

    def test_an_engine_that_differs_is_told(self, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def wrong(program: Program, optimised: bool) -> Callable[[Tensor], Tensor]:
            right = all_engines.interpreter(program)
            return lambda x: right(x) + torch.eye(10)[0] * optimised

        monkeypatch.setattr(all_engines, "_onnxruntime", wrong)
        done = run("verify", folder, "--random", "2", "--slow", "1", "--json")
        assert done.code == 1
        states = {each["engine"]: each["state"] for each in json.loads(done.out)["verdicts"]}
        assert [states[name] for name in RUNTIMES] == ["different", "equal"]
        assert "the engines do not agree" in done.err

    def test_refuses(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        assert "it has no result.json" in run("verify", tmp_path / "empty").refused()
