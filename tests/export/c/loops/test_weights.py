"""Packed weights: each bit once, in the bytes that the module says; C's reading of them is held in `test_loops`."""

from itertools import accumulate, product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from picojoule.export.c.loops.weights import channels_last, grouped, literal, planes, signs

Codes = npt.NDArray[np.int64]


def bits_of(codes: Codes, bits: int, interleaved: bool) -> Codes:
    """The packed bits, one by one."""
    return np.unpackbits(np.frombuffer(grouped(codes, bits, interleaved), np.uint8), bitorder="little").astype(np.int64)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("bits", range(1, 17))
def test_each_bit_has_a_place_of_its_own_in_its_plane(bits: int, interleaved: bool) -> None:
    rows, length, taken = 3, 11, set()
    for row, k, bit in product(range(rows), range(length), range(bits)):
        codes = np.zeros((rows, length), np.int64)
        codes[row, k] = 1 << bit
        (place,) = np.flatnonzero(bits_of(codes, bits, interleaved))
        group = row // 2 * 2 * 2 + k // 8 * 2 + row % 2  # by turns of two rows
        above = list(accumulate(planes(bits), initial=0))
        plane = next(k for k, end in enumerate(above[1:]) if bits - 1 - bit < end)
        assert bits * group + above[plane] <= place // 8 < bits * group + above[plane + 1]
        taken.add(int(place))
    assert len(taken) == rows * length * bits


@given(st.integers(1, 16), st.integers(1, 5), st.integers(1, 20), st.booleans(), st.integers(0, 99))
def test_a_code_is_its_bits(bits: int, rows: int, length: int, interleaved: bool, seed: int) -> None:
    half = 1 << (bits - 1)
    codes = np.random.default_rng(seed).integers(-half, half, (rows, length))
    packed = bits_of(codes, bits, interleaved)
    assert len(packed) == (rows + rows % 2) * -(-length // 8) * 8 * bits
    assert (packed == sum(bits_of(codes & 1 << bit, bits, interleaved) for bit in range(bits))).all()
    assert packed.sum() == sum(int(code).bit_count() for code in (codes & (1 << bits) - 1).flat)


def test_whole_groups_take_no_more_than_their_bits() -> None:
    for bits in range(1, 17):
        assert len(grouped(np.ones((6, 24), np.int64), bits, False)) * 8 == 6 * 24 * bits


@pytest.mark.parametrize("bits", range(1, 17))
def test_planes_are_the_bits(bits: int) -> None:
    assert sum(planes(bits)) == bits
    assert [*planes(bits)] == sorted(planes(bits), reverse=True)


@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 17), st.integers(0, 99))
def test_signs_begin_a_byte_at_each_run(rows: int, runs: int, run: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 2, (rows, runs * run)) * 2 - 1
    packed = signs(codes, run)
    each = -(-run // 8)
    assert len(packed) == rows * runs * each + 3
    for row, at, k in product(range(rows), range(runs), range(8 * each)):
        bit = packed[(row * runs + at) * each + k // 8] >> k % 8 & 1
        assert bit == (k < run and codes[row, at * run + k] < 0)


def test_channels_come_last() -> None:
    weights = np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    assert channels_last(weights)[1].tolist() == [
        weights[1, c, y, x] for y in range(2) for x in range(2) for c in range(3)
    ]


def test_lines_of_numbers() -> None:
    assert literal([]) == [""]
    assert literal([-1, 20, 300], width=8) == ["-1, 20,", "300"]
    assert ",".join(literal(range(300))).replace(" ", "").replace(",,", ",") == ",".join(map(str, range(300)))
