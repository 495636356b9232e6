"""What picojoule knows of the operations of a graph, as data: which multiply, which only move values, which are exact.

Operations are named as torch.export names them (`aten.conv2d.default`). Only what stands in one of these tables runs:
a network's file may come from a stranger, and some of torch's other operations trust their arguments with memory.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

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

FLOAT = frozenset(
    "abs acos acosh asin asinh atan atan2 atanh ceil cos cosh erf erfc exp exp2 expm1 floor frac hypot log log10 log1p "
    "log2 logaddexp logit pow reciprocal round rsqrt sign sin sinc sinh sqrt square tan tanh trunc "
    "celu elu gelu glu hardshrink hardsigmoid hardswish leaky_relu log_sigmoid mish prelu rrelu selu sigmoid silu "
    "softplus softshrink threshold softmax log_softmax _softmax _log_softmax "
    "mul div floor_divide fmod remainder rsub addcdiv addcmul lerp fmax fmin where masked_fill fill nan_to_num "
    "heaviside eq ne lt le gt ge isclose isfinite isinf isnan logical_and logical_not logical_or logical_xor "
    "bitwise_and bitwise_not bitwise_or bitwise_xor __and__ __or__ __xor__ "
    "_to_copy type_as complex real imag angle view_as_complex view_as_real conj resolve_conj "
    "all any amin aminmax argmin argsort count_nonzero cummax cummin cumprod cumsum logcumsumexp logsumexp max median "
    "min mode nanmean nansum norm linalg_vector_norm linalg_cross prod quantile sort std std_mean topk kthvalue var "
    "var_mean cdist cosine_similarity pairwise_distance diff "
    "_native_batch_norm_legit _native_batch_norm_legit_no_training group_norm native_group_norm instance_norm "
    "layer_norm native_layer_norm rms_norm "
    "avg_pool3d max_pool3d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool3d max_pool1d_with_indices "
    "max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d _adaptive_avg_pool2d "
    "_adaptive_avg_pool3d reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d "
    "replication_pad3d upsample_nearest3d upsample_linear1d upsample_bilinear2d upsample_bicubic2d "
    "upsample_trilinear3d _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d "
    "_upsample_bilinear2d_aa _upsample_bicubic2d_aa affine_grid_generator grid_sampler grid_sampler_2d grid_sampler_3d "
    "broadcast_to bucketize col2im column_stack diag diag_embed diagonal dstack embedding embedding_bag fliplr flipud "
    "gather im2col index index_add index_copy index_fill index_put meshgrid one_hot ones_like new_ones new_full "
    "empty_like new_empty pixel_unshuffle repeat_interleave rot90 scatter scatter_add scatter_reduce searchsorted "
    "select_scatter slice_scatter take_along_dim tril triu unfold "
    "_weight_norm matrix_exp linalg_solve linalg_householder_product "  # what weights are computed by
    "addmv dot inner kron linalg_matmul linalg_vecdot mv outer tensordot vdot "
    "lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell fft_fft fft_ifft fft_irfft fft_rfft stft istft".split()
)
"""Operations that run in floating point and are listed as left there."""

_KNOWN = EXACT | FLOAT | FLOAT_MAC.keys() | {op.split(".")[1] for op in MAC}

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

_FILLED = {
    "aten.empty_like.default": torch.ops.aten.zeros_like.default,
    "aten.new_empty.default": torch.ops.aten.new_zeros.default,
}
"""Operations whose result is whatever lay in memory: zeros instead, so that a network always computes the same."""


def short(op: str) -> str:
    """The bare name of an operation.

    >>> short("aten.conv2d.default"), short("operator.getitem")
    ('conv2d', 'getitem')
    """
    return op.split(".")[1]


def resolve(op: str) -> Callable[..., Any]:
    """The function that computes an operation.

    Only operations of the tables above that change none of their arguments, and arithmetic on sizes: nothing that opens
    files or runs code, so that a network's file from a stranger can compute but do nothing else.

    Raises:
        CaptureError: the operation is not known or not allowed; the message names it.
    """
    if op in _SCALAR:
        return _SCALAR[op]
    if op in _FILLED:
        return _FILLED[op]
    parts = op.split(".")
    if len(parts) == 3 and parts[0] == "aten" and parts[1] in _KNOWN and parts[2] != "data":  # of packed sequences
        function = getattr(getattr(torch.ops.aten, parts[1], None), parts[2], None)
        if isinstance(function, torch._ops.OpOverload) and (op in FACTORY or _harmless(function)):
            return function
    raise CaptureError(f"operation '{op}' cannot be part of a network: picojoule knows no function of tensors so named")


def like(x: Tensor, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Where a tensor made from nothing lies, and its type: those of the network's input."""
    dtype = kwargs.get("dtype")
    return {"device": x.device, "dtype": x.dtype if dtype == torch.float32 else dtype}


def _harmless(function: "torch._ops.OpOverload[..., Any]") -> bool:
    schema = function._schema
    takes_tensor = any("Tensor" in str(argument.type) for argument in schema.arguments)
    return takes_tensor and not schema.is_mutable
