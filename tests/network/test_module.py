"""A network as a module: names of the user's, taps, devices' types."""

import copy
import pickle
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from picojoule.network import Network, NetworkModule, batch_size, capture, float_module


class Plus(nn.Module):
    """Adds a number, and counts its calls."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number, self.calls = number, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x + self.number


class Net(nn.Module):
    """A value with three readers: two convolutions and the add."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(2, 3, 1), nn.ReLU())
        self.left, self.right = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(x)
        result: Tensor = self.left(x) + self.right(x) + x
        return result


@pytest.fixture(scope="module")
def model() -> Net:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Net().eval()


@pytest.fixture(scope="module")
def network(model: Net) -> Network:
    return capture(model, torch.zeros(1, 2, 4, 4))


X = torch.linspace(-1, 1, 64).reshape(2, 2, 4, 4)


def test_weights_keep_the_users_names(model: Net, network: Network) -> None:
    state = float_module(network).state_dict()
    own = model.state_dict()
    assert sorted(state) == sorted(own)
    assert all(torch.equal(state[name], own[name]) for name in own)
    other = Net()
    other.load_state_dict(state)
    assert torch.equal(other(X), model(X))


def test_the_modules_weights_are_its_own(network: Network) -> None:
    module = float_module(network)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert bool(network.tensors["left.weight"].any())
    assert not bool(module(X).any())


@torch.no_grad()
def test_a_tapped_value_is_seen_by_every_reader(model: Net, network: Network) -> None:
    taps = {"left.inputs": Plus(0.5), "right.weights": Plus(-0.25)}
    module = NetworkModule(network, taps).eval()
    value = model.block(X) + 0.5
    weights = model.right.weight - 0.25
    expected = model.left(value) + nn.functional.conv2d(value, weights, model.right.bias, padding=1) + value
    torch.testing.assert_close(module(X), expected)
    assert module.tap("left.inputs") is taps["left.inputs"]
    assert taps["left.inputs"].calls == 1


def test_names_with_slashes_and_tildes_are_told_apart() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.ModuleDict({"b": nn.Linear(2, 2)})
            for name in ("a/b", "a~1b", "a~b"):
                self.add_module(name, nn.Linear(2, 2))

        def forward(self, x: Tensor) -> Tensor:
            for layer in (self.a["b"], *(getattr(self, name) for name in ("a/b", "a~1b", "a~b"))):
                x = layer(x)
            return x

    network = capture(Odd(), torch.zeros(1, 2))
    taps = {site: Plus(0.0) for site in network.sites}
    module = NetworkModule(network, taps)
    assert len(taps) == 8
    assert all(module.tap(site) is tap for site, tap in taps.items())
    module(torch.zeros(1, 2))
    assert [tap.calls for tap in taps.values()] == [1] * 8


@torch.no_grad()
def test_it_runs_in_float64(model: Net, network: Network) -> None:
    module = float_module(network).double()
    found = module(X.double())
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), model(X))


@torch.no_grad()
def test_tensors_made_in_the_forward_follow_the_inputs_type() -> None:
    lstm = nn.LSTM(2, 3, batch_first=True)

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = lstm

        def forward(self, x: Tensor) -> Tensor:
            return cast(Tensor, self.lstm(x)[0])

    module = float_module(capture(Last(), torch.zeros(1, 4, 2)))
    x = torch.linspace(-1, 1, 24).reshape(3, 4, 2)
    expected = lstm(x)[0]
    torch.testing.assert_close(module(x), expected)
    torch.testing.assert_close(module.double()(x.double()).float(), expected)


def test_gradients_reach_every_weight(network: Network) -> None:
    module = float_module(network)
    module(X).square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@torch.no_grad()
def test_outputs_of_layers_are_tapped_before_the_value_is(network: Network) -> None:
    layer = network.layers[-1].name
    module = NetworkModule(network, {f"{layer}.outputs": Plus(3.0)}).eval()
    torch.testing.assert_close(module(X), float_module(network)(X) + 3)
    chain = capture(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), torch.zeros(1, 2))
    x = torch.ones(1, 2)
    seen = NetworkModule(chain, {"0.outputs": Plus(1.0), "1.inputs": Plus(2.0)}).eval()(x)
    hidden = nn.functional.linear(x, chain.tensors["0.weight"], chain.tensors["0.bias"])
    expected = nn.functional.linear(hidden + 1 + 2, chain.tensors["1.weight"], chain.tensors["1.bias"])
    torch.testing.assert_close(seen, expected)


@torch.no_grad()
def test_pickled_and_copied_it_runs_alike(network: Network) -> None:
    module = NetworkModule(network, {network.layers[0].inputs: Plus(2.0)}).eval()
    for other in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert torch.equal(other(X), module(X))


def test_float_module_is_in_evaluation_mode(network: Network) -> None:
    assert not float_module(network).training


@pytest.mark.parametrize(("size", "most", "batch"), [(4, 100, 100), (2048, 100, 4), (2048, 3, 3), (4100, 100, 1)])
def test_fewer_samples_run_at_once_where_values_are_large(size: int, most: int, batch: int) -> None:
    """Four values of 2048x2048 numbers have 64 MiB; what is stored, and smaller values, do not count."""
    model = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Conv2d(1, 3, 1), nn.Flatten(), nn.Linear(3, 2000))
    assert batch_size(capture(model, torch.zeros(1, 1, size, size)), most) == batch
