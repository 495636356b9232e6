"""Block formats: their laws, bits that are published, and values worked by hand."""

import math
from itertools import product

import ml_dtypes
import numpy as np
import pytest
import torch
from tests.contracts.blocks import BlockLaws, numbers
from tests.kernels.paths import PATHS, bits, taking

from picojoule.errors import FormatError
from picojoule.formats import parse


@pytest.mark.usefixtures("plain")
class TestEveryBlockFormat(BlockLaws):
    """The laws as they stand."""


@pytest.mark.usefixtures("compiled")
class TestCompiled(BlockLaws):
    """One for each kind of element and of scale."""

    texts = ("e2m1/32:e8m0", "e4m3/16", "e2m1/16:e4m3", "nf4/3:u8", "fixed8/32:e8m0")


@pytest.mark.parametrize("text", TestCompiled.texts)
def test_both_paths_give_the_same_bits(text: str) -> None:
    for shape, dtype in product([(7, 130), (3, 70, 5, 5), (90,)], [torch.float32, torch.float64]):
        x = numbers(*shape, dtype=dtype) * 2.0 ** torch.linspace(-140, 120, math.prod(shape)).reshape(shape).to(dtype)
        x.view(-1)[::17], x.view(-1)[40], x.view(-1)[60] = -0.0, math.nan, -math.inf
        for exponent, signed in ((0, True), (-3, False)):
            found = []
            for path in PATHS:
                with taking(path):
                    found.append(bits(parse(text).quantize(x, exponent, signed)))
            assert torch.equal(*found)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_rounded_in_float32(dtype: torch.dtype) -> None:
    x = numbers(3, 70).to(dtype)
    for text in BlockLaws.texts:
        found = parse(text).quantize(x, out=torch.empty_like(x))
        assert torch.equal(found, parse(text).quantize(x.float()).to(dtype))


def test_bits_in_storage_are_those_published() -> None:
    published = {"e2m1/32:e8m0": 4.25, "e4m3/32:e8m0": 8.25, "e2m1/16:e4m3": 4.5, "nf4/64": 4.5, "nf4/64:u8": 4.127}
    for text, stored in published.items():
        assert round(parse(text).stored_bits, 3) == stored


def test_mxfp4_as_its_standard_defines_it() -> None:
    """By ml_dtypes: the scale 2^(floor(log2 max) - 2), elements its e2m1, saturated at ±6."""
    x = numbers(5, 64)
    blocks = x.numpy().reshape(5, 2, 32)
    scales = 2.0 ** (np.floor(np.log2(np.abs(blocks).max(-1, keepdims=True))) - 2)
    elements = np.clip(blocks / scales, -6, 6).astype(ml_dtypes.float4_e2m1fn).astype(np.float32)
    np.testing.assert_array_equal(parse("e2m1/32:e8m0").quantize(x).numpy(), (elements * scales).reshape(5, 64))


def test_nvfp4_takes_its_scale_by_tensor_from_the_exponent() -> None:
    x = numbers(5, 64)
    blocks = x.numpy().reshape(5, 4, 16) / 2**-4
    scales = (np.abs(blocks).max(-1, keepdims=True) / 6).astype(ml_dtypes.float8_e4m3fn).astype(np.float32)
    elements = np.clip(blocks / scales, -6, 6).astype(ml_dtypes.float4_e2m1fn).astype(np.float32)
    wanted = (elements * scales * 2**-4).reshape(5, 64)
    np.testing.assert_array_equal(parse("e2m1/16:e4m3").quantize(x, -4).numpy(), wanted)


def test_blocks_by_hand() -> None:
    x = torch.tensor([[1.0, 5.0, -7.0, 0.3, 0.1]])
    assert parse("e2m1/3:e8m0").quantize(x).tolist() == [[1.0, 4.0, -6.0, pytest.approx(0.25), pytest.approx(0.09375)]]
    assert parse("e2m1/4").quantize(x[:, :3] * 6 / 7).tolist() == [[1.0, 4.0, -6.0]]
    steps = parse("nf4/2:u8").quantize(torch.tensor([[255.0, 0.0, 1.4, 0.0, 0.001, 0.0]]))
    assert steps.tolist() == [[255.0, 0.0, 1.0, 0.0, 0.0, 0.0]]


def test_the_least_scale_is_not_zero() -> None:
    """e4m3's least is 2^-9: half a block's 2^-9 is kept, where a scale rounded to zero would lose it."""
    found = parse("e2m1/2:e4m3").quantize(torch.tensor([[2.0**-10, 0.0, 448 * 6.0, 1.0]]))
    assert found.tolist() == [[2.0**-10, 0.0, 2688.0, 0.0]]


def test_gradients_pass_everywhere_but_beyond_scales_of_a_small_float() -> None:
    assert parse("nf4/64").limits() == parse("e2m1/32:e8m0").limits(False) == (-math.inf, math.inf)
    assert parse("e2m1/16:e4m3").limits() == (-2688.0, 2688.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("e2m1/1", "format 'e2m1/1' has blocks of 1; give 2 to 65536"),
        ("e2m1/65537", "format 'e2m1/65537' has blocks of 65537; give 2 to 65536"),
        ("fp16/32", "format 'fp16/32' has blocks of 'fp16'; give fixed, floats or nf of 2 to 8 bits"),
        ("fixed1/32", "format 'fixed1/32' has blocks of 'fixed1'; give fixed, floats or nf of 2 to 8 bits"),
        ("e2m1/32:e9m0", "format 'e2m1/32:e9m0' has scales 'e9m0'; give none, e8m0, u8 or a float of up to 8 bits"),
        ("e2m1/32:fp16", "format 'e2m1/32:fp16' has scales 'fp16'; give none, e8m0, u8 or a float of up to 8 bits"),
        ("binary/32", "format 'binary/32' is not known; known are "),
        ("e2m1/32:e8m0/2", "format 'e2m1/32:e8m0/2' has scales 'e8m0/2'; give none, e8m0, u8 or "),
        ("e2m1/0", "format 'e2m1/0' is not known; known are "),
    ],
)
def test_texts_that_name_no_format(text: str, told: str) -> None:
    with pytest.raises(FormatError) as refused:
        parse(text)
    assert str(refused.value).startswith(told)


def test_there_is_no_one_grid() -> None:
    with pytest.raises(FormatError, match=r"^format 'nf4/64' has another grid for each block; its elements are 'nf4'$"):
        parse("nf4/64").grid()
