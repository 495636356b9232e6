"""Statistics: exact extremes whatever the batches, an even sample of values, and refusal of what is not finite."""

import math
import re

import pytest
import torch
from tests.plan.networks import forked
from torch import Tensor, nn

from picojoule.calibration import observe
from picojoule.calibration.statistics import SAMPLE
from picojoule.errors import DataError
from picojoule.network import capture, float_module


class Product(nn.Module):
    """A value that overflows where its input is large, before the second layer reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.one(x)
        return self.two(y * y)


def samples(count: int) -> Tensor:
    return torch.randn(count, 1, 4, 4, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("place", [0, 10, 20])
@pytest.mark.parametrize("batch", [1, 3, 7, 256])
def test_extremes_are_exact_whatever_the_batches(batch: int, place: int) -> None:
    model, network = forked()
    x = samples(21)
    x[place, 0, 3, 3] = -50.0
    found = observe(network, x, batch)
    assert found["stem.inputs"].lowest == -50.0
    assert found["stem.inputs"].largest.tolist() == [50.0]
    with torch.no_grad():
        y = torch.cat([model.stem(part).relu() for part in x.split(batch)])
    assert found["left.inputs"].lowest == 0.0
    assert found["left.inputs"].largest.item() == y.max().item()
    kept = torch.cat([y.flatten(), y.min().reshape(1), y.max().reshape(1)])  # few enough to be kept whole
    assert torch.equal(found["left.inputs"].values.sort().values, kept.sort().values.reshape(1, -1))


def test_weights_are_kept_whole_by_output_channel() -> None:
    model, network = forked()
    found = observe(network, samples(2))["left.weights"]
    weights = model.left.weight.detach().reshape(3, 27)
    assert torch.equal(found.values, weights)
    assert torch.equal(found.largest, weights.abs().amax(dim=1))
    assert found.lowest == weights.min().item()


def test_every_site_is_seen_in_the_networks_order() -> None:
    _, network = forked()
    assert list(observe(network, samples(2))) == list(network.sites)


def test_the_sample_is_bounded_seeded_and_even_over_batches() -> None:
    """Each batch gives as large a share of the sample as it has of the data, also a short last one."""
    network = capture(nn.Sequential(nn.Linear(3000, 2)).eval(), torch.zeros(1, 3000))
    x = torch.arange(101.0).reshape(-1, 1).expand(101, 3000).contiguous()
    first, second = (observe(network, x, batch=50)["0.inputs"] for _ in range(2))
    assert torch.equal(first.values, second.values)
    assert SAMPLE <= first.values.numel() <= SAMPLE + 3
    last = int((first.values == 100).sum())
    assert abs(last - SAMPLE / 101) < 100
    assert first.largest.tolist() == [100.0]


def test_torchs_own_random_state_is_left_alone() -> None:
    _, network = forked()
    before = torch.get_rng_state()
    observe(network, samples(3))
    assert torch.equal(torch.get_rng_state(), before)


def test_it_tells_of_every_sample_as_it_runs() -> None:
    _, network = forked()
    ran: list[int] = []
    observe(network, samples(21), batch=8, ran=ran.append)
    assert ran == [8, 8, 5]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_samples_that_are_not_finite_are_refused(bad: float) -> None:
    _, network = forked()
    x = samples(5)
    x[4, 0, 0, 0] = bad
    expected = "the inputs of layer 'stem' become NaN or Inf on the calibration samples; check the data's scaling "
    with pytest.raises(DataError, match=f"^{re.escape(expected)}"):
        observe(network, x, batch=2)


def test_a_value_that_overflows_within_is_refused_by_its_reader() -> None:
    network = capture(Product().eval(), torch.zeros(1, 2))
    with pytest.raises(DataError, match=r"^the inputs of layer 'two' become NaN or Inf on the calibration samples"):
        observe(network, torch.full((3, 2), 1e30))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.uint8])
def test_samples_of_other_types_are_seen_as_float32(dtype: torch.dtype) -> None:
    _, network = forked()
    x = (samples(4) * 8).abs().to(dtype)
    found, expected = observe(network, x), observe(network, x.float())
    for name, statistics in expected.items():
        assert torch.equal(found[name].values, statistics.values)
        assert found[name].values.dtype == torch.float32


def test_observing_changes_no_values() -> None:
    _, network = forked()
    before = {name: tensor.clone() for name, tensor in network.tensors.items()}
    x = samples(3)
    kept = x.clone()
    observe(network, x)
    assert torch.equal(x, kept)
    assert all(torch.equal(network.tensors[name], tensor) for name, tensor in before.items())
    assert float_module(network)(x).isfinite().all()
