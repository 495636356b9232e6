"""The operations of ai.onnx that a float network is made of: for each name the rule that makes a node a function.

A shape may be computed from other shapes (Shape, Gather, Concat): such whole numbers run through the same rules, as
arrays of Python's, so that a batch stays as free as torch.export needs it.
"""

import operator
from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 (as everybody calls it)

from picojoule.models.onnx.call import Rule, plain, with_attributes
from picojoule.models.onnx.rules import activations, arithmetic, norms, parts, pools, resize, shapes, windows

OPERATIONS: Mapping[str, Rule] = {
    "Conv": windows.convolution,
    "ConvTranspose": windows.transposed,
    "Gemm": arithmetic.gemm,
    "MatMul": arithmetic.matmul,
    "MaxPool": pools.max_pool,
    "AveragePool": pools.average_pool,
    "GlobalMaxPool": pools.global_max_pool,
    "GlobalAveragePool": pools.global_average_pool,
    "Resize": resize.resize,
    "Upsample": resize.resize,
    "BatchNormalization": norms.batch_norm,
    "LayerNormalization": norms.layer_norm(F.layer_norm),
    "RMSNormalization": norms.layer_norm(F.rms_norm),
    "InstanceNormalization": norms.instance_norm,
    "GroupNormalization": norms.group_norm,
    "Add": arithmetic.arithmetic(operator.add, np.add),
    "Sum": arithmetic.arithmetic(operator.add, np.add),
    "Sub": arithmetic.arithmetic(operator.sub, np.subtract),
    "Mul": arithmetic.arithmetic(operator.mul, np.multiply),
    "Div": arithmetic.arithmetic(operator.truediv, arithmetic.quotient),
    "Mod": arithmetic.remainder,
    "Min": arithmetic.arithmetic(torch.minimum, np.minimum),
    "Max": arithmetic.arithmetic(torch.maximum, np.maximum),
    "Pow": arithmetic.power,
    "Equal": plain(arithmetic.equal),
    "Where": plain(arithmetic.chosen),
    "ReduceMean": arithmetic.reduced(torch.mean, 18),
    "ReduceMax": arithmetic.reduced(torch.amax, 18),
    "ReduceMin": arithmetic.reduced(torch.amin, 18),
    "ReduceSum": arithmetic.reduced(torch.sum, 13),
    "ReduceL2": arithmetic.reduced(arithmetic.length, 18),
    "Relu": plain(F.relu),
    "Clip": activations.clip,
    "LeakyRelu": with_attributes(F.leaky_relu, alpha=0.01),
    "PRelu": activations.prelu,
    "ThresholdedRelu": activations.threshold,
    "Elu": with_attributes(F.elu, alpha=1.0),
    "Celu": with_attributes(F.celu, alpha=1.0),
    "Selu": activations.selu,
    "Gelu": activations.gelu,
    "Swish": activations.swish,
    "Mish": plain(F.mish),
    "HardSwish": plain(F.hardswish),
    "HardSigmoid": activations.hard_sigmoid,
    "Sigmoid": plain(torch.sigmoid),
    "Tanh": plain(torch.tanh),
    "Softplus": plain(F.softplus),
    "Softsign": plain(F.softsign),
    "Softmax": activations.softmax(torch.softmax),
    "LogSoftmax": activations.softmax(torch.log_softmax),
    "Erf": plain(torch.erf),
    "Exp": plain(torch.exp),
    "Log": plain(torch.log),
    "Sqrt": plain(arithmetic.root),
    "Reciprocal": plain(torch.reciprocal),
    "Abs": plain(torch.abs),
    "Neg": plain(operator.neg),
    "Flatten": shapes.flatten,
    "Reshape": shapes.reshape,
    "Squeeze": shapes.squeeze,
    "Unsqueeze": shapes.unsqueeze,
    "Expand": shapes.expand,
    "Transpose": shapes.transpose,
    "Shape": shapes.shape,
    "Concat": parts.concat,
    "Split": parts.split,
    "Slice": parts.part,
    "Gather": parts.gather,
    "Pad": parts.pad,
    "Cast": arithmetic.cast,
    "Constant": arithmetic.constant,
    "ConstantOfShape": arithmetic.constant_of_shape,
    "Dropout": activations.dropout,
    "Identity": plain(lambda x: x),
}
"""By the name in ai.onnx."""

SEVERAL = frozenset({"Split"})
"""Operations of which more than the first result may be read."""
QUANTISED = frozenset(
    "QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger".split()
)
"""What only a quantised network has."""
