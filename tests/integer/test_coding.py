"""Weights as codes of a table, with and without shifts of blocks, against what Python makes of them one by one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from picojoule.integer import Coding, Constant, coded
from picojoule.integer.coding import blocks_of


@st.composite
def cases(draw: st.DrawFn) -> tuple[torch.Tensor, int]:
    """Whole numbers of 16 bits, many of them alike, and a length of blocks."""
    shape = draw(st.sampled_from([(1, 1), (3, 7), (2, 5, 2), (4, 3, 1, 2)]))
    numbers = draw(st.lists(st.integers(-9, 9) | st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=9))
    random = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    values = torch.tensor(numbers)[torch.randint(0, len(numbers), shape, generator=random)]
    return values, draw(st.integers(0, 8))


@given(cases())
@settings(max_examples=150)
def test_a_weight_is_its_tables_number_shifted(case: tuple[torch.Tensor, int]) -> None:
    values, block = case
    coding = coded(values, block)
    codes = coding.codes(values)
    assert coding.holds(values)
    assert torch.equal(coding.values(codes), values)
    assert coding.table.tolist() == sorted({*coding.table.tolist()})
    assert {*codes.flatten().tolist()} == {*range(len(coding.table))}
    for at in torch.ones_like(values).nonzero().tolist():
        shift = 0
        if coding.shifts is not None:
            assert coding.shifts.shape == blocks_of(values.shape, coding.block)
            shift = int(coding.shifts[(at[0], at[1] // coding.block, *at[2:])])
            assert 0 <= shift <= 15
        assert int(coding.table[codes[tuple(at)]]) * 2**shift == int(values[tuple(at)])


def test_blocks_make_the_table_small() -> None:
    """Those of small floats are closed under halving, so that no scale adds a number."""
    members = torch.tensor([-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12])
    rows = members[torch.randint(0, 15, (40, 8), generator=torch.Generator().manual_seed(0))]
    shifts = torch.arange(40)[:, None] % 11
    coding = coded(rows << shifts, 8)
    assert {*coding.table.tolist()} <= {*members.tolist()}
    assert coding.bits == 4


def test_shifts_that_are_all_zero_are_none() -> None:
    assert coded(torch.tensor([[1, 2], [3, 5]]), 2).shifts is None


@pytest.mark.parametrize(("entries", "bits"), [(1, 1), (2, 1), (3, 2), (16, 4), (17, 5), (256, 8)])
def test_bits(entries: int, bits: int) -> None:
    coding = Coding(torch.arange(entries))
    constant = Constant.coded(torch.arange(entries).expand(5, entries), coding)
    assert (coding.bits, constant.bits) == (bits, bits)
    assert constant.packed_bytes == -(-5 * entries * bits // 8) + 2 * entries


def test_bytes_of_shifts() -> None:
    coding = Coding(torch.tensor([0, 1]), 2, torch.ones(3, 2, 1, dtype=torch.int64))
    assert coding.packed_bytes == 4 + 3
    assert Constant.coded(coding.values(torch.ones(3, 3, 1, dtype=torch.int64)), coding).packed_bytes == 2 + 4 + 3


def test_what_no_table_holds() -> None:
    coding = Coding(torch.tensor([-3, 1, 5]), 2, torch.tensor([[1]]))
    assert coding.holds(torch.tensor([[2, 10]]))
    for values in ([[2, 3]], [[2, 8]], [[40, 2]], [[-8, 2]]):
        assert not coding.holds(torch.tensor(values))


@pytest.mark.parametrize(("numbers", "bits"), [([0], 2), ([3], 3), ([-3, 2], 3), ([-4, 3], 3), ([-(2**15)], 16)])
def test_the_same_without_a_coding(numbers: list[int], bits: int) -> None:
    values = torch.tensor([numbers])
    plain = Constant.coded(values, coded(values)).plain
    assert (plain.bits, plain.form, plain.coding) == (bits, "signed", None)
    assert torch.equal(plain.values, values)
    assert plain.plain is plain
