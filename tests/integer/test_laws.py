"""Shapes against torch, and bounds against every input there is."""

import itertools
import random
from collections.abc import Mapping

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 (its customary name)

from picojoule.errors import FileError
from picojoule.integer.coding import Coding
from picojoule.integer.laws import LAWS, type_of
from picojoule.integer.laws.layers import largest_sum
from picojoule.integer.program import operation
from picojoule.integer.types import LARGEST, Constant, Type

ONE = Type((2, 5, 4), 0, 3, (0,))


def stored(values: list[int] | torch.Tensor, *shape: int) -> Constant:
    whole = torch.as_tensor(values)
    return Constant(whole.reshape(shape or whole.shape), 54, "signed")


def zeros(count: int) -> Constant:
    return stored(torch.zeros(count, dtype=torch.int64))


@pytest.mark.parametrize("kind", ["conv1d", "conv2d", "max_pool1d", "max_pool2d"])
def test_shapes_are_torchs(kind: str) -> None:
    chance, sides = random.Random(kind), int(kind[-2])
    fitting = 0
    while fitting < 80:
        groups, ceil = chance.choice((1, 2, 4)), chance.random() < 0.5
        kernel, stride, dilation = ([chance.randint(1, 3) for _ in range(sides)] for _ in range(3))
        padding = [chance.randint(0, size // 2) for size in kernel]
        read = Type((4, *(chance.randint(1, 9) for _ in range(sides))), -3, 5, (0,))
        x, w = torch.zeros(1, *read.shape), torch.zeros(8, 4 // groups, *kernel)
        args: dict[str, object] = {"stride": stride, "padding": padding, "dilation": dilation}
        try:
            if kind.startswith("conv"):
                shape = getattr(F, kind)(x, w, None, stride, padding, dilation, groups).shape
            else:
                shape = getattr(F, kind)(x, kernel, stride, padding, dilation, ceil).shape
        except RuntimeError:  # the window does not fit
            shape = None
        if kind.startswith("conv"):
            given = kind, {**args, "groups": groups, "exponents": [0]}, [read], [stored(w.long()), zeros(8)], "here"
        else:
            given = "max_pool", {**args, "kernel": kernel, "ceil": ceil}, [read], [], "here"
        if shape is None:
            with pytest.raises(FileError, match="makes values of shape"):
                type_of(*given)
        else:
            assert type_of(*given).shape == shape[1:], given
            fitting += 1


class TestBounds:
    """Every input of a tiny layer is tried: the bounds hold, and are reached."""

    @pytest.mark.parametrize("ends", [(0, 3), (-2, 1), (-1, 1), (1, 2), (-3, -1)])
    @pytest.mark.parametrize("seed", range(6))
    def test_of_a_dense_layer(self, ends: tuple[int, int], seed: int) -> None:
        random = torch.Generator().manual_seed(seed)
        weights, bias = torch.randint(-4, 5, (2, 3), generator=random), torch.randint(-9, 10, (2,), generator=random)
        read = Type((3,), *ends, (0,))
        made = type_of("linear", {"exponents": [0, 0]}, [read], [stored(weights), stored(bias)], "here")
        inputs = torch.tensor([*itertools.product(range(ends[0], ends[1] + 1), repeat=3)])
        sums = inputs @ weights.T + bias
        assert (made.low, made.high) == (int(sums.min()), int(sums.max()))
        partial = [
            abs(sum(order[:k]))
            for row, start in zip(weights, bias, strict=True)
            for x in inputs
            for order in itertools.permutations([int(start), *(int(a * b) for a, b in zip(row, x, strict=True))])
            for k in range(1, 5)
        ]
        assert max(partial) <= largest_sum(weights, bias, read)

    def test_of_a_padded_convolution(self) -> None:
        """Codes from 2 to 3 with zeros around them."""
        args = {"stride": [1], "padding": [1], "dilation": [1], "groups": 1, "exponents": [0]}
        read, weights = Type((1, 2), 2, 3, (0,)), torch.tensor([[[1, -1]]])
        made = type_of("conv1d", args, [read], [stored(weights), zeros(1)], "here")
        inputs = torch.tensor([*itertools.product((2, 3), repeat=2)])[:, None].double()
        sums = F.conv1d(inputs, weights.double(), padding=1)
        assert (made.low, made.high) == (int(sums.min()), int(sums.max())) == (-3, 3)

    @pytest.mark.parametrize(
        ("kind", "args", "reads", "expected"),
        [
            ("add", {}, (Type((1,), -2, 3, (0,)), Type((1,), 1, 7, (0,))), (-1, 10, (0,), 1)),
            ("clamp", {"low": [-1], "high": [2]}, (Type((1,), -4, 9, (0,)),), (-1, 2, (0,), 1)),
            ("clamp", {"low": [0], "high": None}, (Type((1,), -4, -2, (0,)),), (0, 0, (0,), 1)),
            ("clamp", {"low": [5], "high": [7]}, (Type((1,), 0, 1, (0,)),), (5, 5, (0,), 1)),
            ("align", {"exponent": -2, "divisor": 6}, (Type((1,), -4, 3, (0,), 0, 3),), (-32, 24, (-2,), 6)),
            ("sum", {"dims": [2, 3], "keep": False, "count": 12}, (Type((2, 3, 4), -1, 2, (5,)),), (-12, 24, (3,), 3)),
            ("pad", {"pad": [1, 0]}, (Type((2,), 4, 6, (0,)),), (0, 6, (0,), 1)),
            ("concat", {"dim": 1}, (Type((1,), -2, 3, (0,)), Type((2,), 1, 7, (0,))), (-2, 7, (0,), 1)),
        ],
    )
    def test_of_others(
        self, kind: str, args: dict[str, object], reads: tuple[Type, ...], expected: tuple[object, ...]
    ) -> None:
        made = type_of(kind, args, reads, (), "here")
        assert (made.low, made.high, made.exponents, made.divisor) == expected


class TestCodings:
    """Whoever makes a program is held to the same as whoever loads one."""

    read = Type((2,), 0, 3, (0,))

    def check(self, weights: Constant, bias: Constant | None = None) -> Type:
        return type_of("linear", {"exponents": [0]}, [self.read], [weights, bias or zeros(1)], "here")

    def test_ends_of_16_bits(self) -> None:
        table = torch.tensor([-(2**15), 2**15 - 1])
        made = self.check(Constant.coded(table[None], Coding(table)))
        assert (made.low, made.high) == (-3 * 2**15, 3 * (2**15 - 1))

    @pytest.mark.parametrize(
        ("values", "table", "shifts", "told"),
        [
            ([1, 2**15], [1, 2**15], None, "has coded weights of more than 16 bits"),
            ([1, 2**15], [1, 2**14], [[1]], "has coded weights of more than 16 bits"),
            ([1, 2], [*range(257)], None, "has a table of 257 numbers; 1 to 256 that rise are possible"),
            ([1, 1], [], None, "has a table of 0 numbers"),
            ([1, 3], [3, 1], None, "has a table of 2 numbers; 1 to 256 that rise"),
            ([1, 4], [1, 2], None, "has weights that 1 bits and a table of 2 do not give"),
            ([1, 4], [1, 2], [[1]], "has weights that 1 bits and a table of 2 do not give"),
            ([2, 4], [1, 2], [[1, 1]], "has shifts [1, 2] for weights [1, 2] by 2"),
        ],
    )
    def test_refusals(self, values: list[int], table: list[int], shifts: list[list[int]] | None, told: str) -> None:
        whole = torch.tensor(table, dtype=torch.int64)
        coding = Coding(whole, 2, torch.tensor(shifts)) if shifts else Coding(whole)
        with pytest.raises(FileError) as caught:
            self.check(Constant.coded(torch.tensor([values]), coding))
        assert str(caught.value).startswith(f"here: {told}")

    def test_fewer_bits_than_codes(self) -> None:
        coding = Coding(torch.tensor([1, 2, 3]))
        with pytest.raises(FileError, match="here: has weights that 1 bits and a table of 3 do not give"):
            self.check(Constant(torch.tensor([[1, 2]]), 1, "unsigned", coding))

    def test_of_biases(self) -> None:
        coding = Coding(torch.tensor([0, 1]))
        constants = {"fc.weights": stored([[1, 1]]), "fc.bias": Constant.coded(torch.tensor([1]), coding)}
        with pytest.raises(FileError, match=r"^here: operation 'fc' has codings of what are no weights$"):
            operation("fc", "linear", ("x",), {"exponents": [0]}, [self.read], constants, "here")


class TestSumsOf53Bits:
    """The largest sum of all must be below 2^53, though every single code may be there."""

    @pytest.mark.parametrize(("bias", "fits"), [(LARGEST - 4, True), (LARGEST - 3, False), (LARGEST, False)])
    def test_of_a_layer(self, bias: int, fits: bool) -> None:
        constants = [stored([[1]]), stored([bias])]
        if fits:
            made = type_of("linear", {"exponents": [0]}, [Type((1,), 0, 3, (0,))], constants, "here")
            assert made.high == LARGEST - 1
        else:
            with pytest.raises(FileError, match="here: has sums of more than 53 bits"):
                type_of("linear", {"exponents": [0]}, [Type((1,), 0, 3, (0,))], constants, "here")

    def test_where_they_cancel(self) -> None:
        """The result is small, but not what is on the way to it."""
        read, half = Type((2,), 1, 1, (0,)), 2**52
        with pytest.raises(FileError, match="has sums of more than 53 bits"):
            type_of("linear", {"exponents": [0]}, [read], [stored([[half, -half]]), zeros(1)], "here")

    def test_of_others(self) -> None:
        half = Type((1,), 0, 2**52, (0,))
        assert type_of("add", {}, [half, half], (), "here").high == LARGEST
        more = Type((1,), 0, 2**52 + 1, (0,))
        with pytest.raises(FileError, match="here: has values of more than 53 bits"):
            type_of("add", {}, [half, more], (), "here")


class TestTables:
    """Two rows for three channels, of 2 and 1 steps."""

    ARGS: Mapping[str, object] = {"exponent": -3, "rows": [0, 1, 0], "steps": [2, 1], "axis": 0}
    READ = Type((3, 5), -4, 9, (0, 1, 0))

    def type(self, thresholds: list[int], codes: list[int], read: Type = READ, **changes: object) -> Type:
        return type_of("table", {**self.ARGS, **changes}, [read], [stored(thresholds), stored(codes)], "here")

    def test_its_codes_are_all_there_are(self) -> None:
        assert self.type([-4, 9, 0], [3, 1, 2, -5, 1]) == Type((3, 5), -5, 3, (-3,))

    @pytest.mark.parametrize(
        ("thresholds", "codes", "changes", "told"),
        [
            ([-4, -4, 0], [0] * 5, {}, "has thresholds that do not rise"),
            ([3, 2, 0], [0] * 5, {}, "has thresholds that do not rise"),
            ([-5, 2, 0], [0] * 5, {}, "looks up codes from -4 to 9, and has thresholds beyond"),
            ([0, 2, 10], [0] * 5, {}, "looks up codes from -4 to 9, and has thresholds beyond"),
            ([0, 2, 1], [0] * 4, {}, "has 3 thresholds and 4 codes for 3 steps"),
            ([0, 2], [0] * 4, {}, "has 2 thresholds and 4 codes for 3 steps"),
            ([0, 2, 1], [0] * 5, {"steps": [3, 0]}, "has 0 where a whole number from 1 to"),
            ([0, 2, 3], [0] * 4, {"steps": [3]}, "has 1 where a whole number from 0 to 0 is expected"),
            ([0, 2, 1], [0] * 5, {"steps": []}, "has 0 where a whole number from 0 to -1 is expected"),
            ([0, 2, 1], [0] * 5, {"rows": [0, 1]}, "has 2 rows for 2 channels of [3, 5]"),
            ([0, 2, 1], [0] * 5, {"rows": [0, 0, 0]}, "has 2 rows for 3 channels of [3, 5]"),
            ([0, 2, 1], [0] * 5, {"rows": [0, 1, 2]}, "has 2 where a whole number from 0 to 1 is expected"),
            ([0, 2, 1], [0] * 5, {"rows": []}, "has 2 rows for 0 channels of [3, 5]"),
            ([0, 2, 1], [0] * 5, {"axis": 1}, "has 2 rows for 3 channels of [3, 5]"),
            ([0, 2, 1], [0] * 5, {"axis": 2}, "has 2 rows for 3 channels of [3, 5]"),
            ([0, 2, 1], [0] * 5, {"axis": -1}, "key 'axis' is -1"),
            ([0, 2, 1], [0] * 5, {"exponent": 513}, "key 'exponent' is 513"),
            ([0, 2, 1], [0] * 5, {"more": 0}, "unknown key 'more'"),
        ],
    )
    def test_refusals(self, thresholds: list[int], codes: list[int], changes: dict[str, object], told: str) -> None:
        with pytest.raises(FileError) as caught:
            self.type(thresholds, codes, **changes)
        assert str(caught.value).startswith(f"here: {told}")

    def test_rows_are_told_apart_in_53_bits(self) -> None:
        """Laid end to end; one row may have any codes there are."""
        assert self.type([0, 1, 2], [0] * 5, Type((3,), 0, LARGEST // 2 - 1, (0,))).shape == (3,)
        with pytest.raises(FileError, match="here: has 2 rows for codes from 0 to 4503599627370496: end to end they"):
            self.type([0, 1, 2], [0] * 5, Type((3,), 0, LARGEST // 2, (0,)))
        assert self.type([0], [1, 2], Type((3,), 0, LARGEST, (0,)), rows=[0], steps=[1]).shape == (3,)


class TestInputs:
    """Of a codebook: an input that has some codes and not others."""

    def type(self, low: int, high: int, members: object, sign: bool = False) -> Type:
        args = {"shape": [3], "low": low, "high": high, "exponent": -4, "sign": sign, "members": members}
        return type_of("input", args, [], [], "here")

    def test_its_ends_are_those_of_its_members(self) -> None:
        assert self.type(-(2**15), 2**15 - 1, [-(2**15), 0, 2**15 - 1]) == Type((3,), -(2**15), 2**15 - 1, (-4,))
        assert self.type(7, 7, [7]) == Type((3,), 7, 7, (-4,))

    @pytest.mark.parametrize(
        ("low", "high", "members", "sign", "told"),
        [
            (0, 256, [*range(257)], False, "has 257 members; give up to 256 of at most 16 bits, from 0 to 256"),
            (-1, 2**15, [-1, 2**15], False, "has 2 members; give up to 256 of at most 16 bits, from -1 to 32768"),
            (0, 3, [], False, "has 0 members"),
            (0, 3, [0, 2], False, "has 2 members; give up to 256 of at most 16 bits, from 0 to 3, and none with signs"),
            (0, 3, [1, 3], False, "has 2 members"),
            (-1, 1, [-1, 1], True, "has 2 members"),
            (0, 3, [0, 2, 2, 3], False, "has members that do not rise"),
            (0, 3, [0, 4], False, "has 4 where a whole number from 0 to 3 is expected"),
            (0, 3, [0, 1.5, 3], False, "has 1.5 where a whole number"),
            (0, 3, 3, False, "key 'members' is 3, expected a list"),
        ],
    )
    def test_refusals(self, low: int, high: int, members: object, sign: bool, told: str) -> None:
        with pytest.raises(FileError) as caught:
            self.type(low, high, members, sign)
        assert str(caught.value).startswith(f"here: {told}")


@pytest.mark.parametrize(
    ("kind", "args", "reads", "told"),
    [
        ("linear", {"exponents": [0]}, [Type((), 0, 1, (0,))], "multiplies [] by weights of shape [1, 1]"),
        ("linear", {"exponents": [0]}, [Type((1,), 0, 1, (0,), 0, 3)], "multiplies what is not rounded"),
        ("max_pool", {}, [Type((4,), 0, 1, (0,))], "has windows over [4], which has no channels in front"),
        ("max_pool", {}, [Type((3, 2), 0, 1, (0, 1), 1)], "has windows over [3, 2], which has no channels in front"),
        ("pad", {"pad": [0, 2**31]}, [ONE], "makes values of shape [2, 5, 2147483652]"),
        ("pad", {"pad": [1]}, [ONE], "pads [2, 5, 4] by [1]"),
        ("reshape", {"shape": [1] * 9 + [40]}, [ONE], "makes values of shape [1, 1, 1"),
        ("reshape", {"shape": [-40]}, [ONE], "has -40 where a whole number from 1 to"),
        ("slice", {"dim": 1, "start": 2, "stop": 1, "step": 1}, [ONE], "makes values of shape [0, 5, 4]"),
        ("sum_pool", {"kernel": [3, 3], "stride": [1, 1], "padding": [2**30, 0], "count": 9}, [ONE], "makes values"),
        ("permute", {"order": [1, 0, 2, 3]}, [ONE], "cannot turn [2, 5, 4] by [1, 0, 2, 3]"),
        ("concat", {"dim": 1}, [ONE, Type((2, 5, 4), 0, 3, (1,))], "joins values that are not aligned"),
        ("add", {}, [ONE, Type((2, 5, 1), 0, 3, (0,))], "adds [2, 5, 4] and [2, 5, 1]"),
        ("add", {}, [ONE], "reads 1 values"),
        ("align", {"exponent": 1, "divisor": 1}, [ONE], "aligns to what is coarser than its own"),
        ("clamp", {"low": [2], "high": [1]}, [ONE], "clamps to no interval"),
        ("clamp", {"low": [2, 2], "high": None}, [ONE], "key 'low' has 2 bounds for 1 exponents"),
        ("requantise", {"low": 1, "high": 0, "exponent": 0}, [ONE], "has codes from 1 to 0"),
        ("requantise", {"low": 0, "high": 1, "exponent": 513}, [ONE], "key 'exponent' is 513"),
        ("sum", {"dims": [1, 1], "keep": False, "count": 1}, [ONE], "sums over dimensions"),
        ("add", {"more": 1}, [ONE, ONE], "unknown key 'more'"),
    ],
)
def test_refusals(kind: str, args: dict[str, object], reads: list[Type], told: str) -> None:
    constants = (stored([[1]]), zeros(1)) if kind == "linear" else ()
    with pytest.raises(FileError) as caught:
        type_of(kind, args, reads, constants, "here")
    assert str(caught.value).startswith(f"here: {told}")
    assert kind in LAWS
