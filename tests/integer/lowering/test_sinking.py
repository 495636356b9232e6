"""Rounding before maxima, and no idle clamps: smaller programs with the same results."""

from importlib import import_module

import pytest
import torch
from tests.integer import nets
from torch import Tensor

from picojoule.integer import Interpreter, Program, lower
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.lowering.sinking import sunk
from picojoule.integer.types import Constant
from picojoule.verify.inputs import adversarial

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
WINDOW = {"kernel": [2], "stride": [2], "padding": [0], "dilation": [1], "ceil": False}


def begun(low: int = -8) -> tuple[Builder, str]:
    """Sums with an exponent for each of two channels."""
    made = Builder()
    image = made.emit("input", "input", (), shape=[2, 8], low=low, high=7, exponent=-3, sign=False)
    one, none = Constant(torch.ones(2, 1, 1).long(), 2, "signed"), Constant(torch.zeros(2).long(), 2, "signed")
    args = {"stride": [1], "padding": [0], "dilation": [1], "groups": 2, "exponents": [0, 1]}
    return made, made.emit("sums", "conv1d", (image,), one, none, **args)


def outputs(program: Program, x: Tensor) -> Tensor:
    return program.decode(Interpreter(program).run(program.encode(x)))


def kinds(program: Program) -> list[str]:
    return [each.kind for each in program.operations]


def test_rounding_comes_before_maxima() -> None:
    made, sums = begun()
    bounded = made.emit("bounded", "clamp", (sums,), low=[0, 0], high=None)
    pooled = made.emit("again", "max_pool", (made.emit("pooled", "max_pool", (bounded,), **WINDOW),), **WINDOW)
    before = made.program(made.emit("site", "requantise", (pooled,), low=0, high=3, exponent=-1))
    after = sunk(before)
    assert kinds(after) == ["input", "conv1d", "requantise", "max_pool", "max_pool"]
    assert (after.output, after.output_type) == (before.output, before.output_type)
    x = torch.cat([*adversarial(before, 200).values()])
    assert torch.equal(outputs(after, x), outputs(before, x))


@pytest.mark.parametrize(
    ("low", "high", "idle"),
    [(-1, 1, True), (-1, 0, True), (0, 1, False), (-2, -1, False), (None, 0, True), (-1, None, True), (0, None, False)],
)
def test_clamps_before_signs(low: int | None, high: int | None, idle: bool) -> None:
    """A sign sees through bounds on both sides of zero."""
    made, sums = begun()
    ends = [None if end is None else [end, end] for end in (low, high)]
    bounded = made.emit("bounded", "clamp", (sums,), low=ends[0], high=ends[1])
    before = made.program(made.emit("site", "sign", (bounded,), exponent=0))
    after = sunk(before)
    assert ("clamp" not in kinds(after)) == idle
    x = torch.cat([*adversarial(before, 100).values()])
    assert torch.equal(outputs(after, x), outputs(before, x))


@pytest.mark.parametrize(
    ("low", "high", "idle"),
    [
        ([-4, -2], [3, 2], True),  # in eighths and quarters: -1/2 and 3/8 or more, rounded to -2 and 1 quarters
        ([-4, -2], [2, 1], True),
        ([-4, -2], [1, 1], False),  # an eighth is half a quarter, which goes to 0
        ([-3, -2], [3, 2], True),
        ([-2, -2], [3, 2], False),
        ([0, 0], [3, 2], False),
        (None, [4, 4], True),
    ],
)
def test_clamps_where_rounding_saturates(low: list[int] | None, high: list[int], idle: bool) -> None:
    made, sums = begun()
    bounded = made.emit("bounded", "clamp", (sums,), low=low, high=high)
    before = made.program(made.emit("site", "requantise", (bounded,), low=-2, high=1, exponent=-2))
    after = sunk(before)
    x = torch.cat([*adversarial(before, 100).values()])
    assert torch.equal(outputs(after, x), outputs(before, x))
    assert ("clamp" not in kinds(after)) == idle


def looked_up(thresholds: list[int], codes: list[int], low: list[int] | None, high: list[int] | None) -> Program:
    """One row for both channels, behind bounds and a maximum."""
    made, sums = begun()
    bounded = made.emit("bounded", "clamp", (sums,), low=low, high=high)
    pooled = made.emit("pooled", "max_pool", (bounded,), **WINDOW)
    constants = (Constant(torch.tensor(each), 54, "signed") for each in (thresholds, codes))
    return made.program(
        made.emit("site", "table", (pooled,), *constants, exponent=0, steps=[len(thresholds)], rows=[0], axis=0)
    )


@pytest.mark.parametrize(
    ("codes", "low", "high", "after"),
    [
        ([-9, 0, 0, 7], [-4, -3], [6, 6], ["table", "max_pool"]),
        ([-9, 0, 0, 7], [-4, -2], None, ["clamp", "table", "max_pool"]),  # -2 is reached where it is the least
        ([-9, 0, 0, 7], None, [5, 7], ["table", "max_pool"]),
        ([-9, 0, 0, 7], None, [4, 7], ["clamp", "table", "max_pool"]),  # 5 is never reached in one channel
        ([-9, 0, -1, 7], [-4, -3], [6, 6], ["clamp", "max_pool", "table"]),
    ],
)
def test_tables(codes: list[int], low: list[int] | None, high: list[int] | None, after: list[str]) -> None:
    """Where codes rise they come before maxima; a bound beyond all steps does nothing."""
    before = looked_up([-2, 3, 5], codes, low, high)
    found = sunk(before)
    assert kinds(found)[2:] == after
    assert (found.output, found.output_type) == (before.output, before.output_type)
    x = torch.cat([*adversarial(before, 200).values()])
    assert torch.equal(outputs(found, x), outputs(before, x))


def test_tables_by_place_stay_behind_maxima() -> None:
    made, sums = begun()
    pooled = made.emit("pooled", "max_pool", (made.aligned(sums),), **WINDOW)
    constants = (Constant(torch.tensor(each), 54, "signed") for each in ([0, 1], [0, 1, 0, 1]))
    how = {"exponent": 0, "steps": [1, 1], "rows": [0, 1, 0, 1], "axis": 1}
    before = made.program(made.emit("site", "table", (pooled,), *constants, **how))
    assert sunk(before).to_bytes() == before.to_bytes()


def test_what_others_read_stays() -> None:
    made, sums = begun()
    bounded = made.emit("bounded", "clamp", (sums,), low=[0, 0], high=None)
    pooled = made.emit("pooled", "max_pool", (bounded,), **WINDOW)
    site = made.emit("site", "requantise", (pooled,), low=0, high=3, exponent=-1)
    both = made.together([made.aligned(pooled), site])
    before = made.program(made.emit("sum", "add", both))
    assert sunk(before).to_bytes() == before.to_bytes()


@pytest.mark.parametrize("seed", range(5))
def test_of_networks(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = nets.case(seed)
    after = lower(*case)
    monkeypatch.setattr(import_module("picojoule.integer.lowering.lower"), "sunk", lambda program: program)
    before = lower(*case)
    x = torch.cat([*adversarial(before, 10, seed).values()])
    assert torch.equal(outputs(after, x), outputs(before, x))
    assert len(after.operations) <= len(before.operations)
