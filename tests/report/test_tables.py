"""The tables of the terminal have the result's own figures, whatever the result."""

from dataclasses import replace
from functools import cache
from io import StringIO
from typing import Any

import pytest
import torch
from rich.console import Console, RenderableType
from rich.table import Table
from tests.jobs import small
from torch import Tensor, nn

import picojoule as pj
from picojoule import units
from picojoule.cli import screen
from picojoule.errors import UnreachableFloorError
from picojoule.formats import parse
from picojoule.network import Network
from picojoule.plan import Plan
from picojoule.report import formats, reference, tables, words
from picojoule.search import Result


def shown(part: RenderableType, capsys: pytest.CaptureFixture[str]) -> str:
    """What the terminal gets, which is never cut off."""
    capsys.readouterr()
    screen.show(part)
    text = capsys.readouterr().out
    assert "…" not in text
    return text


def cells(table: Table) -> list[list[str]]:
    """The rows of a table."""
    return [[str(cell) for cell in row] for row in zip(*(column.cells for column in table.columns), strict=True)]


@cache
def found(**options: Any) -> Result:
    arguments: dict[str, Any] = {"model": small.network(), "data": small.few(200), "keep": (1.0, 0.9), **options}
    try:
        return pj.search(**arguments)
    except UnreachableFloorError as error:
        result: Result = error.result
        return result


class Mixed(nn.Module):
    """A dense layer, a product of two values, and a softmax, which stay in float."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sigmoid(self.fc(x.flatten(1)))
        x = x + torch.matmul(x.unsqueeze(2), x.unsqueeze(1)).mean(1)
        return torch.softmax(x, 1)


@cache
def mixed() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return pj.capture(Mixed(), torch.zeros(1, 1, 8, 8))


CASES: dict[str, dict[str, Any]] = {
    "plain": {"bits": (3, 8)},
    "sweep": {"bits": (3, 8), "strategy": "greedy"},
    "out of reach": {"bits": (1, 1)},
    "no float32": {"bits": (3, 8), "platform": "envision"},
    "channels": {"bits": (3, 8), "rescale": "channel", "observer": "mse"},
    "network": {"bits": (3, 8), "rescale": "network"},
    "stopped": {"bits": (3, 8), "time_budget": 0},
    "left in float": {"model": mixed(), "bits": (7, 8), "keep": (0.5,)},
    "left in float, no float32": {"model": mixed(), "bits": (7, 8), "keep": (0.5,), "platform": "envision"},
}


@pytest.mark.parametrize("case", CASES)
class TestEveryResult:
    def test_it_renders_whole(self, case: str, capsys: pytest.CaptureFixture[str]) -> None:
        result = found(**CASES[case])
        text = shown(tables.result(result), capsys)
        assert f"platform {result.settings['platform']}" in text
        assert words.certainty(result) in text.splitlines()
        told = f"The result has {len(result.path)} more plans, from accurate to cheap; the page draws their curve."
        assert (told in text.splitlines()) == bool(result.path)
        assert f"Layer by layer at keep {result.point.label}:" in text
        assert "\x1b" not in text

    def test_points_have_its_figures(self, case: str) -> None:
        result = found(**CASES[case])
        rows = cells(tables.points(result))
        points = [*result.points, *result.baselines.values()]
        assert [row[0] for row in rows] == [point.label for point in points]
        front = {point.label for point in result.front}
        for row, point in zip(rows, points, strict=True):
            low, high = point.report.interval()
            floor = ("holds" if point.holds else "FAILS") + (", stopped" if point.stopped else "")
            assert row[1] == ("" if point.keep is None else floor)
            assert row[2] == ("no figure" if point.energy is None else units.energy(point.energy.total_pj))
            for column, baseline in ((3, result.baselines["fixed16"]), (4, result.baselines["fixed8"])):
                if point.energy is None or baseline.energy is None:
                    assert row[column] == ""
                else:
                    assert row[column] == f"{point.energy.total_pj / baseline.energy.total_pj:.3f}"
            assert row[5] == units.percent(point.search.correct / point.search.total)
            assert row[9:11] == [units.percent(point.report.value), f"{100 * low:.1f}-{100 * high:.1f}"]
            reference = result.baselines["float32"]
            assert row[6] == f"{point.search.value / reference.search.value:.3f}"
            assert row[11] == f"{point.report.value / reference.report.value:.3f}"
            for changes, tally in ((row[7:9], point.searched), (row[12:14], point.reported)):
                assert [float(cell) for cell in changes] == [tally.lost, tally.gained]
            assert row[14] == ("*" if point.label in front else "")

    def test_layers_have_its_figures(self, case: str) -> None:
        result = found(**CASES[case])
        for point in (*result.points, *result.baselines.values()):
            rows = cells(tables.layers(result.captured, point))
            for row, layer in zip(rows, result.captured.layers, strict=False):
                formats = (point.plan.formats[layer.inputs], point.plan.formats[layer.weights])
                zeros = (point.sparsity.of(layer.inputs), point.sparsity.of(layer.weights))
                assert row[:2] == [layer.name, units.count(layer.macs)]
                assert (row[2], row[5]) == tuple(map(str, formats))
                assert (row[4], row[7]) == tuple(units.percent(zero, 0) for zero in zeros)
                for cell, site, format in ((row[3], layer.inputs, formats[0]), (row[6], layer.weights, formats[1])):
                    exponents, signed = point.ranges.sites[site].exponents, point.ranges.sites[site].signed
                    if str(format) == "float32":
                        assert cell == ""
                        continue
                    assert cell[0] == ("±" if signed else "<")
                    bounds = [int(bound) for bound in cell[3:].split("..")]
                    assert cell[1:3] == "2^"
                    assert (bounds[0], bounds[-1]) == (min(exponents), max(exponents))
                if point.energy is None:
                    assert row[8:] == ["no figure"] * 5
                else:
                    charged = point.energy.layers[layer.name]
                    parts = (charged.compute_pj, charged.weights_pj, charged.activations_pj, charged.dram_pj)
                    assert row[8:] == [*map(units.energy, parts), units.energy(sum(parts))]
            if point.energy is None:
                assert len(rows) == len(result.captured.layers)
            else:
                assert rows[-1][0] == "all"
                assert rows[-1][-1] == units.energy(point.energy.total_pj)

    def test_all_parts_of_the_energy_are_shown(self, case: str) -> None:
        """What the rows say adds up to what the last row says."""
        result = found(**CASES[case])
        point = result.baselines["fixed16"]
        assert point.energy is not None
        rows = cells(tables.layers(result.captured, point))
        assert [row[0] for row in rows] == [*point.energy.layers, "all"]
        macs = [int(row[1].replace(" ", "")) for row in rows]
        assert sum(macs[:-1]) == macs[-1]


def test_out_of_reach_says_what_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    result = found(**CASES["out of reach"])
    text = shown(tables.result(result), capsys)
    for point in result.points:
        assert point.blockers
        kept = result.floor(0.5).proven(point.searched)
        told = f"keep {point.label} is out of reach: the best plan found keeps {kept:.4f}; in the way: "
        assert told + ", ".join(point.blockers) in text.splitlines()


def test_a_cheaper_plan_that_holds_the_floor_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    result = found(bits=(8, 8), keep=(0.9, 0.5))
    other = result.baselines["fixed8"]
    assert other.energy is not None
    assert all(result.cheaper(point) is None for point in result.points)
    result = found(bits=(9, 9), keep=(0.9, 0.5))
    lines = shown(tables.result(result), capsys).splitlines()
    for point in result.points:
        price = units.energy(other.energy.total_pj)
        assert f"keep {point.label}: the plan of fixed8 everywhere holds this floor too, at {price}" in lines


class TestLeftInFloat:
    def test_operations_and_their_reasons(self) -> None:
        lines = tables.left_in_float(mixed())
        assert [line.partition("(")[2].partition(")")[0] for line in lines] == [
            each.op.split(".")[1] for each in mixed().leftovers
        ]
        assert all(each.reason in line for line, each in zip(lines, mixed().leftovers, strict=True))
        product = next(line for line in lines if "(matmul)" in line)
        assert product.endswith("; 100 MACs")

    def test_sites_that_no_key_names(self) -> None:
        result = found(**CASES["plain"])
        lines = tables.left_in_float(result.captured, result.baselines["float32"])
        assert lines == [
            f"left in float: {site}: the plan names no other format for it" for site in result.captured.sites
        ]

    def test_nothing(self) -> None:
        result = found(**CASES["plain"])
        assert tables.left_in_float(result.captured, result.point) == ["Nothing is left in float."]

    def test_operations_that_cost_nothing_here_are_named(self) -> None:
        result = found(**CASES["left in float, no float32"])
        assert result.energy.uncounted
        lines = tables.left_in_float(result.captured, result.point)
        for name in result.energy.uncounted:
            assert f"not in the energy: {name}: the platform has no figure for floating point" in lines


def test_a_network(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [" ".join(line.split()) for line in shown(tables.network(small.network()), capsys).splitlines()]
    assert "conv conv2d input 1 296 36 4 64 144" in lines
    assert "fc linear max_pool2d 360 360 10 36 10" in lines
    assert "2 layers, 1 656 MACs, 410 weights and biases (1.60 KiB in float32), input [1, 8, 8], output [10]" in lines


def test_a_value_that_two_layers_read(capsys: pytest.CaptureFixture[str]) -> None:
    class Twins(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.a(x)) + self.b(x)

    text = shown(tables.network(pj.capture(Twins(), torch.zeros(1, 4))), capsys)
    assert "input (with b)" in text
    assert "input (with a)" in text


def test_energies_and_their_shares() -> None:
    result = found(**CASES["plain"])
    rows = cells(tables.energies(result.energy))
    for row, layer in zip(rows, result.energy.layers.values(), strict=False):
        assert row[:5] == [
            layer.name,
            units.count(layer.macs),
            str(layer.passes),
            str(layer.input_bits),
            str(layer.weight_bits),
        ]
        assert row[9] == units.energy(layer.total_pj)
        assert row[10] == units.percent(layer.total_pj / result.energy.total_pj, 1)
    assert rows[-1][0] == "all"
    assert rows[-1][9:] == [units.energy(result.energy.total_pj), "100 %"]


def test_long_names_are_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    name = "features.stage_with_a_long_name.block_with_a_long_name.branch_with_a_long_name.convolution_with_a_long_name"
    holder = nn.Sequential(nn.Flatten(1))
    inner: nn.Module = nn.Linear(64, 10)
    for part in reversed(name.split(".")):
        outer = nn.Sequential()
        outer.add_module(part, inner)
        inner = outer
    holder.append(inner)
    network = pj.capture(holder, torch.zeros(1, 1, 8, 8))
    result = found(model=network, bits=(8, 8), keep=(0.5,))
    text = shown(tables.result(result), capsys)
    line = next(line for line in text.splitlines() if line.startswith(f"1.{name}"))
    assert line.split()[-2:] == units.energy(next(iter(result.energy.layers.values())).total_pj).split()


def test_a_terminal_of_eighty_columns_gets_whole_figures() -> None:
    """A narrow terminal gets cells of several lines, and never a figure that is cut off."""
    result = found(**CASES["plain"])
    narrow, wide = StringIO(), StringIO()
    Console(file=narrow, width=80, highlight=False).print(tables.result(result))
    Console(file=wide, width=screen.WIDTH, highlight=False, soft_wrap=True).print(tables.result(result))
    assert "…" not in narrow.getvalue() + wide.getvalue()
    assert max(map(len, narrow.getvalue().splitlines())) <= 80
    assert max(map(len, wide.getvalue().splitlines())) < 200
    for point in result.points:
        assert point.energy is not None
        amount, unit = units.energy(point.energy.total_pj).split()
        assert {amount, unit} <= set(narrow.getvalue().split())


def test_references_render_whole(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [formats.every(), formats.one(parse("fixed16")), reference.all_platforms(), reference.platform("eyeriss")]
    assert all(len(shown(part, capsys)) > 50 for part in parts)


def test_a_range_is_that_of_its_numbers(families: Result) -> None:
    plan = Plan(dict.fromkeys(families.captured.sites, parse("e4m3")))
    rows = cells(tables.layers(families.captured, replace(families.point, plan=plan, energy=None)))
    for row, layer in zip(rows, families.captured.layers, strict=True):
        for cell, site in ((row[3], layer.inputs), (row[6], layer.weights)):
            (exponent,) = families.ranges.sites[site].exponents
            assert cell == f"±448·2^{exponent}"


def test_families_left_out_are_named(families: Result, capsys: pytest.CaptureFixture[str]) -> None:
    line = "formats 'nf' were left out: none has 5 to 8 bits"
    few = replace(families, settings={**families.settings, "bits": [5, 8]})
    assert line in shown(tables.result(few), capsys).splitlines()
    assert line not in shown(tables.result(families), capsys).splitlines()
