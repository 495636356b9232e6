"""Tables as comparisons and gathers, under ONNX Runtime with optimisations and without, and under qonnx."""

import pytest
import torch
from tests import needs
from tests.export import engines
from tests.integer import nets

from picojoule.errors import InputError
from picojoule.integer import Program, lower
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.types import Constant

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def stored(numbers: list[int]) -> Constant:
    return Constant(torch.tensor(numbers), 54, "signed")


def looked_up(sums: list[int], exponents: list[int], rows: list[int], steps: list[int]) -> Program:
    """A value of one channel for each of `sums`, which is times the input, -3 to 3, as a table has it."""
    made = Builder()
    image = made.emit("input", "input", (), shape=[1, 1], low=-3, high=3, exponent=0, sign=False)
    args = {"stride": [1], "padding": [0], "dilation": [1], "groups": 1, "exponents": exponents}
    weights = Constant(torch.tensor(sums)[:, None, None], 54, "signed")
    value = made.emit("sums", "conv1d", (image,), weights, stored([0] * len(sums)), **args)
    # Steps wherever the largest of all is a whole part of itself: at -3/3, -2/3, ... of it.
    each = [3 * max(sums) * at // 3 for at in range(-1, 2)]
    thresholds = [at for count in steps for at in each[:count]]
    codes = [7 * place % 5 - 2 for count in steps for place in range(count + 1)]
    constants = stored(thresholds), stored(codes)
    return made.program(made.emit("site", "table", (value,), *constants, exponent=-2, rows=rows, steps=steps, axis=0))


CASES = {
    "one row": looked_up([1, 2], [0, 0], [0], [3]),
    "one row of one step": looked_up([1, 2], [3, 3], [0], [1]),
    "a row for two channels": looked_up([1, 2, 1], [0, 1, 0], [0, 1, 0], [3, 2]),
    "one row for channels of other exponents": looked_up([1, 2], [0, -1], [0, 0], [2]),
    "one row for all exponents": looked_up([1, 2], [0, -1], [0], [2]),
    "rows for channels of one exponent": looked_up([1, 1], [0, 0], [1, 0], [1, 3]),
}


@pytest.mark.parametrize("engine", [*engines.RUNTIMES, "qonnx"])
@pytest.mark.parametrize("case", CASES)
def test_by_hand(case: str, engine: str) -> None:
    needs.packages("onnx", "onnxruntime", "qonnx")
    x = torch.arange(-3.0, 4.0).reshape(-1, 1, 1)
    assert engines.mismatches(CASES[case], engine, x) == 0


@pytest.mark.parametrize("engine", [*engines.RUNTIMES, "qonnx"])
def test_the_last_code_that_float32_holds(engine: str) -> None:
    """Behind it no threshold is written that float32 would take for it."""
    needs.packages("onnx", "onnxruntime", "qonnx")
    made = Builder()
    image = made.emit("input", "input", (), shape=[1], low=1, high=2**12, exponent=0, sign=False)
    sums = made.emit("fc", "linear", (image,), Constant(torch.tensor([[2**12]]), 14, "signed"), stored([0]),
                     exponents=[0])  # fmt: skip
    constants = stored([2**23, 2**24 - 2**12]), stored([1, 2, 3])
    program = made.program(made.emit("site", "table", (sums,), *constants, exponent=0, rows=[0], steps=[2], axis=0))
    assert program.by_name["fc"].type.high == 2**24
    x = torch.tensor([1, 2**11 - 1, 2**11, 2**12 - 2, 2**12 - 1, 2**12])[:, None]
    assert engines.mismatches(program, engine, x.float()) == 0


@pytest.mark.parametrize("engine", [*engines.RUNTIMES, "qonnx"])
@pytest.mark.parametrize("members", [[-7, 0, 1, 9], [-(2**15), 2**15 - 1], [3], [*range(-100, 156)], [1, 3, 4]])
def test_an_input_in_a_codebook(members: list[int], engine: str) -> None:
    """Midway between numbers, the last float before and the first behind, and what is infinite."""
    needs.packages("onnx", "onnxruntime", "qonnx")
    made = Builder()
    how = {"low": members[0], "high": members[-1], "exponent": -9, "sign": False, "members": members}
    image = made.emit("input", "input", (), shape=[1, 1], **how)
    program = made.program(made.emit("sum", "add", (image, image)))
    middles = (torch.tensor([*members, *members[:1]]) + torch.tensor([*members[1:], *members[-1:], 0])) * 2.0**-10
    ends = torch.tensor([float("inf"), -float("inf")])
    near = [middles, middles.nextafter(ends[:1]), middles.nextafter(ends[1:])]
    x = torch.cat([*near, ends])[:, None, None]
    assert engines.mismatches(program, engine, x[:: 1 + len(x) // 40] if engine == "qonnx" else x) == 0


@pytest.mark.parametrize("seed", range(3))
def test_networks_of_codebooks(seed: int) -> None:
    needs.packages("onnx", "onnxruntime", "qonnx")
    program = lower(*nets.case(seed, ("lut2", "lut8", "e2m1", "fixed3"), weights=("fixed3",)))
    x = engines.hard(program)
    assert [engines.mismatches(program, each, x) for each in engines.RUNTIMES] == [0, 0]
    assert engines.mismatches(program, "qonnx", x[::7]) == 0


@pytest.mark.parametrize("seed", range(6))
def test_random_networks(seed: int) -> None:
    needs.packages("onnx", "onnxruntime", "qonnx")
    program = engines.curved_program(seed)
    x = engines.hard(program)
    assert [engines.mismatches(program, each, x) for each in engines.RUNTIMES] == [0, 0]
    assert engines.mismatches(program, "qonnx", x[::7]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(300, 320))
def test_more_random_networks(seed: int) -> None:
    test_random_networks(seed)


@pytest.mark.parametrize("engine", [*engines.RUNTIMES, "qonnx"])
@pytest.mark.parametrize("last", ["table", "pad", "concat", "reshape"])
def test_a_dense_layer_behind_a_table(last: str, engine: str) -> None:
    """ONNX Runtime multiplies by weights of few bits in its own way, unless what it reads is seen to be rounded."""
    needs.packages("onnx", "onnxruntime", "qonnx")
    made = Builder()
    random = torch.Generator().manual_seed(0)
    image = made.emit("input", "input", (), shape=[1, 32], low=-128, high=127, exponent=0, sign=False)
    constants = stored([*range(-100, 101)]), stored([at * at % 256 for at in range(202)])
    value = made.emit("site", "table", (image,), *constants, exponent=-8, rows=[0], steps=[201], axis=0)
    if last != "table":
        value = made.emit("pad", "pad", (value,), pad=[0, 32])
    if last in ("concat", "reshape"):
        value = made.emit("concat", "concat", (value, value), dim=1)
    if last == "reshape":
        value = made.emit("reshape", "reshape", (value,), shape=[1, 128])
    count = made.type(value).shape[-1]
    weights = Constant(torch.randint(-7, 8, (4, count), generator=random), 4, "signed")
    program = made.program(made.emit("fc", "linear", (value,), weights, stored([0] * 4), exponents=[-3] * 4))
    assert engines.mismatches(program, engine, engines.hard(program)) == 0


def test_of_a_value_that_float32_does_not_hold() -> None:
    """Numbers around 2^30 in steps of 1: their differences are looked up in float64, or refused."""
    needs.packages("onnx", "onnxruntime", "qonnx")
    made = Builder()
    image = made.emit("input", "input", (), shape=[1], low=-3, high=3, exponent=0, sign=False)
    one = Constant(torch.tensor([[1]]), 2, "signed")
    sums = made.emit("fc", "linear", (image,), one, stored([2**30]), exponents=[0])
    constants = stored([2**30 - 2, 2**30, 2**30 + 1]), stored([3, -1, 0, 2])
    program = made.program(made.emit("site", "table", (sums,), *constants, exponent=0, rows=[0], steps=[3], axis=0))
    x = torch.arange(-3.0, 4.0)[:, None]
    assert [engines.mismatches(program, each, x) for each in engines.RUNTIMES] == [0, 0]
    with pytest.raises(InputError, match=r"^'fc' has sums of up to 32 bits"):
        engines.mismatches(program, "qonnx", x)
