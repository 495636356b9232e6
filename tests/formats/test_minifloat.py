"""Small floats: every code, every midpoint and its neighbours, against exact rationals, ml_dtypes and torch's types."""

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import pairwise

import ml_dtypes
import numpy as np
import pytest
import torch
from tests.formats.oracle import FLOATS, finite_codes, float_of, quantize, quantize_array
from tests.kernels.paths import PATHS, bits, taking

from picojoule.errors import FormatError
from picojoule.formats import Minifloat, parse

DTYPES = {torch.float32: np.float32, torch.float64: np.float64}
STRANGERS = {
    "fp16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "e5m2": np.dtype(ml_dtypes.float8_e5m2),
    "e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
    "e3m2": np.dtype(ml_dtypes.float6_e3m2fn),
    "e2m3": np.dtype(ml_dtypes.float6_e2m3fn),
    "e2m1": np.dtype(ml_dtypes.float4_e2m1fn),
}
TORCHES = {
    "fp16": torch.float16, "bf16": torch.bfloat16, "e5m2": torch.float8_e5m2, "e4m3": torch.float8_e4m3fn,
}  # fmt: skip


@pytest.fixture(params=PATHS, scope="module")
def path(request: pytest.FixtureRequest) -> Iterator[None]:
    with taking(request.param):
        yield


def get(text: str) -> Minifloat:
    format = parse(text)
    assert isinstance(format, Minifloat)
    return format


@cache
def marks(text: str) -> np.ndarray:
    """Numbers, midpoints and what lies beyond, above zero on the unit scale."""
    above = finite_codes(*FLOATS[text])
    beyond = [2 * above[-1] - above[-2], above[-1] * 3 / 2, Fraction(10) ** 30, above[1] / 2**20]
    return np.array([*(float(n) for n in [*above, *((a + b) / 2 for a, b in pairwise(above)), *beyond]), math.inf])


def marked(text: str, exponent: int, dtype: torch.dtype) -> np.ndarray:
    """Every number, every midpoint, the floats on both sides of each, and what lies beyond the ends."""
    with np.errstate(over="ignore", under="ignore"):
        values = np.ldexp(marks(text), exponent).astype(DTYPES[dtype])
        up, down = np.array([np.inf, -np.inf], dtype=values.dtype)
        values = np.concatenate([values, np.nextafter(values, up), np.nextafter(values, down)])
    return np.concatenate([values, -values])


def expected(x: np.ndarray, text: str, exponent: int, dtype: torch.dtype) -> np.ndarray:
    """The oracle's numbers; of those the type does not hold the largest that it does."""
    wanted = quantize_array(x.astype(np.float64), text, exponent)
    held = np.finfo(DTYPES[dtype]).max
    with np.errstate(over="ignore"):
        scaled = np.ldexp(get(text).grid().numpy(), exponent)
    largest = scaled[scaled <= held].max()
    return np.clip(wanted, -largest, largest)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponent", [-96, 0, 3, 96])
@pytest.mark.parametrize("text", FLOATS)
@pytest.mark.usefixtures("path")
def test_every_member_and_every_midpoint(text: str, exponent: int, dtype: torch.dtype) -> None:
    x = marked(text, exponent, dtype)
    result = get(text).quantize(torch.from_numpy(x), exponent)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result.double().numpy(), expected(x, text, exponent, dtype))


@pytest.mark.parametrize("text", [text for text in FLOATS if get(text).bits <= 6])
@pytest.mark.usefixtures("path")
def test_the_readable_reference_agrees(text: str) -> None:
    for exponent in (-96, 2, 96):
        x = marked(text, exponent, torch.float64)
        wanted = [float(quantize(text, value, exponent)) for value in x.tolist()]
        assert get(text).quantize(torch.from_numpy(x), exponent, signed=False).tolist() == wanted


@pytest.mark.parametrize("text", ["fp16", "bf16", "e4m3", "float<8,0,bias=140>"])
@pytest.mark.usefixtures("path")
def test_each_channel_has_its_own_exponent_and_the_gradient_passes_within_the_ends(text: str) -> None:
    format, exponents = get(text), torch.tensor([[-3], [0], [5]])
    x = torch.randn(3, 200, generator=torch.Generator().manual_seed(0))
    apart = torch.stack([format.quantize(row, int(e)) for row, e in zip(x, exponents, strict=True)])
    assert torch.equal(format.quantize(x, exponents), apart)
    leaf = torch.tensor([0.3, -math.inf, 3e38, math.nan], dtype=torch.float64).mul(10).requires_grad_()
    format.quantize(leaf, 1).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("text", FLOATS)
def test_every_code_is_decoded_as_the_standard_says_and_encoded_again(text: str) -> None:
    format = get(text)
    codes = torch.arange(2**format.bits)
    numbers = format.decode(codes)
    for code, number in zip(codes.tolist(), numbers.tolist(), strict=True):
        wanted = float_of(code, *FLOATS[text])
        same = math.isnan(number) if isinstance(wanted, float) and math.isnan(wanted) else number == wanted
        assert same, (code, number, wanted)
    assert bool((numbers.signbit() == (codes >= 2 ** (format.bits - 1)))[~numbers.isnan()].all())
    kept = numbers.isfinite()
    for policy in ("saturate", "infinity")[: 1 + (format.policy == "ieee")]:
        again = format.encode(numbers[kept], overflow=policy)  # type: ignore[arg-type]
        assert again.dtype == (torch.uint8 if format.bits <= 8 else torch.uint16)
        assert torch.equal(again.long(), codes[kept])
    assert torch.equal(format.grid().float(), numbers[kept].unique())


@pytest.mark.parametrize("text", FLOATS)
def test_what_is_encoded_is_what_is_rounded(text: str) -> None:
    format = get(text)
    x = torch.from_numpy(marked(text, 0, torch.float32))
    codes = format.encode(x)
    assert torch.equal(format.decode(codes), format.quantize(x))
    assert torch.equal(format.decode(codes).signbit(), x.signbit())
    assert codes.shape == x.shape


@pytest.mark.parametrize("text", STRANGERS)
@pytest.mark.usefixtures("path")
def test_ml_dtypes_decodes_and_rounds_the_same(text: str) -> None:
    format, stranger = get(text), STRANGERS[text]
    codes = np.arange(2**format.bits).astype(np.uint8 if format.bits <= 8 else np.uint16)
    theirs = codes.view(stranger).astype(np.float32)
    np.testing.assert_array_equal(format.decode(torch.from_numpy(codes)).numpy(), theirs)
    x = marked(text, 0, torch.float32)
    x = x[np.abs(x) <= format.largest]
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(format.quantize(torch.from_numpy(x)).numpy(), x.astype(stranger).astype("f4"))


@pytest.mark.parametrize("text", ["fp16", "bf16", "e5m2", "e4m3"])
def test_ml_dtypes_overflows_the_same(text: str) -> None:
    overflow = "nan" if text == "e4m3" else "infinity"
    x = marked(text, 0, torch.float32)
    with np.errstate(over="ignore"):
        theirs = x.astype(STRANGERS[text]).astype(np.float32)
    codes = get(text).encode(torch.from_numpy(x), overflow=overflow)  # type: ignore[arg-type]
    np.testing.assert_array_equal(get(text).decode(codes).numpy(), theirs)
    assert not np.isfinite(theirs).all()


@pytest.mark.parametrize("text", TORCHES)
@pytest.mark.usefixtures("path")
def test_torchs_own_types_round_the_same(text: str) -> None:
    x = torch.from_numpy(marked(text, 0, torch.float32))
    x = x[x.abs() <= get(text).largest]
    assert torch.equal(get(text).quantize(x), x.to(TORCHES[text]).float())
    codes = get(text).encode(x).to(torch.uint8 if get(text).bits == 8 else torch.uint16)
    assert torch.equal(codes, x.to(TORCHES[text]).view(codes.dtype))


def test_facts_of_the_standards() -> None:
    facts = {
        "fp16": (16, 65504.0, 2**-14, 2**-24), "e5m2": (8, 57344.0, 2**-14, 2**-16), "e4m3": (8, 448.0, 2**-6, 2**-9),
        "e3m2": (6, 28.0, 0.25, 0.0625), "e2m3": (6, 7.5, 1.0, 0.125), "e2m1": (4, 6.0, 1.0, 0.5),
        "e3m0": (4, 16.0, 0.25, None), "bf16": (16, 2.0**128 - 2.0**120, 2**-126, 2**-133),
    }  # fmt: skip
    for text, (width, largest, normal, subnormal) in facts.items():
        format = get(text)
        assert (format.bits, format.stored_bits, format.size_bits((3, 5))) == (width, width, 15 * width)
        assert (format.largest, format.least_normal, format.least_subnormal) == (largest, normal, subnormal)
        assert format.limits(True) == format.limits(False) == (-largest, largest)
    assert get("e2m1").grid().tolist()[7:] == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert get("e3m0").grid().tolist()[7:] == [0, 0.25, 0.5, 1, 2, 4, 8, 16]


def test_the_notes_worked_example() -> None:
    """1101 is -6 without a bias, and -3 with the standard's bias of 1, where 1111 is -6."""
    assert get("float<2,1,bias=0>").decode(torch.tensor([0b1101])).tolist() == [-6.0]
    assert get("e2m1").decode(torch.tensor([0b1101, 0b1111])).tolist() == [-3.0, -6.0]


class TestPolicies:
    def test_a_tie_beyond_the_end_goes_to_the_even_code(self) -> None:
        e4m3, e2m1 = get("e4m3"), get("e2m1")
        x = torch.tensor([448.0, 464.0, 464.001, math.inf, -500.0])
        assert e4m3.encode(x, overflow="nan").tolist() == [0x7E, 0x7E, 0x7F, 0x7F, 0xFF]
        assert e4m3.encode(x).tolist() == [0x7E, 0x7E, 0x7E, 0x7E, 0xFE]
        assert e2m1.encode(torch.tensor([5.0, 5.01, 7.0, -math.inf])).tolist() == [6, 7, 7, 15]
        assert get("e5m2").encode(torch.tensor([61439.0, 61440.0]), overflow="infinity").tolist() == [0x7B, 0x7C]

    def test_nan_has_a_code_or_is_an_error_or_the_largest(self) -> None:
        nan = torch.tensor([math.nan, 1.0, -math.nan])
        assert get("e5m2").encode(nan).tolist() == [0x7E, 0x3C, 0xFE]
        assert get("e4m3").encode(nan).tolist() == [0x7F, 0x38, 0xFF]
        assert get("fp16").encode(nan).tolist() == [0x7E00, 0x3C00, 0xFE00]
        with pytest.raises(FormatError, match=r"^2 of 3 values are NaN, for which format 'e2m1' has no code$"):
            get("e2m1").encode(nan)
        assert get("e2m1").encode(nan, nan="saturate").tolist() == [7, 2, 15]
        assert get("e2m1").quantize(nan).isnan().tolist() == [True, False, True]

    def test_what_a_format_has_no_code_for_is_refused(self) -> None:
        with pytest.raises(FormatError, match=r"^format 'e4m3' has no infinity; choose overflow 'saturate'$"):
            get("e4m3").encode(torch.ones(1), overflow="infinity")
        with pytest.raises(FormatError, match=r"^format 'e2m1' has no NaN; choose overflow 'saturate'$"):
            get("e2m1").encode(torch.ones(1), overflow="nan")
        for code in (-1, 16):
            with pytest.raises(FormatError, match=r"^codes of format 'e2m1' are from 0 to 15$"):
                get("e2m1").decode(torch.tensor([3, code]))

    def test_zeros_keep_their_sign_as_codes_and_empty_stays_empty(self) -> None:
        assert get("e4m3").encode(torch.tensor([0.0, -0.0, -1e-9])).tolist() == [0, 0x80, 0x80]
        assert bits(get("e4m3").decode(torch.tensor([0, 0x80]))).tolist() == bits(torch.tensor([0.0, -0.0])).tolist()
        assert get("fp16").encode(torch.zeros(3, 0)).shape == get("fp16").decode(torch.zeros(3, 0)).shape == (3, 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("float<8,10,bias=127>", "format 'float<8,10,bias=127>' has 19 bits; E and M may be 15 together"),
        ("float<4,3,bias=7,fn>", "format 'float<4,3,bias=7,fn>' is written 'e4m3'"),
        ("float<0,3,bias=0,ieee>", "format 'float<0,3,bias=0,ieee>' has no codes for Inf and NaN; leave 'ieee' out"),
        ("float<3,0,bias=0,ieee>", "format 'float<3,0,bias=0,ieee>' has no codes for Inf and NaN; leave 'ieee' out"),
        ("float<0,0,bias=0>", "format 'float<0,0,bias=0>' has no number but zero; give it more bits"),
        ("float<1,0,bias=0,fn>", "format 'float<1,0,bias=0,fn>' has no number but zero; give it more bits"),
        ("float<8,7,bias=127>", "format 'float<8,7,bias=127>' has numbers beyond float32's; choose another bias"),
        ("float<2,1,bias=-31>", "format 'float<2,1,bias=-31>' has numbers beyond float32's; choose another bias"),
        ("float<2,1,bias=36>", "format 'float<2,1,bias=36>' has numbers beyond float32's; choose another bias"),
        ("float<2,1,bias=151>", "format 'float<2,1,bias=151>' has numbers beyond float32's; choose another bias"),
        ("e4m4", "format 'e4m4' is not known; known are "),
        ("float<9,1,bias=1>", "format 'float<9,1,bias=1>' is not known; known are "),
        ("float<2,1,bias=-0>", "format 'float<2,1,bias=-0>' is not known; known are "),
        ("float<2,1,bias=1,finite>", "format 'float<2,1,bias=1,finite>' is not known; known are "),
    ],
)
def test_texts_that_name_no_format(text: str, told: str) -> None:
    with pytest.raises(FormatError) as refused:
        parse(text)
    assert str(refused.value).startswith(told)


def test_every_small_format_keeps_its_ends_and_its_codes() -> None:
    """All splits of up to 6 bits, at every policy: as many members as the exact definition has, largest and least."""
    for exponent_bits in range(6):
        for mantissa_bits in range(6 - exponent_bits):
            for policy in ("finite", "fn", "ieee"):
                own = (exponent_bits, mantissa_bits, exponent_bits, policy)
                wanted = finite_codes(*own)
                if len(wanted) < 2 or (policy == "ieee" and not (exponent_bits and mantissa_bits)):
                    continue
                format = Minifloat(*own)
                assert [Fraction(n) for n in format.grid().tolist()[len(wanted) - 1 :]] == wanted
                x = torch.linspace(-1.2, 1.2, 4001, dtype=torch.float64) * float(wanted[-1])
                assert torch.equal(format.quantize(x), format.decode(format.encode(x)).double())
