"""Products with signs against whole numbers, at the edges of words; no bit of padding counts."""

import pytest
import torch
from torch import Tensor

from picojoule.errors import InputError
from picojoule.integer.arithmetic import popcount


def signs(*shape: int) -> Tensor:
    return 1 - 2 * torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("k", [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100])
def test_signs_at_the_edges_of_words(k: int) -> None:
    x, w = signs(5, k), signs(3, k)
    x[0], x[1], w[0], w[1] = 1, -1, 1, -1
    assert torch.equal(popcount.trits_dot(x, popcount.packed(w < 0)), x @ w.t())
    x[2:, ::2] = 0
    assert torch.equal(popcount.trits_dot(x, popcount.packed(w < 0)), x @ w.t())


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", range(1, 17))
def test_inputs_of_every_width(bits: int, signed: bool) -> None:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    x = torch.randint(low, high + 1, (4, 19), generator=torch.Generator().manual_seed(bits))
    x[0], x[1], w = low, high, signs(3, 19)
    assert torch.equal(popcount.dot(x, popcount.packed(w < 0), bits, signed), x @ w.t())


@pytest.mark.parametrize(("n", "k", "m"), [(0, 3, 2), (2, 0, 3), (2, 3, 0)])
def test_without_rows_terms_or_columns(n: int, k: int, m: int) -> None:
    x, w = torch.zeros(n, k, dtype=torch.int64), signs(m, k)
    assert popcount.dot(x, popcount.packed(w < 0), 4, True).tolist() == (x @ w.t()).tolist()


def test_inputs_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"^x holds 16; unsigned integers of 4 bits are 0 to 15$"):
        popcount.dot(torch.tensor([[16]]), popcount.packed(torch.tensor([[True]])), 4, False)
