"""What picojoule knows of the operations of a graph, as data: which multiply, which only move values, which are exact.

Operations are named as torch.export names them (`aten.conv2d.default`). Any other ATen operation without side effects
still runs, in floating point, and is listed as left there.
"""

import operator
from collections.abc import Callable
from typing import Any

import torch

from picojoule.errors import CaptureError

MAC = {
    "aten.conv1d.default": "conv1d",
    "aten.conv1d.padding": "conv1d",
    "aten.conv2d.default": "conv2d",
    "aten.conv2d.padding": "conv2d",
    "aten.linear.default": "linear",
}
"""The layers that a plan can quantise: operation → kind. Arguments are (inputs, weights, bias, ...)."""

FLOAT_MAC = {
    "conv_transpose1d": "transposed convolutions have no integer form here; use an upsampling and a convolution",
    "conv_transpose2d": "transposed convolutions have no integer form here; use an upsampling and a convolution",
    "conv_transpose3d": "transposed convolutions have no integer form here; use an upsampling and a convolution",
    "conv3d": "three-dimensional convolutions have no integer form here",
    "matmul": "it multiplies two values, or is a layer written as a matrix product; use nn.Linear for a layer",
    "mm": "it multiplies two values, or is a layer written as a matrix product; use nn.Linear for a layer",
    "bmm": "it multiplies two values, not a value by weights",
    "addmm": "it is a layer written as a matrix product; use nn.Linear",
    "baddbmm": "it multiplies two values, not a value by weights",
    "einsum": "it multiplies two values, or is a layer written as a sum of products; use nn.Linear for a layer",
    "bilinear": "it multiplies two values, not a value by weights",
    "scaled_dot_product_attention": "attention multiplies two values, not a value by weights",
    "lstm": "recurrent layers keep a state between steps, which has no integer form here",
    "gru": "recurrent layers keep a state between steps, which has no integer form here",
    "rnn_tanh": "recurrent layers keep a state between steps, which has no integer form here",
    "rnn_relu": "recurrent layers keep a state between steps, which has no integer form here",
}
"""Operations that multiply and accumulate but stay in floating point: name → why."""

VIEW = frozenset(
    "view reshape flatten unflatten squeeze unsqueeze permute transpose numpy_T t "
    "movedim moveaxis swapaxes swapdims mT ravel view_as reshape_as _unsafe_view "
    "contiguous clone alias detach dropout feature_dropout alpha_dropout identity".split()
)
"""Operations that only rearrange a tensor's elements: their result is the same value."""

EXACT = VIEW | frozenset(
    "relu relu6 hardtanh clamp clamp_min clamp_max max_pool1d max_pool2d avg_pool1d avg_pool2d adaptive_avg_pool1d "
    "adaptive_avg_pool2d adaptive_max_pool2d mean sum add sub neg cat stack pad constant_pad_nd slice select split "
    "split_with_sizes chunk narrow index_select expand repeat channel_shuffle pixel_shuffle flip maximum minimum amax "
    "hstack vstack concat tile roll unbind expand_as zeros ones full arange eye "
    "upsample_nearest1d upsample_nearest2d sym_size getitem zeros_like new_zeros full_like argmax".split()
)
"""Operations that integers compute exactly (adds align exponents by shifts; a mean is a sum and one scale)."""

FACTORY = frozenset(
    f"aten.{name}"
    for name in "zeros.default ones.default full.default eye.default eye.m arange.default arange.start "
    "arange.start_step".split()
)
"""Operations that make a tensor from nothing but sizes and numbers, such as a recurrent layer's first state."""

_SCALAR: dict[str, Callable[..., Any]] = {
    f"operator.{name}": getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "mod", "neg", "getitem")
}
"""Arithmetic on sizes, and taking one of several results."""


def short(op: str) -> str:
    """The bare name of an operation.

    >>> short("aten.conv2d.default"), short("operator.getitem")
    ('conv2d', 'getitem')
    """
    return op.split(".")[1]


def resolve(op: str) -> Callable[..., Any]:
    """The function that computes an operation.

    Only ATen operations that work on tensors, or fill new ones with numbers, and change none of their arguments, and
    arithmetic on sizes: nothing that opens files, so that a network file from a stranger can compute but do nothing
    else.

    Raises:
        CaptureError: the operation is not known or not allowed; the message names it.
    """
    if op in _SCALAR:
        return _SCALAR[op]
    parts = op.split(".")
    if len(parts) == 3 and parts[0] == "aten" and all(part.isidentifier() for part in parts):
        packet = getattr(torch.ops.aten, parts[1], None)
        function = getattr(packet, parts[2], None)
        if isinstance(function, torch._ops.OpOverload) and (op in FACTORY or _harmless(function)):
            return function
    raise CaptureError(f"operation '{op}' cannot be part of a network: picojoule knows no function of tensors so named")


def _harmless(function: "torch._ops.OpOverload[..., Any]") -> bool:
    schema = function._schema
    takes_tensor = any("Tensor" in str(argument.type) for argument in schema.arguments)
    return takes_tensor and not schema.is_mutable
