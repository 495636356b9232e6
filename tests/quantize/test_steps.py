"""Steps of which weights are whole numbers: of the format where it has one, else of the weights that there are."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from picojoule.calibration import Range
from picojoule.formats import parse
from picojoule.quantize import Choice, Steps, steps_of, value_steps


def of(text: str, weights: Tensor, *exponents: int, signed: bool = True) -> Steps:
    return steps_of(Choice(parse(text), Range(exponents or (0,), signed)), weights)


@pytest.mark.parametrize(
    ("text", "last", "bits"),
    [
        *((f"fixed{bits}", 1 - bits, bits) for bits in (2, 8, 16)), ("binary", 0, 2), ("ternary", 0, 2),
        ("e2m1", -1, 5), ("e3m0", -2, 8), ("e2m3", -3, 7), ("e3m2", -4, 10), ("float<2,1,bias=0>", 0, 5),
    ],
)  # fmt: skip
def test_a_format_of_few_bits_has_a_step_of_its_own(text: str, last: int, bits: int) -> None:
    """Whatever the weights, and in units of each exponent."""
    assert of(text, torch.ones(2, 3)) == Steps((last,), bits)
    assert of(text, torch.zeros(2, 3), 3, -2) == Steps((last + 3, last - 2), bits)


def test_of_ranges_that_are_never_negative() -> None:
    assert of("fixed4", torch.ones(1, 1), signed=False) == Steps((-4,), 4)


@pytest.mark.parametrize(("text", "members", "expected"), [
    ("lut4", (-0.75, 0.0, 0.5), Steps((1,), 3)), ("lut4", (-1.0, 3 / 2**15), Steps((-12,), 16)),
    ("lut4", (0.0,), Steps((3,), 0)), ("fixed8", (), Steps((-4,), 8)), ("e4m3", (), Steps((-6,), 19)),
])  # fmt: skip
def test_of_values_the_numbers_that_they_may_have_decide(
    text: str, members: tuple[float, ...], expected: Steps
) -> None:
    assert value_steps(Choice(parse(text).with_members(members), Range((3,), signed=True))) == expected


class TestWhereTheWeightsDecide:
    def test_those_that_there_are(self) -> None:
        """e4m3 has 19 bits with their sign, a layer's weights may have fewer."""
        assert of("e4m3", torch.tensor([[1.0, 0.25], [448.0, 0.0]])) == Steps((-2,), 12)
        assert of("e4m3", torch.tensor([[448.0, 2.0**-9]])) == Steps((-6,), 16)._replace(exponents=(-9,), bits=19)
        assert of("e5m2", torch.tensor([[57344.0, 2.0**-16]])).bits == 33

    def test_numbers_of_no_step_do_not_fit(self) -> None:
        found = of("nf4", torch.linspace(-1, 1, 30).reshape(5, 6))
        assert not found.fit
        assert found.bits > 24

    def test_zeros(self) -> None:
        for text in ("e4m3", "e2m1/2:e8m0", "nf4"):
            assert of(text, torch.zeros(3, 4)).fit

    def test_of_a_codebook_of_nothing_but_zero(self) -> None:
        book = parse("lut4").with_members((0.0,))
        assert steps_of(Choice(book, Range((2,), True)), torch.ones(2, 3)).exponents == (2,)

    def test_one_step_for_all_channels_while_16_bits_allow(self) -> None:
        weights = torch.tensor([[1.0, 0.0], [2.0**-10, 0.0], [0.0, 0.0]])
        assert of("e2m1/2:e8m0", weights) == Steps((-10,), 12)

    def test_a_channel_of_small_weights_has_one_of_its_own(self) -> None:
        weights = torch.tensor([[1.0, 0.5], [2.0**-40, 2.0**-41], [0.0, 0.0], [2.0**-13, 0.0]])
        found = of("e2m1/2:e8m0", weights)
        assert found == Steps((-14, -41, -14, -14), 16)

    def test_a_channel_that_spans_more_does_not_fit(self) -> None:
        """A block for each position: numbers of one channel may lie far apart."""
        weights = torch.tensor([1.0, 2.0**-20]).reshape(1, 1, 2)
        assert of("e2m1/32:e8m0", weights) == Steps((-20,), 22)


@given(st.sampled_from(["e4m3", "e5m2", "e2m1/3:e8m0", "e3m0/2:e8m0", "fixed4/2:e8m0"]), st.integers(0, 999))
@settings(max_examples=60)
def test_they_are_whole_and_the_coarsest(text: str, seed: int) -> None:
    """Against fractions; no channel has a step that all its weights and the common one leave room to double."""
    random = torch.Generator().manual_seed(seed)
    weights = torch.randn(4, 5, generator=random) * 2.0 ** torch.randint(-9, 3, (4, 1), generator=random)
    choice = Choice(parse(text), Range((1, 0, -3, 2), True))
    found = steps_of(choice, weights)
    exponents = [*found.exponents] * (4 if len(found.exponents) == 1 else 1)
    powers = [Fraction(2) ** each for each in exponents]
    rows = [[Fraction(each) for each in row] for row in choice.quantize(weights.double()).tolist()]
    whole = [[each / power for each in row] for row, power in zip(rows, powers, strict=True)]
    assert all(each.denominator == 1 for row in whole for each in row)
    numbers = [each.numerator for row in whole for each in row]
    assert found.bits == next(
        bits for bits in range(1, 99) if all(-(2 ** (bits - 1)) <= n < 2 ** (bits - 1) for n in numbers)
    )
    if found.fit:
        assert any(each.numerator % 2 for row in whole for each in row) or found.bits == 16
