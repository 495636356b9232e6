"""Weights of small floats, blocks and codebooks as whole numbers: exact, stored at their bits, or refused by name."""

from fractions import Fraction
from typing import ClassVar, Self

import pytest
import torch
from tests.integer import oracle
from torch import Tensor

from picojoule.calibration import Range
from picojoule.errors import InputError
from picojoule.formats import Format, parse
from picojoule.integer import Constant
from picojoule.integer.lowering.weights import stored_weights
from picojoule.kernels.table import Table, round_to_table
from picojoule.quantize import Choice


def weights_of(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stored(text: str | Format, weights: Tensor, *exponents: int) -> tuple[Constant, list[int]]:
    format = parse(text) if isinstance(text, str) else text
    return stored_weights(Choice(format, Range(exponents or (0,), True)), weights, "fc.weights")


class Book(Format):
    """A codebook of given numbers, as plans may have them."""

    arithmetic = "codebook"
    summary: ClassVar[str] = "given numbers"
    examples: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *numbers: float) -> None:
        self.numbers = numbers

    @classmethod
    def match(cls, text: str) -> Self | None:
        return None

    @property
    def bits(self) -> int:
        return (len(self.numbers) - 1).bit_length()

    def __str__(self) -> str:
        return "book"

    def quantize(self, x: Tensor, exponent: int | Tensor = 0, signed: bool = True, out: Tensor | None = None) -> Tensor:
        assert isinstance(exponent, int)
        return round_to_table(x, Table(self.numbers), 2.0**exponent, out)

    def grid(self, signed: bool = True) -> Tensor:
        return torch.tensor(self.numbers, dtype=torch.float64)

    def limits(self, signed: bool = True) -> tuple[float, float]:
        return self.numbers[0], self.numbers[-1]


def test_one_bit_of_fixed_point_is_minus_one_or_nothing() -> None:
    found, _ = stored("fixed1", weights_of(2, 10))
    assert set(found.values.flatten().tolist()) == {-1, 0}
    assert (found.bits, found.form, found.coding) == (1, "signed", None)


@pytest.mark.parametrize("exponents", [(0,), (-3,), (2, 0, -5, 1, -1, 0)])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "text",
    ["e2m1", "e3m0", "e2m3", "e3m2", "float<2,1,bias=0>", "float<0,3,bias=-2>", "ternary", "e2m1/3:e8m0",
     "e2m3/4:e8m0", "fixed5/2:e8m0"],
)  # fmt: skip
def test_they_are_the_formats_numbers(text: str, seed: int, exponents: tuple[int, ...]) -> None:
    """Against sums in fractions; what e8m0 scales there are, exponents do not matter to them."""
    weights = weights_of(6, 10, seed=seed) * (1 if "/" in text else 2.0 ** max(exponents))
    found, steps = stored(text, weights, *exponents)
    exact = oracle.rounded(oracle.fractions(weights), parse(text), Range(exponents, True))
    rows = zip(found.values.tolist(), steps, strict=True)
    assert [[code * Fraction(2) ** step for code in row] for row, step in rows] == exact.tolist()
    assert found.bits <= parse(text).bits
    codes = -(-weights.numel() * found.bits // 8)
    more = 0 if found.coding is None else 2 * len(found.coding.table)
    if found.coding is not None and found.coding.shifts is not None:
        more += -(-found.coding.shifts.numel() // 2)
    assert found.packed_bytes == codes + more


def test_whole_numbers_of_the_formats_bits_need_no_table() -> None:
    for text, bits, form in (("ternary", 2, "signed"), ("float<0,3,bias=-2>", 4, "signed"), ("binary", 1, "sign")):
        found, _ = stored(text, weights_of(4, 9))
        assert (found.bits, found.form, found.coding) == (bits, form, None)
    found, _ = stored("e2m1", torch.tensor([[0.5, -1.0, 3.0]]))
    assert (found.values.tolist(), found.bits, found.coding) == ([[1, -2, 6]], 4, None)
    found, _ = stored("fixed4", torch.full((2, 2), -1.0))
    assert (found.values.tolist(), found.bits, found.coding) == ([[-8, -8], [-8, -8]], 4, None)


def test_formats_of_more_numbers_than_a_table_has_take_the_bits_of_their_numbers() -> None:
    found, steps = stored("fp16", torch.tensor([[1.0, 2.0**-9, -0.25]]))
    assert (found.values.tolist(), found.bits, found.coding, steps) == ([[512, 1, -128]], 16, None, [-9])
    found, _ = stored("float<3,6,bias=3>", weights_of(40, 40) * 4)
    assert (found.bits, found.coding) == (14, None)


class TestCodebooks:
    """A format is taken by its numbers, whatever it is called."""

    def test_of_whole_numbers_of_16_bits(self) -> None:
        book = Book(*(each / 2**15 for each in (-32768, -20001, -7777, -3, 0, 12, 9999, 32767)))
        found, steps = stored(book, weights_of(6, 10), 1)
        assert found.coding is not None
        assert (found.bits, steps) == (3, [-14] * 6)
        assert {*found.coding.table.tolist()} <= {-32768, -20001, -7777, -3, 0, 12, 9999, 32767}
        exact = book.quantize(weights_of(6, 10).double(), 1)
        assert torch.equal(found.values * 2.0**-14, exact)

    def test_of_a_site(self) -> None:
        """As calibration finds them: numbers of 16 bits, one of them 0."""
        book = parse("lut8").with_members((-1.0, -4045 / 2**15, 0.0, 3 / 2**15, 0.75))
        weights = weights_of(6, 10)
        weights[0, 0] = 0.0
        found, steps = stored(book, weights)
        assert (found.bits, steps, found.packed_bytes) == (3, [-15] * 6, 23 + 2 * 5)
        assert torch.equal(found.values * 2.0**-15, book.quantize(weights.double()))

    def test_of_other_numbers(self) -> None:
        with pytest.raises(InputError, match=r"^site 'fc.weights' is book: its weights are whole numbers of \d\d bits"):
            stored(Book(-1.0, 1 / 3, 1.0), weights_of(6, 10))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("float32", "site 'fc.weights' is float32, which has no integers; give it another format in the plan"),
        ("e5m2", r"site 'fc.weights' is e5m2: its weights are whole numbers of 33 bits, and programs have at most 16; "
                 "give it fixed point or a narrower format, in blocks with scales e8m0 or in none"),
        ("e4m3", "site 'fc.weights' is e4m3: its weights are whole numbers of 19 bits, and programs have .*"),
        ("nf4", "site 'fc.weights' is nf4: its weights are whole numbers of .* bits, .*"),
        ("nf4/4", "site 'fc.weights' is nf4/4: its weights are whole numbers of .* bits, .*"),
        ("e2m1/4", "site 'fc.weights' is e2m1/4: its weights are whole numbers of .* bits, .*"),
        ("fixed8/4:u8", "site 'fc.weights' is fixed8/4:u8: its weights are whole numbers of .* bits, .*"),
    ],
)  # fmt: skip
def test_refusals(text: str, told: str) -> None:
    weights = weights_of(6, 10) * 300
    weights[0, :2] = torch.tensor([2.0**-9 if text == "e4m3" else 2.0**-16, 1e9])
    with pytest.raises(InputError, match=f"^{told}$"):
        stored(text, weights, 9 if text == "nf4" else 0)


def test_scales_that_are_no_powers_of_two_are_refused_though_16_bits_hold_them() -> None:
    weights = weights_of(8, 64) * torch.linspace(1, 2, 8)[:, None]
    told = (
        r"^site 'fc.weights' is e2m1/16:e4m3, and its scales are no powers of two: its codes of 4 bits stand for \d+ "
    )
    with pytest.raises(InputError, match=told + "different numbers; give it scales e8m0$"):
        stored("e2m1/16:e4m3", weights)
