"""Bias correction against the plain mean, over samples and positions, of what rounded weights get wrong."""

import pytest
import torch
from tests.formats.oracle import quantize_array
from torch import Tensor, nn
from torch.nn import functional

from picojoule.calibration import Calibration, Settings, calibrate, observe
from picojoule.network import Network, capture, float_module
from picojoule.plan import Plan

CONVOLUTIONS = [
    nn.Conv2d(4, 6, 3, stride=2, padding=1),
    nn.Conv2d(4, 6, (3, 1), padding="same", dilation=2),
    nn.Conv2d(4, 6, (1, 2), padding=(0, 1), groups=2),
    nn.Conv2d(4, 4, 3, groups=4),
    nn.Conv2d(4, 8, 3, padding=2, groups=4),
]


class Lines(nn.Module):
    """A convolution over one dimension, then a layer that reads its output flattened, the channels behind."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.fc = nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), nn.Linear(6 * 18, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.line(x.view(x.shape[0], 4, 36)).relu()
        out: Tensor = self.fc(x.transpose(1, 2).reshape(x.shape[0], -1))
        return out


class Tokens(nn.Module):
    """Layers over the last dimension: of one sample's rows in a dimension of their own, then of rows of all samples."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 5), nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x.flatten(2)).relu()
        x = self.b(x.reshape(-1, 5)).relu()
        out: Tensor = self.c(x).view(-1, 12)
        return out


class Shared(nn.Module):
    """Weights that two layers share, a bias that two layers share, a bias read by a sum too, and a layer without."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.seen, self.bare, self.own = nn.Linear(4, 4), nn.Linear(4, 4, bias=False), nn.Linear(4, 4)
        self.two.bias = self.one.bias

    def forward(self, x: Tensor) -> Tensor:
        x = self.two(self.one(self.twice(self.twice(x).relu()).relu()).relu()).relu()
        x = self.bare(self.seen(x).relu() + self.seen.bias).relu()
        out: Tensor = self.own(x)
        return out


def samples(count: int = 30) -> Tensor:
    """Images whose mean is not the same everywhere."""
    x = torch.randn(count, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    return x + torch.linspace(-1, 2, 36).reshape(6, 6)


def captured(model: nn.Module, x: Tensor) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.3)
    return capture(model.eval(), x[:1])


def lost(weights: Tensor, exponents: tuple[int, ...], signed: bool, text: str) -> Tensor:
    """Weights less what the oracle rounds them to, float64."""
    rows = weights.detach().double().numpy()
    each = exponents if len(exponents) > 1 else exponents * len(rows)
    rounded = [quantize_array(row, text, exponent, signed) for row, exponent in zip(rows, each, strict=True)]
    return weights.detach().double() - torch.stack([torch.from_numpy(row) for row in rounded])


def close(found: tuple[float, ...], expected: Tensor) -> None:
    """Equal to the digits that are kept."""
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("granularity", ["network", "layer", "channel"])
@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=str)
def test_convolutions(layer: nn.Conv2d, granularity: str) -> None:
    x = samples()
    network = captured(nn.Sequential(layer, nn.ReLU()), x)
    found = calibrate(network, x, "fixed3", "mse", granularity, prepare="bias").sites["0.weights"]
    error = lost(layer.weight, found.exponents, found.signed, "fixed3")
    wrong = functional.conv2d(x.double(), error, None, layer.stride, layer.padding, layer.dilation, layer.groups)
    close(found.shift, wrong.mean((0, 2, 3)))


def test_one_dimension_and_flattened_inputs() -> None:
    x, model = samples(), Lines()
    found = calibrate(captured(model, x), x, "fixed3", granularity="channel", prepare="bias").sites
    line, fc = found["line.weights"], found["fc.weights"]
    error = lost(model.line.weight, line.exponents, line.signed, "fixed3")
    lines = x.double().reshape(30, 4, 36)
    close(line.shift, functional.conv1d(lines, error, None, 2, 1, 1, 2).mean((0, 2)))
    inputs = model.line(x.reshape(30, 4, 36)).relu().transpose(1, 2).reshape(30, -1).double()
    close(fc.shift, (inputs @ lost(model.fc.weight, fc.exponents, fc.signed, "fixed3").T).mean(0).detach())


def test_rows_of_one_sample_count_alike_and_rows_of_all_samples_get_no_shift() -> None:
    x, model = samples()[:, :, :3, :2].contiguous(), Tokens()
    found = calibrate(captured(model, x), x, "fixed3", prepare="bias").sites
    a, b = found["a.weights"], found["b.weights"]
    close(a.shift, (x.flatten(2).double() @ lost(model.a.weight, a.exponents, a.signed, "fixed3").T).mean((0, 1)))
    inputs = model.a(x.flatten(2)).relu().double()
    close(b.shift, (inputs @ lost(model.b.weight, b.exponents, b.signed, "fixed3").T).mean((0, 1)).detach())
    assert found["c.weights"].shift == ()


def test_what_two_readers_share_gets_no_shift() -> None:
    x = samples()[:, :, 0, 0]
    network = captured(Shared(), x)
    assert dict(network.biases) == {"own.weights": "own.bias"}
    found = calibrate(network, x, "fixed2", prepare="bias").sites
    assert {name for name, range in found.items() if range.shift} == {"own.weights"}


def test_without_preparation_and_without_rounding_there_is_no_shift() -> None:
    x = samples()
    network = captured(nn.Sequential(nn.Conv2d(4, 6, 3)), x)
    for text, prepare in (("fixed3", "none"), ("float32", "bias")):
        assert all(range.shift == () for range in calibrate(network, x, text, prepare=prepare).sites.values())


def test_weights_on_the_grid_need_no_shift() -> None:
    x = samples()
    model = nn.Sequential(nn.Conv2d(4, 6, 3))
    network = captured(model, x)
    with torch.no_grad():
        model[0].weight.copy_(model[0].weight.mul(8).round().div(8).clamp(-1, 0.875))
    network = capture(model, x[:1])
    found = calibrate(network, x, "fixed4", prepare="bias").sites["0.weights"]
    assert found.exponents == (0,)
    assert found.shift == ()


def test_shifts_follow_the_exponents_that_are_given() -> None:
    x = samples()
    model = nn.Sequential(nn.Conv2d(4, 6, 3))
    plan = Plan.uniform(network := captured(model, x), "fixed3")
    found = Calibration.of(network, x, Settings(prepare="bias"))
    before = found.ranges(plan).sites["0.weights"]
    given = found.with_exponents({("0.weights", plan.formats["0.weights"]): (-1,)}).ranges(plan).sites["0.weights"]
    assert (before.exponents, given.exponents) == ((1,), (-1,))
    assert before.shift != given.shift
    close(given.shift, functional.conv2d(x.double(), lost(model[0].weight, (-1,), True, "fixed3")).mean((0, 2, 3)))
    assert found.ranges(plan).sites["0.weights"] == before


def test_shifts_do_not_depend_on_batches_and_can_be_found_in_inference_mode() -> None:
    """To the digits that are kept, so that they are the very same numbers."""
    x, model = samples(), Lines()
    network = captured(model, x)
    plan, settings = Plan.uniform(network, "fixed3"), Settings(prepare="bias")
    expected = Calibration.of(network, x, settings).ranges(plan)
    assert Calibration(network, observe(network, x, batch=7), settings).ranges(plan) == expected
    with torch.inference_mode():
        assert calibrate(network, x, plan, prepare="bias") == expected


def test_the_mean_output_is_that_of_the_float_network() -> None:
    """What it is for: of one layer whose inputs stay as they are, the mean is restored exactly."""
    from picojoule.quantize import quantize

    x = samples()
    network = captured(nn.Sequential(nn.Conv2d(4, 6, 3, padding=1)), x)
    plan = Plan.parse({"0.weights": "fixed2"}).expand(network)
    with torch.no_grad():
        expected = float_module(network)(x).mean((0, 2, 3))
        means = [
            quantize(network, plan, calibrate(network, x, plan, prepare=prepare))(x).mean((0, 2, 3))
            for prepare in ("none", "bias")
        ]
    assert (means[0] - expected).abs().max() > 0.05
    torch.testing.assert_close(means[1], expected, rtol=0, atol=1e-5)
