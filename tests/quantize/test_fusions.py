"""What quantisers take over from their neighbours changes no number: rectifiers left out, values rounded in place."""

import importlib
from typing import Any

import pytest
import torch
from tests.plan.networks import forked, twice
from tests.quantize.graphs import GRAPHS, images, network
from torch import Tensor

from picojoule.calibration import Range, Ranges, calibrate
from picojoule.network import Fusion, Network, NetworkModule, capture
from picojoule.plan import Plan
from picojoule.quantize import Quantizer, quantize
from picojoule.quantize.fusions import fusions
from picojoule.zoo import create, example

PLANS = [
    {"*": "fixed4"},
    {"*": "fixed2"},
    {"*": "binary"},
    {"*.inputs": "fixed3"},
    {"*.weights": "fixed3"},
    {"*": "fixed5", "a.inputs": "float32", "b.inputs": "binary"},
]


@pytest.fixture(autouse=True, params=["in place", "small"])
def in_place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With gradients, tensors are rounded in place from a size on: here from none, or from more than there is."""
    large = 0 if request.param == "in place" else 1 << 30
    monkeypatch.setattr(importlib.import_module("picojoule.quantize.quantizer"), "LARGE", large)


def both(name: str, texts: dict[str, str], signed: bool | None = None) -> tuple[NetworkModule, NetworkModule]:
    """A quantised network with and without fusions, with the same ranges, or all of one signedness."""
    net = network(name)
    plan = Plan.parse({key: text for key, text in texts.items() if key[0] == "*" or key in net.sites}).expand(net)
    ranges = calibrate(net, images(20), plan)
    if signed is not None:
        sites = {site: Range(found.exponents, signed) for site, found in ranges.sites.items()}
        ranges = Ranges(sites, ranges.input_shape)
    alone = {site: Quantizer(plan.formats[site], found) for site, found in ranges.sites.items()}
    return quantize(net, plan, ranges), NetworkModule(net, alone).eval()


def gradients(module: NetworkModule, x: Tensor) -> dict[str, Tensor]:
    """The output and every gradient of a sum of squares; -0 and 0 are one number."""
    leaf = x.clone().requires_grad_()
    module.zero_grad()
    outputs = module(leaf)
    outputs.square().sum().backward()
    found = {name: parameter.grad for name, parameter in module.named_parameters()}
    return {"outputs": outputs.detach(), "inputs": leaf.grad, **found}  # type: ignore[dict-item]


def agree(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Not nearly: the same numbers, NaN where NaN is expected."""
    assert found.keys() == expected.keys()
    for key, one in found.items():
        torch.testing.assert_close(one, expected[key], rtol=0, atol=0, equal_nan=True, msg=key)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("signed", [None, True, False])
@pytest.mark.parametrize("texts", PLANS, ids=lambda texts: " ".join(f"{k}={v}" for k, v in texts.items()))
@pytest.mark.parametrize("name", GRAPHS)
def test_no_number_changes(name: str, texts: dict[str, str], signed: bool | None, dtype: torch.dtype) -> None:
    fused, alone = (module.to(dtype) for module in both(name, texts, signed))
    x = images(7, seed=3).to(dtype) * 2
    before = x.clone()
    with torch.no_grad():
        agree({"outputs": fused(x)}, {"outputs": alone(x)})
    agree(gradients(fused, x), gradients(alone, x))
    assert torch.equal(x, before)


def test_values_of_zero_pass_no_gradient_where_a_rectifier_was() -> None:
    """Zeros before the rectifier are the one place where leaving it out could show."""
    fused, alone = both("Residual", {"*": "fixed4"})
    for module in (fused, alone):
        with torch.no_grad():
            module.get_parameter("stem.weight")[:2] = 0
            module.get_parameter("stem.bias")[:2] = 0
    x = images(5)
    found = gradients(fused, x)
    agree(found, gradients(alone, x))
    assert found["stem.bias"][:2].tolist() == [0, 0]


def test_loaded_ranges_that_are_signed_bring_rectifiers_back() -> None:
    unsigned, _ = both("Residual", {"*": "fixed4"})
    fused, alone = both("Residual", {"*": "fixed4"}, signed=True)
    unsigned.load_state_dict(fused.state_dict())
    x = images(7, seed=3) * 2
    with torch.no_grad():
        assert torch.equal(unsigned(x), alone(x))
        assert not torch.equal(unsigned(x), both("Residual", {"*": "fixed4"})[0](x))


def left_out(net: Network) -> dict[str, tuple[str, ...]]:
    return {name: fusion.seen_by for name, fusion in fusions(net).items() if fusion.seen_by}


def in_place_of(net: Network) -> set[str]:
    found = fusions(net)
    return {site.name for site in net.sites.values() if found.get(site.tensor, Fusion()).fresh}


class TestWhatIsFused:
    """Read off the networks by hand."""

    def test_a_rectifier_before_pooling_and_one_before_a_layer(self) -> None:
        net = _zoo("lenet5")
        assert sorted(left_out(net).values()) == [("conv2.inputs",), ("fc1.inputs",), ("fc2.inputs",), ("fc3.inputs",)]
        assert in_place_of(net) == {"conv2.inputs", "fc1.inputs", "fc2.inputs", "fc3.inputs"}

    def test_every_rectifier_of_a_residual_network(self) -> None:
        net = _zoo("resnet20")
        assert len(left_out(net)) == sum(node.op == "aten.relu.default" for node in net.nodes) - 1 == 18
        assert len(in_place_of(net)) == 19  # the last rectifier is read by a mean, whose result is a site

    def test_a_value_that_others_need_is_not_overwritten(self) -> None:
        """The sum before a rectifier is read by the next sum too."""
        net = network("PreActivation")
        assert ("b.inputs",) in left_out(net).values()
        assert in_place_of(net) == set()

    def test_a_rectifier_that_something_else_reads_stays(self) -> None:
        assert left_out(network("Normed")) == {}

    def test_a_value_that_is_quantised_is_seen_by_its_quantiser_alone(self) -> None:
        assert left_out(forked()[1]) == {"relu": ("left.inputs",), "relu_1": ("fc.inputs",)}
        assert len(left_out(twice())) == 1


def _zoo(name: str) -> Network:
    return capture(create(name).eval(), example(name))


def test_less_is_kept_for_the_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("picojoule.quantize.quantizer"), "LARGE", 0)
    fused, alone = both("Residual", {"*": "fixed4"})
    x = images(50)

    def kept(module: NetworkModule) -> int:
        sizes: dict[int, int] = {}

        def pack(tensor: Any) -> Any:
            sizes[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            outputs = module(x)
        del outputs
        return sum(sizes.values())

    assert kept(fused) < kept(alone)
