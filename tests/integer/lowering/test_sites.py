"""Values at sites of few numbers, against fractions: the nearest number, whatever the sums' steps and divisor."""

from fractions import Fraction

import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.integer import nets, oracle
from tests.integer.lowering.test_lower import Net, check, made, refused
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its customary name)

from picojoule.calibration import Range, Ranges
from picojoule.formats import Lut, parse
from picojoule.integer import Interpreter, lower
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.lowering.sites import Site, rounded, site_of
from picojoule.integer.types import LARGEST, Constant
from picojoule.quantize import Choice

CODES = st.integers(-(2**15), 2**15 - 1)


def book(members: list[int], exponent: int) -> tuple[Site, Range]:
    """A site of 16-bit numbers of a range with an exponent."""
    range = Range((exponent,), True, members=tuple(each / 2**15 for each in members))
    return site_of("site", Choice(Lut(256).with_members(range.members), range)), range


@given(st.sets(CODES, min_size=1, max_size=20), st.lists(st.integers(-20, 20), min_size=1, max_size=3),
       st.sampled_from([1, 3, 49]), st.integers(0, 2**32))  # fmt: skip
def test_the_nearest_number(members: set[int], exponents: list[int], divisor: int, seed: int) -> None:
    """Of sums with a step for each channel, and some of them about halfway between numbers."""
    site, range = book(sorted(members), 0)
    random = torch.Generator().manual_seed(seed)
    made = Builder()
    count, most = len(exponents), 2**40
    image = made.emit("input", "input", (), shape=[count, 8], low=-most, high=most, exponent=0, sign=False)
    one, none = Constant(torch.ones(count, 1, 1).long(), 2, "signed"), Constant(torch.zeros(count).long(), 2, "signed")
    how = {"stride": [1], "padding": [0], "dilation": [1], "groups": count, "exponents": exponents}
    sums = made.emit("sums", "conv1d", (image,), one, none, **how)
    if divisor > 1:  # the same codes as a mean over a count
        window = {"kernel": [1], "stride": [1], "padding": [0], "count": divisor}
        sums = made.emit("mean", "sum_pool", (sums,), **window)
    program = made.program(rounded(made, sums, site))
    units = [Fraction(2) ** each / divisor for each in made.type(sums).exponents * (count // len({*exponents}))][:count]
    halves = [Fraction(a + b, 2**16) for a, b in zip(sorted(members), sorted(members)[1:], strict=False)] or [
        Fraction()
    ]
    near = [[int(halves[at] // unit) for at in torch.randint(len(halves), (8,), generator=random)] for unit in units]
    codes = (torch.tensor([[min(max(each, -most), most - 1) for each in row] for row in near])
             + torch.randint(0, 2, (count, 8), generator=random))  # fmt: skip
    found = Interpreter(program).run(codes[None])[0]
    values = [[each * unit for each in row] for row, unit in zip(codes.tolist(), units, strict=True)]
    step = Fraction(2) ** program.output_type.exponents[0]
    expected = [[oracle.nearest(each, range) for each in row] for row in values]
    assert [[each * step for each in row] for row in found.tolist()] == expected


class TestSites:
    def test_the_coarsest_step(self) -> None:
        site, _ = book([-(2**14), 0, 2**12], exponent=3)
        assert (site.members, site.exponent, site.sign) == ((-4, 0, 1), 0, False)

    def test_two_numbers_on_both_sides_of_zero_are_signs(self) -> None:
        assert book([-(2**12), 2**12], 0)[0].sign
        assert site_of("site", Choice(parse("binary"), Range((3,), True))).sign
        assert not book([-(2**12), 2**13], 0)[0].sign

    def test_fixed_point_names_no_members(self) -> None:
        site = site_of("site", Choice(parse("fixed4"), Range((3,), signed=False)))
        assert site[2:] == (0, 15, -1, ())


class TestTables:
    def emitted(self, members: list[int], low: int, high: int, exponent: int) -> tuple[list[int], list[int]]:
        """Thresholds and codes for an input of codes."""
        made = Builder()
        image = made.emit("input", "input", (), shape=[3], low=low, high=high, exponent=exponent, sign=False)
        program = made.program(rounded(made, image, book(members, 15)[0]))
        return program.constants["site.thresholds"].values.tolist(), program.constants["site.codes"].values.tolist()

    def test_ties_go_to_the_even(self) -> None:
        assert self.emitted([-4, -2, 0, 2, 5], -99, 99, 0) == ([-2, -1, 2, 4], [-4, -2, 0, 2, 5])

    def test_ties_go_up_without_zero(self) -> None:
        assert self.emitted([1, 3, 7], -99, 99, 0) == ([2, 5], [1, 3, 7])

    def test_numbers_that_are_never_reached_are_left_out(self) -> None:
        assert self.emitted([-5, 0, 5, 10, 20], 3, 9, 0) == ([8], [5, 10])

    def test_numbers_between_two_sums_are_left_out(self) -> None:
        """In steps of 4."""
        assert self.emitted([-8, 0, 1, 2, 8], -3, 3, 2) == ([-1, 1, 2], [-8, 0, 2, 8])

    def test_one_that_is_the_same_for_all(self) -> None:
        assert self.emitted([7], -3, 3, 0) == ([-3], [7, 7])
        assert self.emitted([-100, 1], -3, 3, 0) == ([-3], [1, 1])

    def test_of_all_bits_that_there_are(self) -> None:
        thresholds, codes = self.emitted([-(2**15), 1, 2**15 - 1], -LARGEST, LARGEST, -36)
        assert (thresholds, codes) == ([-(2**15 - 1) * 2**35, 2**50], [-(2**15), 1, 2**15 - 1])


def replaced(case: nets.Case, site: str, range: Range) -> nets.Case:
    """The case with another range of one site."""
    return case._replace(ranges=Ranges({**case.ranges.sites, site: range}, case.ranges.input_shape))


class TestNetworks:
    """Held to the network in float64 and to fractions."""

    def test_an_exponent_for_each_channel(self) -> None:
        model = nn.Sequential(nn.Conv2d(2, 4, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 2, 1))
        case = made(model, (2, 7, 7), {"*": "fixed5", "3.inputs": "lut8"})
        program = check(replaced(case, "0.weights", Range((0, 2, -3, 0), signed=True)))
        assert [each.kind for each in program.operations] == ["input", "conv2d", "table", "max_pool", "conv2d"]
        assert program.operations[2].args["rows"] == [0, 1, 2, 0]

    def test_means_joined_with_curves(self) -> None:
        """Each is rounded before they are joined."""
        model = Net(
            lambda net, x: net.b(torch.cat([F.avg_pool1d(y := net.a(x), 3, 1, 1), F.silu(y)], 1)),
            a=nn.Conv1d(2, 2, 1), b=nn.Conv1d(4, 3, 1),
        )  # fmt: skip
        program = check(made(model, (2, 6), {"*": "fixed4", "b.inputs": "lut16"}))
        assert [each.kind for each in program.operations].count("table") == 2

    def test_zeros_around_a_curve(self) -> None:
        """It can be rounded before them where zero is a number of the site."""
        model = Net(lambda net, x: net.b(F.pad(F.gelu(net.a(x)), (1, 0))), a=nn.Linear(6, 6), b=nn.Linear(7, 2))
        case = made(model, (6,), {"*": "fixed4", "b.inputs": "lut4"})
        check(replaced(case, "b.inputs", Range((0,), True, members=(-0.25, 0.0, 0.5))))
        with refused("'gelu' .* has no exact integers; .*"):
            lower(*replaced(case, "b.inputs", Range((0,), True, members=(-0.25, 0.5))))

    def test_numbers_of_more_than_16_bits(self) -> None:
        case = made(nn.Sequential(nn.Linear(6, 2)), (6,), {"*": "fixed4", "0.inputs": "lut2:fp16"})
        check(replaced(case, "0.inputs", Range((1,), True, members=(-0.125, 0.75))))
        with refused("site '0.inputs' is lut2:fp16: its numbers are whole numbers of 18 bits, and programs have .*"):
            lower(*replaced(case, "0.inputs", Range((1,), True, members=(-(2.0**-17), 0.75))))
