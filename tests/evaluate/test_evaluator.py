"""The plain evaluator: the same plan has the same accuracy, whatever the batch and whatever was asked before."""

import pytest
import torch
from torch import nn

from picojoule.calibration import Calibration
from picojoule.data import Samples
from picojoule.evaluate import Accuracy, PlainEvaluator, evaluator, scores
from picojoule.formats import Float32, parse
from picojoule.network import Network, capture
from picojoule.plan import Plan
from picojoule.quantize import quantize


@pytest.fixture(scope="module")
def network() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5))
    return capture(model, torch.zeros(1, 1, 6, 6))


@pytest.fixture(scope="module")
def samples() -> Samples:
    random = torch.Generator().manual_seed(1)
    return Samples(torch.randn(700, 1, 6, 6, generator=random), torch.randint(5, (700,), generator=random))


@pytest.fixture(scope="module")
def calibration(network: Network, samples: Samples) -> Calibration:
    return Calibration.of(network, samples.x[:100])


def plan(network: Network, weights: str, inputs: str) -> Plan:
    return Plan.parse({"*.weights": weights, "*.inputs": inputs}).expand(network)


PLANS = [("float32", "float32"), ("fixed8", "fixed8"), ("fixed3", "fixed2"), ("binary", "fixed1")]


@pytest.mark.parametrize(("weights", "inputs"), PLANS)
def test_it_counts_what_the_quantised_network_gets_right(
    network: Network, samples: Samples, calibration: Calibration, weights: str, inputs: str
) -> None:
    chosen = plan(network, weights, inputs)
    module = quantize(network, chosen, calibration.ranges(chosen))
    right = 0
    with torch.no_grad():
        for x, y in zip(samples.x.split(250), samples.y.split(250), strict=True):
            right += sum(int(row.argmax()) == label for row, label in zip(module(x), y.tolist(), strict=True))
    assert PlainEvaluator(calibration, samples).accuracy(chosen) == Accuracy(right, 700)


def test_it_is_deterministic(network: Network, samples: Samples, calibration: Calibration) -> None:
    first = PlainEvaluator(calibration, samples)
    forwards = [first.accuracy(plan(network, *texts)) for texts in PLANS]
    fresh = PlainEvaluator(Calibration.of(network, samples.x[:100]), samples)
    backwards = [fresh.accuracy(plan(network, *texts)) for texts in reversed(PLANS)]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) > 1


@pytest.mark.parametrize(("weights", "inputs"), PLANS)
def test_the_batch_size_does_not_matter(
    network: Network,
    samples: Samples,
    calibration: Calibration,
    weights: str,
    inputs: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = plan(network, weights, inputs)
    module = quantize(network, chosen, calibration.ranges(chosen))
    samples = samples.first(120)
    expected = scores(module, samples)
    assert expected.shape == (120,)
    for batch in (1, 7, 1000):
        monkeypatch.setattr(evaluator, "BATCH", batch)
        assert torch.equal(scores(module, samples), expected), batch


def test_the_float_plan_is_the_float_network(network: Network, samples: Samples, calibration: Calibration) -> None:
    everywhere_float = Plan.uniform(network, Float32())
    module = quantize(network, everywhere_float, calibration.ranges(everywhere_float))
    right = int(scores(module, samples).sum())
    assert PlainEvaluator(calibration, samples).accuracy(everywhere_float) == Accuracy(right, 700)


def test_no_gradients_are_kept(network: Network, samples: Samples, calibration: Calibration) -> None:
    chosen = Plan.uniform(network, parse("fixed4"))
    seen: list[bool] = []

    def metric(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.append(outputs.requires_grad)
        return torch.ones(len(targets))

    assert PlainEvaluator(calibration, samples, metric).accuracy(chosen) == Accuracy(700, 700)
    assert seen
    assert not any(seen)
