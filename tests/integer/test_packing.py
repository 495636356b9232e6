"""Packed codes against a loop over bits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from picojoule.integer.packing import FORMS, pack, unpack


def naive(codes: list[int], bits: int, form: str) -> bytes:
    """The bits one after another, least first, eight to a byte."""
    stream = [int(code < 0) if form == "sign" else (code >> place) & 1 for code in codes for place in range(bits)]
    stream += [0] * (-len(stream) % 8)
    return bytes(sum(bit << place for place, bit in enumerate(stream[at : at + 8])) for at in range(0, len(stream), 8))


def limits(bits: int, form: str) -> tuple[int, int]:
    return (0, 2**bits - 1) if form == "unsigned" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[int], int, str]:
    """Codes, often at the ends of their range; signs are -1 and 1 of 1 bit."""
    form = draw(st.sampled_from(FORMS))
    if form == "sign":
        return draw(st.lists(st.sampled_from([-1, 1]), max_size=40)), 1, form
    bits = draw(st.integers(1, 54))
    low, high = limits(bits, form)
    return draw(st.lists(st.sampled_from([low, high]) | st.integers(low, high), max_size=40)), bits, form


@given(cases())
@settings(max_examples=150)
def test_round_trips(case: tuple[list[int], int, str]) -> None:
    codes, bits, form = case
    packed = pack(torch.tensor(codes, dtype=torch.int64), bits, form)
    assert packed.numpy().tobytes() == naive(codes, bits, form)
    assert packed.numel() == -(-len(codes) * bits // 8)
    assert unpack(packed, len(codes), bits, form).tolist() == codes


@pytest.mark.parametrize("form", ["unsigned", "signed"])
@pytest.mark.parametrize("bits", range(1, 55))
def test_every_width_at_its_ends(bits: int, form: str) -> None:
    low, high = limits(bits, form)
    codes = torch.tensor([[low, high, 0], [high, low, high]])
    assert unpack(pack(codes, bits, form), 6, bits, form).tolist() == codes.flatten().tolist()
