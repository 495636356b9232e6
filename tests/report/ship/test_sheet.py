"""The sheet of what a network takes as C: what is known, what is measured, and what is not there."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests import needs
from tests.golden.test_golden import result

import picojoule as pj
from picojoule.export.c.figures import Figures
from picojoule.export.c.render import figures
from picojoule.integer import Program, lower
from picojoule.plan import Plan
from picojoule.report.ship import sheet as module_of_sheets
from picojoule.report.ship.sheet import Sheet, sheet_of
from picojoule.verify import lowered
from picojoule.verify.c import BOARDS, Board, BoardRun, RunError, run_on_board


@pytest.fixture(scope="module")
def found() -> pj.Result:
    """A network with an add, at 4 bits and with binary weights."""
    return result()


@pytest.fixture(scope="module")
def program(found: pj.Result) -> Program:
    return lowered(found)


@pytest.fixture(scope="module")
def known(program: Program) -> Figures:
    return figures(program)


@pytest.fixture(scope="module")
def made(found: pj.Result, program: Program) -> Sheet:
    """Measured, where the tools are."""
    needs.programs("arm-none-eabi-gcc", "qemu-system-arm")
    return sheet_of(found, program)


class TestFigures:
    def test_steps_are_the_layers_with_what_they_take(self, found: pj.Result, known: Figures) -> None:
        macs = {layer.name: layer.macs for layer in found.captured.layers}
        assert {step.name: step.macs for step in known.steps if step.macs} == macs
        assert known.macs == found.captured.macs
        assert {step.name: step.weight_bits for step in known.steps if step.macs} == {"first": 4, "second": 4, "fc": 1}

    def test_bytes_are_those_of_the_program_and_of_c(self, program: Program, known: Figures) -> None:
        assert known.packed_bytes == program.weight_bytes
        assert known.weight_bytes >= known.packed_bytes
        assert known.excess == known.weight_bytes / known.packed_bytes - 1
        assert known.arena_bytes >= known.least_bytes > 0

    def test_no_weights_are_no_excess(self) -> None:
        assert Figures((), 4, 4).excess == 0


class TestUnmeasured:
    def test_it_says_that_nothing_was_measured(self, found: pj.Result, program: Program) -> None:
        made = sheet_of(found, program, measure=False)
        assert made.own.boards == {}
        assert made.own.energy == found.energy
        assert "Nothing was measured: that was left out." in made.remarks

    def test_in_8_bits_is_the_baseline(self, found: pj.Result, program: Program) -> None:
        base = replace(found.point, label="fixed8", keep=None, plan=Plan.uniform(found.captured, "fixed8"))
        made = sheet_of(replace(found, baselines={**found.baselines, "fixed8": base}), program, measure=False)
        assert made.int8 is not None
        assert made.int8.energy == base.energy
        assert made.int8.figures == figures(lower(found.captured, base.plan, base.ranges))

    def test_without_that_baseline_it_is_lowered_with_the_ranges_of_the_run(
        self, found: pj.Result, program: Program
    ) -> None:
        others = {label: each for label, each in found.baselines.items() if label != "fixed8"}
        made = sheet_of(replace(found, baselines=others), program, measure=False)
        assert made.int8 is not None
        assert {step.weight_bits for step in made.int8.figures.steps if step.macs} == {8}
        assert made.int8.energy is None

    def test_without_one_that_is_whole_numbers_it_says_why(self, found: pj.Result, program: Program) -> None:
        base = replace(found.point, label="fixed8", keep=None, plan=Plan.uniform(found.captured, "float32"))
        made = sheet_of(replace(found, baselines={**found.baselines, "fixed8": base}), program, measure=False)
        assert made.int8 is None
        assert made.versions == (made.own,)
        assert any(each.startswith("There is no version in 8 bits: ") and "float32" in each for each in made.remarks)

    def test_absent_tools_are_told(
        self, found: pj.Result, program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        made = sheet_of(found, program)
        assert made.own.boards == {}
        (told,) = (each for each in made.remarks if "instructions" in each)
        assert "not installed; apt install gcc-arm-none-eabi" in told


class TestMeasured:
    def test_each_board_gives_the_right_outputs(self, made: Sheet) -> None:
        for version in made.versions:
            assert version.boards.keys() == BOARDS.keys()
            assert {each.differ for each in version.boards.values()} == {0}
            assert {each.compared for each in version.boards.values()} == {4 * 3}

    def test_steps_have_their_instructions(self, made: Sheet) -> None:
        for version in made.versions:
            for each in version.boards.values():
                assert len(each.instructions) == len(version.figures.steps)
                assert min(each.instructions) > 0
                assert each.total == sum(each.instructions)

    def test_memory_is_what_the_figures_say_and_code(self, made: Sheet) -> None:
        own = made.own.boards["cortex-m4"]
        assert own.constant_bytes >= made.own.figures.weight_bytes
        assert made.own.figures.arena_bytes <= own.ram_bytes <= made.own.figures.arena_bytes + 24
        assert own.flash_bytes == own.code_bytes + own.constant_bytes
        assert 0 < own.stack_bytes < 1000
        assert (own.compiler.split()[0], own.emulator.split()[0]) == ("arm-none-eabi-gcc", "QEMU")

    def test_the_table_is_plain_data(self, made: Sheet) -> None:
        table = json.loads(json.dumps(made.to_table()))
        assert table["own"]["boards"]["cortex-m4"]["total"] == made.own.boards["cortex-m4"].total
        assert table["own"]["weight_bytes"] == made.own.figures.weight_bytes
        assert [each["name"] for each in table["own"]["steps"]] == [each.name for each in made.own.figures.steps]


def test_a_board_that_fails_and_one_that_is_wrong_are_remarks(
    found: pj.Result, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs.programs("arm-none-eabi-gcc", "qemu-system-arm")

    def wrong(board: Board, *arguments: object) -> BoardRun:
        if board.name == "cortex-m0":
            raise RunError("network.c on cortex-m0: no end after 600 s")
        ran = run_on_board(board, *arguments)  # type: ignore[arg-type]
        return replace(ran, outputs=ran.outputs + 1) if board.name == "cortex-m3" else ran

    monkeypatch.setattr(module_of_sheets, "run_on_board", wrong)
    made = sheet_of(found, program)
    assert [*made.own.boards] == ["cortex-m3", "cortex-m4", "cortex-m55"]
    label = made.own.label
    assert f"{label}: network.c on cortex-m0: no end after 600 s" in made.remarks
    assert f"{label} on cortex-m3: 12 of 12 outputs are wrong" in made.remarks
    assert not any("cortex-m4" in each for each in made.remarks)
