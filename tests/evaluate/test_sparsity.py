"""Zeros against a plain count, with values that several layers read and a last batch that is smaller."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (its customary name)

from picojoule.calibration import Calibration, Ranges
from picojoule.data import Samples
from picojoule.evaluate import measure_sparsity
from picojoule.formats import Float32, Format
from picojoule.network import Network, capture
from picojoule.plan import Plan


class Shared(nn.Module):
    """`left` and `right` read one value, and `twice` is used on both their outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Linear(6, 8), nn.Linear(8, 5), nn.Linear(8, 5)
        self.twice = nn.Linear(5, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        result: Tensor = self.twice(F.relu(self.left(x))) + self.twice(F.relu(self.right(x)))
        return result


@pytest.fixture(scope="module")
def model() -> Shared:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return Shared().eval()


@pytest.fixture(scope="module")
def network(model: Shared) -> Network:
    return capture(model, torch.zeros(1, 6))


@pytest.fixture(scope="module")
def samples() -> Samples:
    random = torch.Generator().manual_seed(2)
    x = torch.randn(53, 6, generator=random) * (torch.rand(53, 6, generator=random) > 0.3)
    return Samples(x, torch.zeros(53, dtype=torch.int64))


def zeros(*tensors: Tensor) -> float:
    values = [value for tensor in tensors for value in tensor.flatten().tolist()]
    return sum(value == 0 for value in values) / len(values)


@torch.no_grad()
def counted(model: Any, samples: Samples, formats: dict[str, Format], ranges: Ranges) -> dict[str, float]:
    """Each site's zeros, by running the layers one after another over all samples at once."""

    def at(site: str, value: Tensor) -> Tensor:
        return formats[site].quantize(value, ranges.sites[site].exponents[0], ranges.sites[site].signed)

    weights = {name: at(f"{name}.weights", getattr(model, name).weight) for name in ("stem", "left", "right", "twice")}
    x = at("stem.inputs", samples.x)
    value = at("left.inputs", F.relu(F.linear(x, weights["stem"], model.stem.bias)))
    first = at("twice.inputs", F.relu(F.linear(value, weights["left"], model.left.bias)))
    second = at("twice@2.inputs", F.relu(F.linear(value, weights["right"], model.right.bias)))
    found = {"stem.inputs": x, "left.inputs": value, "twice.inputs": first, "twice@2.inputs": second}
    return {
        **{name: zeros(tensor) for name, tensor in found.items()},
        **{f"{name}.weights": zeros(tensor) for name, tensor in weights.items()},
    }


@pytest.mark.parametrize("format", ["fixed2", "fixed5", "binary", "fixed1"])
def test_against_a_plain_count(model: Shared, network: Network, samples: Samples, format: str) -> None:
    plan = Plan.uniform(network, format)
    ranges = Calibration.of(network, samples.x).ranges(plan)
    ran: list[int] = []
    found = measure_sparsity(network, plan, ranges, samples, ran=ran.append).zeros
    assert sum(ran) == len(samples)
    expected = counted(model, samples, dict(plan.formats), ranges)
    assert dict(found) == pytest.approx(expected, abs=1e-12)
    assert set(found) == set(network.sites) == set(expected)


def test_the_float_networks_zeros_are_those_of_the_rectifiers(network: Network, samples: Samples) -> None:
    plan = Plan.uniform(network, Float32())
    ranges = Calibration.of(network, samples.x).ranges(plan)
    found = measure_sparsity(network, plan, ranges, samples)
    assert found.of("stem.inputs") == pytest.approx(zeros(samples.x))
    assert found.of("left.inputs") > 0.2
    assert found.of("left.weights") == 0


def test_binary_weights_have_no_zeros_and_a_negative_zero_is_one(network: Network, samples: Samples) -> None:
    plan = Plan.parse({"*": "binary", "*.inputs": "fixed2"}).expand(network)
    ranges = Calibration.of(network, samples.x).ranges(plan)
    found = measure_sparsity(network, plan, ranges, samples)
    assert found.of("stem.weights") == 0
    quantised = plan.formats["stem.inputs"].quantize(samples.x, ranges.sites["stem.inputs"].exponents[0], True)
    assert bool((quantised.signbit() & (quantised == 0)).any())
    assert found.of("stem.inputs") == pytest.approx(zeros(quantised))
