"""Digits and products against Python's own integers, which have no width."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from picojoule.energy.chip import serial
from picojoule.errors import InputError
from picojoule.integer import bitserial

BITS = range(1, 17)
WIDTHS = [(m, q) for m in BITS for q in BITS]


def limits(bits: int, signed: bool) -> tuple[int, int]:
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def direct(x: Tensor, w: Tensor) -> list[list[int]]:
    """x @ w in Python's integers."""
    product: list[list[int]] = (x.numpy().astype(object) @ w.numpy().astype(object)).tolist()
    return product


def scalar_digits(value: int, input_bits: int, digit_bits: int, signed: bool) -> list[int]:
    """The digits of one integer, cut out of its bits as written down: the reference of `digits`."""
    text = format(value % 2**input_bits, f"0{input_bits}b")
    cut = [text[max(0, end - digit_bits) : end] for end in range(input_bits, 0, -digit_bits)]
    found = [int(part, 2) for part in cut]
    if signed and text[0] == "1":
        found[-1] -= 2 ** len(cut[-1])
    return found


@st.composite
def products(draw: st.DrawFn) -> tuple[Tensor, Tensor, int, int, bool]:
    """x, w, M, Q and signed, often at the ends of their ranges, of every shape from none up, in any order in memory."""
    input_bits, digit_bits, weight_bits = (*draw(st.sampled_from(WIDTHS)), draw(st.sampled_from(BITS)))
    signed = draw(st.booleans())
    n, k, m = (draw(st.integers(0, 4)) for _ in range(3))

    def matrix(rows: int, columns: int, low: int, high: int) -> Tensor:
        value = st.one_of(st.sampled_from([low, high]), st.integers(low, high))
        values = draw(st.lists(value, min_size=rows * columns, max_size=rows * columns))
        whole = torch.tensor(values, dtype=torch.int64).reshape(rows, columns)
        # The same numbers in columns, or with gaps between them.
        return draw(st.sampled_from([whole, whole.t().contiguous().t(), whole.repeat_interleave(2, dim=1)[:, ::2]]))

    x = matrix(n, k, *limits(input_bits, signed))
    return x, matrix(k, m, *limits(weight_bits, True)), input_bits, digit_bits, signed


@given(products())
@settings(max_examples=300)
def test_products_are_the_direct_ones(case: tuple[Tensor, Tensor, int, int, bool]) -> None:
    x, w, input_bits, digit_bits, signed = case
    found = bitserial.dot(x, w, input_bits=input_bits, digit_bits=digit_bits, signed=signed)
    assert found.dtype == torch.int64
    assert found.shape == (x.shape[0], w.shape[1])
    assert found.tolist() == direct(x, w)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("input_bits", BITS)
def test_every_width_with_both_ends_of_every_range(input_bits: int, signed: bool) -> None:
    rng = np.random.default_rng(input_bits)
    low, high = limits(input_bits, signed)
    x = torch.from_numpy(rng.integers(low, high + 1, (6, 40)))
    x[0], x[1] = low, high
    w = torch.from_numpy(rng.integers(-(2**15), 2**15, (40, 3)))
    w[:, 0], w[:, 1] = -(2**15), 2**15 - 1
    expected = direct(x, w)
    for digit_bits in BITS:
        assert bitserial.dot(x, w, input_bits=input_bits, digit_bits=digit_bits, signed=signed).tolist() == expected


@pytest.mark.parametrize("signed", [True, False])
def test_digits_are_those_of_the_written_number(signed: bool) -> None:
    for input_bits, digit_bits in WIDTHS:
        low, high = limits(input_bits, signed)
        values = sorted({low, low + 1, 0, 1, high // 3, high - 1, high} & set(range(low, high + 1)))
        found = bitserial.digits(torch.tensor(values), input_bits, digit_bits, signed)
        expected = [scalar_digits(value, input_bits, digit_bits, signed) for value in values]
        assert found.t().tolist() == expected, (input_bits, digit_bits)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.uint16, torch.int16, torch.uint32, torch.int32])
def test_inputs_and_weights_may_be_narrow(dtype: torch.dtype) -> None:
    x, w = torch.tensor([[127, 0, 3]]).to(dtype), torch.full((3, 2), 127).to(dtype)
    assert bitserial.dot(x, w, input_bits=8, digit_bits=3).tolist() == [[130 * 127] * 2]


def test_the_energy_model_charges_the_same_passes() -> None:
    for input_bits, digit_bits in WIDTHS:
        found = bitserial.passes(input_bits, digit_bits)
        assert found == serial(weight_bits=digit_bits, input_bits=input_bits).passes
        assert found == len(bitserial.digits(torch.zeros(1, dtype=torch.int64), input_bits, digit_bits))


class TestLargeSums:
    """Where float64 no longer holds every sum, and where int64 no longer does."""

    @pytest.mark.parametrize("weight", [2**50 - 1, 2**52, 2**53 + 1, 2**57 - 1, -(2**57) + 1])
    def test_beyond_float64(self, weight: int) -> None:
        x, w = torch.tensor([[-7, 5, -8, 7], [1, 0, 0, 0]]), torch.tensor([[weight], [weight - 2], [3], [-weight]])
        for digit_bits in BITS:
            assert bitserial.dot(x, w, input_bits=4, digit_bits=digit_bits).tolist() == direct(x, w)

    @pytest.mark.parametrize(
        ("terms", "weight", "input_bits", "signed", "fits"),
        [
            (1, 2**55 - 1, 9, True, True),
            (1, 2**55, 9, True, False),  # -256 times -2^55 is 2^63, one more than int64 holds
            (1, -(2**55), 9, True, False),
            (2, 2**54 - 1, 9, True, True),
            (2, 2**54, 9, True, False),
            (1, (2**63 - 1) // 255, 8, False, True),
            (1, (2**63 - 1) // 255 + 1, 8, False, False),
            (1, -(2**63), 1, True, False),
            (1, 2**63 - 1, 1, False, True),
        ],
    )
    def test_the_bound(self, terms: int, weight: int, input_bits: int, signed: bool, fits: bool) -> None:
        low, high = limits(input_bits, signed)
        x, w = torch.tensor([[low] * terms, [high] * terms]), torch.full((terms, 1), weight)
        if fits:
            found = bitserial.dot(x, w, input_bits=input_bits, digit_bits=3, signed=signed)
            assert found.tolist() == direct(x, w)
        else:
            told = (
                f"sums of {terms} products of {input_bits}-bit inputs with weights as large as {abs(weight)} may leave "
                "64 bits; give smaller weights, or split the sum"
            )
            with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
                bitserial.dot(x, w, input_bits=input_bits, digit_bits=3, signed=signed)


@pytest.mark.parametrize(
    ("value", "bits", "signed", "told"),
    [
        (128, 8, True, "x holds 128; signed integers of 8 bits are -128 to 127"),
        (-129, 8, True, "x holds -129; signed integers of 8 bits are -128 to 127"),
        (1, 1, True, "x holds 1; signed integers of 1 bits are -1 to 0"),
        (-1, 8, False, "x holds -1; unsigned integers of 8 bits are 0 to 255"),
        (65536, 16, False, "x holds 65536; unsigned integers of 16 bits are 0 to 65535"),
        (-(2**63), 16, True, f"x holds {-(2**63)}; signed integers of 16 bits are -32768 to 32767"),
    ],
)
def test_values_that_do_not_fit(value: int, bits: int, signed: bool, told: str) -> None:
    x = torch.tensor([[0, value]])
    for use in (
        lambda: bitserial.digits(x, bits, 4, signed),
        lambda: bitserial.dot(x, torch.ones(2, 1).long(), input_bits=bits, digit_bits=4, signed=signed),
    ):
        with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
            use()


@pytest.mark.parametrize("bits", [0, -1, 17])
def test_bits_outside_1_to_16(bits: int) -> None:
    with pytest.raises(InputError, match=f"^input_bits is {bits}; give 1 to 16$"):
        bitserial.passes(bits, 4)
    with pytest.raises(InputError, match=f"^digit_bits is {bits}; give 1 to 16$"):
        bitserial.digits(torch.tensor([1]), 4, bits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bool, torch.uint64])
def test_tensors_of_other_types(dtype: torch.dtype) -> None:
    odd, whole = torch.zeros(1, 1, dtype=dtype), torch.zeros(1, 1, dtype=torch.int64)
    for name, x, w in (("x", odd, whole), ("w", whole, odd)):
        told = f"^{name} is of type {dtype}; give integers, of type uint8 to uint32 or int8 to int64$"
        with pytest.raises(InputError, match=told):
            bitserial.dot(x, w, input_bits=8, digit_bits=4)


@pytest.mark.parametrize(("x", "w"), [((2, 3), (4, 2)), ((3,), (3, 1)), ((1, 3), (3,)), ((1, 2, 3), (3, 1))])
def test_shapes_that_do_not_fit(x: tuple[int, ...], w: tuple[int, ...]) -> None:
    told = re.escape(f"x is {list(x)} and w is {list(w)}; give [n, k] and [k, m]")
    with pytest.raises(InputError, match=f"^{told}$"):
        bitserial.dot(torch.zeros(x).long(), torch.zeros(w).long(), input_bits=8, digit_bits=4)
