"""Equalisation computes the same to the bit, brings channels' weights together, and leaves what it must not touch."""

from collections.abc import Callable

import pytest
import torch
from tests.quantize.graphs import GRAPHS, images, network
from torch import Tensor, nn

from picojoule import zoo
from picojoule.calibration import Calibration, Settings, calibrate, equalize
from picojoule.errors import InputError
from picojoule.network import Network, capture, float_module
from picojoule.plan import Plan


class Between(nn.Module):
    """Two layers with something between."""

    def __init__(self, first: nn.Module, between: Callable[[Tensor], Tensor], second: nn.Module) -> None:
        super().__init__()
        self.first, self.between, self.second = first, between, second

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(self.between(self.first(x)))
        return out


def convolution(outputs: int = 6, inputs: int = 4, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, groups=groups)


def uneven(model: nn.Module, x: Tensor) -> Network:
    """The network of a model whose output channels differ in size by powers of three."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for parameter in model.parameters():
            sizes = 3.0 ** torch.randint(-5, 2, (len(parameter),)).float()
            nn.init.normal_(parameter)
            parameter.data *= sizes.reshape(-1, *[1] * (parameter.dim() - 1))
    return capture(model.eval(), x[:1])


def same(one: Network, other: Network, x: Tensor) -> bool:
    """Whether two networks compute the same to the bit, and anything at all."""
    with torch.no_grad():
        outputs = float_module(one)(x)
        return bool(outputs.isfinite().all() and outputs.any()) and torch.equal(outputs, float_module(other)(x))


def x(*shape: int) -> Tensor:
    return torch.randn(5, *shape, generator=torch.Generator().manual_seed(1))


def largest(network: Network, name: str) -> Tensor:
    """The largest magnitude of each output channel of the first layer's weights, or of each input of the second's."""
    weights = network.tensors[f"{name}.weight"].abs()
    if name == "first":
        return weights.flatten(1).amax(1)
    channels = len(network.tensors["first.weight"])
    by_input = weights.reshape(len(weights), weights.shape[1], -1).amax(2)
    if weights.dim() == 2:
        return by_input.reshape(len(weights), channels, -1).amax((0, 2))
    groups = channels // weights.shape[1]
    each = by_input.reshape(groups, len(weights) // groups, weights.shape[1])
    return torch.stack([each[c // weights.shape[1], :, c % weights.shape[1]].amax() for c in range(channels)])


PAIRS = {
    "rectified": (Between(convolution(), torch.relu, convolution(5, 6)), x(4, 6, 6)),
    "nothing between": (Between(convolution(), nn.Identity(), convolution(5, 6)), x(4, 6, 6)),
    "depthwise first": (Between(convolution(4, 4, 4), torch.relu, convolution(5, 4)), x(4, 6, 6)),
    "depthwise second": (Between(convolution(), torch.relu, convolution(6, 6, 6)), x(4, 6, 6)),
    "groups": (Between(convolution(), torch.relu, convolution(4, 6, 2)), x(4, 6, 6)),
    "pooled and flattened": (
        Between(convolution(), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout()), nn.Linear(54, 5)),
        x(4, 6, 6),
    ),
    "mean of all": (
        Between(convolution(), nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(6, 5)),
        x(4, 6, 6),
    ),
    "dense": (Between(nn.Linear(8, 6), torch.relu, nn.Linear(6, 5)), x(8)),
    "over one dimension": (
        Between(nn.Conv1d(4, 6, 3), nn.Sequential(nn.ReLU(), nn.AvgPool1d(2)), nn.Conv1d(6, 5, 2)),
        x(4, 9),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_layers_in_a_row_fill_their_ranges_alike(name: str) -> None:
    model, batch = PAIRS[name]
    before = uneven(model, batch)
    after = equalize(before)
    assert same(before, after, batch)
    apart = (largest(after, "first") / largest(after, "second")).log2()
    assert apart.abs().max() <= 1 + 1e-5  # a power of two comes no nearer
    assert (largest(before, "first") / largest(before, "second")).log2().abs().max() > 2
    factors = largest(before, "first") / largest(after, "first")
    assert torch.equal(factors.log2(), factors.log2().round())
    torch.testing.assert_close(after.tensors["first.bias"] * factors, before.tensors["first.bias"], rtol=0, atol=0)


def test_by_hand() -> None:
    """Factors 4, 1/2, and 1 where a channel is all zero in the one or in the other."""
    model = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[16.0], [-1.0], [0.0], [3.0]]))
        model[0].bias.copy_(torch.tensor([8.0, 8.0, 8.0, 8.0]))
        model[2].weight.copy_(torch.tensor([[1.0, 4.0, 5.0, 0.0]]))
    found = equalize(capture(model.eval(), torch.zeros(1, 1))).tensors
    assert found["0.weight"].flatten().tolist() == [4.0, -2.0, 0.0, 3.0]
    assert found["0.bias"].tolist() == [2.0, 16.0, 8.0, 8.0]
    assert found["2.weight"].tolist() == [[4.0, 2.0, 5.0, 0.0]]


shared = nn.Linear(6, 6)
LEFT = {
    "relu6": Between(nn.Linear(6, 6), nn.ReLU6(), nn.Linear(6, 6)),
    "sigmoid": Between(nn.Linear(6, 6), torch.sigmoid, nn.Linear(6, 6)),
    "a sum": Between(nn.Linear(6, 6), lambda y: y.relu() + y, nn.Linear(6, 6)),
    "no bias": Between(nn.Linear(6, 6, bias=False), torch.relu, nn.Linear(6, 6)),
    "positions": Between(nn.Linear(6, 6), lambda y: y.reshape(-1, 2, 3), nn.Linear(3, 6)),
    "another order": Between(nn.Linear(6, 6), lambda y: y.view(-1, 2, 3).mT.reshape(-1, 6), nn.Linear(6, 6)),
    "the same layer twice": Between(shared, torch.relu, shared),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_does_not_pass_factors_on_is_left(name: str) -> None:
    before = uneven(LEFT[name], x(6))
    assert equalize(before) == before


class Early(nn.Module):
    """What the second layer reads is the network's output too, as its sum with the second's."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return y + self.second(y)


def test_a_value_with_another_reader_is_left() -> None:
    before = uneven(Early(), x(6))
    assert equalize(before) == before


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_compute_the_same(name: str) -> None:
    assert same(network(name), equalize(network(name)), images(7))


@pytest.mark.parametrize(("name", "pairs"), [("lenet5", 4), ("resnet20", 9), ("ds-cnn", 9)])
def test_networks_of_the_zoo(name: str, pairs: int) -> None:
    """Every layer in front of the last is of a pair, and in ResNet-20 the first of each block."""
    example = zoo.example(name)
    before = uneven(zoo.create(name).eval(), example)
    after = equalize(before)
    batch = torch.randn(2, *example.shape[1:], generator=torch.Generator().manual_seed(0))
    assert same(before, after, batch)
    assert sum(not torch.equal(before.tensors[bias], after.tensors[bias]) for bias in before.biases.values()) == pairs


def test_a_calibration_has_the_network_to_quantise() -> None:
    before = uneven(*PAIRS["rectified"])
    batch = x(4, 6, 6)
    for prepare, changed, shifted in (
        ("none", False, False),
        ("bias", False, True),
        ("equalize", True, False),
        ("all", True, True),
    ):
        found = Calibration.of(before, batch, Settings(prepare=prepare))
        assert found.network == (equalize(before) if changed else before)
        ranges = calibrate(found.network, batch, "fixed3", prepare="bias" if shifted else "none")
        assert found.ranges(Plan.uniform(before, "fixed3")) == ranges


@pytest.mark.parametrize("prepare", ["equalize", "all"])
def test_ranges_alone_would_not_say_that_the_network_is_another(prepare: str) -> None:
    model, batch = PAIRS["rectified"]
    with pytest.raises(InputError, match=f"^prepare '{prepare}' changes the network; give what `equalize` makes of it"):
        calibrate(model, batch, prepare=prepare)
