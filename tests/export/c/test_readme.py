"""The README beside the C: what goes in and out, what it takes, and a row for each step."""

import re

import torch
from tests.export.c.programs import Hand

from picojoule.export.c.render import figures, rendered
from picojoule.integer import Program
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.types import Constant


def readme(program: Program) -> str:
    return rendered(program)["README.md"].decode()


def image(shape: tuple[int, ...], sign: bool = False) -> Program:
    made = Hand(shape, *((-1, 1) if sign else (-8, 7)), sign)
    return made.program(made.conv(made.x, 2, (2, 2)))


def named(name: str) -> Program:
    """A dense layer of three 5-bit weights for each of two outputs."""
    made = Builder()
    x = made.emit("input", "input", (), shape=[3], low=0, high=200, exponent=-4, sign=False)
    stored = Constant(torch.tensor([[1, -2, 3], [4, 5, -6]]), 5, "signed"), Constant(torch.tensor([7, 8]), 8, "signed")
    return made.program(made.emit(name, "linear", (x,), *stored, exponents=[-3]))


def test_it_says_what_goes_in_and_out() -> None:
    text = readme(named("fc"))
    assert "- **Input**: 3 codes of `uint8_t`, 3.\n" in text
    assert "  For a value x give x * 2^4, rounded half to even, and at least 0, at most 200.\n" in text
    assert "- **Output**: 2 codes of `int32_t`, 2. A code stands for code * 2^-7; the largest code" in text


def test_images_are_channels_last() -> None:
    assert "48 codes of `int8_t`, 4 x 4 x 3, channels last: element [y][x][c]" in readme(image((3, 4, 4)))


def test_signs_are_no_multiples() -> None:
    text = readme(image((1, 2, 2), sign=True))
    assert "A code is the sign of the value: 1 from zero up, else -1." in text
    assert "rounded half to even" not in text


def test_numbers_of_a_codebook_are_listed_in_the_header() -> None:
    made = Hand((1, 2, 2), -9, 900, members=(-9, 0, 2, 900))
    files = rendered(made.program(made.conv(made.x, 2, (2, 2))))
    told = "For a value x give whichever code of the list in `network.h` is nearest to x * 2^0."
    assert told in files["README.md"].decode()
    assert "without 0 the\n   greater:\n   -9, 0, 2, 900\n   Output: 2 codes" in files["network.h"].decode()


def test_it_says_what_it_takes() -> None:
    program = image((3, 4, 4))
    text, found = readme(program), figures(program)
    assert f"weights {found.weight_bytes} bytes, where bits / 8 would be {program.weight_bytes} (" in text
    assert f"one static arena of {found.arena_bytes} bytes" in text
    assert re.search(rf"lives at once at the\s+worst step takes {found.least_bytes} bytes", text)


def test_each_step_is_a_row() -> None:
    bytes_ = figures(named("a|b")).weight_bytes
    text = readme(named("a|b"))
    assert f"| 0 | a\\|b | linear | 2 | 6 | 5 | {bytes_} |\n| | all | | | 6 | | {bytes_} |\n" in text
