"""Programs by hand for the corners of each loop, compiled carefully, against the interpreter."""

from collections.abc import Callable

import pytest
import torch
from tests import needs
from tests.export.c.chances import chance
from tests.export.c.programs import CAREFUL, Hand, mismatches, net

from picojoule.errors import InputError
from picojoule.export.c.render import rendered
from picojoule.integer import Coding, Constant, Program

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
CORNERS: dict[str, Callable[[], Program]] = {}


def corner(make: Callable[[], Program]) -> Callable[[], Program]:
    CORNERS[make.__name__] = make
    return make


@corner
def sums_of_64_bits() -> Program:
    made = Hand((5, 3, 3), 0, 65535)
    return made.program(made.conv(made.x, 3, (2, 2), bits=16, bias=9**14))


@corner
def dense_sums_of_64_bits() -> Program:
    made = Hand((16,), -32768, 32767)
    return made.program(made.linear(made.round(made.linear(made.x, 8, 16), -32768, 32767), 3, 13))


@corner
def one_row_of_weights_and_odd_pixels() -> Program:
    made = Hand((3, 5, 3))
    one = made.round(made.conv(made.x, 1, padding=[1, 1]))
    return made.program(made.conv(made.round(made.conv(one, 5, (1, 1))), 3, (1, 1), bits=3))


@corner
def rows_of_inputs_in_place() -> Program:
    """Pixels of 8, and of 11 channels, as they lie, of 8 and of 16 bits."""
    made = Hand((8, 3, 3), 0, 255)
    one = made.round(made.conv(made.x, 11, (1, 1), bits=5), 0, 255)
    two = made.round(made.conv(one, 8, (1, 1), bits=12), -32768, 32767)
    return made.program(made.conv(made.round(made.conv(two, 11, (1, 1), bits=7), -1024, 1023), 2, (1, 1), bits=4))


@corner
def strides_and_dilations() -> Program:
    made = Hand((3, 9, 8))
    one = made.round(made.conv(made.x, 4, (3, 2), bits=6, stride=[2, 1], padding=[2, 1], dilation=[2, 3]))
    return made.program(made.conv(one, 3, (2, 3), bits=2, stride=[1, 3], padding=[0, 2], dilation=[1, 2]))


@corner
def groups() -> Program:
    made = Hand((6, 7, 6), 0, 255)
    one = made.round(made.conv(made.x, 6, bits=3, groups=6, padding=[1, 1]), 0, 255)
    two = made.round(made.conv(one, 9, (2, 3), bits=11, groups=3, stride=[2, 1], dilation=[1, 2]))
    return made.program(made.conv(two, 18, (1, 1), bits=1, form="sign", groups=9))


@corner
def depthwise_by_fours() -> Program:
    made = Hand((10, 6, 6))
    one = made.round(made.conv(made.x, 10, bits=4, groups=10, padding=[1, 1], stride=[2, 2]))
    return made.program(made.conv(one, 10, (2, 2), bits=8, groups=10, padding=[1, 0], dilation=[2, 1]))


@corner
def depthwise_of_16_bits() -> Program:
    made = Hand((4, 5, 5), -32768, 32767)
    return made.program(made.conv(made.x, 4, bits=16, groups=4, padding=[1, 1], bias=9**12))


@corner
def unsigned_inputs_of_16_bits_by_groups() -> Program:
    made = Hand((4, 5, 5), 0, 65535)
    return made.program(made.conv(made.x, 8, bits=3, groups=4, padding=[2, 1]))


@corner
def codes_of_every_width() -> Program:
    made = Hand((3, 6, 5), 0, 255)
    value = made.x
    for bits in range(1, 9):
        value = made.round(made.conv(value, 5, (2, 3), bits=bits, form="coded", padding=[1, 1]), -128, 127)
    return made.program(made.linear(made.flat(value), 3, 4, "coded"))


@corner
def codes_with_sums_of_64_bits() -> Program:
    made = Hand((5, 4, 3), 0, 65535)
    one = made.round(made.conv(made.x, 3, (2, 2), bits=4, form="coded", bias=9**14), -32768, 32767)
    two = made.round(made.conv(one, 4, (1, 1), bits=7, form="coded"), -32768, 32767)
    return made.program(made.linear(made.flat(two), 3, 5, "blocks of 3"))


@corner
def more_rows_of_codes_than_are_looked_up_at_once() -> Program:
    made = Hand((40, 4, 4))
    one = made.round(made.conv(made.x, 13, padding=[1, 1], bits=3, form="coded"))
    return made.program(made.conv(one, 300, (1, 1), bits=4, form="blocks of 8"))


@corner
def codes_of_rows() -> Program:
    made = Hand((5, 6))
    one = made.round(made.linear(made.x, 9, 5, "coded"))
    return made.program(made.linear(one, 4, 3, "blocks of 8"))


@corner
def codes_by_groups() -> Program:
    made = Hand((6, 7, 6), 0, 255)
    one = made.round(made.conv(made.x, 6, bits=4, form="coded", groups=6, padding=[1, 1]))
    two = made.round(made.conv(one, 12, (2, 3), bits=3, form="blocks of 3", groups=2))
    return made.program(made.conv(two, 12, (2, 2), bits=4, form="blocks of 3", groups=12))


@corner
def codes_in_blocks_behind_an_image() -> Program:
    """The image's elements lie channels last, and the blocks of a dense layer are of the sample's own order."""
    made = Hand((6, 4, 3))
    one = made.round(made.conv(made.x, 7, (2, 2), bits=3, form="blocks of 3", stride=[1, 1], padding=[1, 0]))
    return made.program(made.linear(made.flat(one), 5, 4, "blocks of 8"))


@corner
def codes_and_signs() -> Program:
    made = Hand((3, 6, 5))
    one = made.sign(made.conv(made.x, 9, padding=[1, 1], bits=2, form="coded"))
    two = made.sign(made.conv(one, 8, (3, 2), bits=4, form="coded", padding=[1, 1]))
    return made.program(made.conv(two, 5, (2, 2), form="sign", bits=1))


@corner
def one_number_for_all() -> Program:
    """A table of one entry, whose codes still take a bit."""
    made = Hand((9,))
    table = torch.tensor([7])
    return made.program(made.emit("fc", "linear", (made.x,), Constant.coded(table.expand(3, 9), Coding(table)),
                                  made.bias(3), exponents=[0]))  # fmt: skip


@corner
def one_dimension() -> Program:
    made = Hand((5, 12))
    one = made.round(made.conv(made.x, 6, (3,), stride=[2], padding=[2], dilation=[2]))
    two = made.pool(made.round(made.conv(one, 4, (2,), groups=2, bits=5)), (2,), stride=[1], padding=[1])
    return made.program(made.emit("mean", "sum_pool", (two,), kernel=[2], stride=[2], padding=[1], count=2))


@corner
def sign_weights_with_codes() -> Program:
    made = Hand((5, 5, 5), 0, 255)
    one = made.round(made.conv(made.x, 3, form="sign", bits=1, padding=[1, 1]), -32768, 32767)
    return made.program(made.conv(one, 5, (2, 2), form="sign", bits=1))


@corner
def signs_with_signs() -> Program:
    made = Hand((3, 6, 5))
    one = made.sign(made.conv(made.x, 9, padding=[1, 1]))
    two = made.sign(made.conv(one, 13, (3, 2), form="sign", bits=1, padding=[1, 1], exponents=[0]))
    three = made.sign(made.conv(two, 16, (2, 2), form="sign", bits=1, padding=[1, 0], dilation=[2, 1], stride=[2, 1]))
    return made.program(made.linear(made.flat(three), 7, form="sign", bits=1))


@corner
def maxima_of_bits() -> Program:
    made = Hand((3, 7, 7))
    one = made.pool(made.sign(made.conv(made.x, 11)), (3, 3), stride=[2, 2], padding=[1, 1], ceil=True)
    return made.program(made.conv(one, 5, (2, 2), form="sign", bits=1, padding=[1, 1]))


@corner
def many_signs() -> Program:
    """Rows of 1 to 9 words of bits and more, with and without a rest."""
    made = Hand((40,), -1, 1, sign=True)
    value = made.sign(made.linear(made.x, 33))
    for count in (64, 97, 128, 224, 225, 257, 480, 3):
        layer = made.linear(value, count, form="sign", bits=1)
        value = layer if count == 3 else made.sign(layer)
    return made.program(value)


@corner
def signs_of_joined_values() -> Program:
    made = Hand((3, 4, 4))
    joined = made.emit("cat", "concat", made.together((made.conv(made.x, 6, padding=[1, 1]), made.x)), dim=1)
    return made.program(made.conv(made.sign(joined), 4, form="sign", bits=1))


@corner
def signs_of_rows() -> Program:
    made = Hand((5, 6))
    return made.program(made.conv(made.sign(made.linear(made.x, 9)), 4, (3,), form="sign", bits=1))


@corner
def signs_of_signs() -> Program:
    made = Hand((3, 5, 5))
    one = made.sign(made.x)
    other = made.sign(made.pool(one, stride=[1, 1]))
    layers = made.conv(one, 3, (3, 3), form="sign", bits=1), made.conv(other, 3, (2, 2), form="sign", bits=1)
    return made.program(made.add(*layers))


@corner
def tables_of_joined_values() -> Program:
    made = Hand((2, 4, 4))
    joined = made.emit("cat", "concat", (made.x, made.x), dim=1)
    stored = Constant(torch.tensor([-5, 0, 7, 3]), 9, "signed"), Constant(torch.tensor([1, 2, 3, 4, 9, 8]), 9, "signed")
    return made.program(
        made.emit("t", "table", (joined,), *stored, steps=[3, 1], rows=[0, 1, 1, 0], axis=0, exponent=0)
    )


@corner
def quotients() -> Program:
    made = Hand((4, 6, 6))
    mean = made.emit("mean", "sum_pool", (made.x,), kernel=[3, 3], stride=[2, 2], padding=[1, 1], count=9)
    one = made.round(mean, exponent=0)
    total = made.emit("total", "sum", (made.conv(one, 5, (1, 1)),), dims=[2, 3], keep=False, count=7)
    return made.program(made.linear(made.round(total, exponent=4), 3))


@corner
def quotients_that_are_shifted_to_the_left() -> Program:
    made = Hand((4, 3, 3), -1, 1)
    mean = made.emit("mean", "sum", (made.x,), dims=[2, 3], keep=False, count=3**10)
    return made.program(made.linear(made.round(mean, exponent=-20), 3))


@corner
def shifts_by_channel() -> Program:
    made = Hand((3, 4, 4))
    one = made.round(made.conv(made.x, 6, exponents=[0, 3, -5, 2, 0, -9], padding=[1, 1]), exponent=4)
    two = made.round(made.conv(one, 4, (1, 1), exponents=[0, 8, 20, -30]), exponent=9)
    return made.program(made.add(made.conv(two, 3, (1, 1), exponents=[3, 0, -3]), made.conv(two, 3, (1, 1))))


@corner
def shifts_to_the_left() -> Program:
    made = Hand((4, 3), -8, 7)
    one = made.round(made.linear(made.x, 5, 3), exponent=-4)
    return made.program(made.linear(made.round(made.round(one, exponent=-1), -2, 1, exponent=-40), 3))


@corner
def bounds() -> Program:
    made = Hand((3, 4, 4))
    layer = made.conv(made.x, 4, exponents=[0, 1, 2, 3])
    clamped = made.emit("clamp", "clamp", (layer,), low=[-9, 0, -5000, 10], high=[9999, 1, 0, 10])
    return made.program(made.emit("far", "clamp", (made.round(clamped),), low=[2**40], high=None))


@corner
def values_moved_about() -> Program:
    made = Hand((3, 5, 4))
    turned = made.emit("turn", "permute", (made.x,), order=[0, 2, 3, 1])
    part = made.emit("part", "slice", (turned,), dim=1, start=1, stop=5, step=2)
    wide = made.emit("pad", "pad", (part,), pad=[1, 0, 2, 1, 0, 1])
    joined = made.emit("cat", "concat", (wide, wide, made.emit("same", "pad", (wide,), pad=[0, 0])), dim=3)
    shaped = made.emit("shape", "reshape", (joined,), shape=[4, 9, 7])
    total = made.emit("total", "sum", (made.round(made.conv(shaped, 3, (2, 2))),), dims=[3, 1], keep=True, count=3)
    return made.program(made.emit("last", "permute", (total,), order=[0, 3, 1, 2]))


@corner
def one_number() -> Program:
    made = Hand((2, 4, 4))
    return made.program(
        made.round(made.emit("sum", "sum", (made.x,), dims=[1, 2, 3], keep=False, count=31), exponent=0)
    )


@corner
def additions() -> Program:
    """Of two at a time, of a value to itself, of what is aligned twice, and in place."""
    made = Hand((4, 5, 5))
    one = made.round(made.conv(made.x, 4, padding=[1, 1]), exponent=5)
    two = made.round(made.add(made.conv(one, 4, padding=[1, 1]), one), exponent=7)
    three = made.add(made.add(made.conv(two, 4, (1, 1)), two), made.x)
    four = made.round(made.add(three, three), exponent=12)
    return made.program(made.add(made.conv(four, 4, (1, 1)), made.add(four, one)))


@corner
def an_addend_under_another_shape() -> Program:
    made = Hand((12, 1, 1))
    one, other = made.linear(made.flat(made.x), 12), made.flat(made.round(made.conv(made.x, 12, (1, 1)), exponent=3))
    two = made.round(made.add(one, other), exponent=8)
    return made.program(made.linear(made.round(made.add(made.linear(made.flat(two), 12), two), exponent=16), 2))


@corner
def unsigned_weights() -> Program:
    made = Hand((9, 4))
    rows = made.linear(made.x, 9, 15, "unsigned")
    layer = made.conv(made.round(rows), 6, (2,), 8, "unsigned", groups=3)
    return made.program(made.linear(made.flat(made.round(layer, 0, 65535)), 3, 15, "unsigned"))


@corner
def wide_outputs() -> Program:
    made = Hand((2, 3, 3))
    return made.program(
        made.emit("wide", "requantise", (made.conv(made.x, 3),), low=-(2**50), high=2**50, exponent=-30)
    )


@corner
def the_least_code_of_32_bits() -> Program:
    made = Hand((4, 4))
    wide = made.emit("wide", "requantise", (made.x,), low=-(2**31), high=2**31 - 1, exponent=-30)
    return made.program(made.pool(made.emit("clamp", "clamp", (wide,), low=[5 - 2**31], high=None), (3,), padding=[1]))


@corner
def nothing_but_zeros() -> Program:
    made = Hand((3,), 0, 0)
    return made.program(
        made.add(made.round(made.x, exponent=-45), made.emit("far", "align", (made.x,), exponent=-70, divisor=9))
    )


@pytest.mark.parametrize("name", CORNERS)
def test_corners(name: str) -> None:
    needs.programs("gcc")
    assert mismatches(CORNERS[name]()) == 0


@pytest.mark.parametrize("output", ["input", "flat", "turned"])
def test_outputs_that_are_the_input(output: str) -> None:
    needs.programs("gcc")
    made = Hand((2, 3, 4))
    value = {"input": lambda: made.x, "flat": lambda: made.flat(made.x),
             "turned": lambda: made.emit("turn", "permute", (made.x,), order=[0, 2, 3, 1])}[output]()  # fmt: skip
    assert mismatches(made.program(value)) == 0


@pytest.mark.parametrize("form", ["signed", "unsigned"])
@pytest.mark.parametrize("low", [0, -32768, -8])
def test_weights_of_every_width(form: str, low: int) -> None:
    needs.programs("gcc")
    made = Hand((9, 2, 2), low, {0: 255, -32768: 32767, -8: 7}[low])
    layers = [made.conv(made.x, 2, (2, 2), bits, form) for bits in range(1, 17 - (form == "unsigned"))]
    flat = made.emit("cat", "concat", made.together(layers), dim=1)
    assert mismatches(made.program(flat)) == 0


@pytest.mark.parametrize("seed", range(6))
def test_networks(seed: int) -> None:
    needs.programs("gcc")
    assert mismatches(net(seed)) == 0
    assert mismatches(net(seed, curved=True)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("seed", range(6, 36, 10))
def test_more_networks(seed: int, compiler: str) -> None:
    needs.programs(compiler)
    for each in range(seed, seed + (10 if compiler == "gcc" else 4)):
        assert mismatches(net(each), compiler=compiler, flags=CAREFUL if compiler == "gcc" else ()) == 0


@pytest.mark.parametrize("seed", range(10))
def test_chances(seed: int) -> None:
    needs.programs("gcc")
    assert mismatches(chance(seed)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 70, 30))
def test_more_chances(seed: int) -> None:
    needs.programs("gcc")
    assert [each for each in range(seed, seed + 30) if mismatches(chance(each))] == []


@pytest.mark.parametrize(("kind", "told"), [
    ("unsigned", "'conv' has weights of 17 bits with their sign; C has at most 16"),
    ("wide", "'conv' has weights of 17 bits with their sign; C has at most 16"),
    ("rows", "'fc' has weights of 20 bits with their sign; C has at most 16"),
    ("inputs", "'conv' multiplies codes of 17 bits; C has at most 16"),
    ("input", "the input has codes of 17 bits; C takes at most 16"),
])  # fmt: skip
def test_refusals(kind: str, told: str) -> None:
    made = Hand((4, 5), *((0, 65536) if kind == "input" else (-128, 127)))
    output = {
        "unsigned": lambda: made.conv(made.x, 2, (2,), 16, "unsigned"),
        "wide": lambda: made.conv(made.x, 4, (2,), 17, groups=2),
        "rows": lambda: made.linear(made.x, 4, 20),
        "inputs": lambda: made.conv(made.round(made.x, -(2**16), 2**16 - 1, exponent=-9), 2, (2,)),
        "input": lambda: made.round(made.x),
    }[kind]()
    with pytest.raises(InputError, match=f"^{told}$"):
        rendered(made.program(output))
