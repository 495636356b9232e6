"""Calibration: granularity, signedness, determinism, and settings that there are not."""

import re

import pytest
import torch
from tests.plan.networks import forked
from torch import Tensor, nn

from picojoule.calibration import Calibration, Range, Settings, calibrate, observe
from picojoule.calibration.observers import covering
from picojoule.errors import CaptureError, FormatError, InputError, PlanError
from picojoule.network import capture
from picojoule.plan import Plan

WEIGHTS = ("stem.weights", "left.weights", "right.weights", "fc.weights")
INPUTS = ("stem.inputs", "left.inputs", "fc.inputs")


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.randn(40, 1, 4, 4, generator=torch.Generator().manual_seed(3)) * 3


def test_layer_granularity_gives_each_site_its_own_exponent(x: Tensor) -> None:
    _, network = forked()
    ranges = calibrate(network, x)
    statistics = observe(network, x)
    assert tuple(ranges.sites) == tuple(network.sites)
    assert ranges.input_shape == (1, 4, 4)
    for name, found in ranges.sites.items():
        assert found.exponents == (covering(float(statistics[name].largest.max())),)


def test_channel_granularity_gives_each_output_channel_of_weights_its_own(x: Tensor) -> None:
    model, network = forked()
    with torch.no_grad():
        model.left.weight[1] *= 2.0**-9
        model.left.weight[2] = 0
    network = capture(model, x[:1])
    ranges = calibrate(network, x, granularity="channel")
    for name in INPUTS:
        assert len(ranges.sites[name].exponents) == 1
    weights = model.left.weight.detach()
    assert ranges.sites["left.weights"].exponents == tuple(covering(float(row.abs().max())) for row in weights)
    assert ranges.sites["left.weights"].exponents[2] == 0
    assert [len(ranges.sites[name].exponents) for name in WEIGHTS] == [3, 3, 3, 4]


def test_network_granularity_shares_the_largest_of_each_kind(x: Tensor) -> None:
    _, network = forked()
    by_layer, shared = calibrate(network, x).sites, calibrate(network, x, granularity="network").sites
    for names in (WEIGHTS, INPUTS):
        top = max(by_layer[name].exponents[0] for name in names)
        assert {shared[name].exponents for name in names} == {(top,)}
        assert any(by_layer[name].exponents != (top,) for name in names)
    assert {name: found.signed for name, found in shared.items()} == {n: f.signed for n, f in by_layer.items()}


def test_signed_is_seen_or_always(x: Tensor) -> None:
    model, _ = forked()
    with torch.no_grad():
        model.right.weight.abs_()
    network = capture(model, x[:1])
    auto = {name: found.signed for name, found in calibrate(network, x).sites.items()}
    unsigned = {"left.inputs", "fc.inputs", "right.weights"}
    assert auto == {name: name not in unsigned for name in auto}
    assert all(found.signed for found in calibrate(network, x, signed="always").sites.values())
    assert calibrate(network, x.abs()).sites["stem.inputs"].signed is False


@pytest.mark.parametrize("observer", ["max", "percentile", "mse"])
@pytest.mark.parametrize("granularity", ["network", "layer", "channel"])
def test_the_same_samples_give_the_same_ranges(observer: str, granularity: str, x: Tensor) -> None:
    _, network = forked()
    one, other = (calibrate(network, x, "fixed3", observer, granularity) for _ in range(2))
    assert one.to_json() == other.to_json()


def test_a_plan_decides_only_for_mse(x: Tensor) -> None:
    _, network = forked()
    for observer, same in (("max", True), ("percentile", True), ("mse", False)):
        fine, coarse = (calibrate(network, x, text, observer) for text in ("fixed12", "fixed2"))
        assert (fine == coarse) is same


def test_zero_sites_have_exponent_0(x: Tensor) -> None:
    model, _ = forked()
    with torch.no_grad():
        model.left.weight.zero_()
    network = capture(model, x[:1])
    for observer in ("max", "percentile", "mse"):
        found = calibrate(network, torch.zeros_like(x), "binary", observer).sites
        assert found["left.weights"] == Range((0,), signed=False)
        assert found["stem.inputs"] == Range((0,), signed=False)


def test_a_calibration_gives_the_ranges_of_any_plan(x: Tensor) -> None:
    _, network = forked()
    calibration = Calibration.of(network, x, Settings("mse", "channel"))
    for text in ("fixed2", "fixed6", "fixed2"):
        expected = calibrate(network, x, text, "mse", "channel")
        assert calibration.ranges(Plan.uniform(network, text)) == expected


def test_the_model_is_left_alone(x: Tensor) -> None:
    model, _ = forked()
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    calibrate(model, x)
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"observer": "min"}, "observer 'min' is not known; choose one of max, percentile, mse"),
        ({"granularity": "tensor"}, "granularity 'tensor' is not known; choose one of network, layer, channel"),
        ({"signed": "never"}, "signed 'never' is not known; choose one of auto, always"),
    ],
)
def test_settings_that_there_are_not(setting: dict[str, str], message: str, x: Tensor) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        calibrate(forked()[1], x, **setting)


def test_plans_and_samples_that_cannot_be_used(x: Tensor) -> None:
    _, network = forked()
    with pytest.raises(FormatError, match=r"^format 'int8' is not known"):
        calibrate(network, x, "int8")
    with pytest.raises(PlanError, match=r"^plan key 'nothing' matches no site of the network"):
        calibrate(network, x, Plan.parse({"nothing": "fixed8"}))
    with pytest.raises(
        InputError, match=r"^plan is of type dict, expected Plan; make it with Plan.load or Plan.parse$"
    ):
        calibrate(network, x, {"*": "fixed8"})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^calibration data is of type ndarray, expected Tensor; give samples"):
        calibrate(network, x.numpy())  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^the network takes samples of shape \[1, 4, 4\], not \[1, 5, 5\]; prepare"):
        calibrate(network, torch.zeros(2, 1, 5, 5))
    with pytest.raises(CaptureError, match=r"^the example must be one batch, a tensor \[n, ...\] with n >= 1$"):
        calibrate(nn.Linear(3, 2), torch.zeros(0, 3))


def test_no_samples_for_a_captured_network() -> None:
    with pytest.raises(InputError, match=r"^there are no calibration samples; give at least one$"):
        calibrate(forked()[1], torch.zeros(0, 1, 4, 4))
