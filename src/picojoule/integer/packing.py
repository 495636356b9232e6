"""Whole numbers of 1 to 54 bits as a stream of bits, the first number's least bit first, and back.

A `form` says what the bits of a number are: `unsigned`, `signed` (two's complement), or `sign`: one bit, set for -1 and
not for +1.
"""

import numpy as np
import torch
from torch import Tensor

FORMS = ("unsigned", "signed", "sign")


def pack(values: Tensor, bits: int, form: str) -> Tensor:
    """Codes as uint8 [ceil(n bits / 8)]; what is left of the last byte is zero.

    >>> pack(torch.tensor([1, 2, 3]), bits=3, form="unsigned")
    tensor([209,   0], dtype=torch.uint8)
    """
    codes = values.detach().cpu().flatten().numpy().astype(np.int64)
    if form == "sign":
        codes = (codes < 0).astype(np.int64)
    rows = (codes[:, None] >> np.arange(bits)) & 1
    return torch.from_numpy(np.packbits(rows.astype(np.uint8).ravel(), bitorder="little"))


def unpack(packed: Tensor, count: int, bits: int, form: str) -> Tensor:
    """The codes that `pack` packed, int64 [count]."""
    rows = np.unpackbits(packed.numpy(), count=count * bits, bitorder="little").reshape(count, bits).astype(np.int64)
    if form == "sign":
        return torch.from_numpy(1 - 2 * rows[:, 0])
    weights = np.int64(1) << np.arange(bits, dtype=np.int64)
    if form == "signed":
        weights[-1] = -weights[-1]
    return torch.from_numpy((rows * weights).sum(axis=1))
