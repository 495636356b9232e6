"""Comparisons of formats: errors from their definition, the exponent among all, the order, and what is left out."""

import math

import pytest
import torch
from torch import Tensor

from picojoule.calibration import Comparison, compare, kmeans
from picojoule.errors import DataError, InputError
from picojoule.formats import Format, parse


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def least(format: Format, x: Tensor) -> float:
    """The least error of any exponent from -20 to 20."""
    errors = [(format.quantize(x, e).double() - x.double()).square().sum() for e in range(-20, 21)]
    return math.sqrt(min(map(float, errors)) / float(x.double().square().sum()))


TENSORS = {"a": normal(8, 40), "b": normal(3, 2, 5, 5, seed=1) / 100, "bias": normal(9) * 100}


@pytest.mark.parametrize("text", ["fixed4", "e2m1", "e3m0", "nf4", "nf4/64", "e2m1/32:e8m0", "e2m1/16:e4m3", "binary"])
def test_each_error_is_that_of_the_best_exponent(text: str) -> None:
    (found,) = compare([parse(text)], TENSORS)
    within = 1e-2 if text == "e2m1/16:e4m3" else 1e-6  # the observer cuts a tensor into blocks as one row
    assert found.tensors == {name: pytest.approx(least(parse(text), TENSORS[name]), within) for name in ("a", "b")}
    parts = [(found.tensors[name], float(TENSORS[name].double().square().sum())) for name in ("a", "b")]
    wanted = math.sqrt(sum(error**2 * size for error, size in parts) / sum(size for _, size in parts))
    assert found.error == pytest.approx(wanted)
    assert found.stored_bits == sum(parse(text).size_bits(TENSORS[name].shape) for name in ("a", "b")) / 470


def test_the_best_comes_first_and_each_once() -> None:
    def order(found: list[Comparison]) -> list[str]:
        return [str(each.format) for each in found]

    formats = list(map(parse, ("fixed2", "float32", "nf4", "fixed8", "e4m3", "fixed2")))
    assert order(compare(formats, TENSORS)) == ["float32", "fixed8", "e4m3", "nf4", "fixed2"]
    exact = {"signs": normal(4, 4).sign()}
    assert order(compare(map(parse, ("fixed8", "ternary", "binary")), exact)) == ["binary", "ternary", "fixed8"]


def test_a_codebook_is_of_each_tensors_own_clusters() -> None:
    book, eight = compare(map(parse, ("fixed3", "lut8")), TENSORS)
    assert (str(book.format), str(eight.format)) == ("lut8", "fixed3")
    for name in ("a", "b"):
        lost = kmeans.inertia(TENSORS[name], kmeans.fit(TENSORS[name], 8))
        wanted = math.sqrt(lost / float(TENSORS[name].double().square().sum()))
        assert book.tensors[name] == pytest.approx(wanted, rel=1e-4)  # the table rounds to 16 bits
    assert book.stored_bits == (3 * 470 + 2 * 8 * 16) / 470
    (exact,) = compare([parse("lut256")], {"x": torch.arange(12.0).reshape(3, 4) - 3})
    assert 0 < exact.error < 2**-15  # 8 is 1 on the scale of 2^3, where signed tables end below


def test_half_precision_is_read_and_what_is_never_negative_is_unsigned() -> None:
    x = normal(4, 8).abs().half()
    (found,) = compare([parse("fixed4")], {"x": x, "zeros": torch.zeros(2, 2), "none": torch.zeros(0, 3)})
    errors = [(parse("fixed4").quantize(x.float(), e, signed=False) - x).square().sum() for e in range(-9, 9)]
    assert found.tensors == {"x": pytest.approx(math.sqrt(min(map(float, errors)) / float(x.float().square().sum())))}


def test_what_cannot_be_compared_is_refused() -> None:
    told = "there is no floating-point tensor of 2 or more dimensions to round; give a file of weights"
    for tensors in ({}, {"bias": normal(4)}, {"codes": torch.ones(3, 3, dtype=torch.int8)}):
        with pytest.raises(InputError, match=f"^{told}$"):
            compare([parse("nf4")], tensors)
    zeros = {"w": torch.zeros(2, 2), "none": torch.zeros(0, 3)}
    for tensors, others in (({"w": zeros["w"]}, ""), (zeros, " and 1 more")):
        with pytest.raises(
            InputError, match=f"^tensor 'w'{others}: every value is zero; give weights that are trained$"
        ):
            compare([parse("nf4")], tensors)
    with pytest.raises(DataError, match=r"^tensor 'w' has NaN or Inf in 1 of 2 values; give finite ones$"):
        compare([parse("nf4")], {"w": torch.tensor([[1.0, math.nan]])})
