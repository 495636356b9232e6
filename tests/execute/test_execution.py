"""The fast run against the network as `quantize` gives it, graph by graph and format by format."""

from typing import Any

import pytest
import torch
from tests.quantize.graphs import GRAPHS, images, network
from torch import Tensor, nn

from picojoule.calibration import Calibration, Settings
from picojoule.errors import InputError
from picojoule.execute.codes import Codes
from picojoule.execute.execution import Execution
from picojoule.execute.integers import Weights
from picojoule.execute.steps import steps_of
from picojoule.network import Network, capture
from picojoule.plan import Plan
from picojoule.quantize import Choice, choices, quantize

PLANS = [
    {},
    {"*": "fixed16"},
    {"*": "fixed8"},
    {"*": "fixed4"},
    {"*": "fixed2"},
    {"*": "binary"},
    {"*.weights": "fixed5", "*.inputs": "fixed12"},
    {"*.weights": "fixed12", "*.inputs": "fixed5"},
    {"*.weights": "fixed3"},
    {"stem.inputs": "fixed7", "stem.weights": "fixed3", "*fc.inputs": "fixed6"},
]


@torch.no_grad()
def fast(network: Network, chosen: dict[str, Choice], x: Tensor) -> dict[str, Any]:
    """Every step's value, in plain numbers."""
    steps = steps_of(network)
    stored = {
        name: tensor if (site := steps.stored[name]) is None else Weights(chosen[site].quantize(tensor))
        for name, tensor in network.tensors.items()
    }
    execution, values = Execution(steps, chosen, stored), dict[str, Any]()
    values = execution.begin(x)
    for step in steps.steps:
        in_parts = execution.raw(step, values, x)
        if step.site is not None:
            in_parts = execution.quantized(step, in_parts)
        values[step.name] = execution.value(step, values, x)
        assert type(in_parts) is type(values[step.name])
        same(numbers(in_parts), numbers(values[step.name]))
    return {name: numbers(value) for name, value in values.items()}


def numbers(value: Any) -> Any:
    return value.values() if isinstance(value, Codes) else value


def same(one: Any, other: Any) -> None:
    """Equal to the bit, but for the sign of zero."""
    torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def plain(network: Network, plan: Plan, calibration: Calibration, x: Tensor) -> Tensor:
    with torch.no_grad():
        return quantize(network, plan, calibration.ranges(plan)).to(x.dtype)(x)


def close(found: Tensor, expected: Tensor) -> bool:
    """Equal to seven digits of the largest, NaN in the same places."""
    largest = float(expected.nan_to_num().abs().max())
    return torch.allclose(found, expected.to(found.dtype), rtol=0, atol=2e-6 * largest, equal_nan=True)


@pytest.mark.parametrize("granularity", ["layer", "channel"])
@pytest.mark.parametrize("formats", PLANS, ids=lambda formats: " ".join(formats.values()) or "float32")
@pytest.mark.parametrize("name", GRAPHS)
def test_it_computes_what_the_plain_network_computes(name: str, formats: dict[str, str], granularity: str) -> None:
    graph = network(name)
    if "stem.inputs" in formats and name == "Dense":
        formats = {"a.inputs": "fixed7", "a.weights": "fixed3"}
    plan = Plan.parse(formats).expand(graph)
    calibration = Calibration.of(graph, images(40), Settings(granularity=granularity))
    x = images(11, seed=1) * 1.5  # beyond what was calibrated, so that some values saturate
    found = fast(graph, choices(graph, plan, calibration.ranges(plan)), x)[graph.output]
    assert close(found, plain(graph, plan, calibration, x))


def test_few_bits_make_the_norm_zero() -> None:
    """What the graph is there for: NaN, which has no bytes, reaches the output as in the plain network."""
    graph = network("Normed")
    plan = Plan.parse({"*": "fixed2"}).expand(graph)
    calibration = Calibration.of(graph, images(40))
    assert plain(graph, plan, calibration, images(11, seed=1)).isnan().any()


@pytest.mark.parametrize("name", ["Residual", "Branches"])
def test_sites_of_few_bits_run_on_bytes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every convolution does, and each is what float64 gives, rounded once."""
    from picojoule.execute import execution

    graph, made = network(name), []
    bytewise = execution.convolve

    def watched(*arguments: Any) -> Tensor:
        made.append(arguments[0])
        return bytewise(*arguments)

    monkeypatch.setattr(execution, "convolve", watched)
    plan = Plan.parse({"*.weights": "fixed6", "*.inputs": "fixed7"}).expand(graph)
    calibration = Calibration.of(graph, images(40))
    fast(graph, choices(graph, plan, calibration.ranges(plan)), images(3, seed=1))
    assert len(made) == 2 * sum(layer.kind == "conv2d" for layer in graph.layers)  # `fast` takes each step twice
    assert all(isinstance(value, Codes) for value in made)
    made.clear()
    wide = Plan.parse({"*.weights": "fixed6", "*.inputs": "fixed9"}).expand(graph)
    fast(graph, choices(graph, wide, calibration.ranges(wide)), images(3, seed=1))
    assert made == []


def test_the_first_layer_is_float64_rounded_once() -> None:
    graph = network("Residual")
    plan = Plan.parse({"*": "fixed8"}).expand(graph)
    calibration = Calibration.of(graph, images(40))
    chosen = choices(graph, plan, calibration.ranges(plan))
    x, tensors = images(11, seed=1), graph.tensors
    image = chosen["stem.inputs"].quantize(x).double()
    weights = chosen["stem.weights"].quantize(tensors["stem.weight"]).double()
    exact = torch.nn.functional.conv2d(image, weights, tensors["stem.bias"].double(), padding=1).float().relu()
    site = graph.sites["a.inputs"]
    assert torch.equal(fast(graph, chosen, x)[site.tensor], chosen["a.inputs"].quantize(exact))


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, 2),
        nn.MaxPool2d((1, 2)),
        nn.MaxPool2d((2, 1), (1, 3)),
        nn.MaxPool2d(3, 2, padding=1),
        nn.MaxPool2d(2, 2, dilation=2),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.MaxPool2d(1, 2),
    ],
    ids=str,
)
def test_maxima_over_windows(pool: nn.MaxPool2d) -> None:
    graph = capture(nn.Sequential(nn.Conv2d(2, 3, 3), pool), torch.zeros(1, 2, 11, 12))
    x = torch.randn(4, 2, 11, 12, generator=torch.Generator().manual_seed(0))
    x[0, 0, 3, 4] = float("nan")
    plan = Plan.parse({}).expand(graph)
    calibration = Calibration.of(graph, torch.zeros_like(x) + x.nan_to_num())
    found = fast(graph, choices(graph, plan, calibration.ranges(plan)), x)[graph.output]
    assert close(found, plain(graph, plan, calibration, x))
    assert found.isnan().sum() > 0


def test_a_step_that_torch_refuses_is_named() -> None:
    graph = network("Dense")
    plan = Plan.parse({}).expand(graph)
    calibration = Calibration.of(graph, images(4))
    told = r"the network fails at 'view_1' \(aten\.view\.default\): shape '\[3, 96\]' is invalid"
    with pytest.raises(InputError, match=told):
        fast(graph, choices(graph, plan, calibration.ranges(plan)), torch.zeros(3, 2, 8, 9))
