"""Networks' files made wrong: a graph that is refused, or does only what it declares."""

import json
import random
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from tests.fuzz.mutations import damaged, examples, mutated, refused
from tests.plan.networks import forked
from torch import Tensor, nn

from picojoule.calibration import Calibration, Settings
from picojoule.network import Network, capture, float_module


class Recurrent(nn.Module):
    """What has states, sizes, several results and tensors made from nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lstm = nn.Linear(4, 6), nn.LSTM(3, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.fc(x).reshape(x.shape[0], 2, 3).split(1, 1)
        y = self.lstm(torch.cat([right, left + torch.arange(3)], 1))[0]
        return y.flatten(1) * (x.sum(1, keepdim=True) > 0) + torch.zeros(x.shape[0], 1)


class Convolutional(nn.Module):
    """What images go through."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 4, 3, padding="same"), nn.GroupNorm(2, 4)
        self.up, self.fc = nn.Upsample(scale_factor=2), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.max_pool2d(self.norm(self.conv(x)).relu(), 2)
        return self.fc(torch.nn.functional.pad(self.up(y)[:, :, 1:, :-1], (1, 0, 0, 1)).mean(1).flatten(1)).softmax(1)


@cache
def contents() -> tuple[bytes, ...]:
    """Three networks as files."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        recurrent, images = capture(Recurrent(), torch.zeros(1, 4)), capture(Convolutional(), torch.zeros(1, 2, 4, 4))
    return forked()[1].to_bytes(), recurrent.to_bytes(), images.to_bytes()


def survives(content: bytes) -> None:
    """Load, look at all that follows from the graph, and run and calibrate it where it is small."""
    network = refused(lambda: Network.from_bytes(content, "file"))
    if network is None:
        return
    assert len(network.sites) <= 2 * len(network.layers)
    assert network.macs >= 0
    assert all(leftover.reason for leftover in network.leftovers)
    written = network.to_bytes()
    assert Network.from_bytes(written, "again").to_bytes() == written
    if sum(node.count for node in network.nodes) < 2**20:
        x = torch.ones(3, *network.input_shape)
        output = refused(lambda: float_module(network)(x))
        assert output is None or tuple(output.shape) == (3, *network.output_shape)
        refused(lambda: Calibration.of(network, x, Settings(prepare="all")))


def graph_of(content: bytes) -> bytes:
    """The graph in a file's header, as the text of a document."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return str(header["__metadata__"]["picojoule.network"]).encode()


@examples(300)
@given(chance=st.randoms(use_true_random=False))
def test_a_graph(chance: random.Random) -> None:
    content = chance.choice(contents())
    graph = mutated(chance, graph_of(content)).decode("utf-8", "replace")
    survives(save_tensors(load_tensors(content), metadata={"picojoule.network": graph}))


@examples(150)
@given(chance=st.randoms(use_true_random=False))
def test_arguments(chance: random.Random) -> None:
    content = chance.choice(contents())
    graph = json.loads(graph_of(content))
    calls = [node for node in graph["nodes"] if "args" in node]
    for _ in range(chance.choice((1, 1, 2))):
        node = chance.choice(calls)
        values: tuple[Any, ...] = (
            0, 1, -1, 2, 3, 5, 2**31, 2**62, 2**64, 0.5, None, True, "same", [2, 2], [0], {"torch": "float64"},
            {"torch": "int64"}, {"float": "nan"}, {"ref": chance.choice(graph["nodes"])["name"]},
        )  # fmt: skip
        if chance.random() < 0.8:
            node["args"][chance.randrange(len(node["args"]))] = chance.choice(values)
        else:
            node.setdefault("kwargs", {})[chance.choice(("dtype", "dim", "size", "device"))] = chance.choice(values)
        if chance.random() < 0.5:
            node["op"] = chance.choice(calls)["op"]
    survives(save_tensors(load_tensors(content), metadata={"picojoule.network": json.dumps(graph)}))


@examples(150)
@given(chance=st.randoms(use_true_random=False))
def test_tensors(chance: random.Random) -> None:
    content = chance.choice(contents())
    tensors, graph = dict(load_tensors(content)), json.loads(graph_of(content))
    name = chance.choice(sorted(tensors))
    shape = [chance.choice((0, 1, 2, 3, 7)) for _ in range(chance.choice((0, 1, 2, 2, 4, 4)))]
    kind = chance.choice((torch.float32, torch.float64, torch.float16, torch.int64, torch.bool, torch.float8_e4m3fn))
    tensors[name] = torch.full(shape, chance.choice((0.0, 1.0, float("nan")))).to(kind)
    if chance.random() < 0.3:
        tensors[chance.choice(("more", "", name + "2"))] = tensors.pop(chance.choice(sorted(tensors)))
    if chance.random() < 0.8:
        graph["nodes"] = [{**node, "shape": shape} if node["name"] == name else node for node in graph["nodes"]]
    survives(save_tensors(tensors, metadata={"picojoule.network": json.dumps(graph)}))


@examples(150)
@given(chance=st.randoms(use_true_random=False))
def test_a_header(chance: random.Random) -> None:
    content = chance.choice(contents())
    size = int.from_bytes(content[:8], "little")
    header = mutated(chance, content[8 : 8 + size])
    told = chance.choice((len(header), len(header), len(header), 0, 2**31, 2**63, len(content)))
    survives(told.to_bytes(8, "little") + header + content[8 + size :])


@examples(200)
@given(chance=st.randoms(use_true_random=False))
def test_bytes(chance: random.Random) -> None:
    survives(damaged(chance, chance.choice(contents())))


@examples(50)
@given(st.binary(max_size=300))
def test_any_bytes(content: bytes) -> None:
    survives(content)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_files_themselves(place: int) -> None:
    network = Network.from_bytes(contents()[place], "file")
    assert float_module(network)(torch.ones(3, *network.input_shape)).shape == (3, *network.output_shape)
