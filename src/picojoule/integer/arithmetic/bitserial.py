"""Dot products digit by digit: how a Q-bit datapath multiplies inputs of M > Q bits, exactly, in ceil(M/Q) passes.

Source: Moons et al., arXiv 1711.00215, section on the first layer: `s = Σ_k 2^(Q·k)·(x^k·w_Q)`, with x^k the k-th
base-2^Q digit of x. It rests on torch alone; `energy.chip.serial` charges the same passes.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from picojoule.errors import InputError

_INTEGERS = (torch.uint8, torch.int8, torch.uint16, torch.int16, torch.uint32, torch.int32, torch.int64)


def passes(input_bits: int, digit_bits: int) -> int:
    """How many digits of `digit_bits` bits an input of `input_bits` has: ceil(M/Q), 1 where it fits in one.

    >>> passes(8, 4), passes(8, 3), passes(4, 16)
    (2, 3, 1)

    Raises:
        InputError: bits outside 1 to 16.
    """
    for name, bits in (("input_bits", input_bits), ("digit_bits", digit_bits)):
        if not 1 <= bits <= 16:
            raise InputError(f"{name} is {bits}; give 1 to 16")
    return -(-input_bits // digit_bits)


def digits(x: Tensor, input_bits: int, digit_bits: int, signed: bool = True) -> Tensor:
    """The base-2^Q digits of integers, least significant first: `[passes, *x.shape]`, int64, with Σ 2^(Q·k)·x^k = x.

    All are in 0 … 2^Q - 1 but the last of signed inputs (two's complement), which alone carries the sign. The last has
    the bits that are left where M is no multiple of Q.

    >>> digits(torch.tensor([-3, 100]), input_bits=8, digit_bits=4)
    tensor([[13,  4],
            [-1,  6]])

    Raises:
        InputError: bits outside 1 to 16, not integers, or a value that does not fit in `input_bits`.
    """
    return torch.stack(list(_digits(x, input_bits, digit_bits, signed))).long()


def dot(x: Tensor, w: Tensor, *, input_bits: int, digit_bits: int, signed: bool = True) -> Tensor:
    """x `[n, k]` of `input_bits` bits times w `[k, m]` of any width, by shift and add over digits: `x @ w` as int64.

    `digit_bits` is the datapath's width. The result is exact: int64 holds every sum on the way while k · X · max|w| is
    below 2^63, where X, the largest magnitude of an input, is 2^(M-1) signed and 2^M - 1 unsigned. Without rows or
    columns it is empty, without terms zero.

    >>> dot(torch.tensor([[-3, 100]]), torch.tensor([[7], [-2]]), input_bits=8, digit_bits=4)
    tensor([[-221]])

    Raises:
        InputError: bits outside 1 to 16, shapes that do not fit, not integers, a value of x that does not fit in
            `input_bits`, or weights so large that sums may leave int64.
    """
    if x.dim() != 2 or w.dim() != 2 or x.shape[1] != w.shape[0]:
        raise InputError(f"x is {list(x.shape)} and w is {list(w.shape)}; give [n, k] and [k, m]")
    parts = _digits(x, input_bits, digit_bits, signed)
    weights = _exact(_integers("w", w), input_bits, signed)
    total = weights.new_zeros(x.shape[0], w.shape[1])
    for k, part in enumerate(parts):
        total.addmm_(part.to(weights), weights, alpha=1 << (digit_bits * k))
    return total.long()


def cut(x: Tensor, input_bits: int, digit_bits: int) -> Iterator[Tensor]:
    """The `digits` one after another, of integers that are known to fit, in their own type."""
    last = (-(-input_bits // digit_bits) - 1) * digit_bits
    mask = (1 << digit_bits) - 1
    return (x >> shift if shift == last else (x >> shift) & mask for shift in range(0, last + 1, digit_bits))


def _digits(x: Tensor, input_bits: int, digit_bits: int, signed: bool) -> Iterator[Tensor]:
    """The digits one after another, as int32, once all is known to be in order."""
    passes(input_bits, digit_bits)
    return cut(_checked(x, input_bits, signed), input_bits, digit_bits)


def _exact(w: Tensor, input_bits: int, signed: bool) -> Tensor:
    """w in the type that holds every sum exactly: float64, whose product uses all cores, up to 2^53; int64 beyond."""
    largest = max(map(abs, _extremes(w)), default=0)
    sums = w.shape[0] * largest * max(map(abs, _limits(input_bits, signed)))  # Python's integers, of any size
    if sums >= 2**63:
        raise InputError(
            f"sums of {w.shape[0]} products of {input_bits}-bit inputs with weights as large as {largest} may leave 64 "
            "bits; give smaller weights, or split the sum"
        )
    return w.double() if sums <= 2**53 else w


def _checked(x: Tensor, bits: int, signed: bool) -> Tensor:
    """x as int32, once each value is known to fit in `bits`."""
    low, high = _limits(bits, signed)
    values = _integers("x", x)
    for value in _extremes(values):
        if not low <= value <= high:
            kind = "signed" if signed else "unsigned"
            raise InputError(f"x holds {value}; {kind} integers of {bits} bits are {low} to {high}")
    return values.int()


def _limits(bits: int, signed: bool) -> tuple[int, int]:
    """The least and the largest integer of so many bits."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _integers(name: str, x: Tensor) -> Tensor:
    if x.dtype not in _INTEGERS:
        raise InputError(f"{name} is of type {x.dtype}; give integers, of type uint8 to uint32 or int8 to int64")
    return x.long()


def _extremes(x: Tensor) -> tuple[int, ...]:
    """The least and the largest value; none where x is empty."""
    return tuple(int(end) for end in torch.aminmax(x)) if x.numel() else ()
