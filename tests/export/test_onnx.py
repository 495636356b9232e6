"""The ONNX file under ONNX's own checker and ONNX Runtime, with optimisations and without."""

import pytest
import torch
from tests import needs
from tests.export import engines

from picojoule.errors import InputError
from picojoule.export import exporters
from picojoule.integer import Program
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.types import Constant

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def written(program: Program) -> bytes:
    return exporters()["onnx"].files(program)["model.onnx"]


@pytest.mark.parametrize("seed", range(10))
def test_random_networks(seed: int) -> None:
    needs.packages("onnx", "onnxruntime")
    import onnx

    program = engines.random_program(seed)
    onnx.checker.check_model(onnx.load_model_from_string(written(program)), full_check=True)
    x = engines.hard(program)
    assert [engines.mismatches(program, each, x) for each in engines.RUNTIMES] == [0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 230))
def test_more_random_networks(seed: int) -> None:
    test_random_networks(seed)


@pytest.mark.parametrize("engine", engines.RUNTIMES)
class TestTheEdgeOfFloat32:
    def test_sums_of_24_bits_are_exact(self, engine: str) -> None:
        """Up to 2^24 itself, and one less, which takes the last bit."""
        needs.packages("onnx", "onnxruntime")
        program = engines.dense([[2**12 - 1, 1]], [2**24 - (2**12 - 1) * 2**11 - 2**11], -(2**11), 2**11)
        assert program.by_name["fc"].largest_sum == 2**24
        x = torch.tensor([[2.0**11, 2.0**11], [2.0**11, 2.0**11 - 1], [-(2.0**11), 2.0**11], [-1.0, 1.0]])
        assert engines.mismatches(program, engine, x) == 0

    def test_one_more_is_in_float64(self, engine: str) -> None:
        needs.packages("onnx", "onnxruntime")
        program = engines.dense([[1, 2**15 - 1]], [2**52 - 1], -3, 3)
        x = torch.cartesian_prod(torch.arange(-3.0, 4.0), torch.arange(-3.0, 4.0))
        assert engines.mismatches(program, engine, x) == 0

    def test_convolutions_of_one_more_are_two(self, engine: str) -> None:
        needs.packages("onnx", "onnxruntime")
        fits, more = engines.convolution([2**12], 0, 2**12), engines.convolution([2**12, 1], 0, 2**12)
        assert [written(each).count(b"Conv") for each in (fits, more)] == [1, 2]
        assert engines.mismatches(fits, engine, torch.full((1, 1, 1), 2.0**12)) == 0
        x = torch.cartesian_prod(torch.tensor([2.0**12, 2.0**12 - 1, 0.0]), torch.tensor([2.0**12, 1.0, 0.0]))
        assert engines.mismatches(more, engine, x[:, :, None]) == 0

    @pytest.mark.parametrize("rounding", ["requantise", "sign"])
    def test_all_operations_in_float64(self, engine: str, rounding: str) -> None:
        """Sums of 40 bits are bounded, added, turned, pooled and joined, and rounded at last."""
        needs.packages("onnx", "onnxruntime")
        made = Builder()
        image = made.emit("input", "input", (), shape=[2, 4], low=-(2**15), high=2**15 - 1, exponent=-9, sign=False)
        stored = Constant(torch.tensor([[2**15 - 1, -5, 3, 1], [1, 1, -(2**15), 7]]), 16, "signed")
        bias = Constant(torch.tensor([3, -1]), 4, "signed")
        sums = made.emit("fc", "linear", (image,), stored, bias, exponents=[-6, -7])
        bounded = made.emit("bounded", "clamp", (made.aligned(sums),), low=[-(2**30)], high=[2**31 + 1])
        turned = made.emit("turned", "permute", (made.emit("twice", "add", (bounded, bounded)),), order=[0, 2, 1])
        part = made.emit("part", "slice", (turned,), dim=1, start=0, stop=2, step=1)
        joined = made.emit("joined", "concat", (part, made.emit("more", "pad", (turned,), pad=[1, 0])), dim=2)
        args = {"kernel": [2], "stride": [1], "padding": [0], "dilation": [1], "ceil": False}
        pooled = made.emit("pooled", "max_pool", (joined,), **args)
        mean = made.emit("mean", "sum_pool", (pooled,), kernel=[4], stride=[4], padding=[0], count=3)
        ends = {"low": -8, "high": 7} if rounding == "requantise" else {}
        for program in (made.program(mean), made.program(made.emit("site", rounding, (mean,), exponent=3, **ends))):
            assert engines.mismatches(program, engine, engines.hard(program, 40)) == 0


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize("signed", [True, False])
def test_every_width_of_activations(bits: int, signed: bool) -> None:
    """Every code and every tie between two of a narrow type; those at the ends of a wide one."""
    needs.packages("onnx", "onnxruntime")
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    made = Builder()
    image = made.emit("input", "input", (), shape=[1], low=low, high=high, exponent=-3, sign=False)
    program = made.program(image)
    halves = torch.cat([torch.arange(2 * low - 3, 2 * low + 600), torch.arange(2 * high - 600, 2 * high + 4)])
    x = (halves.double() / 16).float()[:, None]
    assert [engines.mismatches(program, each, x) for each in engines.RUNTIMES] == [0, 0]


def test_weights_take_the_narrowest_types() -> None:
    needs.packages("onnx")
    import onnx

    kinds = {}
    for largest in (1, 7, 8, 63, 127, 128, 2000):
        model = onnx.load_model_from_string(written(engines.dense([[largest, -1]], [0], 0, 1)))
        stored = next(each for each in model.graph.initializer if each.name == "fc.weights.codes")
        kinds[largest] = onnx.TensorProto.DataType.Name(stored.data_type)
    assert kinds == {1: "INT4", 7: "INT4", 8: "INT8", 63: "INT8", 127: "UINT8", 128: "INT16", 2000: "INT16"}


@pytest.mark.parametrize("engine", engines.RUNTIMES)
def test_whole_bytes_times_whole_bytes(engine: str) -> None:
    """Pairs of products of signed by unsigned bytes leave 16 bits; so weights lie 128 higher, as unsigned bytes."""
    needs.packages("onnx", "onnxruntime")
    made = Builder()
    image = made.emit("input", "input", (), shape=[8, 3, 3], low=0, high=255, exponent=0, sign=False)
    weights = torch.tensor([-128, 127])[torch.arange(4 * 8 * 9).reshape(4, 8, 3, 3) // 7 % 2]
    weights[0], weights[1] = -128, 127
    stored = Constant(weights, 8, "signed"), Constant(torch.tensor([1, -2, 3, 0]), 4, "signed")
    args = {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "exponents": [0] * 4}
    sums = made.emit("conv", "conv2d", (image,), *stored, **args)
    program = made.program(made.emit("site", "requantise", (sums,), low=-128, high=127, exponent=14))
    assert engines.mismatches(program, engine, engines.hard(program, 10)) == 0


class TestOperations:
    """Operations with corners of their own."""

    @pytest.mark.parametrize("engine", engines.RUNTIMES)
    def test_means_over_three(self, engine: str) -> None:
        needs.packages("onnx", "onnxruntime")
        made = Builder()
        image = made.emit("input", "input", (), shape=[1, 3], low=-8, high=7, exponent=-1, sign=False)
        mean = made.emit("mean", "sum", (image,), dims=[2], keep=False, count=3)
        x = torch.cartesian_prod(*[torch.arange(-8, 8) / 2] * 3)[:, None]
        for program in (
            made.program(mean),
            made.program(made.emit("site", "requantise", (mean,), low=-2, high=1, exponent=0)),
        ):
            assert engines.mismatches(program, engine, x) == 0

    @pytest.mark.parametrize("engine", engines.RUNTIMES)
    @pytest.mark.parametrize("width", [1, 3])
    def test_zeros_around_windows_are_no_padding_of_theirs(self, engine: str, width: int) -> None:
        """ONNX Runtime merges Pad with MaxPool, where padding is less than every code, and fails where it is wide."""
        needs.packages("onnx", "onnxruntime")
        made = Builder()
        image = made.emit("input", "input", (), shape=[2, 4, 4], low=-8, high=-1, exponent=0, sign=False)
        args = {"kernel": [2, 2], "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "ceil": False}
        around = made.emit("around", "pad", (image,), pad=[width, width, width, width])
        program = made.program(made.emit("windows", "max_pool", (around,), **args))
        assert engines.mismatches(program, engine, engines.hard(program)) == 0

    def test_a_mean_that_float32_may_take_for_a_tie(self) -> None:
        needs.packages("onnx", "onnxruntime")
        made = Builder()
        image = made.emit("input", "input", (), shape=[1, 129], low=0, high=65535, exponent=-1, sign=False)
        mean = made.emit("mean", "sum", (image,), dims=[2], keep=False, count=129)
        program = made.program(made.emit("site", "requantise", (mean,), low=0, high=65535, exponent=-1))
        with pytest.raises(InputError, match="'site' rounds a mean over 129 values, which float32 may take for a tie"):
            exporters()["qonnx"].files(program)
        x = torch.full((129, 1, 129), 40000.0) / 2
        x += torch.tril(torch.ones(129, 129))[:, None] / 2  # means of 40000 codes and every 129th of one more
        assert [engines.mismatches(program, each, x) for each in engines.RUNTIMES] == [0, 0]

    def test_bounds_that_differ_by_channel_are_refused(self) -> None:
        needs.packages("onnx")
        made = Builder()
        image = made.emit("input", "input", (), shape=[2], low=0, high=3, exponent=0, sign=False)
        stored = Constant(torch.eye(2).long(), 2, "signed"), Constant(torch.zeros(2).long(), 2, "signed")
        sums = made.emit("fc", "linear", (image,), *stored, exponents=[0, 1])
        program = made.program(made.aligned(made.emit("bounded", "clamp", (sums,), low=None, high=[1, 1])))
        with pytest.raises(InputError, match=r"^'bounded' clamps channels to different bounds"):
            written(program)

    def test_codes_wider_than_16_bits_are_refused(self) -> None:
        needs.packages("onnx")
        made = Builder()
        image = made.emit("input", "input", (), shape=[2], low=0, high=2**17 - 1, exponent=0, sign=False)
        with pytest.raises(InputError, match=r"^'input' has codes of 17 bits, and ONNX rounds to at most 16$"):
            written(made.program(image))

    def test_names_that_are_the_writers_own(self) -> None:
        needs.packages("onnx", "onnxruntime")
        made = Builder()
        image = made.emit("number.0x1.0000000000000p+0", "input", (), shape=[2], low=0, high=5, exponent=0, sign=False)
        sums = made.emit("output", "add", (image, image))
        program = made.program(made.emit("input", "requantise", (sums,), low=0, high=5, exponent=0))
        x = torch.arange(14).reshape(7, 2) / 2
        assert [engines.mismatches(program, each, x) for each in engines.RUNTIMES] == [0, 0]
