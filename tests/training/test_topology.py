"""From any network to one that can be trained at a plan."""

import pytest
import torch
from tests.training import nets
from torch import Tensor, nn

from picojoule.calibration import Range
from picojoule.network import Network, capture
from picojoule.plan import Plan
from picojoule.quantize.biases import reached
from picojoule.training import topology, trainable


def captured(kind: type[nn.Module]) -> Network:
    return capture(nets.made(kind), nets.train().x[:1])


def ops_of(network: Network, kind: str) -> int:
    return sum(node.op == f"aten.{kind}.default" for node in network.nodes)


class Bias(nn.Module):
    """Two layers that share a bias, and one without."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 10)
        self.second = nn.Linear(10, 10)
        self.third = nn.Linear(10, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x.flatten(1)))
        x = torch.relu(nn.functional.linear(x, self.second.weight, self.first.bias))
        out: Tensor = self.third(x)
        return out


def test_every_layer_has_a_bias_of_its_own() -> None:
    network = topology.with_biases(captured(Bias))
    assert set(network.biases) == {"first.weights", "second.weights", "third.weights"}
    assert len(set(network.biases.values())) == 3
    assert all(not network.tensors[bias].any() for bias in network.biases.values())
    assert network.tensors["third.weight"].any()


def test_activations() -> None:
    network = captured(nets.Chain)
    plan = topology.plan_at(network, 4)
    assert ops_of(network, "hardtanh") == 2
    rectified = topology.with_activation(network, plan, "relu")
    assert (ops_of(rectified, "hardtanh"), ops_of(rectified, "relu")) == (0, 2)
    signs = topology.with_activation(rectified, topology.plan_at(network, 1), "relu")
    assert (ops_of(signs, "hardtanh"), ops_of(signs, "relu")) == (2, 0)
    one = topology.with_activation(network, Plan.parse({"*": "fixed4", "fc.inputs": "binary"}).expand(network), "relu")
    assert (ops_of(one, "hardtanh"), ops_of(one, "relu")) == (1, 1)


def test_signs_behind_an_average_have_two_sides() -> None:
    network = captured(nets.Residual)
    signs = topology.with_activation(network, topology.plan_at(network, 1), "relu")
    assert ops_of(signs, "relu") == 0


class Sixes(nn.Module):
    """Rectifiers of other kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 10), nn.ReLU6(), nn.Linear(10, 10), nn.Hardtanh(0, 4))
        self.last = nn.Linear(10, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.layers(x.flatten(1)))
        return out


def test_any_rectifier_is_the_activation_asked_for() -> None:
    network = captured(Sixes)
    assert ops_of(topology.with_activation(network, topology.plan_at(network, 4), "relu"), "relu") == 2


class Linear(nn.Module):
    """Two layers with nothing between, one behind a rectifier, one behind an average of what is signed."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.d = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c(torch.relu(self.b(self.a(x.flatten(1)))))
        out: Tensor = self.d(nn.functional.avg_pool1d(x.unsqueeze(1), 2).flatten(1))
        return out


def test_ranges_are_signed_where_no_rectifier_is() -> None:
    module = trainable(nets.made(Linear), nets.train().x, 4)
    signed = {site: range.signed for site, range in module.ranges.sites.items() if site.endswith("inputs")}
    assert signed == {"a.inputs": False, "b.inputs": True, "c.inputs": False, "d.inputs": True}
    assert {range.exponents for site, range in module.ranges.sites.items() if site != "a.inputs"} == {(0,)}


@pytest.mark.parametrize(
    ("scale", "offset", "wanted"),
    [(1.0, 0.0, Range((0,), False)), (2.0, -1.0, Range((0,), True)), (5.0, 0.0, Range((3,), False)),
     (5.0, -2.5, Range((2,), True)), (255.0, 0.0, Range((8,), False))],
)  # fmt: skip
def test_the_images_range_is_found(scale: float, offset: float, wanted: Range) -> None:
    x = nets.train().x * scale + offset
    module = trainable(nets.made(nets.Chain), x, 4)
    found = module.ranges.sites["conv.inputs"]
    assert found.signed == wanted.signed
    assert abs(found.exponents[0] - wanted.exponents[0]) <= 1
    error = (module.body.tap("conv.inputs")(x) - x).abs().mean() / x.abs().mean()
    assert error < 0.02


def test_reached() -> None:
    network = topology.with_activation(captured(nets.Chain), topology.plan_at(captured(nets.Chain), 1), "relu")
    layers = dict(topology.layer_nodes(network))
    assert reached(network, layers["conv"].name) == ("hidden.inputs",)
    assert reached(network, layers["hidden"].name) == ("fc.inputs",)
    assert reached(network, layers["fc"].name) is None  # the output itself
    residual = captured(nets.Residual)
    layers = dict(topology.layer_nodes(residual))
    assert reached(residual, layers["left"].name) is None  # a sum
