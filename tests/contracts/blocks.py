"""The laws of formats whose blocks share a scale (`formats/block.py`), against exact rationals.

    class TestMyBlocks(BlockLaws):
        texts = ("mine/32",)

The oracle divides a tensor into blocks by its own loops and finds the scale of each from its definition, with numpy's
float types for what is rounded; which element is nearest to a quotient is decided in exact rationals.
"""

import copy
import math
import pickle
from bisect import bisect_left
from fractions import Fraction
from itertools import product
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from picojoule import formats
from picojoule.formats import Block

Place = tuple[int, ...]
KINDS: dict[torch.dtype, type[Any]] = {torch.float32: np.float32, torch.float64: np.float64}


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal values whose sizes differ a lot from block to block."""
    made = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    along = torch.arange(shape[min(1, len(shape) - 1)]).reshape(-1, *[1] * max(0, len(shape) - 2))
    return (made * 2.0 ** ((along * 7) % 11 - 5)).to(dtype)


def blocks_of(shape: tuple[int, ...], length: int) -> list[list[list[Place]]]:
    """For each index of dimension 0 the places of each block, in the order in which blocks are stored."""
    if len(shape) < 2:
        return [
            [
                run[0]
                for run in ([[(i,) for i in range(s, min(s + length, shape[0]))]] for s in range(0, shape[0], length))
            ]
        ]
    rows: list[list[list[Place]]] = []
    for row in range(shape[0]):
        others = list(product(*(range(size) for size in shape[2:])))
        starts = range(0, shape[1], length)
        rows.append(
            [
                [(row, i, *other) for i in range(start, min(start + length, shape[1]))]
                for start in starts
                for other in others
            ]
        )
    return rows


def scales(format: Block, largest: list[float], top: float, exponent: int, kind: type[Any]) -> list[float]:
    """The scale of each block of one index of dimension 0, whose largest magnitudes are numbers of a kind of float."""
    if format.scale == "e8m0":
        powers = (_floor_log2(Fraction(each)) - _floor_log2(Fraction(top)) if each else -127 for each in largest)
        return [2.0 ** max(-127, min(127, power)) for power in powers]
    wanted = [kind(each) / kind(top) for each in largest]
    if format.scale == "":
        return [float(np.float32(each)) for each in wanted]
    if format.scale == "u8":
        found: list[float] = []
        for start in range(0, len(wanted), 256):
            group = [kind(np.float32(each)) for each in wanted[start : start + 256]]
            step = kind(np.float32(max(group) / kind(255)))
            found += [float(kind(min(max(np.rint(each / (step or 1)), 1), 255)) * step) for each in group]
        return found
    return [
        _small_float(format.scale, Fraction(float(each)) / Fraction(2) ** exponent) * 2.0**exponent for each in wanted
    ]


def _small_float(text: str, wanted: Fraction) -> float:
    members = [Fraction(number) for number in formats.parse(text).grid().tolist() if number > 0]
    nearest = min(abs(member - wanted) for member in members)
    tied = [index for index, member in enumerate(members) if abs(member - wanted) == nearest]
    return float(members[tied[0] if len(tied) == 1 else next(i for i in tied if i % 2 == 1)])  # codes count from zero


def _floor_log2(number: Fraction) -> int:
    power = number.numerator.bit_length() - number.denominator.bit_length()
    return power if Fraction(2) ** power <= number else power - 1


class BlockLaws:
    """One test method for each law of block formats."""

    texts: ClassVar[tuple[str, ...]] = (
        *(text for each in formats.classes() if each.with_scales for text in each.examples),
        *("e2m1/32", "e4m3/16", "nf3/5:e5m2", "fixed4/32:e8m0", "e3m0/2:u8", "nf4/3:u8"),
    )
    """The canonical texts of the formats that are held to the laws."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each law for each of `texts`."""
        if "text" in metafunc.fixturenames:
            metafunc.parametrize("text", self.texts)

    def get(self, text: str) -> Block:
        """The format of a text."""
        format = formats.parse(text)
        assert isinstance(format, Block)
        return format

    def test_its_text_is_canonical_and_it_says_what_it_is(self, text: str) -> None:
        format = self.get(text)
        assert (str(format), hash(format)) == (text, hash(formats.parse(text)))
        assert pickle.loads(pickle.dumps(format)) == copy.deepcopy(format) == format
        assert format.arithmetic == format.element.arithmetic
        assert format.bits == format.element.bits < format.stored_bits
        assert format.with_scales
        low, high = format.limits()
        assert -low == high > 0

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("shape", [(3, 70), (2, 37, 2, 3), (45,), (4, 1, 3), (1, 64)])
    def test_each_quotient_goes_to_the_nearest_member_times_its_blocks_scale(
        self, text: str, shape: tuple[int, ...], dtype: torch.dtype
    ) -> None:
        format, x, kind = self.get(text), numbers(*shape, dtype=dtype), KINDS[dtype]
        for exponent, signed in ((-7, True), (3, True), (3, False)):
            given = x if signed else x.abs()
            result = format.quantize(given, exponent, signed)
            assert (result.shape, result.dtype) == (x.shape, x.dtype)
            grid = format.element.grid(signed).tolist()
            members = [member for member in grid if abs(member) <= grid[-1]]
            for row in blocks_of(shape, format.length):
                largest = [max(abs(float(given[place])) for place in block) for block in row]
                for block, scale in zip(row, scales(format, largest, members[-1], exponent, kind), strict=True):
                    for place in block:
                        found = kind(float(result[place]))
                        quotient = float(kind(float(given[place])) / kind(scale))
                        above = bisect_left(members, quotient)
                        near = members[max(above - 1, 0) : above + 1]  # ascending: no other is nearer
                        distances = [abs(Fraction(each) - Fraction(quotient)) for each in near]
                        nearest = [each for each, far in zip(near, distances, strict=True) if far == min(distances)]
                        assert found in [kind(each) * kind(scale) for each in nearest], (place, exponent)

    def test_what_is_negative_counts_as_zero_where_there_are_no_negative_members(self, text: str) -> None:
        format, x = self.get(text), numbers(3, 70)
        found = format.quantize(x, 0, signed=False)
        if format.element.grid(False)[0] == 0:
            assert torch.equal(found, format.quantize(x.clamp(min=0), 0, signed=False))
        else:
            assert torch.equal(found, format.quantize(x))

    def test_zeros_give_zeros_and_no_other_block_is_changed(self, text: str) -> None:
        format = self.get(text)
        x = numbers(2, 3 * format.length)
        if format.scale != "u8":
            x[:, : format.length] = 0
            expected = format.quantize(x[:, format.length :])
            assert torch.equal(format.quantize(x), torch.cat([torch.zeros(2, format.length), expected], 1))
        assert torch.equal(format.quantize(torch.zeros(3, 5, 2)), torch.zeros(3, 5, 2))
        assert torch.equal(format.quantize(x)[1], format.quantize(x[1:])[0])

    def test_it_is_idempotent_where_scales_are_as_good_as_the_values(self, text: str) -> None:
        format = self.get(text)
        for seed, dtype in product(range(20), (torch.float32, torch.float64)):
            once = format.quantize(numbers(4, 150, seed=seed, dtype=dtype), 2)
            twice = format.quantize(once, 2)
            if format.scale == "e8m0" or (format.scale == "" and dtype == torch.float64):
                assert torch.equal(twice, once)
            elif format.scale == "":
                assert torch.allclose(twice, once, rtol=2.0**-22, atol=0)

    def test_it_scales_by_powers_of_two(self, text: str) -> None:
        x = numbers(3, 70)
        for exponent in (-20, 1, 20):
            scaled = self.get(text).quantize(x * 2.0**exponent, exponent)
            assert torch.equal(scaled, self.get(text).quantize(x) * 2.0**exponent)

    def test_each_channel_has_its_own_exponent(self, text: str) -> None:
        x, exponents = numbers(3, 70, 2), [-20, 0, 5]
        together = self.get(text).quantize(x, torch.tensor(exponents).reshape(-1, 1, 1))
        apart = [self.get(text).quantize(x[i : i + 1], exponent) for i, exponent in enumerate(exponents)]
        assert torch.equal(together, torch.cat(apart))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_nan_stays_alone_and_infinity_is_the_largest_number(self, text: str, dtype: torch.dtype) -> None:
        format, x = self.get(text), numbers(2, 3 * self.get(text).length, dtype=dtype)
        x[0, 1] = 0
        expected = format.quantize(x)
        x[0, 1] = math.nan
        result = format.quantize(x)
        assert result.isnan().nonzero().tolist() == [[0, 1]]
        assert torch.equal(result.nan_to_num(0), expected)
        x[0, 1], most = math.inf, torch.finfo(dtype).max
        result = format.quantize(x)
        assert bool(result.isfinite().all())
        x[0, 1] = most
        assert torch.equal(format.quantize(x), result)
        assert result[0, 1] > 0
        assert torch.equal(result[1], expected[1])

    @pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (3, 0, 2), (2, 3, 0)])
    def test_empty_stays_empty(self, text: str, shape: tuple[int, ...]) -> None:
        assert self.get(text).quantize(torch.zeros(shape)).shape == shape
        assert self.get(text).size_bits(shape) == 0 or 0 not in shape

    def test_it_is_pure_and_writes_where_it_is_told(self, text: str) -> None:
        x = numbers(3, 37, 2, 2)
        before, expected = x.clone(), self.get(text).quantize(x, 1)
        out = torch.full((3, 37, 2, 2), 7.0).contiguous(memory_format=torch.channels_last)
        assert self.get(text).quantize(x, 1, out=out) is out
        assert torch.equal(out, expected)
        assert torch.equal(x, before)
        assert self.get(text).quantize(x, 1, out=x) is x
        assert torch.equal(x, expected)
        assert torch.equal(self.get(text).quantize(before.contiguous(memory_format=torch.channels_last), 1), expected)

    def test_scalars_are_blocks_of_one(self, text: str) -> None:
        found = self.get(text).quantize(torch.tensor(0.7))
        assert found.shape == ()
        assert found == self.get(text).quantize(torch.tensor([0.7]))[0]

    @pytest.mark.parametrize("shape", [(3, 70), (2, 37, 2, 3), (45,), (4, 1, 3), (1, 300, 2)])
    def test_its_size_counts_every_scale(self, text: str, shape: tuple[int, ...]) -> None:
        format, rows = self.get(text), blocks_of(shape, self.get(text).length)
        per_scale = {"": 32, "e8m0": 8, "u8": 8}.get(format.scale, 8)
        scales = sum(len(row) for row in rows) * per_scale
        steps = sum(-(-len(row) // 256) for row in rows) * 32 if format.scale == "u8" else 0
        assert format.size_bits(shape) == math.prod(shape) * format.bits + scales + steps
        whole = (2, 256 * format.length)
        assert format.size_bits(whole) == format.stored_bits * math.prod(whole)
