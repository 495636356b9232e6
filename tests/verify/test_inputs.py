"""Hard inputs are what they say, and the same for the same seed."""

import pytest
import torch

from picojoule.integer import Program
from picojoule.integer.lowering.builder import Builder
from picojoule.verify.inputs import BEYOND, adversarial


def image(low: int, high: int, sign: bool = False, **more: object) -> Program:
    made, how = Builder(), {"low": low, "high": high, "sign": sign, **more}
    return made.program(made.emit("input", "input", (), shape=[2, 5], exponent=-2, **how))


@pytest.mark.parametrize(("low", "high", "sign"), [(-8, 7, False), (0, 1, False), (-1, 1, True), (0, 65535, False)])
def test_kinds(low: int, high: int, sign: bool) -> None:
    program = image(low, high, sign)
    kinds = {kind: x.double() * 4 for kind, x in adversarial(program, 50, seed=1).items()}
    assert all(tuple(x.shape[1:]) == (2, 5) for x in kinds.values())
    assert set(kinds["extremes at random"].unique().tolist()) == {low, high}
    assert {*kinds["ends"].unique().tolist()} == {low, high, 0}
    assert bool((kinds["ties"] - 0.5 == (kinds["ties"] - 0.5).round()).all())
    codes = kinds["codes at random"]
    assert torch.equal(program.encode((codes / 4).float()) if not sign else codes.long(), codes.long())
    beyond, span = kinds["beyond the range"], high - low + 1
    assert float(beyond.min()) < low - span
    assert float(beyond.max()) > high + span
    assert float(beyond.abs().max()) <= max(-low, high) + BEYOND * span


def test_of_a_codebook() -> None:
    """Codes are members, and ties lie midway between two of them; the last has none above."""
    kinds = {
        kind: {*(x * 4).unique().tolist()} for kind, x in adversarial(image(-7, 9, members=[-7, 0, 1, 9]), 50).items()
    }
    assert kinds["codes at random"] == {-7, 0, 1, 9}
    assert kinds["ties"] == {-3.5, 0.5, 5, 9}
    assert kinds["extremes at random"] == {-7, 9}


def test_the_seed_decides() -> None:
    one, same, other = (adversarial(image(-8, 7), 20, seed) for seed in (1, 1, 2))
    assert all(torch.equal(one[kind], same[kind]) for kind in one)
    assert not torch.equal(one["ties"], other["ties"])
