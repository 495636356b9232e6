"""The verbs that only look."""

import json
import re
import shlex
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from safetensors.torch import save_file
from tests.cli.conftest import Run
from tests.report import sweep as by_hand

import picojoule as pj
from picojoule import units, zoo
from picojoule.energy import platforms
from picojoule.report import study
from picojoule.report.document import document
from picojoule.report.page import page

LEFTOVERS = """
import torch
from torch import nn

class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = torch.sigmoid(self.fc(x.flatten(1)))
        return torch.softmax(x, 1)
"""


class TestInspect:
    def test_a_network_of_the_zoo_needs_no_data(self, run: Run) -> None:
        done = run("inspect", "lenet-300-100")
        assert (done.code, done.err) == (0, "")
        assert "3 layers, 266 200 MACs, 266 610 weights and biases" in done.out
        assert "Nothing is left in float." in done.out
        assert "…" not in done.out

    def test_what_cannot_be_quantised_has_a_reason(self, run: Run, data: str, tmp_path: Path) -> None:
        (tmp_path / "mixed.py").write_text(LEFTOVERS)
        done = run("inspect", "mixed.py:Mixed", "--data", data)
        assert done.code == 0
        lines = [line for line in done.out.splitlines() if line.startswith("left in float: ")]
        assert [re.sub(r"^left in float: \S+ ", "", line) for line in lines] == [
            "(sigmoid): 'sigmoid' is computed in floating point, element by element",
            "(softmax): 'softmax' is computed in floating point, element by element",
        ]
        document = json.loads(run("inspect", "mixed.py:Mixed", "--data", data, "--json").out)
        assert [leftover["op"] for leftover in document["left_in_float"]] == [
            "aten.sigmoid.default",
            "aten.softmax.int",
        ]

    def test_its_document(self, run: Run, model: str, data: str) -> None:
        done = run("inspect", model, "--data", data, "--json")
        assert (done.code, done.err) == (0, "")
        document = json.loads(done.out)
        assert [layer["name"] for layer in document["layers"]] == ["conv", "fc"]
        assert (document["macs"], document["input_shape"], document["output_shape"]) == (1656, [1, 8, 8], [10])

    def test_resized_data(self, run: Run, data: str) -> None:
        assert "input [1, 28, 28]" in run("inspect", "lenet5", "--data", data, "--resize", "28").out

    def test_the_users_code_needs_data(self, run: Run, model: str) -> None:
        told = "give --data, so that the shape of the network's input is known"
        assert run("inspect", model).refused() == told


class TestEnergy:
    @pytest.fixture
    def plan(self, tmp_path: Path) -> Path:
        path = tmp_path / "plan.json"
        formats = {"*": "fixed8", "*.weights": "fixed4", "fc.inputs": "fixed6"}
        path.write_text(json.dumps({"picojoule": "plan", "version": 1, "formats": formats}))
        return path

    def test_patterns_are_expanded(self, run: Run, model: str, data: str, plan: Path) -> None:
        done = run("energy", model, "--data", data, "--plan", plan, "--json")
        assert (done.code, done.err) == (0, "")
        document = json.loads(done.out)
        assert document["plan"] == {
            "conv.inputs": "fixed8", "conv.weights": "fixed4", "fc.inputs": "fixed6", "fc.weights": "fixed4",
        }  # fmt: skip

    def test_tables_have_the_documents_figures(self, run: Run, model: str, data: str, plan: Path) -> None:
        document = json.loads(run("energy", model, "--data", data, "--plan", plan, "--json").out)
        done = run("energy", model, "--data", data, "--plan", plan)
        assert (done.code, done.err) == (0, "")
        parts = ("compute_pj", "weights_pj", "activations_pj", "dram_pj")
        total = sum(layer[part] for layer in document["energy"]["layers"] for part in parts)
        for layer in document["energy"]["layers"]:
            line = next(line for line in done.out.splitlines() if line.startswith(layer["name"]))
            assert all(units.energy(layer[part]) in line for part in parts)
            assert units.energy(sum(layer[part] for part in parts)) in line
        for label, baseline in document["baselines"].items():
            told = f"{label}: {units.energy(baseline)}, {baseline / total:.2f} times the plan's"
            assert told in done.out.splitlines()

    def test_the_plan_of_a_run_costs_what_the_run_says(self, run: Run, model: str, data: str, folder: Path) -> None:
        done = run("energy", model, "--data", data, "--plan", folder / "plan.json", "--json")
        assert json.loads(done.out)["energy"] == pj.load(folder).energy.to_table()

    @pytest.mark.parametrize("platform", platforms())
    @pytest.mark.parametrize("text", ["lut16", "lut4:fp16"])
    def test_clusters_have_a_figure_or_are_refused_by_name(
        self, run: Run, model: str, data: str, tmp_path: Path, text: str, platform: str
    ) -> None:
        """A plan names no numbers: calibration finds them."""
        formats = {"*": text, "conv.inputs": "fixed8"}
        (tmp_path / "lut.json").write_text(json.dumps({"picojoule": "plan", "version": 1, "formats": formats}))
        done = run("energy", model, "--data", data, "--plan", "lut.json", "--platform", platform)
        if platform == "horowitz45":
            assert (done.code, done.err) == (0, "")
            assert [line.split()[0] for line in done.out.splitlines()[1:3]] == ["conv", "fc"]
        else:
            told = f"platform '{platform}' has no figure for {text} (layer 'conv'); give that layer a format it has, "
            assert done.refused().startswith(told)

    def test_a_platform_without_float32(self, run: Run, model: str, data: str, plan: Path, tmp_path: Path) -> None:
        done = run("energy", model, "--data", data, "--plan", plan, "--platform", "envision")
        assert "float32: no figure" in done.out.splitlines()
        (tmp_path / "empty.json").write_text('{"picojoule": "plan", "version": 1, "formats": {}}')
        refused = run("energy", model, "--data", data, "--plan", "empty.json", "--platform", "envision").refused()
        assert refused.startswith("platform 'envision' has no figure for float32, and the plan leaves everything")


class TestReport:
    def test_a_run_in_clusters_is_searched_and_shown_again(
        self, run: Run, model: str, data: str, tmp_path: Path
    ) -> None:
        how = ("--formats", "lut", "--inputs", "fixed16", "--platform", "horowitz45", "--strategy", "uniform")
        searched = run("search", model, "--data", data, "--keep", "0.5", "--out", tmp_path / "run", *how)
        assert searched.code == 0
        done = run("report", tmp_path / "run")
        assert (done.code, done.err) == (0, "")
        for layer in pj.load(tmp_path / "run").captured.layers:
            line = next(line for line in done.out.splitlines() if line.startswith(layer.name))
            assert re.search(r" fixed16 +\S+ +\S+ % lut\d+ +\d+ from -?[\d.]+ to [\d.]+ ", line)
        document = json.loads(run("report", tmp_path / "run", "--json").out)
        assert "--inputs fixed16" in document["runs"][0]["rerun"]["shell"]

    def test_it_shows_what_the_search_showed(self, run: Run, model: str, data: str, tmp_path: Path) -> None:
        searched = run("search", model, "--data", data, "--bits", "7:8", "--keep", "0.5", "--out", tmp_path / "run")
        page = tmp_path / "run" / "report.html"
        drawn = page.read_text()
        page.unlink()
        done = run("report", tmp_path / "run")
        assert (done.code, done.err) == (0, "")
        tables, _, last = done.out.rstrip("\n").rpartition("\n")
        assert searched.out.startswith(tables.rstrip("\n"))
        assert len(tables.splitlines()) > 10
        assert last == f"The page is {page}"
        assert page.read_text() == drawn

    def test_its_document(self, run: Run, folder: Path) -> None:
        done = run("report", folder, "--json")
        assert (done.code, done.err) == (0, "")
        assert json.loads(done.out) == document({str(folder): pj.load(folder)})

    def test_several_side_by_side(self, run: Run, folder: Path, tmp_path: Path) -> None:
        second = tmp_path / "second"
        pj.load(folder).save(second)
        done = run("report", folder, second / "result.json")
        assert (done.code, done.err) == (0, "")
        assert [line for line in done.out.splitlines() if line in (str(folder), str(second))] == [
            str(folder),
            str(second),
        ]
        assert done.out.splitlines()[-1] == "The page is report.html"
        expected = document({str(folder): pj.load(folder), str(second): pj.load(second)})
        assert Path("report.html").read_text() == page(expected)
        assert len(json.loads(run("report", folder, second, "--json").out)["runs"]) == 2

    def test_it_replaces_a_page_and_nothing_else(self, run: Run, folder: Path, tmp_path: Path) -> None:
        for _ in range(2):
            assert run("report", folder, "--out", "my page.html").code == 0
        mine = tmp_path / "mine.html"
        mine.write_text("<title>mine</title>")
        told = f"'{mine}' exists and is no report of picojoule's; give another place with --out"
        assert run("report", folder, "--out", mine).refused() == told
        assert mine.read_text() == "<title>mine</title>"
        assert run("report", folder, "--out", tmp_path).refused().startswith(f"'{tmp_path}' exists and is no ")

    def test_the_command_it_tells_makes_the_run_again(self, run: Run, model: str, data: str, tmp_path: Path) -> None:
        out = tmp_path / "run"
        run("search", model, "--data", data, "--keep", "0.5", "0.4", "--bits", "6:8", "--observer", "mse", "--out", out)
        told = json.loads(run("report", out, "--json").out)["runs"][0]["rerun"]["shell"]
        before = (out / "result.json").read_bytes()
        (out / "result.json").unlink()
        program, *words = shlex.split(told)
        assert program == "picojoule"
        assert run(*words).code == 0
        assert (out / "result.json").read_bytes() == before


class TestReportOfASweep:
    @pytest.fixture
    def sweep(self, tmp_path: Path) -> Path:
        folder = tmp_path / "sweep"
        folder.mkdir()
        (folder / "study.json").write_text(by_hand.sweep().to_json())
        return folder

    def test_it_shows_the_tables_and_writes_the_page(self, run: Run, sweep: Path) -> None:
        done = run("report", sweep)
        assert (done.code, done.err) == (0, "")
        assert "small, middle, large on digits: recipe short, 3 epochs, platform moons2017" in done.out.splitlines()
        assert "large-1bit-seed2: failed, the loss is not finite; give a lower learning rate" in done.out.splitlines()
        assert done.out.splitlines()[-1] == f"The page is {sweep / 'report.html'}"
        expected = page(study.document(str(sweep), by_hand.sweep()))
        assert (sweep / "report.html").read_text() == expected
        assert run("report", sweep / "study.json", "--out", "elsewhere.html").code == 0
        assert Path("elsewhere.html").read_text() == expected

    def test_its_document(self, run: Run, sweep: Path) -> None:
        done = run("report", sweep, "--json")
        assert (done.code, done.err) == (0, "")
        assert json.loads(done.out) == study.document(str(sweep), by_hand.sweep())
        assert not (sweep / "report.html").exists()

    def test_it_stands_alone(self, run: Run, sweep: Path, folder: Path, tmp_path: Path) -> None:
        told = f"'{sweep}' is a sweep, which has a page of its own; give it alone"
        assert run("report", folder, sweep).refused() == told
        second = shutil.copytree(sweep, tmp_path / "second")
        assert run("report", sweep, second, "--json").refused() == told
        assert run("report", sweep, sweep / "study.json").code == 0  # the same one

    def test_what_is_no_study_is_refused_in_one_line(self, run: Run, sweep: Path) -> None:
        (sweep / "report.html").write_text("mine")
        assert run("report", sweep).refused().startswith(f"'{sweep / 'report.html'}' exists and is no report")
        assert (sweep / "report.html").read_text() == "mine"
        (sweep / "study.json").write_text("{}")
        assert str(sweep / "study.json") in run("report", sweep).refused()


class TestReference:
    def test_formats(self, run: Run) -> None:
        done = run("formats")
        assert (done.code, done.err) == (0, "")
        names = [line.split(" ")[0] for line in done.out.splitlines()]
        assert names[0] == "format"
        assert {"binary", "fixed1..fixed16", "float32"} <= set(names)

    @pytest.mark.parametrize(
        ("name", "line"),
        [
            ("fixed3", "signed:   -1 -0.75 -0.5 -0.25 0 0.25 0.5 0.75"),
            ("fixed4", "4 bits per element, fixed arithmetic"),
            ("fixed1", "unsigned: 0 0.5"),
            ("fixed16", "unsigned: 65536 from 0 to 0.999985 in steps of 1.52588e-05"),
            ("binary", "values: -1 1 (times the site's power of two)"),
            ("float32", "values pass unchanged"),
            ("e4m3", "largest 448, least normal 0.015625, least subnormal 0.00195312, "
                     "relative error of rounding 0.0625 (half a unit in the last place)"),
            ("e4m3", "the code of all ones is NaN, and there is no Inf; rounding saturates, and NaN stays NaN"),
            ("e2m1", ".          .    .    .  .  . .  .  . .  .  .    .    .          ."),
            ("e2m1", "-6" + " " * 30 + "0" + " " * 31 + "6"),
            ("fixed8", ":" * 65),
            ("e2m1/32:e8m0", "4 bits per element, 4.25 in storage, float arithmetic"),
            ("e2m1/32:e8m0", "elements: e2m1"),
            ("lut16", "4 bits per element, codebook arithmetic"),
            ("lut16", "values: up to 16 of fixed16, a table for each site, which calibration finds"),
            ("lut256:fp16", "values: up to 256 of fp16, a table for each site, which calibration finds"),
        ],
    )  # fmt: skip
    def test_one_format(self, run: Run, name: str, line: str) -> None:
        done = run("formats", name)
        assert (done.code, done.err) == (0, "")
        assert line in done.out.splitlines()

    def test_a_format_as_a_document(self, run: Run) -> None:
        told = json.loads(run("formats", "e2m1/16:e4m3", "--json").out)
        assert (told["bits"], told["stored_bits"], told["signed"], told["largest"]) == (4, 4.5, None, None)
        wanted = {"format": "e2m1", "largest": 6, "least_normal": 1, "least_subnormal": 0.5, "relative_error": 0.25}
        assert wanted.items() <= told["element"].items()
        assert told["element"]["signed"] == pj.format("e2m1").grid().tolist()
        single = json.loads(run("formats", "float32", "--json").out)
        assert (single["relative_error"], single["least_subnormal"]) == (2**-24, 2**-149)
        assert json.loads(run("formats", "fixed16", "--json").out)["signed"] is None
        assert {each["formats"] for each in json.loads(run("formats", "--json").out)} >= {"binary", "fixed1..fixed16"}

    def test_formats_are_drawn(self, run: Run, tmp_path: Path) -> None:
        names = ("e2m1", "nf4/64", "float<2,1,bias=0>")
        assert run("formats", "--compare", *names, "--svg", tmp_path / "drawn.svg").code == 0
        rows = ElementTree.parse(tmp_path / "drawn.svg").findall("{*}g")
        assert [row.findtext("{*}text") for row in rows] == list(names)
        ticks = [row.findall("{*}path")[1].get("d", "").count("M") for row in rows]
        assert ticks == [15, 16, 15]
        assert run("formats", "e2m1", "--svg", tmp_path / "one.svg").code == 0
        assert len(ElementTree.parse(tmp_path / "one.svg").findall("{*}g")) == 1

    def test_formats_are_ranked_on_real_tensors(self, run: Run, tmp_path: Path) -> None:
        weights = {"fc": torch.randn(32, 64, generator=torch.Generator().manual_seed(0)), "bias": torch.ones(9)}
        save_file(weights, tmp_path / "w.safetensors")
        names = ("fixed4", "e3m0", "nf4/64")
        done = run("formats", "--compare", *names, "--on", tmp_path / "w.safetensors")
        assert (done.code, done.err) == (0, "")
        lines = [line.split() for line in done.out.splitlines()]
        assert lines[0][2:] == ["nf4/64", "fixed4", "e3m0"]
        assert [line[0] for line in lines[1:]] == ["fc", "over", "bits"]
        document = json.loads(run("formats", "--compare", *names, "--on", tmp_path / "w.safetensors", "--json").out)
        assert [each["format"] for each in document] == ["nf4/64", "fixed4", "e3m0"]
        assert [f"{each['tensors']['fc']:.4f}" for each in document] == lines[1][1:]
        assert [each["stored_bits"] for each in document] == [4.5, 4, 4]

    def test_codebooks_are_ranked_by_the_clusters_of_each_tensor(self, run: Run, tmp_path: Path) -> None:
        weights = {"fc": torch.randn(32, 64, generator=torch.Generator().manual_seed(0)), "two": torch.ones(9, 2)}
        save_file(weights, tmp_path / "w.safetensors")
        done = run("formats", "--compare", "lut16", "fixed4", "nf4", "--on", tmp_path / "w.safetensors")
        assert (done.code, done.err) == (0, "")
        lines = [line.split() for line in done.out.splitlines()]
        assert lines[0][2:] == ["lut16", "nf4", "fixed4"]
        assert lines[-1] == ["bits", "stored", f"{4 + 2 * 256 / (32 * 64 + 18):.4g}", "4", "4"]

    def test_platforms(self, run: Run) -> None:
        done = run("platforms")
        assert (done.code, done.err) == (0, "")
        assert [line.split(" ")[0] for line in done.out.splitlines()[1:]] == list(platforms())
        for name in platforms():
            platform = pj.Platform.load(name)
            line = next(line for line in done.out.splitlines() if line.startswith(name))
            assert platform.title in line
            assert all(units.energy(platform.mac_pj(bits)) in line for bits in (16, 8, 4, 1))

    def test_one_platform(self, run: Run, tmp_path: Path) -> None:
        done = run("platforms", "moons2017")
        assert done.out.rstrip("\n") == pj.Platform.load("moons2017").to_toml().rstrip("\n")
        (tmp_path / "mine.toml").write_text(pj.Platform.load("eyeriss").to_toml())
        assert run("platforms", "mine.toml").out == run("platforms", "eyeriss").out

    def test_names_that_are_none(self, run: Run) -> None:
        told = "format 'fixed17' is not known; known are "
        assert run("formats", "fixed17").refused().startswith(told)
        assert run("platforms", "moons").refused().startswith("no platform 'moons'; choose one of ")


def test_every_network_of_the_zoo_has_an_example() -> None:
    assert all(len(zoo.example(name)) == 1 for name in zoo.names())
