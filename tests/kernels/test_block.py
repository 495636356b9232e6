"""Rounding in blocks on both paths, against the definition block by block, and what scales are at the edges."""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from tests.kernels.paths import PATHS, bits, taking
from tests.kernels.test_minifloat import nearest as nearest_float
from tests.kernels.test_table import nearest as nearest_member
from torch import Tensor

from picojoule.kernels import block, compiled
from picojoule.kernels.block import Floats, Scales, maxima, round_in_blocks
from picojoule.kernels.table import Table

DTYPES = [torch.float32, torch.float64]
E2M1, E4M3 = Floats(1, 0, 6.0), Floats(3, -6, 448.0)
MEMBERS = {
    "e2m1": E2M1,
    "e4m3": E4M3,
    "exponents": Floats(0, -2, 16.0),
    "fixed point": Floats(7, 0, 127 / 128),
    "three": [-1.0, 0.0, 1.0],
    "seven": [-1.0, -0.625, -0.25, 0.0, 0.3125, 0.5, 1.0],
    "forty": [index / 32 for index in range(-20, 20)],
}
SCALES = {"largest": Scales(), "largest over six": Scales(6.0), "powers": Scales(4.0, powers=True), "given": None}


@pytest.fixture(params=PATHS, autouse=True, scope="module")
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    with taking(request.param):
        yield request.param


def sample(rows: int, n: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Rows of unlike size, with NaN, ±Inf, zeros and the ends of what floats can hold among them."""
    random = torch.Generator().manual_seed(rows * n)
    x = torch.randn(rows, n, generator=random, dtype=dtype)
    x *= torch.exp2(torch.randint(-20, 20, (rows, 1), generator=random)).to(dtype)
    x[0, 0], x[0, -1], x[1, 0] = math.nan, -math.inf, math.inf
    x[2], x[3], x[4, ::2] = 0, math.nan, -0.0
    x[5] *= 2.0**-140
    x[6], x[7, -1] = torch.finfo(dtype).max, torch.finfo(dtype).tiny / 8
    return x


def members_of(name: str) -> Floats | Table:
    members = MEMBERS[name]
    return Table(members) if isinstance(members, list) else members


def nearest(name: str, value: float) -> float:
    members = MEMBERS[name]
    return nearest_member(members, value) if isinstance(members, list) else nearest_float(members, value)


def largest_by_hand(values: list[float], dtype: torch.dtype) -> float:
    return max((min(abs(value), torch.finfo(dtype).max) for value in values if not math.isnan(value)), default=0.0)


def scale_by_hand(scales: Scales, largest: float) -> float:
    if scales.powers:
        exponent = math.frexp(largest)[1] - 1 if largest else -1000
        return 2.0 ** min(max(exponent - int(math.log2(scales.divisor)), -127), 127)
    most = float(np.finfo(np.float32).max)
    scale = np.float32(min(largest, most) / scales.divisor)
    while Fraction(float(scale)) * Fraction(scales.divisor) > Fraction(most):
        scale = np.nextafter(scale, np.float32(0))
    return max(float(scale), 2.0**-149)


def by_hand(x: Tensor, size: int, scales: Scales | Tensor, name: str) -> Tensor:
    """Number by number: the quotient, the nearest member in exact rationals, the product."""
    kind = np.float32 if x.dtype == torch.float32 else np.float64
    result = x.clone()
    for row, start in ((row, start) for row in range(len(x)) for start in range(0, x.shape[1], size)):
        values = x[row, start : start + size].tolist()
        if isinstance(scales, Scales):
            scale = kind(scale_by_hand(scales, largest_by_hand(values, x.dtype)))
        else:
            scale = kind(scales[row, start // size].item())
        for place, value in enumerate(values):
            if not math.isnan(value):
                with np.errstate(over="ignore", under="ignore"):
                    result[row, start + place] = float(kind(nearest(name, float(kind(value) / (scale or 1)))) * scale)
    return result


@pytest.mark.parametrize("how", SCALES)
@pytest.mark.parametrize("name", MEMBERS)
def test_the_definition(name: str, how: str) -> None:
    for dtype in DTYPES:
        for n, size in ((40, 16), (7, 16), (20, 5)):
            x = sample(9, n, dtype)
            scales = SCALES[how] or torch.rand(
                9, -(-n // size), generator=torch.Generator().manual_seed(0), dtype=dtype
            )
            if isinstance(scales, Tensor):
                scales[2:4] = 0
            want = by_hand(x, size, scales, name)
            found = round_in_blocks(x, size, scales, members_of(name))
            where = ~want.isnan()
            assert torch.equal(found.isnan(), want.isnan())
            assert torch.equal(found[where], want[where])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [2, 3, 16, 20, 32, 64, 128, 1000])
def test_both_paths_give_the_same_bits(size: int, dtype: torch.dtype) -> None:
    for n in (1, 31, 32, 64, 100, 1000, 1025):
        x = sample(12, n, dtype)
        largest = maxima(x, size)
        assert torch.equal(bits(largest), bits(block.plain_maxima(x, size)))
        for name in ("e2m1", "e4m3", "three", "seven"):
            for scales in (*SCALES.values(), largest * 0.3):
                if scales is None:
                    continue
                given = scales.of(largest) if isinstance(scales, Scales) else scales
                want = bits(block.plain(x, size, given, members_of(name)))
                assert torch.equal(bits(round_in_blocks(x, size, scales, members_of(name))), want)
                out = x.clone()
                assert round_in_blocks(out, size, scales, members_of(name), out=out) is out
                assert torch.equal(bits(out), want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("apart", [(2,), (3, 3), (1, 50), (300,), (20, 31)])
def test_blocks_across_rows_are_those_along_them(apart: tuple[int, ...], dtype: torch.dtype) -> None:
    """The axis turned to be the last, and the tensor laid out anew, is what the plain path is held against."""
    for n, size in ((1, 2), (40, 16), (40, 64), (37, 6)):
        x = sample(9, n * math.prod(apart), dtype).reshape(9, n, *apart)
        turned = x.movedim(1, -1).contiguous()
        largest = maxima(x, size, axis=1)
        assert torch.equal(bits(largest.movedim(1, -1)), bits(block.plain_maxima(turned, size)))
        for name, scales in (*product(("e2m1", "seven"), SCALES.values()), ("forty", Scales())):
            given = largest * 0.3 if scales is None else scales.of(largest)
            want = bits(block.plain(turned, size, given.movedim(1, -1), members_of(name)))
            for each in (x, x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else turned.movedim(-1, 1)):
                found = round_in_blocks(each, size, scales or given, members_of(name), axis=1)
                assert torch.equal(bits(found.movedim(1, -1)), want)
                out = each.clone()
                assert round_in_blocks(out, size, scales or given, members_of(name), out=out, axis=1) is out
                assert torch.equal(bits(out.movedim(1, -1)), want)


def test_the_largest_of_each_block() -> None:
    x = torch.tensor([[1.0, -3.0, math.nan, 0.5, -math.inf], [-0.0, 0.0, math.nan, math.nan, 1e-45]])
    least = torch.tensor(1e-45).item()
    most = torch.finfo(torch.float32).max
    assert maxima(x, 2).tolist() == [[3, 0.5, most], [0, 0, least]]
    assert not maxima(x.requires_grad_(), 2).requires_grad


def test_the_scales_of_largest_magnitudes() -> None:
    largest = torch.tensor([0.0, 1.0, 7.9, 2.0**-149, 2.0**-125, torch.finfo(torch.float32).max])
    assert Scales(4.0, powers=True).of(largest).log2().tolist() == [-127, -2, 0, -127, -127, 125]
    assert Scales(1.0, powers=True).of(largest.double() * 2.0**600).tolist()[1] == 2.0**127
    found = Scales(6.0).of(largest)
    assert found[:2].tolist() == [2.0**-149, float(np.float32(1) / np.float32(6))]
    assert (found * 6).isfinite().all()


def test_what_is_zero_stays_zero_and_what_is_large_stays_finite() -> None:
    x = torch.zeros(2, 64)
    for members in (E2M1, Table([-1.0, 0.0, 1.0])):
        for scales in (Scales(), Scales(4.0, powers=True), torch.zeros(2, 4)):
            assert torch.equal(round_in_blocks(x, 16, scales, members), x)
    most = torch.finfo(torch.float32).max
    x = torch.tensor([math.inf, -math.inf, most, 1.0]).repeat(16).reshape(1, 64)
    for scales in (Scales(6.0), Scales(4.0, powers=True)):
        found = round_in_blocks(x, 32, scales, E2M1)[0]
        assert found.isfinite().all()
        assert (found[0] > most / 2, found[1] < -most / 2, found[3]) == (True, True, 0)


@pytest.mark.parametrize("layout", ["transposed", "sliced", "expanded", "three axes", "one axis"])
def test_layouts(layout: str) -> None:
    x = sample(16, 40)
    strided = {
        "transposed": x.T,
        "sliced": x[::2, 1::2],
        "expanded": x[9].expand(4, 40),
        "three axes": x.reshape(2, 8, 40),
        "one axis": x.flatten()[3:],
    }[layout]
    want = block.plain(strided.contiguous(), 16, Scales(6.0).of(maxima(strided.contiguous(), 16)), E2M1)
    assert torch.equal(bits(round_in_blocks(strided, 16, Scales(6.0), E2M1)), bits(want))
    target = torch.zeros(*(2 * size for size in strided.shape))
    out = target[tuple(slice(None, None, 2) for _ in strided.shape)]
    assert round_in_blocks(strided, 16, Scales(6.0), E2M1, out=out) is out
    assert torch.equal(bits(out), bits(want))
    assert int((target != 0).sum()) == int((out != 0).sum())  # nothing beside it was written


def test_empty_tensors() -> None:
    for shape in ((0,), (0, 32), (3, 0)):
        x = torch.zeros(shape)
        assert maxima(x, 16).shape == (*shape[:-1], -(-shape[-1] // 16))
        assert round_in_blocks(x, 16, Scales(), E2M1).shape == shape
        assert round_in_blocks(x, 16, Scales(), E2M1, out=x) is x


def test_a_backward_that_needs_what_was_overwritten_says_so() -> None:
    weights, x = torch.ones(64, requires_grad=True), torch.randn(64, generator=torch.Generator().manual_seed(0))
    y = weights * x
    round_in_blocks(x, 16, Scales(), E2M1, out=x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_memory_that_is_read_and_written_at_once() -> None:
    memory = sample(16, 4).flatten()
    want = round_in_blocks(memory[4:].clone(), 20, Scales(), E2M1)
    round_in_blocks(memory[4:], 20, Scales(), E2M1, out=memory[:-4])
    assert torch.equal(bits(memory[:-4]), bits(want))


def test_the_loops_serve(path: str) -> None:
    if path == "compiled":
        x = torch.randn(4, 50, generator=torch.Generator().manual_seed(0))
        for name in MEMBERS:
            assert block._compiled(x, 16, Scales(), members_of(name), torch.empty_like(x), 1)
        assert not block._compiled(x, 16, Scales(), Floats(23, 0, 1.0), torch.empty_like(x), 1)
        assert compiled.over_blocks("maxima", x, 1, 16, torch.empty(4, 4))
        assert compiled.over_blocks("maxima", x, 0, 2, torch.empty(2, 50))


def test_scales_that_do_not_fit_are_refused() -> None:
    x = sample(9, 40)
    for scales in (torch.ones(9, 2), torch.ones(8, 3)):
        with pytest.raises(RuntimeError, match="must match the size of tensor"):
            round_in_blocks(x, 16, scales, E2M1)
    assert torch.equal(bits(round_in_blocks(x, 1, x.abs(), E2M1)), bits(block.plain(x, 1, x.abs(), E2M1)))
