"""A graph tried out on shapes: what it declares is held against what it gives, and nothing takes memory."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from picojoule.errors import CaptureError, InputError
from picojoule.network import Network, Node, Ref, capture, float_module, ops
from picojoule.network.trial import MOST_CALLS, last_reads


def network(*steps: Node, output: str = "y") -> Network:
    """x [n, 4] → steps, of which `y` is the output."""
    x = Node("x", "input", shape=(None, 4))
    return Network((x, *steps), {}, output)


def step(op: str, *args: Any, shape: tuple[int | None, ...] = (None, 4), name: str = "y", **more: Any) -> Node:
    return Node(name, op, args, more.pop("kwargs", {}), shape, **more)


X = Ref("x")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            step("aten.relu.default", X, shape=(None, 5)),
            "node 'y' (aten.relu.default) cannot run: its result has the shape [2, 4], not [2, 5], for a batch of 2",
        ),
        (
            step("aten.cat.default", (X, X), shape=(None, 4)),
            "node 'y' (aten.cat.default) cannot run: its result has the shape [4, 4], not [2, 4], for a batch of 2",
        ),
        (
            step("aten.relu.default", X, X),
            "node 'y' (aten.relu.default) cannot run: aten::relu() expected at most 1 argument(s) but received 2 ",
        ),
        (
            step("aten.matmul.default", X, Ref("t"), shape=(None, None)),
            "node 'y' (aten.matmul.default) cannot run: its result has the batch in more than one dimension, so that",
        ),
        (
            step("aten.sym_size.int", X, 0, shape=(None, 4)),
            "node 'y' (aten.sym_size.int) cannot run: its result is of type int, not a tensor of shape [None, 4]",
        ),
        (
            step("aten.softmax.int", X, 1, -2),
            "node 'y' (aten.softmax.int) cannot run: its argument 'dtype' is -2, which a network may not choose",
        ),
        (
            step("aten.zeros_like.default", X, kwargs={"device": "cpu"}),
            "node 'y' (aten.zeros_like.default) cannot run: its argument 'device' is 'cpu', which a network may not",
        ),
        (
            step("operator.mul", "a", 2),
            "node 'y' (operator.mul) cannot run: its arguments are neither sizes nor a list of results",
        ),
        (
            step("aten._native_batch_norm_legit.no_stats", X, None, None, False, 0.1, 1e-5),
            "node 'y' (aten._native_batch_norm_legit.no_stats) cannot run: it has no statistics to use",
        ),
        (
            step("aten.unbind.int", Ref("wide"), 1, shape=()),
            f"node 'y' (aten.unbind.int) cannot run: it takes more than {MOST_CALLS} operations",
        ),
        (
            step("aten.einsum.default", "na,nb,na,nb->", (Ref("wide"),) * 4, shape=()),
            "node 'y' (aten.einsum.default) cannot run: it takes more than 1032 MiB of memory, far beyond its values",
        ),
    ],
)
def test_a_step_that_is_not_as_declared(found: Node, message: str) -> None:
    graph = network(
        step("aten.t.default", X, name="t", shape=(4, None)),
        step("aten.slice.Tensor", X, 1, 0, 1, name="one", shape=(None, 1)),
        step("aten.expand.default", Ref("one"), (-1, 2**16), name="wide", shape=(None, 2**16)),
        found,
    )
    with pytest.raises(CaptureError, match=f"^{re.escape(message)}"):
        graph.try_out(2)


def test_a_shape_that_differs_for_one_batch_alone() -> None:
    """zeros of n // 100 · 2^40: nothing for a batch of 2, and far too much for one of 100."""
    graph = network(
        step("aten.sym_size.int", X, 0, name="n", shape=()),
        step("operator.floordiv", Ref("n"), 100, name="none", shape=()),
        step("operator.mul", Ref("none"), 2**40, name="many", shape=()),
        step("aten.zeros.default", (Ref("many"),), name="zeros", shape=(0,)),
        step("aten.relu.default", X),
    )
    module = float_module(graph)
    assert module(torch.ones(2, 4)).shape == (2, 4)
    with pytest.raises(CaptureError, match=r"^node 'zeros' .* cannot run: it takes more than 1024 MiB of memory"):
        module(torch.ones(100, 4))


def test_each_size_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    monkeypatch.setattr("picojoule.network.graph.trial", lambda nodes, tensors, output, batch: tried.append(batch))
    module = float_module(network(step("aten.relu.default", X)))
    for count in (3, 5, 3, 5, 3):
        module(torch.ones(count, 4))
    assert tried == [3, 5]


@pytest.mark.parametrize("shape", [(), (4,), (2, 5), (2, 4, 1)])
def test_samples_of_another_shape(shape: tuple[int, ...]) -> None:
    message = f"the network takes samples of shape [4], not {list(shape[1:])}; prepare the data for it"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        float_module(network(step("aten.relu.default", X)))(torch.ones(shape))


def test_what_fails_on_values_alone_is_named() -> None:
    graph = network(
        step("aten._to_copy.default", X, name="whole", kwargs={"dtype": torch.int64}),
        step("aten.gather.default", X, 1, Ref("whole")),
    )
    graph.try_out(2)
    with pytest.raises(
        InputError, match=r"^the network fails at 'y' \(aten\.gather\.default\): index 7 is out of bounds"
    ):
        float_module(graph)(torch.full((2, 4), 7.0))


RECURRENT: dict[str, Callable[[], nn.Module]] = {
    "lstm": lambda: nn.LSTM(3, 5, 2, batch_first=True),
    "both ways": lambda: nn.LSTM(3, 5, 2, bidirectional=True),
    "projected": lambda: nn.LSTM(3, 5, proj_size=2, bidirectional=True),
    "gru": lambda: nn.GRU(3, 5, 2, bias=False),
    "rnn": lambda: nn.RNN(3, 5, bidirectional=True, batch_first=True),
    "relu": lambda: nn.RNN(3, 5, 3, nonlinearity="relu"),
}


class Last(nn.Module):
    """A recurrent layer's output, the sequence first where the layer wants it so."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0] if self.layer.batch_first else self.layer(x.transpose(0, 1))[0].transpose(0, 1)


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers_are_not_run_but_known(name: str) -> None:
    model = Last(RECURRENT[name]()).eval()
    found = capture(model, torch.zeros(1, 4, 3))
    x = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(float_module(found)(x), model(x))


@pytest.mark.parametrize("place", range(8))
def test_weights_of_a_recurrent_layer_that_do_not_fit(place: int) -> None:
    """torch itself would read beyond them."""
    found = capture(Last(nn.LSTM(3, 5, bidirectional=True)), torch.zeros(1, 4, 3))
    name = [node.name for node in found.nodes if node.op == "parameter"][place]
    wrong = found.tensors[name][:-1].contiguous()
    nodes = tuple(Node(n.name, n.op, shape=tuple(wrong.shape)) if n.name == name else n for n in found.nodes)
    with pytest.raises(CaptureError, match=r"cannot run: its weights or its states do not fit each other$"):
        float_module(Network(nodes, {**found.tensors, name: wrong}, found.output))(torch.ones(2, 4, 3))


def test_last_reads() -> None:
    nodes = (
        Node("x", "input"),
        step("a", X, name="a"),
        step("b", X, X, name="b"),
        step("c", (Ref("a"),), Ref("b"), name="c"),
    )
    assert last_reads(nodes, "b") == {"x": (), "a": (), "b": ("x",), "c": ("a",)}


def test_memory_that_was_never_filled_is_zeros() -> None:
    graph = network(step("aten.empty_like.default", X))
    assert torch.equal(float_module(graph)(torch.ones(2, 4)), torch.zeros(2, 4))


OUTSIDE = (
    "_embedding_bag.default as_strided.default set.source_Tensor to.device data.default lstm.data rand_like.default"
)


@pytest.mark.parametrize("op", OUTSIDE.split())
def test_operations_outside_the_tables_are_unknown(op: str) -> None:
    with pytest.raises(CaptureError, match=f"^operation 'aten.{re.escape(op)}' cannot be part of a network"):
        ops.resolve(f"aten.{op}")
