"""What becomes of a graph: names, batches of any size, biases and batch norms in their layers; and what is refused."""

import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from tests.models.onnx.graphs import check, expected, hungry, ints, model, needed, node, numbers, onnx, written

from picojoule.errors import InputError
from picojoule.models.onnx import load_onnx
from picojoule.network import Network, capture, float_module

needed()

W, DENSE = numbers(3, 2, 3, 3), numbers(60, 4)
NORM = {"g": numbers(3), "b": numbers(3, seed=1), "m": numbers(3, seed=2), "v": np.abs(numbers(3, seed=3)) + 0.5}


def small(*between: Any, shape: Any = ("n", 2, 6, 7), last: str = "f", **constants: Any) -> Any:
    """A convolution, nodes that make `f` [n, 60] of its `c` [n, 3, 4, 5], and a dense layer."""
    nodes = (node("Conv", "x conv.weight", "c"), *between, node("Gemm", f"{last} fc.weight fc.bias", name="d"))
    stored = {"conv.weight": W, "fc.weight": DENSE, "fc.bias": numbers(4), **constants}
    return model(*nodes, shape=shape, constants=stored)


def captured(folder: Path, made: Any) -> Network:
    """The network of a model, which computes what ONNX Runtime does, for a batch of 1 and of 5."""
    network = capture(check(folder, made), torch.zeros(1, 2, 6, 7))
    for batch in (1, 5):
        x = numbers(batch, 2, 6, 7)
        found = float_module(network)(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(found, expected(made, x), rtol=1e-4, atol=1e-4)
    return network


class TestBatches:
    """However a file has its batch, the network takes any."""

    FLAT: ClassVar[list[Any]] = [
        (node("Flatten", "c", "f"), {}),
        (node("Reshape", "c s", "f"), {"s": ints(-1, 60)}),
        (node("Reshape", "c s", "f"), {"s": ints(0, -1)}),
        (node("Reshape", "c s", "f"), {"s": ints(0, 60)}),
    ]
    FIXED: ClassVar[list[Any]] = [
        (node("Reshape", "c s", "f"), {"s": ints(1, 60)}),
        (node("Reshape", "c s", "f"), {"s": ints(1, -1)}),
    ]

    @pytest.mark.parametrize("batch", ["n", None, -1, 0, 1])
    @pytest.mark.parametrize("case", range(4))
    def test_any(self, tmp_path: Path, batch: Any, case: int) -> None:
        flat, constants = self.FLAT[case]
        made = small(flat, shape=(None if batch in (-1, 0) else batch, 2, 6, 7), **constants)
        if batch in (-1, 0):
            made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
        network = capture(load_onnx(written(tmp_path, made)), torch.zeros(1, 2, 6, 7))
        assert float_module(network)(torch.zeros(5, 2, 6, 7)).shape == (5, 4)
        assert all("sym_size" not in each.op for each in network.nodes)

    @pytest.mark.parametrize("case", range(2))
    def test_one_that_a_reshape_repeats(self, tmp_path: Path, case: int) -> None:
        flat, constants = self.FIXED[case]
        captured(tmp_path, small(flat, shape=(1, 2, 6, 7), **constants))

    def test_one_that_a_reshape_repeats_though_the_batch_is_free(self, tmp_path: Path) -> None:
        made = small(node("Reshape", "c s", "f"), s=ints(1, 60))  # of which the runtime takes one sample only
        network = capture(load_onnx(written(tmp_path, made)), torch.zeros(1, 2, 6, 7))
        assert float_module(network)(torch.zeros(5, 2, 6, 7)).shape == (5, 4)

    def test_one_row_of_all_samples_is_no_batch(self, tmp_path: Path) -> None:
        made = model(node("Flatten", "x", axis=0))
        with pytest.raises(InputError, match=r"^the model does not return one row for each sample"):
            capture(load_onnx(written(tmp_path, made)), torch.zeros(1, 2, 6, 7))

    def test_another_that_a_reshape_repeats(self, tmp_path: Path) -> None:
        made = small(node("Reshape", "c s", "f"), shape=(4, 2, 6, 7), s=ints(4, -1))
        network = capture(load_onnx(written(tmp_path, made)), torch.zeros(1, 2, 6, 7))
        x = numbers(4, 2, 6, 7)
        found = float_module(network)(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(found, expected(made, x), rtol=1e-4, atol=1e-4)
        assert float_module(network)(torch.zeros(3, 2, 6, 7)).shape == (3, 4)

    def test_one_that_lies_in_between(self, tmp_path: Path) -> None:
        """As attention of a file for one sample puts its heads beside the samples: which of both, it does not say."""
        made = small(
            node("Reshape", "c s", "r"), node("Reshape", "r t", "q"), node("Flatten", "q", "f"),
            shape=(1, 2, 6, 7), s=ints(-1, 4, 5), t=ints(1, 3, 4, 5),
        )  # fmt: skip
        told = "its shape [1, 3, 4, 5] holds for batches of 1 alone; export the model with a free batch"
        with pytest.raises(InputError, match=re.escape(told)):
            load_onnx(written(tmp_path, made))

    def test_a_size_that_is_computed(self, tmp_path: Path) -> None:
        chain = (
            node("Shape", "c", "s"), node("Gather", "s zero", "n", axis=0), node("Unsqueeze", "n first", "l"),
            node("Concat", "l rest", "t", axis=0), node("Reshape", "c t", "f"),
        )  # fmt: skip
        made = small(*chain, zero=np.int64(0), first=ints(0), rest=ints(-1))
        assert all("sym_size" not in each.op for each in captured(tmp_path, made).nodes)

    def test_a_constant_that_is_put_beside_the_one_sample(self, tmp_path: Path) -> None:
        made = small(
            node("Slice", "c zero two axis", "p"), node("Concat", "p zeros", "q", axis=1), node("Flatten", "q", "f"),
            shape=(1, 2, 6, 7), zero=ints(0), two=ints(2), axis=ints(1), zeros=np.zeros((1, 1, 4, 5)),
        )  # fmt: skip
        captured(tmp_path, made)

    def test_the_size_of_an_image_that_the_file_leaves_open(self, tmp_path: Path) -> None:
        made = small(node("Flatten", "c", "f"), shape=("n", 2, "rows", "columns"))
        assert load_onnx(written(tmp_path, made), (2, 6, 7))(torch.zeros(3, 2, 6, 7)).shape == (3, 4)
        assert load_onnx(written(tmp_path, made))(torch.zeros(3, 2, 6, 7)).shape == (3, 4)
        with pytest.raises(InputError, match=r"node 'd' \(Gemm\) cannot run: "):
            load_onnx(written(tmp_path, made), (2, 8, 8))


class TestLayers:
    """A layer is one step, whatever nodes it is written in."""

    def test_batch_norm_goes_into_the_convolution_before_it(self, tmp_path: Path) -> None:
        made = small(node("BatchNormalization", "c g b m v", "e"), node("Flatten", "e", "f"), **NORM)
        network = captured(tmp_path, made)
        assert [each.op for each in network.nodes if "." in each.op and each.op.startswith("aten")] == [
            "aten.conv2d.default", "aten.view.default", "aten.linear.default",
        ]  # fmt: skip
        assert set(network.tensors) == {"conv.weight", "conv.bias", "fc.weight", "fc.bias"}
        assert network.leftovers == ()

    @pytest.mark.parametrize("shape", [(1, 3, 1, 1), (3, 1, 1)])
    @pytest.mark.parametrize("swapped", [False, True])
    def test_what_is_added_to_each_channel_is_the_bias(
        self, tmp_path: Path, shape: tuple[int, ...], swapped: bool
    ) -> None:
        added = node("Add", "a c" if swapped else "c a", "e")
        network = captured(tmp_path, small(added, node("Flatten", "e", "f"), a=numbers(*shape)))
        assert set(network.tensors) == {"conv.weight", "conv.bias", "fc.weight", "fc.bias"}
        assert all("add" not in each.op for each in network.nodes)

    @pytest.mark.parametrize("shape", [(5,), (3, 4, 5), (3, 1, 5), (1,)])
    def test_what_is_added_otherwise_is_not(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        network = captured(tmp_path, small(node("Add", "c a", "e"), node("Flatten", "e", "f"), a=numbers(*shape)))
        assert any("add" in each.op for each in network.nodes)

    def test_not_where_somebody_else_looks(self, tmp_path: Path) -> None:
        nodes = (node("Add", "c a", "e"), node("Add", "e c", "h"), node("Flatten", "h", "f"))
        network = captured(tmp_path, small(*nodes, a=numbers(3, 1, 1)))
        assert sum("add" in each.op for each in network.nodes) == 2

    def test_a_product_and_a_sum_are_a_dense_layer(self, tmp_path: Path) -> None:
        made = model(
            node("Flatten", "x", "f"), node("MatMul", "f w", "p", name="/head/fc/MatMul"), node("Add", "p b"),
            constants={"w": numbers(84, 4), "b": numbers(4)},
        )  # fmt: skip
        network = captured(tmp_path, made)
        assert [layer.name for layer in network.layers] == ["head.fc"]
        assert network.layers[0].bias_count == 4
        assert network.leftovers == ()

    def test_weights_that_two_layers_share(self, tmp_path: Path) -> None:
        made = model(
            node("Conv", "x w", "a", name="one", pads=[1, 1, 1, 1]),
            node("Conv", "a w b", name="two"),
            constants={"w": numbers(2, 2, 3, 3), "b": numbers(2)},
        )
        network = captured(tmp_path, made)
        assert [layer.name for layer in network.layers] == ["one", "one@2"]
        assert set(network.tensors) == {"one.weight", "two.bias"}

    def test_double_and_half_precision_become_single(self, tmp_path: Path) -> None:
        made = model(node("MatMul", "x w", "p"), node("Mul", "p h"), constants={"w": numbers(7, 3), "h": numbers(3)})
        for index, kind in enumerate((np.float64, np.float16)):
            array = onnx.numpy_helper.to_array(made.graph.initializer[index]).astype(kind)
            made.graph.initializer[index].CopyFrom(onnx.numpy_helper.from_array(array, "wh"[index]))
        module = load_onnx(written(tmp_path, made))
        assert {each.dtype for each in module.parameters()} == {torch.float32}
        assert module.eval().training is False


class TestNames:
    @pytest.mark.parametrize(
        ("weights", "name", "layer"),
        [
            ("conv1.weight", "", "conv1"),
            ("conv1.weight", "/whatever/Conv", "conv1"),
            ("onnx::Conv_12", "/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),
            ("w", "/stem/Conv", "stem"),
            ("w", "Conv_0", "Conv_0"),
            ("w", "model/conv2d/Conv2D", "model/conv2d"),
            ("w", "", "conv1"),
            ("w", "training", "training_"),
            ("w", "a\tb..c", "a_b.c"),
            (".weight", "", "layer"),
        ],
    )
    def test_of_layers(self, tmp_path: Path, weights: str, name: str, layer: str) -> None:
        network = captured(tmp_path, model(node("Conv", f"x {weights}", name=name), constants={weights: W}))
        assert [each.name for each in network.layers] == [layer]

    def test_no_two_alike(self, tmp_path: Path) -> None:
        chain = [("x", "a", "c"), ("a", "b", "/c"), ("b", "d", "c.weight"), ("d", "y", "c/")]
        nodes = [node("Conv", f"{x} w{k}", y, name=name) for k, (x, y, name) in enumerate(chain)]
        made = model(*nodes, constants={f"w{k}": numbers(2, 2, 1, 1, seed=k) for k in range(4)})
        assert [each.name for each in captured(tmp_path, made).layers] == ["c", "c2", "c.weight2", "c3"]


SCALES = np.array([1, 1, 2, 2.5], np.float32)
REFUSED = [
    (model(node("Loop", "x", name="l")), "node 'l' (Loop): this operation cannot be imported; give the network as a"),
    (model(node("Det", "x")), "node 'y' (Det): this operation cannot be imported"),
    (model(node("FusedConv", "x", domain="com.microsoft")), "node 'y' (com.microsoft.FusedConv): this operation"),
    (model(node("QuantizeLinear", "x s"), constants={"s": 1.0}), "the network is quantised already; give the float"),
    (model(node("Quant", "x", domain="qonnx.custom_op.general")), "the network is quantised already; give the float"),
    (model(node("Relu", "x", colour=1)), "node 'y' (Relu) cannot be imported: its attribute 'colour' is not known"),
    (model(node("Conv", "x")), "node 'y' (Conv) cannot run: "),
    (model(node("Gemm", "x")), "node 'y' (Gemm) cannot be imported: its second input must be a constant matrix"),
    (model(node("Concat", "x", axis=1.5)), "its attribute 'axis' is of another type than it should be"),
    (model(node("Gemm", "x x")), "its second input must be a constant matrix"),
    (model(node("Gemm", "x w x"), constants={"w": numbers(7, 2)}), "its third input must be a constant row"),
    (model(node("Gemm", "x w c"), constants={"w": numbers(7, 2), "c": numbers(2, 2)}), "must be a constant row"),
    (model(node("Clip", "x x")), "its input 1 must be constant"),
    (model(node("Clip", "x c"), constants={"c": numbers(2)}), "its input 1 must be one number"),
    (model(node("Reshape", "x x")), "its sizes are floating-point numbers"),
    (model(node("Add", "x i"), constants={"i": ints(3)}), "it mixes floating-point and whole numbers"),
    (model(node("Softmax", "x", axis=7)), "its axis 7 is none of 4 dimensions"),
    (model(node("Flatten", "x", axis=7)), "its axis 7 is none of a value of 4 dimensions"),
    (model(node("Squeeze", "x a"), constants={"a": ints(2)}), "its axes [2] are not all of size 1"),
    (model(node("PRelu", "x s"), constants={"s": numbers(2, 6, 7)}), "are not one for each channel"),
    (model(node("Gather", "x i", axis=1), constants={"i": ints(0, 2)}), "it takes parts that a value of 2 does not"),
    (model(node("Gather", "x i", axis=2), constants={"i": ints(*[0, 2] * 200)}), "it takes more than 256 parts"),
    (model(node("Split", "x s", "y z", axis=1), constants={"s": ints(2, 1)}), "its parts of [2, 1] do not make up a"),
    (model(node("MaxPool", "x", "z i", kernel_shape=[2, 2]), node("Add", "z i")), "its result 1 is read; only"),
    (model(node("Cast", "x", to=7)), "it changes between floating-point and whole numbers"),
    (model(node("Pad", "x p", mode="wrap"), constants={"p": ints(0)}, opset=19), "it pads by 'wrap'; it can by"),
    (model(node("Expand", "x s"), constants={"s": ints(1, 3, 1, 1)}), "its shape [1, 3, 1, 1] does not fit a value of"),
    (model(node("Equal", "x x", "e"), node("Cast", "e", to=1)), "it compares values; it can compare sizes alone"),
    (model(node("Where", "c x x"), constants={"c": ints(1)}), "it chooses between values; it can choose between sizes"),
    (model(node("Mul", "x i"), constants={"i": ints(3)}), "it mixes floating-point and whole numbers"),
    (model(node("Resize", "x . s", mode="cubic"), constants={"s": SCALES}), "it resizes by 'cubic', 'half_pixel', "),
    (model(node("Resize", "x . s", antialias=1), constants={"s": SCALES}, opset=18), "it has antialias, "),
    (
        model(
            node("Resize", "x . s", mode="linear", coordinate_transformation_mode="asymmetric"),
            constants={"s": SCALES},
        ),
        "it looks at other places of the image than torch's interpolation does",
    ),
    (
        model(node("Resize", "x . s", nearest_mode="ceil"), constants={"s": SCALES}),
        "it takes other elements of the image than torch's interpolation does",
    ),
    (model(node("Resize", "x . s"), constants={"s": SCALES[:3]}), "its scales or sizes are not one for each of 4"),
    (model(node("Resize", "x . . s"), constants={"s": ints(1, 4, 9, 9)}), "it resizes more than images"),
    (model(node("Resize", "x . . s"), constants={"s": ints(1, 2, 9, 2**20)}), "it makes an image of 9 x 1048576"),
    (
        model(node("LayerNormalization", "x s", axis=0), constants={"s": numbers(7)}),
        "it takes its statistics over the samples of a batch",
    ),
    (
        model(node("ConvTranspose", "x w", output_shape=[90, 90]), constants={"w": numbers(2, 3, 3, 3)}),
        "it makes more than its windows reach",
    ),
    (
        model(node("Slice", "x b e a s"), constants={"b": ints(3), "e": ints(0), "a": ints(2), "s": ints(-1)}),
        "it goes backwards, which no slice does here",
    ),
    (model(node("BatchNormalization", "x g b m v", training_mode=1), constants=NORM), "export the model for inference"),
    (model(node("Dropout", "x r t"), constants={"r": np.float32(0.5), "t": np.array(True)}), "for inference"),
    (model(node("Shape", "x", "s"), node("ConstantOfShape", "s")), "its sizes must be constant"),
    (model(node("Constant", "", "y", value_string="a")), "it holds no numbers"),
    (model(node("Constant", "", "y")), "it has not one value"),
    (model(node("Constant", "", "y", value_float=1.0)), "gives the same for every input; give a network"),
    (model(node("Conv", "x w"), constants={"w": numbers(3, 9, 3, 3)}), "node 'y' (Conv) cannot run: "),
    (model(node("Conv", "x w"), constants={"w": numbers(3, 2)}), "do not fit its input or its kernel_shape"),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(REFUSED)), ids=[each[1][:40] for each in REFUSED])
def test_what_cannot_be_imported(tmp_path: Path, index: int) -> None:
    made, told = REFUSED[index]
    with pytest.raises(InputError, match=re.escape(told)) as error:
        load_onnx(written(tmp_path, made))
    assert str(error.value).startswith(f"'{tmp_path}/model.onnx'")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(2, 6, 8), (2, 42), (3, 6, 7)])
def test_data_of_another_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    given = ", ".join(map(str, shape))
    told = f"takes inputs of shape [n, 2, 6, 7], not [n, {given}]; give data of that shape"
    with pytest.raises(InputError, match=re.escape(told)):
        load_onnx(written(tmp_path, model(node("Relu", "x"))), shape)


@pytest.mark.parametrize("name", hungry())
def test_small_files_that_ask_for_much(tmp_path: Path, name: str) -> None:
    """Each is refused before it takes memory (tests/fuzz/test_limits.py reads them where there is little)."""
    with pytest.raises(InputError, match=r"(more than|too many|too large|too much)"):
        load_onnx(written(tmp_path, hungry()[name]))


def test_a_failing_node_is_named_when_the_module_runs(tmp_path: Path) -> None:
    module = load_onnx(written(tmp_path, model(node("MatMul", "x w", name="m"), constants={"w": numbers(7, 3)})))
    with pytest.raises(InputError, match=r"node 'm' \(MatMul\) cannot run: "):
        module(torch.zeros(1, 2, 6, 8))
