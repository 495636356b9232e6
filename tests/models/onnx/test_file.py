"""Files that are no ONNX, that do not hold what they declare, or that point outside their folder."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.onnx.graphs import FLOAT, check, helper, model, needed, node, numbers, onnx, written

from picojoule.errors import FileError, InputError
from picojoule.models.onnx import load_onnx
from picojoule.network import capture

needed()

W = numbers(7, 3)


def dense(name: str = "w") -> Any:
    return model(node("MatMul", f"x {name}", name="m"), constants={name: W})


def refused(folder: Path, made: Any, told: str, error: type[Exception] = FileError) -> None:
    """Refused in one line that begins with the file."""
    with pytest.raises(error, match=re.escape(told)) as raised:
        load_onnx(written(folder, made))
    assert str(raised.value).startswith(f"'{folder}/model.onnx'")
    assert "\n" not in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("content", [b"", b"\0", b"no model at all", b"\x08\x08", os.urandom(0) + b"\xff" * 50])
def test_no_model(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content, "is no ONNX model, or damaged; export it again")


def test_truncated(tmp_path: Path) -> None:
    whole = dense().SerializeToString()
    for keep in range(0, len(whole) - 1, 7):
        with pytest.raises(InputError):
            load_onnx(written(tmp_path, whole[:keep]))


@pytest.mark.parametrize(("name", "why"), [("none.onnx", "No such file or directory"), (".", "Is a directory")])
def test_not_there(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(FileError, match=re.escape(f"cannot read '{tmp_path / name}': {why}")):
        load_onnx(tmp_path / name)


def changed(change: Callable[[Any], object]) -> Any:
    made = dense()
    change(made)
    return made


def extend(graph: Any, **parts: Any) -> None:
    for name, part in parts.items():
        getattr(graph, name).append(part)


def of_type(made: Any, kind: int) -> None:
    made.graph.input[0].type.tensor_type.elem_type = kind


SPARSE = onnx.SparseTensorProto(values=helper.make_tensor("w2", FLOAT, [1], [1.0]))
OTHER = helper.make_tensor_value_info("z", FLOAT, [1])
FUNCTION = helper.make_function("own", "F", ["a"], ["b"], [node("Relu", "a", "b")], [helper.make_opsetid("", 17)])

MODELS: list[tuple[Callable[[Any], object], str]] = [
    (lambda m: setattr(m.opset_import[0], "version", 6), "is of opset 6; export it again in one of 7 to "),
    (lambda m: setattr(m.opset_import[0], "version", 10**9), "is of opset 1000000000; export it again in one of 7 to "),
    (lambda m: m.ClearField("opset_import"), "is of opset 0; export it again in one of 7 to "),
    (lambda m: m.functions.append(FUNCTION), "has functions of its own; inline them (onnx.inliner.inline_local_"),
    (lambda m: extend(m.graph, sparse_initializer=SPARSE), "has sparse weights; store them whole"),
    (lambda m: extend(m.graph, input=OTHER), "takes 2 inputs and gives 1 outputs; give a network of one each"),
    (lambda m: extend(m.graph, output=OTHER), "takes 1 inputs and gives 2 outputs; give a network of one each"),
    (lambda m: m.graph.ClearField("input"), "takes 0 inputs and gives 1 outputs; give a network of one each"),
    (lambda m: m.graph.node.extend([m.graph.node[0]] * 10_001), "has more than 10000 nodes and constants"),
    (lambda m: m.graph.node.append(m.graph.node[0]), "makes the value 'y' twice; export it again"),
    (lambda m: m.graph.initializer.append(m.graph.initializer[0]), "makes the value 'w' twice; export it again"),
    (
        lambda m: m.graph.node.append(node("Relu", "q", "z", name="r")),
        "node 'r' (Relu) reads 'q', which nothing before",
    ),
    (lambda m: m.graph.node.insert(0, node("Add", "x u", "u", name="a")), "node 'a' (Add) reads 'u', which nothing"),
    (lambda m: m.graph.node.insert(0, node("Relu", "y", "u", name="a\nb")), r"node 'a\nb' (Relu) reads 'y', which"),
    (lambda m: setattr(m.graph.output[0], "name", "q"), "has the output 'q', which nothing makes; export it again"),
    (lambda m: of_type(m, onnx.TensorProto.UINT8), "takes no floating-point numbers; give a network that does"),
    (lambda m: m.graph.input[0].type.tensor_type.shape.dim.__delitem__(slice(1, 4)), "takes an input of 1 dimensions"),
    (lambda m: m.graph.node[0].attribute.extend([helper.make_attribute("a", 1)] * 2), "it has one attribute twice"),
]


@pytest.mark.parametrize("index", range(len(MODELS)), ids=[each[1][:50] for each in MODELS])
def test_models(tmp_path: Path, index: int) -> None:
    change, told = MODELS[index]
    refused(tmp_path, changed(change), told, InputError)


def tensor(made: Any) -> Any:
    return made.graph.initializer[0]


WEIGHTS: list[tuple[Callable[[Any], object], str]] = [
    (lambda t: t.dims.__setitem__(0, 8), "constant 'w' does not hold the numbers of its shape [8, 3]; copy it again"),
    (lambda t: t.dims.__setitem__(0, 2**35), "constant 'w' does not hold the numbers of its shape [34359738368, 3]"),
    (
        lambda t: t.dims.__setitem__(0, 2**62),
        "constant 'w' does not hold the numbers of its shape [4611686018427387904, 3]",
    ),
    (lambda t: t.dims.__setitem__(0, -7), "constant 'w' does not hold the numbers of its shape [-7, 3]"),
    (lambda t: setattr(t, "raw_data", t.raw_data[:-1]), "constant 'w' does not hold the numbers of its shape [7, 3]"),
    (lambda t: t.ClearField("raw_data"), "constant 'w' does not hold the numbers of its shape [7, 3]; copy it again"),
    (lambda t: setattr(t, "data_type", 8), "constant 'w' is of type STRING; give a network in floating point"),
    (lambda t: setattr(t, "data_type", 14), "constant 'w' is of type COMPLEX64; give a network in floating point"),
    (lambda t: setattr(t, "data_type", 77), "constant 'w' is of type none; give a network in floating point"),
    (
        lambda t: t.CopyFrom(onnx.numpy_helper.from_array(np.zeros((70, 100), np.int64), "w")),
        "constant 'w' is of type INT64; give a network in floating point",
    ),
]


@pytest.mark.parametrize("index", range(len(WEIGHTS)), ids=[each[1][:60] for each in WEIGHTS])
def test_weights(tmp_path: Path, index: int) -> None:
    change, told = WEIGHTS[index]
    refused(tmp_path, changed(lambda made: change(tensor(made))), told, InputError)


def test_typed_numbers_and_constants_that_are_inputs(tmp_path: Path) -> None:
    made = dense()
    tensor(made).CopyFrom(helper.make_tensor("w", FLOAT, [7, 3], W.flatten()))
    made.graph.input.append(helper.make_tensor_value_info("w", FLOAT, [7, 3]))  # as files of old have it
    check(tmp_path, made)


def test_nan_is_told_by_its_layer(tmp_path: Path) -> None:
    made = model(node("MatMul", "x w", name="m"), constants={"w": W * np.nan})
    with pytest.raises(InputError, match=r"layer 'm' has NaN or Inf in its weights \(21 of 21 values\)"):
        capture(load_onnx(written(tmp_path, made)), torch.zeros(1, 2, 6, 7))


class TestExternalData:
    """Weights in another file: one in the model's own folder, and no other."""

    @staticmethod
    def outside(location: str, **told: object) -> Any:
        made = dense()
        tensor(made).ClearField("raw_data")
        tensor(made).data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": location, **told}.items():
            tensor(made).external_data.add(key=key, value=str(value))
        return made

    def test_inside(self, tmp_path: Path) -> None:
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "w.bin").write_bytes(b"1234" + W.tobytes() + b"5")
        made = self.outside("deep/w.bin", offset=4, length=84)
        module = load_onnx(written(tmp_path, made))
        assert torch.equal(next(module.parameters()), torch.from_numpy(W).t())

    def test_as_the_package_saves_it(self, tmp_path: Path) -> None:
        path = tmp_path / "model.onnx"
        onnx.save_model(dense(), path, save_as_external_data=True, location="w.data", size_threshold=0)
        assert (tmp_path / "w.data").is_file()
        assert torch.equal(next(load_onnx(path).parameters()), torch.from_numpy(W).t())

    @pytest.mark.parametrize(
        "how", ["{above}/w.bin", "../w.bin", "in/../../w.bin", "link.bin", "folder/w.bin", "", "a\0b"]
    )
    def test_outside(self, tmp_path: Path, how: str) -> None:
        (tmp_path / "w.bin").write_bytes(W.tobytes())
        inside = tmp_path / "models"
        (inside / "in").mkdir(parents=True)
        (inside / "link.bin").symlink_to("../w.bin")
        (inside / "folder").symlink_to("..")
        told = "not in the model's own folder; save the model in one file"
        refused(inside, self.outside(how.format(above=tmp_path)), told)

    def test_a_link_even_to_a_file_inside(self, tmp_path: Path) -> None:
        (tmp_path / "w.bin").write_bytes(W.tobytes())
        (tmp_path / "link.bin").symlink_to("w.bin")
        refused(tmp_path, self.outside("link.bin"), "lies in 'link.bin', not in the model's own folder")

    def test_a_folder_that_is_reached_by_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "w.bin").write_bytes(W.tobytes())
        (tmp_path / "link").symlink_to("real")
        written(tmp_path / "real", self.outside("w.bin"))
        assert torch.equal(next(load_onnx(tmp_path / "link" / "model.onnx").parameters()), torch.from_numpy(W).t())

    @pytest.mark.parametrize("told", [{"offset": 4}, {"length": 88}, {"length": 80}, {"offset": -4}, {"offset": "x"}])
    def test_that_does_not_fit(self, tmp_path: Path, told: dict[str, object]) -> None:
        (tmp_path / "w.bin").write_bytes(W.tobytes())
        refused(tmp_path, self.outside("w.bin", **told), "constant 'w' does not hold the numbers of its shape [7, 3]")

    def test_that_is_missing(self, tmp_path: Path) -> None:
        refused(tmp_path, self.outside("w.bin"), "lies in 'w.bin', which cannot be read: there is no such file")

    def test_that_never_ends(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "w.bin")
        refused(tmp_path, self.outside("w.bin"), "lies in 'w.bin', which cannot be read: there is no such file")

    def test_that_many_constants_share(self, tmp_path: Path) -> None:
        (tmp_path / "w.bin").write_bytes(W.tobytes())
        made = self.outside("w.bin")
        made.graph.initializer.append(tensor(made))
        made.graph.initializer[1].name = "again"
        refused(tmp_path, made, "constant 'again' does not hold the numbers of its shape [7, 3]; copy it again")

    def test_huge(self, tmp_path: Path) -> None:
        (tmp_path / "w.bin").write_bytes(W.tobytes())
        made = self.outside("w.bin")
        tensor(made).dims[0] = 2**36
        refused(tmp_path, made, "constant 'w' does not hold the numbers of its shape [68719476736, 3]; copy it again")
