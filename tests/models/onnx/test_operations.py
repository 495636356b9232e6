"""Every operation computes what ONNX Runtime does, in each of the opsets in which it looks different."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.onnx.graphs import INT64, check, helper, ints, model, needed, node, numbers, onnx

from picojoule.network import capture

needed()

W, ROW = numbers(3, 2, 3, 3), numbers(3)
NORM = {"g": numbers(2), "b": numbers(2, seed=1), "m": numbers(2, seed=2), "v": np.abs(numbers(2, seed=3)) + 0.5}
FEATURES = ("n", 12)

PLAIN = "Relu Sigmoid Tanh HardSwish Softplus Softsign Mish Erf Exp Reciprocal Abs Neg Identity Dropout".split()
SCALE = {"s": np.array([1, 1, 2, 3], np.float32)}
LINE = {"s": numbers(7), "b": numbers(7, seed=1)}

CASES: dict[str, Any] = {
    **{op: model(node(op, "x"), opset=18) for op in PLAIN},
    "Sqrt": model(node("Abs", "x", "a"), node("Sqrt", "a")),
    "Log": model(node("Abs", "x", "a"), node("Log", "a")),
    "Pow": model(node("Pow", "x e"), constants={"e": np.float32(2)}),
    "Pow of a whole number": model(node("Pow", "x e"), constants={"e": ints(3)}),
    "Pow of a value": model(node("Abs", "x", "a"), node("Pow", "a x")),
    "Selu": model(node("Selu", "x")),
    "Selu of other numbers": model(node("Selu", "x", alpha=1.5, gamma=0.9)),
    "Celu": model(node("Celu", "x", alpha=0.7)),
    "ThresholdedRelu": model(node("ThresholdedRelu", "x", alpha=0.7)),
    "Swish": model(node("Swish", "x"), opset=24),
    "Swish of another slope": model(node("Swish", "x", alpha=0.7), opset=24),
    "LeakyRelu": model(node("LeakyRelu", "x", alpha=0.2)),
    "Elu": model(node("Elu", "x", alpha=0.7)),
    "PRelu": model(node("PRelu", "x s"), constants={"s": numbers(2, 1, 1)}),
    "PRelu of one slope": model(node("PRelu", "x s"), constants={"s": numbers(1)}),
    "HardSigmoid": model(node("HardSigmoid", "x")),
    "HardSigmoid of torch": model(node("HardSigmoid", "x", alpha=1 / 6)),
    "Gelu": model(node("Gelu", "x"), opset=20),
    "Gelu by tanh": model(node("Gelu", "x", approximate="tanh"), opset=20),
    "Conv": model(node("Conv", "x w b", strides=[2, 1], pads=[1, 0, 1, 0]), constants={"w": W, "b": ROW}),
    "Conv of opset 7": model(node("Conv", "x w", kernel_shape=[3, 3]), constants={"w": W}, opset=7),
    "Conv of weights as a node": model(
        node("Constant", "", "w", value=onnx.numpy_helper.from_array(W)), node("Conv", "x w")
    ),
    "Gemm": model(node("Gemm", "x w b"), shape=FEATURES, constants={"w": numbers(12, 3), "b": ROW}),
    "Gemm of all attributes": model(
        node("Transpose", "x", "t"),
        node("Gemm", "t w b", transA=1, transB=1, alpha=0.5, beta=2.0),
        shape=FEATURES,
        constants={"w": numbers(3, 12), "b": numbers(1, 3)},
    ),
    "Gemm with one number": model(node("Gemm", "x w b"), shape=FEATURES, constants={"w": numbers(12, 3), "b": 0.5}),
    "Gemm alone": model(node("Gemm", "x w"), shape=FEATURES, constants={"w": numbers(12, 3)}),
    "MatMul": model(node("MatMul", "x w"), constants={"w": numbers(7, 3)}),
    "MatMul of two values": model(node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("MatMul", "x t")),
    "MatMul of many matrices": model(node("MatMul", "x w"), constants={"w": numbers(2, 7, 3)}),
    "BatchNormalization": model(node("BatchNormalization", "x g b m v", epsilon=1e-3), constants=NORM),
    "BatchNormalization of opset 7": model(node("BatchNormalization", "x g b m v"), constants=NORM, opset=7),
    "BatchNormalization of features": model(
        node("BatchNormalization", "x g b m v"), shape=("n", 2), constants=NORM, opset=9
    ),
    "LayerNormalization": model(node("LayerNormalization", "x s b", epsilon=1e-3), constants=LINE),
    "LayerNormalization of an image": model(
        node("LayerNormalization", "x s", "y mean spread", axis=1), constants={"s": numbers(2, 6, 7)}
    ),
    "LayerNormalization by one scale": model(
        node("LayerNormalization", "x s", axis=2), constants={"s": numbers(7)}
    ),
    "RMSNormalization": model(node("RMSNormalization", "x s"), constants={"s": numbers(7)}, opset=23),
    "InstanceNormalization": model(node("InstanceNormalization", "x g b"), constants=NORM),
    "GroupNormalization": model(
        node("GroupNormalization", "x s b", num_groups=2), shape=("n", 4, 6, 7), opset=21,
        constants={"s": numbers(4), "b": numbers(4, seed=1)},
    ),
    "GroupNormalization of opset 18": model(
        node("GroupNormalization", "x s b", num_groups=2), shape=("n", 4, 6, 7), opset=18,
        constants={"s": numbers(2), "b": numbers(2, seed=1)},
    ),
    "ConvTranspose": model(
        node("ConvTranspose", "x w b", strides=[2, 3], pads=[1, 0, 1, 0], output_padding=[1, 0]),
        constants={"w": numbers(2, 3, 3, 3), "b": ROW},
    ),
    "Resize": model(node("Resize", "x . s"), constants=SCALE),
    "Resize of opset 10": model(node("Resize", "x s", mode="linear"), constants={"s": numbers(4) * 0 + 1}, opset=10),
    "Resize to sizes": model(
        node("Shape", "x", "t", start=0, end=2), node("Concat", "t u", "s", axis=0),
        node("Resize", "x . . s", mode="linear"), constants={"u": ints(9, 5)},
    ),
    "Resize of axes": model(
        node("Resize", "x . s", axes=[3]), constants={"s": np.array([2], np.float32)}, opset=18
    ),
    "Upsample of opset 7": model(node("Upsample", "x", scales=[1.0, 1.0, 2.0, 3.0]), opset=7),
    "Upsample of opset 9": model(node("Upsample", "x s"), constants=SCALE, opset=9),
    "MaxPool": model(node("MaxPool", "x", kernel_shape=[2, 3], strides=[2, 2])),
    "AveragePool": model(node("AveragePool", "x", kernel_shape=[2, 3], strides=[2, 2])),
    "GlobalMaxPool": model(node("GlobalMaxPool", "x")),
    "GlobalAveragePool": model(node("GlobalAveragePool", "x")),
    "GlobalAveragePool of a line": model(node("GlobalAveragePool", "x"), shape=("n", 2, 6)),
    "Add": model(node("Relu", "x", "r"), node("Add", "x r")),
    "Add of a constant": model(node("Add", "c x"), constants={"c": numbers(2, 1, 7)}),
    "Sum": model(node("Relu", "x", "r"), node("Neg", "x", "m"), node("Sum", "x r m")),
    "Mod": model(node("Mod", "x c", fmod=1), constants={"c": np.float32(0.7)}),
    "Mod of sizes": model(
        node("Mod", "a b", "c"), node("Unsqueeze", "c z", "d"), node("Concat", "d d f", "s", axis=0),
        node("Reshape", "x s"), constants={"a": np.int64(9), "b": np.int64(3), "z": ints(0), "f": ints(-1)},
    ),
    "Min": model(node("Min", "x c"), constants={"c": np.float32(0.5)}),
    "Max": model(node("Neg", "x", "m"), node("Max", "x m c"), constants={"c": numbers(7)}),
    "Sub": model(node("Sub", "c x"), constants={"c": numbers(1)}),
    "Mul": model(node("Sigmoid", "x", "s"), node("Mul", "x s")),
    "Div": model(node("Div", "x c"), constants={"c": np.float32(3)}),
    "Clip": model(node("Clip", "x low high"), constants={"low": -0.5, "high": 0.7}),
    "Clip of opset 7": model(node("Clip", "x", min=-0.5, max=0.7), opset=7),
    "Clip from below": model(node("Clip", "x low"), constants={"low": np.float32(0)}),
    "Clip from above": model(node("Clip", "x . high"), constants={"high": np.float32(0.3)}),
    "Clip of nothing": model(node("Clip", "x")),
    "Clip of opset 7 from above": model(node("Clip", "x", max=0.1), opset=7),
    "Softmax": model(node("Softmax", "x"), opset=13),
    "Softmax of opset 7": model(node("Softmax", "x"), opset=7),
    "Softmax of opset 11, last": model(node("Softmax", "x", axis=-1), opset=11),
    "LogSoftmax": model(node("LogSoftmax", "x", axis=1), opset=17),
    "LogSoftmax of opset 9": model(node("LogSoftmax", "x", axis=2), opset=9),
    "ReduceMean": model(node("ReduceMean", "x axes", keepdims=0), constants={"axes": ints(-1, 2)}, opset=18),
    "ReduceMean of opset 9": model(node("ReduceMean", "x", axes=[2, 3]), opset=9),
    "ReduceMean of nothing": model(node("ReduceMean", "x", noop_with_empty_axes=1), opset=18),
    "ReduceMax": model(node("ReduceMax", "x", axes=[1], keepdims=0), opset=12),
    "ReduceSum": model(node("ReduceSum", "x axes"), constants={"axes": ints(1)}, opset=13),
    "ReduceSum of opset 11": model(node("ReduceSum", "x", axes=[3], keepdims=0), opset=11),
    "ReduceMin": model(node("ReduceMin", "x a", keepdims=0), constants={"a": ints(3)}, opset=18),
    "ReduceL2": model(node("ReduceL2", "x a"), constants={"a": ints(1, 2)}, opset=18),
    "ReduceL2 of opset 13": model(node("ReduceL2", "x", axes=[1], keepdims=0), opset=13),
    "Flatten": model(node("Flatten", "x")),
    "Flatten into rows": model(node("Flatten", "x", axis=-1), opset=11),
    "Reshape": model(node("Reshape", "x s"), constants={"s": ints(-1, 84)}),
    "Reshape that keeps": model(node("Reshape", "x s"), constants={"s": ints(0, 0, -1)}),
    "Reshape that splits": model(node("Reshape", "x s"), constants={"s": ints(0, 2, 2, 3, 7)}),
    "Reshape into rows": model(node("Reshape", "x s"), constants={"s": ints(-1, 7)}),
    "Reshape that does not keep": model(node("Reshape", "x s", allowzero=1), constants={"s": ints(-1, 12, 7)}),
    "Squeeze": model(node("Squeeze", "x a"), shape=("n", 1, 84, 1), constants={"a": ints(1, -1)}),
    "Squeeze of opset 7": model(node("Squeeze", "x", axes=[1]), shape=("n", 1, 84, 1), opset=7),
    "Unsqueeze": model(node("Unsqueeze", "x a"), constants={"a": ints(-1, 1)}),
    "Unsqueeze of opset 7": model(node("Unsqueeze", "x", axes=[1, 3]), opset=7),
    "Expand": model(node("Expand", "x s"), shape=("n", 2, 1, 7), constants={"s": ints(2, 5, 1)}),
    "Expand of a constant": model(  # as torch writes a token beside each sample's
        node("Shape", "x", "s", start=0, end=1), node("Concat", "s r", "t", axis=0), node("Expand", "c t", "e"),
        node("Concat", "e x", axis=1), constants={"r": ints(1, 6, 7), "c": numbers(1, 1, 1, 7)},
    ),
    "Expand as torch writes it": model(
        node("Equal", "s m", "e"), node("Where", "e o s", "t"), node("Expand", "x t"),
        constants={"s": ints(-1, 2, 6, 7), "m": ints(-1, -1, -1, -1), "o": ints(1, 1, 1, 1)},
    ),
    "Transpose": model(node("Transpose", "x", perm=[0, 2, 3, 1])),
    "Concat": model(node("Relu", "x", "r"), node("Concat", "x r x", axis=1)),
    "Concat with a constant": model(
        node("Concat", "x r", axis=1), constants={"r": numbers(1, 1, 6, 7)}, shape=(1, 2, 6, 7)
    ),
    "Slice": model(
        node("Slice", "x from to axes steps"),
        constants={"from": ints(1, -6), "to": ints(2**63 - 1, -1), "axes": ints(2, -1), "steps": ints(1, 2)},
    ),
    "Slice of opset 7": model(node("Slice", "x", starts=[0, 1], ends=[99, 2], axes=[0, 1]), opset=7),
    "Slice without axes": model(node("Slice", "x f t"), constants={"f": ints(0, 0, 2), "t": ints(2**31, 1, 5)}),
    "Gather": model(node("Gather", "x i", axis=2), constants={"i": np.int64(-2)}),
    "Gather of several": model(node("Gather", "x i", axis=2), constants={"i": ints(1, 2, -1, 0)}),
    "Gather of a run": model(node("Gather", "x i", axis=-1), constants={"i": ints(2, 3, 4)}),
    "Gather of a table": model(node("Gather", "x i", axis=1), constants={"i": ints(1, 0, 0, 1).reshape(2, 2)}),
    "Split": model(node("Split", "x s", "a b", axis=2), node("Relu", "b", "r"), node("Concat", "r a", axis=2),
                   constants={"s": ints(4, 2)}),
    "Split evenly": model(node("Split", "x", "a b", axis=-3), node("Mul", "b a")),
    "Split of opset 11": model(node("Split", "x", "a y", axis=3, split=[3, 4]), opset=11),
    "Split of opset 18": model(node("Split", "x", "a b y", axis=3, num_outputs=3), opset=18),
    "Split of sizes": model(
        node("Shape", "x", "t"), node("Split", "t", "n c h w", num_outputs=4), node("Mul", "h w", "p"),
        node("Concat", "n c p", "s", axis=0), node("Reshape", "x s"), opset=18,
    ),
    "Pad by reflection": model(node("Pad", "x p", mode="reflect"), constants={"p": ints(0, 0, 1, 2, 0, 0, 1, 3)}),
    "Pad by its edge": model(node("Pad", "x p", mode="edge"), constants={"p": ints(0, 0, 0, 2, 0, 0, 0, 3)}),
    "Pad": model(node("Pad", "x p v"), constants={"p": ints(0, 0, 1, 2, 0, 1, 0, 3), "v": np.float32(0.5)}),
    "Pad that crops": model(node("Pad", "x p"), constants={"p": ints(0, 0, -1, 2, 0, 0, 0, -3)}),
    "Pad of opset 7": model(node("Pad", "x", pads=[0, 0, 1, 2, 0, 1, 0, 3], value=-1.0), opset=7),
    "Pad of axes": model(node("Pad", "x p . a"), constants={"p": ints(1, 2), "a": ints(-1)}, opset=18),
    "Cast": model(node("Cast", "x", to=1)),
    "Cast of a constant": model(node("Cast", "c", "f", to=1), node("Mul", "x f"), constants={"c": ints(3)}),
    "Cast of a size": model(  # as torch scales what attention looks at
        node("Shape", "x", "s", start=3), node("Cast", "s", "f", to=1), node("Sqrt", "f", "r"),
        node("Div", "o r", "d"), node("Mul", "x d"), constants={"o": np.ones(1)},
    ),
    "Shape": model(  # as exporters write x.view(x.size(0), -1)
        node("Shape", "x", "s"), node("Gather", "s i", "n", axis=0), node("Unsqueeze", "n a", "l"),
        node("Concat", "l m", "t", axis=0), node("Reshape", "x t"),
        constants={"i": np.int64(0), "a": ints(0), "m": ints(-1)},
    ),
    "Shape in parts": model(
        node("Shape", "x", "s", start=1), node("Slice", "s f t", "p"), node("Squeeze", "p", "c"),
        node("Mul", "c k", "d"), node("Sub", "d k", "e"), node("Add", "e k", "g"), node("Div", "g k", "h"),
        node("Cast", "h", "i", to=INT64), node("Unsqueeze", "i a", "j"), node("Identity", "j", "k2"),
        node("Concat", "z k2 m", "w", axis=0), node("Reshape", "x w"),
        constants={"f": ints(0), "t": ints(1), "k": np.int64(3), "a": ints(0), "z": ints(0), "m": ints(-1)},
    ),
    "ConstantOfShape": model(node("ConstantOfShape", "s", "c"), node("Add", "x c"), constants={"s": ints(2, 1, 1)}),
    "ConstantOfShape of whole numbers": model(  # as torch writes what it pads
        node("ConstantOfShape", "s", "z", value=helper.make_tensor("v", INT64, [1], [0])),
        node("Concat", "f z", "p", axis=0), node("Reshape", "p q", "r"),
        node("Slice", "r from to axes back", "b"), node("Transpose", "b", "t", perm=[1, 0]),
        node("Reshape", "t m", "u"), node("Pad", "x u"),
        constants={"s": ints(4), "f": ints(1, 2, 0, 3), "q": ints(-1, 2), "m": ints(-1), "from": ints(-1),
                   "to": ints(-(2**63) + 1), "axes": ints(0), "back": ints(-1)},
    ),
    "ConstantOfShape of a size's size": model(  # as torch writes what is repeated
        node("Shape", "x", "s"), node("Shape", "s", "k"),
        node("ConstantOfShape", "k", "o", value=helper.make_tensor("v", INT64, [1], [1])),
        node("Mul", "o m", "p"), node("Equal", "p m", "e"), node("Where", "e o s", "t"), node("Expand", "x t"),
        constants={"m": ints(-1)},
    ),
    "Constant": model(node("Constant", "", "c", value_floats=[2.0]), node("Mul", "x c")),
    "Constant of one number": model(node("Constant", "", "c", value_float=2.5), node("Mul", "x c")),
    "Constant of whole numbers": model(node("Constant", "", "c", value_ints=[0, -1]), node("Reshape", "x c")),
    "Dropout of opset 7": model(node("Dropout", "x", "y mask", ratio=0.3), opset=7),
    "Dropout of opset 13": model(node("Dropout", "x r", "y"), constants={"r": np.float32(0.3)}),
    "constants alone": model(node("Exp", "c", "d"), node("Add", "d x"), constants={"c": numbers(7)}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_as_the_runtime(tmp_path: Path, name: str) -> None:
    made = CASES[name]
    shape = [each.dim_value for each in made.graph.input[0].type.tensor_type.shape.dim][1:]
    check(tmp_path, made, *shape)


def test_every_operation_is_tried() -> None:
    from picojoule.models.onnx.operations import OPERATIONS  # here, for it needs the package

    assert {each.op_type for made in CASES.values() for each in made.graph.node} == set(OPERATIONS)


@pytest.mark.parametrize(("low", "high", "op"), [(0.0, 6.0, "relu6"), (0.0, None, "relu"), (0.0, 3.0, "clamp")])
def test_clips_that_are_rectifiers(tmp_path: Path, low: float, high: float | None, op: str) -> None:
    constants = {name: np.float32(each) for name, each in (("low", low), ("high", high)) if each is not None}
    made = model(node("Clip", "x " + " ".join(constants), "c"), node("Conv", "c w"), constants={**constants, "w": W})
    network = capture(check(tmp_path, made), torch.zeros(1, 2, 6, 7))
    assert [each.op for each in network.nodes][2] == f"aten.{op}.default"
