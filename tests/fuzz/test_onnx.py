"""ONNX files made wrong: refused, or a module that computes what it says; and nothing outside their folder is read."""

import random
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.mutations import damaged, examples, refused
from tests.models.onnx.graphs import INT64, model, needed, node, numbers, onnx

from picojoule.models.onnx import load_onnx
from picojoule.network import capture, float_module

needed()

EXTREMES = (0, 1, -1, 2, 3, 7, 2**16, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))
NAMES = ("", "x", "y", "w", "s", "c", "\0", "\x1b[2J", "../../etc/passwd", "é", "a" * 300)


@cache
def models() -> tuple[bytes, ...]:
    """Four models with what networks are made of."""
    norm = {"g": numbers(3), "b": numbers(3), "m": numbers(3), "v": np.ones(3)}
    image = model(
        node("Conv", "x w", "c", name="conv", pads=[1, 0, 1, 2], strides=[1, 2], auto_pad="NOTSET", group=1),
        node("BatchNormalization", "c g b m v", "n", epsilon=1e-3), node("Clip", "n low high", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], pads=[0, 1, 1, 0], ceil_mode=1),
        node("AveragePool", "p", "q", kernel_shape=[2, 1], strides=[2, 1], pads=[1, 0, 0, 0]),
        node("GlobalAveragePool", "q", "a"), node("Flatten", "a", "f"), node("Gemm", "f d e", "h", transB=1, alpha=0.5),
        node("Softmax", "h", axis=-1),
        constants={"w": numbers(3, 2, 3, 3), **norm, "low": np.float32(0), "high": np.float32(6), "d": numbers(4, 3),
                   "e": numbers(4)},
    )  # fmt: skip
    sizes = model(
        node("Shape", "x", "s"), node("Gather", "s i", "n", axis=0), node("Unsqueeze", "n a", "l"),
        node("Cast", "l", "k", to=INT64), node("Concat", "k m", "t", axis=0), node("Reshape", "x t", "r"),
        node("MatMul", "r w", "p"), node("Add", "p b", "q"), node("LeakyRelu", "q"),
        constants={"i": np.int64(0), "a": np.array([0]), "m": np.array([-1]), "w": numbers(84, 3), "b": numbers(3)},
    )  # fmt: skip
    parts = model(
        node("Slice", "x from to axes", "p"), node("Pad", "p pads", "q"), node("Concat", "q x", "c", axis=1),
        node("ReduceMean", "c", "r", axes=[2], keepdims=0), node("Transpose", "r", "t", perm=[0, 2, 1]),
        node("ConstantOfShape", "size", "z"), node("Add", "t z", "u"), node("Squeeze", "u", "v"),
        node("Mul", "v v", "m2"), node("Constant", "", "k", value_float=2.0), node("Div", "m2 k"),
        constants={"from": np.array([0, 1]), "to": np.array([3, 2**62]), "axes": np.array([2, 3]),
                   "pads": np.array([0, 0, 0, 1, 0, 0, 3, 0]), "size": np.array([1, 4])},
    )  # fmt: skip
    ways = model(
        node("Split", "x part", "a b", axis=3), node("Resize", "a . grow", "g", mode="linear"),
        node("ConvTranspose", "b w", "t", strides=[2, 2], pads=[1, 0, 0, 1], output_padding=[1, 0]),
        node("Resize", "t . . to", "h", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        node("Concat", "g h", "c", axis=1), node("Gather", "c some", "d", axis=1), node("Pow", "d two", "e"),
        node("LayerNormalization", "e s s", "l", epsilon=1e-3), node("Equal", "shape none", "q"),
        node("Where", "q ones shape", "v"), node("Expand", "l v", "k"), node("Max", "k two", "m"),
        node("InstanceNormalization", "m two3 two3", "i"), node("ReduceL2", "i axes"),
        constants={"part": np.array([4, 3]), "grow": np.array([1, 1, 2, 1.5], np.float32), "w": numbers(2, 2, 2, 2),
                   "to": np.array([1, 2, 12, 6]), "some": np.array([0, 1, 3]), "two": np.float32(2), "s": numbers(6),
                   "shape": np.array([-1, 3, 12, 6]), "none": np.array([-1]), "ones": np.array([1, 1, 1, 1]),
                   "two3": numbers(3), "axes": np.array([1, 2])},
        opset=18,
    )  # fmt: skip
    return tuple(each.SerializeToString() for each in (image, sizes, parts, ways))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place to write one example after the other to."""
    return tmp_path_factory.mktemp("onnx") / "model.onnx"


def survives(path: Path, content: bytes) -> bool:
    """Whether a file is taken; then it runs, or says in one line why not."""
    path.write_bytes(content)

    def used() -> bool:
        module = load_onnx(path)
        with torch.no_grad():
            module(torch.ones(3, 2, 6, 7))
        return True

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of means over nothing
        return refused(used) or False


@examples(200)
@given(chance=st.randoms(use_true_random=False))
def test_bytes(path: Path, chance: random.Random) -> None:
    survives(path, damaged(chance, chance.choice(models())))


@examples(50)
@given(content=st.binary(max_size=300))
def test_any_bytes(path: Path, content: bytes) -> None:
    survives(path, content)


@examples(300)
@given(chance=st.randoms(use_true_random=False))
def test_messages(path: Path, chance: random.Random) -> None:
    """Fields of the model changed, each to something of its own type."""
    made = onnx.ModelProto.FromString(chance.choice(models()))
    for _ in range(chance.choice((1, 1, 2, 4))):
        change(chance, chance.choice(list(messages(made))))
    survives(path, made.SerializeToString())


def messages(made: Any) -> list[Any]:
    """A message and all within it."""
    found = [made]
    for field, value in made.ListFields():
        if field.message_type is not None:
            inside = value if field.is_repeated else [value]
            found += [each for one in inside for each in messages(one)]
    return found


def change(chance: random.Random, message: Any) -> None:
    """One field that is set: cleared, or one of its values another, or doubled."""
    fields = message.ListFields()
    if not fields:
        return
    field, value = chance.choice(fields)
    many = field.is_repeated
    if chance.random() < 0.15:
        message.ClearField(field.name)
    elif field.message_type is not None:
        if many and chance.random() < 0.5:
            value.append(chance.choice(list(value)))
        elif many:
            del value[chance.randrange(len(value))]
    else:
        new = another(chance, value[0] if many and len(value) else value)
        try:
            if many and len(value):
                value[chance.randrange(len(value))] = new
            elif not many:
                setattr(message, field.name, new)
        except (ValueError, TypeError):  # beyond the field's type
            message.ClearField(field.name)


def another(chance: random.Random, value: Any) -> Any:
    if isinstance(value, str):
        return chance.choice(NAMES)
    if isinstance(value, bytes):
        return chance.choice((b"", value[:-1], value + b"\0", b"SAME_UPPER", b"\xff\xfe", value * 3))
    if isinstance(value, float):
        return chance.choice((0.0, -1.0, float("nan"), float("inf"), 1e38, 0.5))
    return chance.choice(EXTREMES)


@pytest.mark.parametrize("index", range(4))
def test_the_files_themselves(path: Path, index: int) -> None:
    assert survives(path, models()[index])
    network = capture(load_onnx(path), torch.zeros(1, 2, 6, 7))
    assert float_module(network)(torch.ones(3, 2, 6, 7)).shape == (3, *network.output_shape)
