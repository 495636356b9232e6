"""Convolutions whose sums leave float32, as a few convolutions of bytes: in float64 torch has none that are quick.

Inputs, weights and bias are cut into digits. Each pair of digits is convolved by torch's oneDNN, which adds up bytes in
32 bits; what comes out is float32, and exact up to 2^24, as the very digits of the weights prove. Sums that count the
same are added in float32, all of them in float64.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from picojoule.execute.codes import Codes
from picojoule.execute.integers import Convolution, Weights, convolve, serves
from picojoule.integer.arithmetic import bitserial
from picojoule.integer.program import Operation
from picojoule.integer.types import EXACT_IN_FLOAT32, Constant, Type

SPLITS = ((8, 8), (6, 8), (8, 6), (6, 6), (4, 6), (4, 4))
"""Bits of the digits of inputs and of weights, those with fewer pairs first."""
WIDEST = 24
"""Bits of the widest inputs that are cut."""
MOST_SHIFT = 28
"""Parts of 24 bits that are shifted no further add up within float64's 53."""


def layer(operation: Operation, read: Type, weights: Constant, bias: Constant) -> Callable[[Tensor], Tensor] | None:
    """What runs a convolution: from codes [n, ...] in any numbers to sums, float64.

    None where float32 holds the sums, or this machine does not convolve bytes exactly, or no split is proved.
    """
    if operation.kind == "linear" or operation.largest_sum <= EXACT_IN_FLOAT32 or read.bits > WIDEST:
        return None
    if not serves(1.0):
        return None
    flat = weights.values.unsqueeze(2) if weights.values.dim() == 3 else weights.values
    if not _how(operation).is_ordinary(flat.shape[2:]):
        return None
    for input_bits, weight_bits in SPLITS:
        ends, digits = _ends(read, input_bits), _balanced(flat, weight_bits)
        if parts := _proved(ends, input_bits, digits, weight_bits, bias.values):
            return _Wide(_how(operation), read.bits, input_bits, ends, parts)
    return None


@dataclass(frozen=True)
class _Part:
    """What counts 2^shift: which digits of inputs meet which of the weights, and the bias."""

    shift: int
    pairs: list[tuple[int, Weights]]
    bias: Tensor


@dataclass(frozen=True)
class _Wide:
    """A convolution in digits; `ends` are the least and the largest one of each of the inputs'."""

    how: Convolution
    input_bits: int
    digit_bits: int
    ends: list[tuple[int, int]]
    parts: list[_Part]

    def __call__(self, x: Tensor) -> Tensor:
        total = self._part(self.parts[0], codes := self._codes(x)).double()
        for part in self.parts[1:]:
            total.add_(self._part(part, codes), alpha=1 << part.shift)
        return total.squeeze(2) if x.dim() == 3 else total

    def _codes(self, x: Tensor) -> list[Codes]:
        """Each digit as bytes: those of a signed one are moved up."""
        whole = (x.unsqueeze(2) if x.dim() == 3 else x).int()
        digits = zip(bitserial.cut(whole, self.input_bits, self.digit_bits), self.ends, strict=True)
        return [Codes((digit - low if low else digit).to(torch.uint8), 1.0, -low) for digit, (low, _) in digits]

    def _part(self, part: _Part, codes: list[Codes]) -> Tensor:
        (first, weights), *others = part.pairs
        found = convolve(codes[first], weights, part.bias, self.how, relu=False)
        for k, each in others:
            found.add_(convolve(codes[k], each, None, self.how, relu=False))
        return found


def _proved(
    ends: list[tuple[int, int]], input_bits: int, digits: list[Tensor], weight_bits: int, bias: Tensor
) -> list[_Part] | None:
    """The parts of a layer, the one that counts 1 first, if all are exact."""
    weights = [Weights(digit.float()) for digit in digits]
    pairs: dict[int, list[tuple[int, Weights]]] = defaultdict(list)
    largest: dict[int, int] = defaultdict(int)
    for k, (low, high) in enumerate(ends):
        for j, digit in enumerate(digits):
            shift = input_bits * k + weight_bits * j
            pairs[shift].append((k, weights[j]))
            largest[shift] += _largest(digit, low, high)
    if any(each.bytes is None for each in weights) or max(pairs) > MOST_SHIFT:
        return None
    parts = []
    for shift in sorted(pairs, reverse=True):
        count = (bias + ((1 << shift) >> 1)) >> shift
        bias = bias - (count << shift)
        if largest[shift] + int(count.abs().max()) > EXACT_IN_FLOAT32:
            return None
        parts.append(_Part(shift, pairs[shift], count.float()))
    return parts[::-1]


def _how(operation: Operation) -> Convolution:
    """The arguments of a convolution, over two dimensions if it is over one."""
    stride, padding, dilation = ([*operation.args[key]] for key in ("stride", "padding", "dilation"))
    if len(stride) == 1:
        stride, padding, dilation = 2 * stride, [0, *padding], [1, *dilation]
    return Convolution(stride, padding, dilation, operation.args["groups"])


def _balanced(w: Tensor, bits: int) -> list[Tensor]:
    """Digits from -2^(bits-1) to 2^(bits-1) - 1, least significant first, as many as the largest weight needs."""
    half = 1 << (bits - 1)
    found: list[Tensor] = []
    while not found or bool(w.any()):
        found.append(((w + half) & (2 * half - 1)) - half)
        w = (w - found[-1]) >> bits
    return found


def _ends(read: Type, bits: int) -> list[tuple[int, int]]:
    """The least and the largest of each digit of inputs."""
    count = -(-read.bits // bits)
    last = 1 << (read.bits - bits * (count - 1))
    return [(0, (1 << bits) - 1)] * (count - 1) + [(-last // 2, last // 2 - 1) if read.signed else (0, last - 1)]


def _largest(w: Tensor, low: int, high: int) -> int:
    """The largest magnitude of a sum of products with numbers from low to high, or with zeros of padding."""
    rows = w.flatten(1)
    up, down = rows.clamp(min=0).sum(dim=1), rows.clamp(max=0).sum(dim=1)
    return int(torch.maximum(up * high + down * low, -(up * low + down * high)).max())
