"""Calibration: granularity, signedness, determinism, and settings that there are not."""

import re
from dataclasses import replace

import pytest
import torch
from tests.plan.networks import forked
from torch import Tensor, nn

from picojoule.calibration import Calibration, Range, Settings, calibrate, observe
from picojoule.calibration.kmeans import codebook
from picojoule.calibration.observers import covering
from picojoule.calibration.statistics import SAMPLE
from picojoule.errors import CaptureError, FormatError, InputError, PlanError
from picojoule.formats import Lut, parse
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


def test_exponents_may_be_given(x: Tensor) -> None:
    """Only at the format they are given for; and what is given later goes before."""
    _, network = forked()
    found = Calibration.of(network, x, Settings("mse", "channel"))
    weights, three = "left.weights", parse("fixed3")
    given = found.with_exponents({(weights, three): (5, -6, 0), ("left.inputs", three): (7,)})
    again = given.with_exponents({("left.inputs", three): (8,)})
    assert given.exponents(weights, three) == again.exponents(weights, three) == (5, -6, 0)
    assert (given.exponents("left.inputs", three), again.exponents("left.inputs", three)) == ((7,), (8,))
    for text in ("fixed3", "fixed4"):
        plan = Plan.uniform(network, text)
        before, after = found.ranges(plan), given.ranges(plan)
        changed = {weights: (5, -6, 0), "left.inputs": (7,)} if text == "fixed3" else {}
        sites = {
            name: replace(range, exponents=changed.get(name, range.exponents)) for name, range in before.sites.items()
        }
        assert dict(after.sites) == sites
        assert before == calibrate(network, x, text, "mse", "channel")
        assert {name: found.exponents(name, parse(text)) for name in network.sites} == {
            name: range.exponents for name, range in before.sites.items()
        }


def test_one_exponent_for_the_network_cannot_be_given_by_site(x: Tensor) -> None:
    found = Calibration.of(forked()[1], x, Settings(granularity="network"))
    with pytest.raises(ValueError, match=r"^with granularity 'network' no site has exponents of its own$"):
        found.with_exponents({})


@pytest.mark.parametrize("granularity", ["layer", "channel"])
@pytest.mark.parametrize("text", ["float32", "fixed8", "fixed3", "binary"])
def test_zeros_of_weights_are_exact_and_of_few_inputs_too(text: str, granularity: str, x: Tensor) -> None:
    """Of so few inputs all are kept, and the extremes once more."""
    model, _ = forked()
    with torch.no_grad():
        model.left.weight[1, 1] = 0
        model.left.weight[2] *= 2.0**-5
    network = capture(model, x[:1])
    found = Calibration.of(network, x, Settings(granularity=granularity))
    sites = found.ranges(Plan.uniform(network, text)).sites
    with torch.no_grad():
        tensors = {"left.weights": model.left.weight.detach(), "left.inputs": model.stem(x).relu()}
    for name, tensor in tensors.items():
        format, exponents = parse(text), torch.tensor(sites[name].exponents).reshape(-1, 1, 1, 1)
        rounded = format.quantize(tensor, exponents, sites[name].signed)
        expected = int((rounded == 0).sum()) / tensor.numel()
        assert found.zeros(name, format) == pytest.approx(expected, abs=0 if "weights" in name else 2 / tensor.numel())
        assert (expected > 0) is (text != "binary")


def test_zeros_of_many_inputs_are_an_estimate() -> None:
    network = capture(nn.Sequential(nn.Linear(3000, 2)).eval(), torch.zeros(1, 3000))
    x = torch.rand(100, 3000, generator=torch.Generator().manual_seed(0)) * 0.999
    found = Calibration.of(network, x)
    rounded = parse("fixed2").quantize(x, 0, signed=False)
    expected = int((rounded == 0).sum()) / x.numel()
    assert expected == pytest.approx(1 / 8, abs=0.01)
    assert found.zeros("0.inputs", parse("fixed2")) == pytest.approx(expected, abs=4 * (expected / SAMPLE) ** 0.5)


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
        ({"prepare": "biases"}, "prepare 'biases' is not known; choose one of none, bias, equalize, all"),
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


class TestCodebooks:
    """Sites at `lut<k>`: k-means finds the numbers and the exponent, whatever else was asked for."""

    @pytest.mark.parametrize("observer", ["max", "mse"])
    @pytest.mark.parametrize("granularity", ["network", "layer", "channel"])
    def test_every_site_has_one_table_of_its_own(self, granularity: str, observer: str, x: Tensor) -> None:
        model, network = forked()
        ranges = calibrate(network, x, "lut8", observer, granularity)
        assert ranges == calibrate(network, x, "lut8")
        with torch.no_grad():
            tensors = {"left.weights": model.left.weight, "left.inputs": model.stem(x).relu()}
        for name, found in ranges.sites.items():
            assert len(found.exponents) == 1
            assert len(found.members) == 8
            if name in tensors:
                book = codebook(tensors[name], Lut(8), found.signed)
                if "weights" in name:
                    assert (found.exponents, found.members) == ((book.exponent,), book.members)
                else:  # the extremes are kept once more
                    assert found.exponents == (book.exponent,)
                    assert found.members == pytest.approx(book.members, abs=0.01)

    def test_what_is_never_negative_has_numbers_of_an_unsigned_table(self, x: Tensor) -> None:
        model, _ = forked()
        network = capture(model, x[:1])
        auto, always = (calibrate(network, x, "lut4", signed=signed).sites for signed in ("auto", "always"))
        assert (auto["left.inputs"].signed, always["left.inputs"].signed) == (False, True)
        assert auto["left.weights"] == always["left.weights"]
        for found, step in ((auto, 2.0**-16), (always, 2.0**-15)):
            assert found["left.inputs"].members[0] >= 0
            assert all(member % step == 0 for member in found["left.inputs"].members)
        assert any(member % 2.0**-15 for member in auto["left.inputs"].members)

    def test_others_share_their_exponents_as_if_the_codebooks_were_not_there(self, x: Tensor) -> None:
        _, network = forked()
        plan = Plan.parse({"*": "fixed4", "fc.*": "lut16", "right.weights": "lut4"}).expand(network)
        rest = Plan.parse({"*": "fixed4", "fc.*": "float32", "right.weights": "float32"}).expand(network)
        mixed, alone = (calibrate(network, x, each, granularity="network").sites for each in (plan, rest))
        for name, format in plan.formats.items():
            if format.fitted:
                assert mixed[name] == calibrate(network, x, str(format)).sites[name]
            else:
                assert mixed[name] == alone[name]

    def test_biases_are_shifted_by_what_clusters_get_wrong(self, x: Tensor) -> None:
        model, network = forked()
        found = calibrate(network, x, "lut2", prepare="bias").sites["left.weights"]
        weights, inputs = model.left.weight.detach().double(), model.stem(x).relu().detach().double()
        rounded = gathered(weights, found.members, found.exponents[0])
        wrong = torch.nn.functional.conv2d(inputs, weights - rounded, padding=1).mean((0, 2, 3))
        torch.testing.assert_close(torch.tensor(found.shift, dtype=torch.float64), wrong, rtol=1e-5, atol=1e-8)
        assert len(found.members) == 2

    def test_zeros_of_weights_are_exact(self, x: Tensor) -> None:
        model, _ = forked()
        with torch.no_grad():
            model.left.weight[1] = 0
        network = capture(model, x[:1])
        calibration = Calibration.of(network, x)
        for name, weights in (("left.weights", model.left.weight), ("right.weights", model.right.weight)):
            found = calibration.ranges(Plan.uniform(network, "lut4")).sites[name]
            rounded = gathered(weights.detach(), found.members, found.exponents[0])
            assert calibration.zeros(name, parse("lut4")) == float((rounded == 0).double().mean())
            assert bool((rounded == 0).any()) is (name == "left.weights")
        inputs, found = (
            model.stem(x).relu().detach(),
            calibration.ranges(Plan.uniform(network, "lut4")).sites["left.inputs"],
        )
        expected = float((gathered(inputs, found.members, found.exponents[0]) == 0).double().mean())
        assert calibration.zeros("left.inputs", parse("lut4")) == pytest.approx(expected, abs=2 / inputs.numel())

    def test_exponents_that_are_given_leave_codebooks_alone(self, x: Tensor) -> None:
        _, network = forked()
        calibration = Calibration.of(network, x)
        given = calibration.with_exponents(
            {("left.weights", parse("lut4")): (7,), ("left.inputs", parse("lut4")): (9,)}
        )
        plan = Plan.uniform(network, "lut4")
        assert given.ranges(plan) == calibration.ranges(plan)
        assert (
            given.exponents("left.weights", parse("lut4")) == calibration.ranges(plan).sites["left.weights"].exponents
        )

    def test_the_most_clusters_of_few_weights_are_the_weights(self, x: Tensor) -> None:
        model, network = forked()
        found = calibrate(network, x, "lut256").sites["right.weights"]
        weights = model.right.weight.detach().double().flatten()
        assert len(found.members) == weights.numel() == 9
        torch.testing.assert_close(
            torch.tensor(found.members, dtype=torch.float64) * 2.0 ** found.exponents[0],
            weights.sort().values,
            rtol=0,
            atol=2.0 ** (found.exponents[0] - 16),
        )


def gathered(x: Tensor, members: tuple[float, ...], exponent: int) -> Tensor:
    """Of each number the nearest of the table, by distances."""
    table = torch.tensor(members, dtype=torch.float64) * 2.0**exponent
    return table[(x.double()[..., None] - table).abs().argmin(-1)]
