"""Products with weights that are signs, without a multiplier: XNOR and popcount over bits packed into words.

A digit of an input is -1, 0 or 1: a bit that says whether it counts, and one for its sign. So padding, which is no
sign, is what does not count; inputs of M bits take M passes of single bits; and inputs that are signs take one.
"""

import numpy as np
import torch
from torch import Tensor

from picojoule.integer.arithmetic import bitserial

Words = np.ndarray[tuple[int, int], np.dtype[np.uint16]]

_ONES = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16).sum(1, dtype=np.uint8)
"""How many bits of a word are set."""


def packed(bits: Tensor) -> Words:
    """Booleans [n, k] as words [n, ceil(k/16)]; what is left of the last word is zero."""
    n, k = bits.shape
    whole = np.zeros((n, -(-k // 16) * 2), dtype=np.uint8)
    whole[:, : -(-k // 8)] = np.packbits(bits.numpy(), axis=1)
    return whole.view(np.uint16)


def dot(x: Tensor, negative: Words, input_bits: int, signed: bool) -> Tensor:
    """x [n, k] of `input_bits` bits times the transpose of signs [m, k], `packed` by which are -1: int64 [n, m].

    >>> dot(torch.tensor([[3, 0, -2]]), packed(torch.tensor([[False, False, True]])), input_bits=3, signed=True)
    tensor([[5]])

    Raises:
        InputError: more than 16 bits, or a value of x that does not fit in them.
    """
    digits = bitserial.digits(x, input_bits, 1, signed)
    return sum((trits_dot(digit, negative) << k for k, digit in enumerate(digits)), torch.tensor(0))


def trits_dot(x: Tensor, negative: Words) -> Tensor:
    """`dot` of an x that holds -1, 0 and 1 alone, in one pass: each product that counts is 1 where signs agree."""
    counts, sign = packed(x != 0), packed(x < 0)
    total = _ones(counts)
    found = np.empty((len(counts), len(negative)), dtype=np.int64)
    for column, row in enumerate(negative):
        found[:, column] = 2 * _ones(~(sign ^ row) & counts) - total
    return torch.from_numpy(found)


def _ones(words: Words) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How many bits are set in each row."""
    found: np.ndarray[tuple[int], np.dtype[np.int64]] = _ONES[words].sum(axis=1, dtype=np.int64)
    return found
