"""Layers as a device of few bits runs them: in whole numbers alone, each input in as many passes as it has digits.

Weights of Q bits multiply inputs of M bits in ceil(M/Q) passes (`bitserial`), weights that are signs by XNOR and
popcount (`popcount`). Slower by far than convolutions in floating point, and held to be equal to them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from picojoule.integer.arithmetic import bitserial, popcount
from picojoule.integer.program import Operation
from picojoule.integer.types import Constant, Type

Product = Callable[[Tensor], Tensor]
"""From rows of inputs [n, k] to sums [n, m]."""

WIDEST = 16
"""Bits of the widest operand of a datapath; of more, products are one pass of whole numbers."""


def layer(operation: Operation, read: Type, weights: Constant, bias: Constant) -> Callable[[Tensor], Tensor]:
    """What runs a layer: from codes [n, ...] in any numbers to sums, int64."""
    groups = operation.args.get("groups", 1)
    weights = weights.plain
    products = [_product(each, read, weights) for each in weights.values.flatten(1).chunk(groups)]
    if operation.kind == "linear":
        return lambda x: _multiplied(x.long(), bias.values, products[0])
    return lambda x: _convolved(x.long(), weights.values, bias.values, operation, products)


def _product(rows: Tensor, read: Type, weights: Constant) -> Product:
    """The product with weights [m, k], as narrow as they and what they read are."""
    if weights.form == "sign" and read.low >= -1 and read.high <= 1:
        return partial(popcount.trits_dot, negative=popcount.packed(rows < 0))
    if max(read.bits, weights.bits) > WIDEST:
        return lambda x: x @ rows.t()
    if weights.form == "sign":
        return partial(popcount.dot, negative=popcount.packed(rows < 0), input_bits=read.bits, signed=read.signed)
    return partial(bitserial.dot, w=rows.t(), input_bits=read.bits, digit_bits=weights.bits, signed=read.signed)


def _multiplied(x: Tensor, bias: Tensor, product: Product) -> Tensor:
    return product(x.flatten(0, -2)).reshape(*x.shape[:-1], len(bias)) + bias


def _convolved(x: Tensor, weights: Tensor, bias: Tensor, operation: Operation, products: Sequence[Product]) -> Tensor:
    found = [product(rows) for product, rows in zip(products, _rows(x, weights, operation.args), strict=True)]
    _, *after = operation.type.shape
    return (torch.cat(found, dim=1) + bias).reshape(len(x), *after, len(weights)).movedim(-1, 1)


def _rows(x: Tensor, weights: Tensor, how: Any) -> Tensor:
    """All windows of each group as rows [groups, n · positions, k]; padding is zeros."""
    x = functional.pad(x, [each for more in reversed(how["padding"]) for each in (more, more)])
    sides = zip(weights.shape[2:], how["stride"], how["dilation"], strict=True)
    for dim, (size, stride, dilation) in enumerate(sides, 2):
        x = x.unfold(dim, dilation * (size - 1) + 1, stride)[..., ::dilation]
    x = x.unflatten(1, (how["groups"], weights.shape[1])).movedim(1, 0)  # [groups, n, channels, *after, *kernel]
    after = weights.dim() - 2
    x = x.movedim(2, 2 + after)
    return x.reshape(len(x), x.shape[1 : 2 + after].numel(), weights[0].numel())
