"""Golden vectors: they hold the ends of the input's range, and are what the interpreter gives."""

import re

import pytest
import torch
from tests.export.c.programs import Hand

from picojoule.export.c import as_stored
from picojoule.export.c.render import rendered
from picojoule.export.c.vectors import PERIOD, vectors
from picojoule.integer import Interpreter, Program


def image(channels: int, height: int, width: int, sign: bool = False) -> Program:
    """A convolution of an image of 8 bits, or of signs."""
    made = Hand((channels, height, width), *((-1, 1, True) if sign else (-128, 127)))
    return made.program(made.conv(made.x, 2, (2, 2)))


@pytest.mark.parametrize(("low", "high", "sign"), [(-8, 7, False), (3, 900, False), (-1, 1, True)])
def test_outputs_are_the_interpreters(low: int, high: int, sign: bool) -> None:
    made = Hand((3, 5, 4), low, high, sign)
    program = made.program(made.conv(made.x, 2, (2, 2)))
    found = vectors(program)
    codes = torch.from_numpy(found.whole)
    assert low <= codes.min() <= codes.max() <= high
    assert not (sign and (codes == 0).any())
    assert {low, high} <= {*codes.flatten().tolist()}
    turned = codes.reshape(len(codes), 5, 4, 3).movedim(-1, 1)
    assert (as_stored(turned) == found.whole).all()
    assert Interpreter(program).run(turned).reshape(len(codes), -1).tolist() == found.outputs.tolist()
    assert vectors(program).whole.tolist() == found.whole.tolist()


def test_of_a_codebook_they_are_its_numbers() -> None:
    made = Hand((3, 5, 4), -9, 900, members=(-9, 0, 2, 900))
    found = vectors(made.program(made.conv(made.x, 2, (2, 2))))
    assert {*found.whole.flatten().tolist()} == {-9, 0, 2, 900}


def test_a_long_input_repeats() -> None:
    made = Hand((2 * PERIOD + 5,))
    found = vectors(made.program(made.linear(made.x, 1)))
    assert {len(codes) for codes in found.inputs.values()} == {PERIOD}
    assert found.whole.shape == (len(found.inputs), 2 * PERIOD + 5)
    assert (found.whole[:, :-PERIOD] == found.whole[:, PERIOD:]).all()
    assert found.facts()["repeats"]


def test_each_end_is_given_throughout() -> None:
    found = vectors(image(3, 4, 4)).inputs
    assert {(int(codes.min()), int(codes.max())) for codes in found.values() if codes.min() == codes.max()} == {
        (-128, -128), (127, 127),
    }  # fmt: skip


def test_the_file_has_them_in_c() -> None:
    text = rendered(image(3, 4, 4))["vectors.h"].decode()
    found = vectors(image(3, 4, 4))
    inputs = re.sub(r"/\*.*?\*/", "", text.split("vector_inputs")[1].split("=")[1].split(";")[0])
    assert [*map(int, re.findall(r"-?\d+", inputs))] == found.whole.flatten().tolist()
