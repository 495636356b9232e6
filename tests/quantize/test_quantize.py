"""A network at a plan: the same numbers as a forward written by hand from the oracle, and gradients likewise."""

import copy
import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tests.formats.oracle import quantize_array
from tests.plan.networks import Forked, forked
from torch import Tensor, nn
from torch.nn import functional

from picojoule.calibration import Range, Ranges, calibrate
from picojoule.errors import CaptureError, InputError, PlanError
from picojoule.execute import Runner
from picojoule.formats import parse
from picojoule.network import Network, NetworkModule, capture, float_module
from picojoule.plan import Plan
from picojoule.quantize import Quantizer, quantize

MIXED = {
    "stem.inputs": "fixed6",
    "stem.weights": "fixed3",
    "left.inputs": "fixed4",
    "left.weights": "binary",
    "right.weights": "fixed4",
    "fc.inputs": "fixed5",
    "fc.weights": "fixed2",
}


def samples(count: int = 9) -> Tensor:
    return torch.randn(count, 1, 4, 4, generator=torch.Generator().manual_seed(3)) * 2


def by_oracle(plan: Plan, ranges: Ranges) -> Callable[[str, Tensor], Tensor]:
    """(site, tensor) → the tensor rounded by the oracle, channel by channel, in float64."""

    def rounded(site: str, x: Tensor) -> Tensor:
        text, found = str(plan.formats[site]), ranges.sites[site]
        if text == "float32":
            return x.detach().double()
        rows = x.detach().double().numpy() if len(found.exponents) > 1 else x.detach().double().numpy()[None]
        parts = [quantize_array(row, text, e, found.signed) for row, e in zip(rows, found.exponents, strict=True)]
        return torch.stack([torch.from_numpy(part) for part in parts]).reshape(x.shape)

    return rounded


def by_hand(model: Forked, x: Tensor, q: Callable[[str, Tensor], Tensor]) -> Tensor:
    """The forward of `Forked` with each site rounded once, where its value is made."""

    def bias(layer: nn.Conv2d | nn.Linear) -> Tensor:
        assert layer.bias is not None
        return layer.bias.detach().double()

    image = q("stem.inputs", x)
    y = functional.conv2d(image, q("stem.weights", model.stem.weight), bias(model.stem), padding=1)
    y = q("left.inputs", y.relu())
    left = functional.conv2d(y, q("left.weights", model.left.weight), bias(model.left), padding=1)
    right = functional.conv2d(y, q("right.weights", model.right.weight), bias(model.right))
    z = q("fc.inputs", (left + right + y).relu()).flatten(1)
    return functional.linear(z, q("fc.weights", model.fc.weight), bias(model.fc))


def quantized(texts: dict[str, str], granularity: str = "layer") -> tuple[Forked, Plan, Ranges, NetworkModule]:
    model, network = forked()
    plan = Plan.parse(texts).expand(network)
    ranges = calibrate(network, samples(), plan, granularity=granularity)
    return model, plan, ranges, quantize(network, plan, ranges)


@pytest.mark.parametrize("granularity", ["network", "layer", "channel"])
@pytest.mark.parametrize(
    "texts",
    [MIXED, {"*": "fixed8"}, {"*": "fixed1"}, {"*": "binary"}, {"*.weights": "fixed4"}, {"left.inputs": "fixed2"}],
    ids=lambda texts: " ".join(texts.values()),
)
def test_float64_gives_the_very_numbers_written_by_hand(texts: dict[str, str], granularity: str) -> None:
    """Equal, not close: each sum fits in float64's 53 bits, so that no order of summation matters."""
    model, plan, ranges, module = quantized(texts, granularity)
    x = samples().double() * 1.5  # beyond what was calibrated, so that some values saturate
    expected = by_hand(model, x, by_oracle(plan, ranges))
    with torch.no_grad():
        result = module.double()(x)
    assert result.dtype == torch.float64
    if "float32" in map(str, plan.formats.values()):
        torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-12)
    else:
        assert torch.equal(result, expected)


@pytest.mark.parametrize("granularity", ["network", "layer", "channel"])
@pytest.mark.parametrize(
    "texts", [MIXED, {"*": "fixed3"}, {"left.weights": "fixed2"}], ids=lambda t: " ".join(t.values())
)
def test_shifts_are_added_to_the_biases(texts: dict[str, str], granularity: str) -> None:
    """The numbers of a model whose biases hold them, and the network that was given stays as it is."""
    model, network = forked()
    plan = Plan.parse(texts).expand(network)
    ranges = calibrate(network, samples(), plan, granularity=granularity, prepare="bias")
    shifted = {name for name, found in ranges.sites.items() if found.shift}
    assert shifted == {name for name, format in plan.formats.items() if format.rounds and name.endswith("weights")}
    module = quantize(network, plan, ranges)
    assert module.network is network
    by_itself = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with torch.no_grad():
        for name in shifted:
            layer = model.get_submodule(name.removesuffix(".weights"))
            assert isinstance(layer.bias, Tensor)
            assert not torch.equal(by_itself[f"{name.removesuffix('.weights')}.bias"], layer.bias)
            layer.bias += torch.tensor(ranges.sites[name].shift)
        expected = by_hand(model, samples().double(), by_oracle(plan, ranges))
        torch.testing.assert_close(module.double()(samples().double()), expected, rtol=1e-12, atol=1e-12)
    for name, tensor in model.named_parameters():
        assert torch.equal(by_itself[name], tensor)


def test_shifts_of_zero_change_no_bit() -> None:
    model, network = forked()
    with torch.no_grad():
        model.left.bias.fill_(-0.0)
    network = capture(model, samples()[:1])
    plan = Plan.uniform(network, "fixed4")
    ranges = calibrate(network, samples(), plan)
    zeros = {"left.weights": replace(ranges.sites["left.weights"], shift=(0.0, -0.0, 0.0))}
    module = quantize(network, plan, Ranges({**ranges.sites, **zeros}, ranges.input_shape))
    assert torch.signbit(module.get_parameter("left.bias")).all()


def test_what_does_not_round_is_not_shifted() -> None:
    """Where a format does not round, the range says nothing."""
    _, network = forked()
    plan = Plan.uniform(network, "fixed4")
    ranges = calibrate(network, samples(), plan, prepare="bias")
    x = samples()
    with torch.no_grad():
        assert torch.equal(quantize(network, Plan({}), ranges)(x), float_module(network)(x))


def test_float32_rounds_the_same_values() -> None:
    model, plan, ranges, module = quantized(MIXED)
    with torch.no_grad():
        result = module(samples())
    assert result.dtype == torch.float32
    torch.testing.assert_close(
        result.double(), by_hand(model, samples(), by_oracle(plan, ranges)), rtol=1e-6, atol=1e-6
    )


def test_a_shared_value_is_quantised_once_and_seen_by_all() -> None:
    """With fixed2 on the shared value alone, the sum too must see it: compare with a sum over the raw value."""
    model, plan, ranges, module = quantized({"left.inputs": "fixed2"})
    q, calls = by_oracle(plan, ranges), []
    module.tap("left.inputs").register_forward_hook(lambda *_: calls.append(1))
    x = samples()
    with torch.no_grad():
        result = module.double()(x.double())
        raw = functional.conv2d(x.double(), model.stem.weight.double(), model.stem.bias.double(), padding=1).relu()
        y = q("left.inputs", raw)
        sums = functional.conv2d(y, model.left.weight.double(), model.left.bias.double(), padding=1)
        sums = sums + functional.conv2d(y, model.right.weight.double(), model.right.bias.double())
        seen, unseen = (model.double().fc((sums + each).relu().flatten(1)) for each in (y, raw))
    assert calls == [1]
    torch.testing.assert_close(result, seen, rtol=1e-12, atol=1e-12)
    assert (result - unseen).abs().max() > 1e-2


def test_a_plan_of_float32_is_the_float_network() -> None:
    _, network = forked()
    x = samples()
    for ranges in (Ranges({}, (1, 4, 4)), calibrate(network, x)):
        module = quantize(network, Plan({}), ranges)
        with torch.no_grad():
            assert torch.equal(module(x), float_module(network)(x))


class TestGradients:
    @pytest.mark.parametrize("granularity", ["layer", "channel"])
    def test_weights_and_inputs_against_a_backward_by_hand(self, granularity: str) -> None:
        """One linear layer: dL/dw = mask(w) * (g^T q(x)), dL/dx = mask(x) * (g q(w))."""
        layer = nn.Linear(3, 2)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[0.5, -0.5, 0.50001], [1.0, -1.001, 0.3]]))
        exponents = (-1, 0) if granularity == "channel" else (-1,)
        ranges = Ranges({"0.weights": Range(exponents, True), "0.inputs": Range((1,), False)}, (3,))
        plan = Plan.parse({"0.weights": "fixed4", "0.inputs": "fixed3"})
        module = quantize(nn.Sequential(layer), plan, ranges).double()
        x = torch.tensor([[0.0, -0.001, 2.0], [2.001, 1.3, -5.0]], dtype=torch.float64, requires_grad=True)
        out_gradient = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64)
        module(x).backward(out_gradient)
        q = by_oracle(plan, ranges)
        weight = module.get_parameter("0.weight")
        bounds = torch.tensor([[2.0**e] for e in exponents], dtype=torch.float64)
        of_weights = (weight.abs() <= bounds) * (out_gradient.T @ q("0.inputs", x))
        of_inputs = ((x >= 0) & (x <= 2)) * (out_gradient @ q("0.weights", weight))
        assert torch.equal(weight.grad, of_weights)
        assert torch.equal(x.grad, of_inputs)
        assert torch.equal(module.get_parameter("0.bias").grad, out_gradient.sum(dim=0))
        masked = int((of_weights == 0).sum()), int((of_inputs == 0).sum())
        assert masked == ((2, 3) if granularity == "channel" else (3, 3))

    def test_they_pass_through_a_whole_network(self) -> None:
        """Against autograd over the float graph, each site replaced by x + (q(x) - x).detach() within its range."""
        model, plan, ranges, module = quantized(MIXED, "channel")
        rounded = by_oracle(plan, ranges)

        def straight_through(site: str, x: Tensor) -> Tensor:
            found = ranges.sites[site]
            scale = 2.0 ** torch.tensor(found.exponents, dtype=torch.float64).reshape(-1, *[1] * (x.dim() - 1))
            low = -scale if found.signed or str(plan.formats[site]) == "binary" else 0 * scale
            inside = (x.detach().double() >= low) & (x.detach().double() <= scale)
            passed = torch.where(inside, x.double(), x.detach().double())
            return passed + (rounded(site, x) - passed).detach()

        x = samples().double()
        by_hand(model.double(), x, straight_through).square().sum().backward()
        module.double()(x).square().sum().backward()
        for name in ("stem", "left", "right", "fc"):
            expected, found = model.get_parameter(f"{name}.weight").grad, module.get_parameter(f"{name}.weight").grad
            assert expected is not None
            assert bool((expected != 0).any())
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


class TestState:
    def test_it_round_trips_with_its_ranges(self) -> None:
        _, plan, ranges, module = quantized(MIXED, "channel")
        others = {n: Range(tuple(e + 2 for e in r.exponents), not r.signed) for n, r in ranges.sites.items()}
        other = quantize(module.network, plan, Ranges(others, ranges.input_shape))
        x = samples()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.mul_(0.75)
            assert not torch.equal(other(x), module(x))
            stream = io.BytesIO()
            torch.save(module.state_dict(), stream)
            stream.seek(0)
            other.load_state_dict(torch.load(stream, weights_only=True))
            assert torch.equal(other(x), module(x))
        for name, found in ranges.sites.items():
            tap = other.tap(name)
            assert isinstance(tap, Quantizer)
            assert tap.range == found

    def test_its_keys_are_the_users_and_the_sites(self) -> None:
        _, _, _, module = quantized({"*": "fixed8"})
        keys = set(module.state_dict())
        assert {"stem.weight", "stem.bias", "fc.weight", "taps.left/inputs.exponents", "taps.fc/weights.signed"} <= keys
        assert {key.removesuffix(".exponents") for key in keys if key.endswith(".exponents")} == {
            "taps." + site.replace(".", "/") for site in module.network.sites
        }

    def test_new_weights_take_effect(self) -> None:
        _, _, _, module = quantized({"*": "fixed4"})
        x = samples()

        def right() -> bool:
            """Whether a forward without gradients gives what one with gradients does."""
            with torch.no_grad():
                found = module(x)
            with torch.enable_grad():
                return torch.equal(found, module(x).detach())

        assert right()
        with torch.no_grad():
            module.get_parameter("left.weight").mul_(-0.5)
        assert right()
        module.load_state_dict({k: v * 0.5 if v.is_floating_point() else v for k, v in module.state_dict().items()})
        assert right()
        module.load_state_dict(
            {k: v.clone() for k, v in quantized({"*": "fixed4"})[3].state_dict().items()}, assign=True
        )
        assert right()
        nn.utils.vector_to_parameters(nn.utils.parameters_to_vector(module.parameters()) * 0.3, module.parameters())
        assert right()
        x = x.double()
        module.double()
        assert right()
        with torch.no_grad():
            assert module(x).dtype == torch.float64

    def test_double_then_float_gives_the_same(self) -> None:
        _, _, _, module = quantized({"*": "fixed8"}, "channel")
        x = samples()
        with torch.no_grad():
            before = module(x)
            module.double()(x.double())
            assert torch.equal(module.float()(x), before)
            assert all(tap.exponents.dtype == torch.int32 for tap in module.taps.values())

    def test_it_can_be_made_and_run_in_inference_mode(self) -> None:
        _, plan, ranges, module = quantized(MIXED)
        x = samples()
        with torch.inference_mode():
            made_here = quantize(module.network, plan, ranges)
            assert torch.equal(made_here(x), module(x))

    def test_a_copy_is_apart(self) -> None:
        _, _, _, module = quantized(MIXED)
        x = samples()
        with torch.no_grad():
            before = module(x)
            other = copy.deepcopy(module)
            assert torch.equal(other(x), before)
            other.get_parameter("left.weight").zero_()
            assert not torch.equal(other(x), before)
            assert torch.equal(module(x), before)


def test_the_users_model_is_left_bitwise_as_it_was() -> None:
    model, network = forked()
    model.train()
    model.stem.weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    plan = Plan.parse(MIXED)
    module = quantize(model, plan, calibrate(network, samples(), plan.expand(network)))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(7.0)
    module(samples()).sum().backward()
    assert model.training
    assert not module.training
    assert model.stem.weight.requires_grad is False
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(parameter.eq(7.0).all() for parameter in network.tensors.values())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within torch's own compiler
@pytest.mark.parametrize("granularity", ["layer", "channel"])
def test_compiled_gives_the_same_as_eager(granularity: str) -> None:
    _, _, _, module = quantized(MIXED, granularity)
    compiled = torch.compile(module.double())
    x = samples().double()
    with torch.no_grad():
        assert torch.equal(compiled(x), module(x))
        module.get_parameter("left.weight").mul_(-0.5)
        assert torch.equal(compiled(x), module(x))


class TestRefusals:
    def fitting(self) -> tuple[Network, Plan, dict[str, Range]]:
        network = forked()[1]
        ranges = dict(calibrate(network, samples(), granularity="channel").sites)
        return network, Plan.uniform(network, "fixed8"), ranges

    def refused(self, network: Network, plan: Plan, sites: dict[str, Range], message: str) -> None:
        with pytest.raises(PlanError, match=f"^{re.escape(message)}$"):
            quantize(network, plan, Ranges(sites, (1, 4, 4)))

    def test_a_site_without_a_range(self) -> None:
        network, plan, sites = self.fitting()
        del sites["left.inputs"]
        self.refused(network, plan, sites, "the ranges have no site 'left.inputs'; calibrate this network again")

    @pytest.mark.parametrize("count", [2, 4])
    def test_another_number_of_channels(self, count: int) -> None:
        network, plan, sites = self.fitting()
        sites["left.weights"] = Range((0,) * count, True)
        message = f"the ranges of 'left.weights' have {count} exponents; the site has 3 channels"
        self.refused(network, plan, sites, message)

    @pytest.mark.parametrize(
        ("members", "signed"),
        [((), True), ((0.0, 0.1), True), ((-0.5, 0.5), False), (tuple(k / 8 for k in range(5)), True)],
    )
    def test_a_codebook_without_numbers_that_it_can_have(self, members: tuple[float, ...], signed: bool) -> None:
        model, network = forked()
        plan = Plan.parse({"*": "fixed8", "left.weights": "lut4"}).expand(network)
        found = calibrate(model, samples(), plan)
        sites = {**found.sites, "left.weights": Range((0,), signed, (), members)}
        told = "the ranges of 'left.weights' do not have the numbers of lut4; calibrate this network again"
        with pytest.raises(PlanError, match=f"^{told}$"):
            quantize(model, plan, replace(found, sites=sites))
        with pytest.raises(PlanError, match=f"^{told}$"):
            quantize(model, plan, calibrate(model, samples(), "fixed8"))

    def test_inputs_have_one_exponent(self) -> None:
        network, plan, sites = self.fitting()
        sites["left.inputs"] = Range((0, 0, 0), True)
        self.refused(network, plan, sites, "the ranges of 'left.inputs' have 3 exponents; the site has 1 channels")

    def test_a_range_of_no_site(self) -> None:
        network, plan, sites = self.fitting()
        sites["right.inputs"] = Range((0,), True)
        self.refused(
            network, plan, sites, "the ranges name 'right.inputs', which is no site of the network; calibrate it again"
        )

    @pytest.mark.parametrize(("site", "count"), [("left.weights", 2), ("left.weights", 1), ("left.inputs", 3)])
    def test_a_shift_that_does_not_fit(self, site: str, count: int) -> None:
        network, plan, sites = self.fitting()
        sites[site] = replace(sites[site], shift=(0.5,) * count)
        message = f"the shift of '{site}' does not fit the layer's biases; calibrate this network again"
        self.refused(network, plan, sites, message)

    def test_a_plan_that_does_not_fit(self) -> None:
        network, _, sites = self.fitting()
        with pytest.raises(PlanError, match=r"^plan key 'conv\*' matches no site of the network; its sites are "):
            quantize(network, Plan.parse({"conv*": "fixed8"}), Ranges(sites, (1, 4, 4)))

    def test_arguments_that_are_taken_for_others(self) -> None:
        network, plan, sites = self.fitting()
        with pytest.raises(
            InputError, match=r"^plan is of type str, expected Plan; make it with Plan.load or Plan.parse"
        ):
            quantize(network, "fixed8", Ranges(sites, (1, 4, 4)))  # type: ignore[arg-type]
        with pytest.raises(InputError, match=r"^ranges is of type dict, expected Ranges; make them with calibrate"):
            quantize(network, plan, sites)  # type: ignore[arg-type]

    def test_ranges_of_another_input(self) -> None:
        _, plan, sites = self.fitting()
        with pytest.raises(CaptureError, match=r"an input of shape \[n, 5, 4, 4\]: .* but got 5 channels"):
            quantize(forked()[0], plan, Ranges(sites, (5, 4, 4)))


class TestOtherFormats:
    """Small floats, normal floats, ternary and blocks, in evaluation and in gradients, as the runner gives them too."""

    TEXTS = ("e4m3", "e2m1", "e3m0", "fp16", "nf4", "ternary", "nf4/64", "nf4/3:u8", "e2m1/2:e8m0", "e2m1/16:e4m3")

    @pytest.mark.parametrize("granularity", ["layer", "channel"])
    @pytest.mark.parametrize("text", TEXTS)
    def test_the_forward_is_that_by_hand_and_the_runners(self, text: str, granularity: str) -> None:
        model, network = forked()
        plan = Plan.uniform(network, text)
        ranges = calibrate(network, samples(), plan, granularity=granularity)

        def rounded(site: str, x: Tensor) -> Tensor:
            exponents = torch.tensor(ranges.sites[site].exponents).reshape(-1, *[1] * (x.dim() - 1))
            return plan.formats[site].quantize(x.detach().double(), exponents, ranges.sites[site].signed)

        outputs = quantize(network, plan, ranges).double()(samples().double())
        assert torch.allclose(outputs, by_hand(model, samples(), rounded), atol=1e-9)
        run = Runner(network, lambda plan: ranges, samples()).outputs(plan)
        assert torch.allclose(run.double(), outputs, atol=1e-4, rtol=1e-3)

    @pytest.mark.parametrize("text", TEXTS)
    def test_gradients_pass_within_the_limits(self, text: str) -> None:
        quantizer = Quantizer(parse(text), Range((1,), True))
        leaf = torch.tensor([[0.1, -0.7, 1.9, 3e9, -3e9]], requires_grad=True)
        quantizer(leaf).sum().backward()
        low, high = (2 * end for end in parse(text).limits())
        assert leaf.grad is not None
        assert torch.equal(leaf.grad, ((leaf >= low) & (leaf <= high)).float())


class Encoder(nn.Module):
    """The dense layers of a transformer's encoder layer on rows [n, t, f], with its attention between them."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(10, 10) for _ in range(4))
        self.up, self.down = nn.Linear(10, 12), nn.Linear(12, 10)

    def forward(self, x: Tensor, rounded: Callable[[str, Tensor], Tensor] = lambda site, x: x) -> Tensor:
        x = rounded("query.inputs", x)
        attended = torch.softmax(self.query(x) @ self.key(x).transpose(1, 2), dim=-1) @ self.value(x)
        x = rounded("up.inputs", x + self.out(rounded("out.inputs", attended)))
        made: Tensor = x + self.down(rounded("down.inputs", torch.relu(self.up(x))))
        return made


class TestBlocksOfRows:
    """Blocks lie along what layers multiply over: of rows [n, t, f] that dense layers read, the last dimension."""

    @pytest.mark.parametrize("text", ["e2m1/4:e8m0", "nf4/3", "e4m3/4:e4m3"])
    def test_rows_of_dense_layers_are_rounded_one_by_one(self, text: str) -> None:
        random = torch.Generator().manual_seed(1)
        model = Encoder()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=random) / 3)
        x = torch.randn(6, 5, 10, generator=random)
        network = capture(model, x[:1])
        plan = Plan.uniform(network, text)
        ranges = calibrate(network, x, plan)

        def rounded(site: str, x: Tensor) -> Tensor:
            found = ranges.sites[site]
            return plan.formats[site].quantize(x.reshape(-1, x.shape[-1]), found.exponents[0], found.signed).view_as(x)

        by_hand = copy.deepcopy(model)
        for name, layer in by_hand.named_children():
            assert isinstance(layer, nn.Linear)
            layer.weight.data = rounded(f"{name}.weights", layer.weight.data)
        with torch.no_grad():
            expected = by_hand(x, rounded)
            assert torch.allclose(quantize(network, plan, ranges)(x), expected, atol=1e-5)
            assert torch.allclose(Runner(network, lambda plan: ranges, x).outputs(plan), expected, atol=1e-5)
        assert {site.axis for site in network.sites.values() if site.kind == "inputs"} == {-1}
        assert network.shape("up.inputs") == (1, 10, 5)

    def test_what_others_read_too_has_blocks_along_dimension_1(self) -> None:
        class Both(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv, self.dense, self.turned = nn.Conv1d(3, 3, 1), nn.Linear(4, 4), nn.Linear(3, 2)

            def forward(self, x: Tensor) -> Tensor:
                y: Tensor = torch.relu(self.conv(x) + self.dense(x))
                return self.turned(y.transpose(1, 2)).flatten(1)

        network = capture(Both().eval(), torch.zeros(1, 3, 4))
        assert {name: site.axis for name, site in network.sites.items()} == dict.fromkeys(network.sites, 1)
        assert network.shape("conv.inputs") == (1, 3, 4)

    def test_gradients_pass_whatever_the_axis(self) -> None:
        leaf = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
        rounded = Quantizer(parse("e2m1/4:e8m0"), Range((0,), True), -1)(leaf)
        assert torch.equal(rounded, parse("e2m1/4:e8m0").quantize(leaf.detach().flatten(0, 1)).view_as(leaf))
        rounded.sum().backward()
        assert torch.equal(leaf.grad, torch.ones_like(leaf))


@pytest.mark.parametrize("signed", ["auto", "always"])
@pytest.mark.parametrize("text", ["lut2", "lut16", "lut256", "lut8:fp16"])
def test_a_codebook_gives_the_numbers_of_its_table(text: str, signed: str) -> None:
    """In float64 the very numbers of a forward written by hand, each value the nearest of the table by distances."""
    model, _ = forked()
    plan, x = Plan.parse({"*": text, "right.weights": "fixed4"}), samples().double()
    ranges = calibrate(model, samples(), plan.expand(capture(model, samples()[:1])), signed=signed)
    quantized = quantize(model, plan, ranges).double()

    def gathered(site: str, x: Tensor) -> Tensor:
        found = ranges.sites[site]
        if not found.members:
            return by_oracle(plan.expand(capture(model, samples()[:1])), ranges)(site, x)
        table = torch.tensor(found.members, dtype=torch.float64) * 2.0 ** found.exponents[0]
        return table[(x.detach().double()[..., None] - table).abs().argmin(-1)]

    with torch.no_grad():
        assert torch.equal(quantized(x), by_hand(model, x, gathered))
    state = io.BytesIO()
    torch.save(quantized.state_dict(), state)
    again = quantize(model, plan, ranges).double()
    again.load_state_dict(torch.load(io.BytesIO(state.getvalue()), weights_only=True))
    with torch.no_grad():
        assert torch.equal(again(x), quantized(x))
