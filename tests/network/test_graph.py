"""A network's file: it round-trips byte for byte; of what is malformed or forbidden in it only an error comes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from picojoule.errors import FileError
from picojoule.network import Network, Node, Ref, capture, float_module


@pytest.fixture(scope="module")
def network() -> Network:
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding="same"), nn.ReLU6(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4), nn.GELU()
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape))
    return capture(model, torch.zeros(1, 2, 4, 4))


@pytest.fixture(scope="module")
def content(network: Network) -> bytes:
    return network.to_bytes()


def graph_of(content: bytes) -> dict[str, Any]:
    """The graph in a file's header."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    graph: dict[str, Any] = json.loads(header["__metadata__"]["picojoule.network"])
    return graph


def with_graph(content: bytes, graph: Any) -> bytes:
    """The file with another graph in its header."""
    return save_tensors(load_tensors(content), metadata={"picojoule.network": json.dumps(graph)})


def refusal(content: bytes) -> str:
    with pytest.raises(FileError) as caught:
        Network.from_bytes(content, "'weights.safetensors'")
    return str(caught.value)


def test_round_trip_byte_for_byte(network: Network, content: bytes, tmp_path: Path) -> None:
    network.save(tmp_path / "weights.safetensors")
    assert (tmp_path / "weights.safetensors").read_bytes() == content
    again = Network.load(tmp_path / "weights.safetensors")
    assert again.to_bytes() == content
    assert again == network
    assert hash(again) == hash(network)
    assert (again.nodes, again.layers, again.sites) == (network.nodes, network.layers, network.sites)
    x = torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(float_module(again)(x), float_module(network)(x))


def test_the_digest_tells_weights_and_graphs_apart(network: Network) -> None:
    tensors = {name: tensor.clone() for name, tensor in network.tensors.items()}
    tensors["0.bias"][0] += 2**-20
    other = Network(network.nodes, tensors, network.output)
    assert re.fullmatch("[0-9a-f]{64}", network.digest())
    assert other.digest() != network.digest()
    assert other != network
    shorter = Network(network.nodes[:-1], network.tensors, network.nodes[-2].name)
    assert shorter != network


def test_infinite_arguments_and_types_round_trip(network: Network) -> None:
    last = network.output
    nodes = (
        *network.nodes,
        Node("clip", "aten.clamp.default", (Ref(last), float("-inf"), float("inf")), shape=(None, 4)),
        Node("cast", "aten._to_copy.default", (Ref("clip"),), {"dtype": torch.float64}, (None, 4)),
        Node("rows", "aten.reshape.default", (Ref("cast"), (-1, 2)), shape=(None, 2), rows=2),
        Node("back", "aten.reshape.default", (Ref("rows"), (-1, 4)), shape=(None, 4)),
    )
    extended = Network(nodes, network.tensors, "back")
    again = Network.from_bytes(extended.to_bytes(), "file")
    assert again.nodes == nodes
    assert again.by_name["rows"].count == 4


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([{"name": "b", "op": "buffer", "shape": [2]}], "tensor 'b' is missing"),
        ([{"name": "0.bias", "op": "parameter", "shape": [4]}], "node '0.bias' stands twice"),
        ([{"name": "b", "op": "input", "shape": [None, 4]}], "a network has exactly one input"),
        (
            [{"name": "b", "op": "aten.relu.default", "shape": [], "args": [{"ref": "later"}]}],
            "node 'b' reads 'later', which does not come before it",
        ),
        ([{"name": "b", "op": "aten.relu.default", "shape": [], "args": [{"ref": "b"}]}], "node 'b' reads 'b', which"),
        ([{"name": "b", "op": "aten.relu.default", "shape": [-1]}], "node 'b' has a malformed shape"),
        ([{"name": "b", "op": "aten.relu.default", "shape": [], "rows": 0}], "node 'b' has a malformed number of rows"),
        ([{"name": "b", "op": "aten.relu.default", "shape": [], "more": 1}], "is malformed"),
        ([{"name": "b", "op": "aten.relu.default", "shape": [], "args": [{"torch": "load"}]}], "is not known"),
        ([{"name": "b", "op": "aten.relu.default", "shape": [], "args": [{"torch": "ops"}]}], "is not known"),
        ([{"name": "b", "op": "aten.relu.default", "shape": [], "args": [{"float": 10**400}]}], "more digits than"),
        ([{"name": "b", "op": "aten.conv2d.default", "shape": []}], "holds a malformed network"),
        (["relu"], "holds a malformed network"),
    ],
)
def test_a_malformed_graph_is_refused(content: bytes, nodes: list[Any], message: str) -> None:
    graph = graph_of(content)
    graph["nodes"] += nodes
    found = refusal(with_graph(content, graph))
    assert found.startswith("'weights.safetensors' holds a malformed network: ")
    assert message in found


@pytest.mark.parametrize(
    "op",
    [
        "aten.from_file.default",
        "aten.add_.Tensor",
        "aten.relu.out",
        "aten.set_.source_Tensor",
        "aten.no_such_operation.default",
        "prim.Print.default",
        "torch.load",
        "os.system",
        "operator.setitem",
        "builtins.eval.default",
        "aten.__class__.default",
        "",
    ],
)
def test_a_forbidden_operation_is_refused_by_name(content: bytes, op: str) -> None:
    graph = graph_of(content)
    graph["nodes"].append({"name": "evil", "op": op, "shape": [], "args": [{"ref": graph["output"]}]})
    assert refusal(with_graph(content, graph)) == (
        f"'weights.safetensors' holds a malformed network: operation '{op}' cannot be part of a network: picojoule "
        "knows no function of tensors so named"
    )


def test_a_tensor_of_another_shape_is_refused(content: bytes) -> None:
    tensors = load_tensors(content)
    tensors["4.bias"] = torch.zeros(5)
    changed = save_tensors(tensors, metadata={"picojoule.network": json.dumps(graph_of(content))})
    assert refusal(changed) == (
        "'weights.safetensors' holds a malformed network: tensor '4.bias' has shape [5], not [4]"
    )


def test_a_tensor_that_is_missing_is_refused(content: bytes) -> None:
    tensors = load_tensors(content)
    del tensors["4.bias"]
    changed = save_tensors(tensors, metadata={"picojoule.network": json.dumps(graph_of(content))})
    assert refusal(changed).endswith("tensor '4.bias' is missing")


def test_an_output_that_is_no_node_is_refused(content: bytes) -> None:
    assert refusal(with_graph(content, {**graph_of(content), "output": "x"})).endswith("output 'x' is no node")


@pytest.mark.parametrize("version", [2, 0, "1", None, True])
def test_another_version_is_refused(content: bytes, version: object) -> None:
    assert refusal(with_graph(content, {**graph_of(content), "version": version})) == (
        f"'weights.safetensors': version {version!r} of a network is not known; expected 1"
    )


def test_plain_weights_are_no_network() -> None:
    message = refusal(save_tensors({"a": torch.zeros(2)}))
    assert message.startswith("'weights.safetensors' is not a picojoule network: ")


@pytest.mark.parametrize("kept", [0, 7, 8, 100, -1])
def test_a_truncated_file_is_refused(content: bytes, kept: int) -> None:
    assert refusal(content[:kept]).startswith("'weights.safetensors' is not a picojoule network: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.safetensors"
    with pytest.raises(FileError, match=re.escape(f"cannot read '{path}': No such file or directory")):
        Network.load(path)
