"""A sheet in words: on the terminal and as Markdown, with all of it, and with what is not there left blank."""

import pytest
from rich.console import Console

from picojoule.energy import EnergyReport
from picojoule.energy.report import LayerEnergy
from picojoule.export.c.figures import Figures, StepFigures
from picojoule.report.ship import Measured, Sheet, Version, markdown, summary

STEPS = (
    StepFigures("conv|1", ("conv2d", "requantise"), (4, 6, 6), 1296, 3, 18, 17, 8),
    StepFigures("pool", ("max_pool",), (4, 3, 3), 0, 0, 0, 0, 0),
)
FIGURES = Figures(STEPS, 180, 176)
ENERGY = EnergyReport("moons2017", {"conv|1": LayerEnergy("conv|1", 1296, 1, 3, 8, 1.0, 2.0, 3.0, 4.0),
                                    "mean": LayerEnergy("mean", 9, 1, 32, 32, 5.0, 0.0, 0.0, 0.0)})  # fmt: skip


def measured(*instructions: int) -> Measured:
    return Measured(700, 30, 192, 96, instructions, 12, 0, "gcc 12 -mcpu", "QEMU 7")


OWN = Version("0.99", FIGURES, ENERGY, {"cortex-m4": measured(2592, 300), "cortex-m55": measured(1296, 100)})
WHOLE = Sheet(OWN, Version("8 bits", FIGURES, None, {"cortex-m4": measured(3888, 200)}), ("There is a remark.",))
BARE = Sheet(Version("0.99", FIGURES, None), None, ("Nothing was measured: that was left out.",))


def rows(text: str) -> dict[str, list[str]]:
    """The rows of all tables of a Markdown text, by their first cell."""
    lines = (line.replace("\\|", "/") for line in text.splitlines() if line.startswith("| "))
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {first: rest for first, *rest in cells}


class TestMarkdown:
    def test_main_lines_have_a_column_for_each_version(self) -> None:
        found = rows(markdown(WHOLE))
        assert found[""] == ["this (0.99)", "8 bits"]
        assert found["flash, weights: bytes"] == ["18", "18"]
        assert found["at bits / 8"] == ["17", "17"]
        assert found["more than that"] == ["5.88 %", "5.88 %"]
        assert found["RAM, arena: bytes"] == ["180", "180"]
        assert found["the least possible"] == ["176", "176"]
        assert found["Cortex-M4: flash in all"] == ["730", "730"]
        assert found["flash, tables: bytes"] == ["8", "8"]
        assert (found["code"], found["constants"]) == (["700", "700"], ["30", "30"])
        assert found["stack"] == ["96", "96"]
        assert found["energy on moons2017"] == ["15.0 pJ", ""]

    def test_instructions_are_in_the_boards_order(self) -> None:
        found = rows(markdown(WHOLE))
        assert found["Cortex-M4: instructions"] == ["2 892", "4 088"]
        assert found["Cortex-M55: instructions"] == ["1 396", ""]
        named = [each for each in found if each.endswith(": instructions")]
        assert named == ["Cortex-M4: instructions", "Cortex-M55: instructions"]
        assert "neither cycles nor energy" in markdown(WHOLE)

    def test_steps(self) -> None:
        found = rows(markdown(WHOLE))
        assert found["conv/1"] == ["conv2d, requantise", "1 296", "3", "18", "2 592", "2.00", "10.0 pJ", "3 888", ""]
        assert found["pool"] == ["max_pool", "", "", "", "300", "", "", "200", ""]
        assert found["mean"] == ["", "", "", "", "", "", "5.00 pJ", "", ""]
        assert found["all"] == ["", "1 296", "", "18", "2 892", "2.23", "15.0 pJ", "4 088", ""]

    def test_every_row_has_as_many_cells_as_its_head(self) -> None:
        text = markdown(WHOLE).replace("\\|", "/")
        for block in text.split("\n\n"):
            if block.startswith("|"):
                assert len({line.count("|") for line in block.splitlines()}) == 1

    def test_tools_and_remarks_are_told(self) -> None:
        text = markdown(WHOLE)
        assert "- There is a remark." in text
        assert "- QEMU 7\n- gcc 12 -mcpu\n" in text

    def test_unmeasured(self) -> None:
        text = markdown(BARE)
        found = rows(text)
        assert found[""] == ["this (0.99)"]
        assert found["conv/1"][4:] == [""] * 5
        assert "Cortex-M4: flash" not in text
        assert "Measured with" not in text
        assert "- Nothing was measured: that was left out." in text


@pytest.mark.parametrize("sheet", [WHOLE, BARE])
def test_the_terminal_has_the_main_lines(sheet: Sheet) -> None:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(summary(sheet))
    shown = captured.get()
    assert "flash, weights: bytes" in shown
    assert ("Cortex-M4: instructions" in shown) == (sheet is WHOLE)
