"""Small ONNX models, and ONNX Runtime as the oracle of what they compute."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests import needs

from picojoule.models.onnx import load_onnx

try:
    import onnx
    import onnxruntime as runtime
    from onnx import helper

    absent = None
    runtime.set_default_logger_severity(4)
except ImportError as error:
    absent, onnx, runtime, helper = error.name, None, None, None

FLOAT, INT64 = 1, 7
"""Of ONNX's types."""


def needed() -> None:
    """Call it where the packages are needed. Without them, tests are skipped, or fail if all tests are required."""
    if absent is not None:
        reason = f"needs the package {absent} (pip install {absent})"
        needs.absent(reason)


def node(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> Any:
    """A node; its names are words of a text, and a dot is what is left out."""
    names = [["" if name == "." else name for name in text.split()] for text in (inputs, outputs)]
    return helper.make_node(op, *names, name=attributes.pop("name", ""), **attributes)


def model(
    *nodes: Any,
    shape: Sequence[str | int | None] = ("n", 2, 6, 7),
    constants: Mapping[str, Any] | None = None,
    opset: int = 17,
    output: str = "y",
) -> Any:
    """A model from `x`, of that shape, to `y`. Constants of floats become float32."""
    stored = []
    for name, value in (constants or {}).items():
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        stored.append(onnx.numpy_helper.from_array(array, name))
    x, y = (helper.make_tensor_value_info(name, FLOAT, dims) for name, dims in (("x", shape), (output, None)))
    graph = helper.make_graph(list(nodes), "g", [x], [y], stored)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 8
    return made


def numbers(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Weights or inputs from about -3 to 3."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def ints(*values: int) -> np.ndarray[Any, Any]:
    """Sizes or places."""
    return np.array(values, np.int64)


def hungry() -> dict[str, Any]:
    """Small models that ask for gigabytes, or for numbers without end."""
    w = numbers(3, 2, 3, 3)
    doubled = [node("Concat", f"v{k} v{k}", f"v{k + 1}", axis=1) for k in range(40)]
    longer = [node("Concat", f"v{k} v{k}", f"v{k + 1}", axis=0) for k in range(40)]
    squares = [node("Mul", f"v{k} v{k}", f"v{k + 1}") for k in range(60)]
    many = [node("Pad", "x p", f"v{k}") for k in range(40)]
    pad, convolved = node("Pad", "c p", "d"), node("Conv", "x w", pads=[2**30] * 4, strides=[2**29] * 2)
    uneven = node("Conv", "x w", pads=[2**30, 0, 2**31, 0], strides=[2**30, 1])
    window = node("MaxPool", "x", kernel_shape=[2500, 2500], pads=[2500] * 4)
    return {
        "values": model(node("Identity", "x", "v0"), *doubled, output="v40"),
        "constants": model(*doubled, node("Add", "x v40"), constants={"v0": numbers(1, 4)}),
        "sizes": model(*longer, node("Reshape", "x v40"), constants={"v0": ints(1)}),
        "squares": model(*squares, node("Reshape", "x v60"), constants={"v0": ints(3)}),
        "padding": model(node("Pad", "x p"), constants={"p": ints(*[2**40] * 8)}),
        "padded constant": model(pad, node("Add", "x d"), constants={"c": numbers(1), "p": ints(2**40, 0)}),
        "shape": model(node("ConstantOfShape", "s", "c"), node("Add", "x c"), constants={"s": ints(2**40)}),
        "convolution": model(convolved, constants={"w": w}),
        "uneven convolution": model(uneven, constants={"w": w}),
        "windows": model(window),
        "expansion": model(node("Expand", "x s"), constants={"s": ints(2**30, 1, 1, 1, 1, 1)}),
        "expanded constant": model(
            node("Expand", "c s", "d"), node("Add", "x d"), constants={"c": numbers(1), "s": ints(2**40)}
        ),
        "image": model(node("Resize", "x . s"), constants={"s": np.array([1, 1, 3000, 3000], np.float32)}),
        "line": model(node("Resize", "x . s"), constants={"s": np.array([1, 1, 1, 1e9], np.float32)}),
        "transposed convolution": model(node("ConvTranspose", "x w", strides=[2**16, 1]), constants={"w": w[:2]}),
        "parts": model(node("Gather", "x i", axis=3), constants={"i": ints(*range(7), *range(7)).repeat(200)}),
        "many values": model(
            *many, node("Sum", " ".join(f"v{k}" for k in range(40))), constants={"p": ints(*[0] * 7, 2**21)}
        ),
        "inputs": model(node("Relu", "x"), shape=("n", 2**30, 2**30)),
    }


def expected(made: Any, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What ONNX Runtime computes; sample by sample where the model takes no other batch than 1."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    alone = session.get_inputs()[0].shape[0] == 1
    outputs = [session.run(None, {"x": part})[0] for part in ([x[k : k + 1] for k in range(len(x))] if alone else [x])]
    result: np.ndarray[Any, Any] = np.concatenate(outputs) if alone else outputs[0]
    return result


def written(folder: Path, made: Any) -> Path:
    """A model as a file."""
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString() if not isinstance(made, bytes) else made)
    return path


def check(folder: Path, made: Any, *sample: int, shape: Sequence[int] | None = None) -> torch.nn.Module:
    """The module of a model, which must compute what ONNX Runtime does, for a batch of 1 and of 5."""
    module = load_onnx(written(folder, made), shape)
    for batch in (1, 5):
        x = numbers(batch, *sample or (2, 6, 7))
        with torch.no_grad():
            found = module(torch.from_numpy(x)).numpy()
        wanted = expected(made, x)
        assert found.shape == wanted.shape
        scale = max(1.0, float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0)))
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * scale)
    return module
