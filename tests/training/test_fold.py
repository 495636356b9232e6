"""How batch norm leaves a network: as thresholds, exactly; elsewhere as powers of two that cost little."""

import pytest
import torch
from tests.training import nets
from torch import Tensor, nn

from picojoule.calibration import Range, Ranges
from picojoule.formats import Binary, Fixed, Float32
from picojoule.network import capture
from picojoule.plan import Plan
from picojoule.quantize import choices, quantize
from picojoule.quantize.biases import sum_steps
from picojoule.training import Trainable, trainable, whole_biases


def settled(kind: type[nn.Module], bits: int, seed: int = 0) -> Trainable:
    """A module with statistics, scales and offsets of all sizes, in evaluation mode."""
    module = trainable(nets.made(kind, seed), nets.train().x, bits)
    nets.trained(module, 20)
    random = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        if ".norm." in name:
            parameter.data = torch.randn(parameter.shape, generator=random) * 0.3 + 0.2
    return module.eval()


def seen(module: nn.Module, site: str, x: Tensor) -> Tensor:
    """What readers of a site see."""
    found: list[Tensor] = []
    handle = module.tap(site).register_forward_hook(lambda *given: found.append(given[2]))  # type: ignore[operator]
    with torch.no_grad():
        module(x)
    handle.remove()
    return found[0]


@pytest.mark.parametrize("seed", range(4))
def test_thresholds_lose_nothing(seed: int) -> None:
    """At one bit every hidden value is the same with batch norm and without, on every sample."""
    module = settled(nets.Chain, 1, seed)
    deployed = module.folded().deployed()
    quantized = quantize(*deployed)
    for site in ("hidden.inputs", "fc.inputs"):
        values = seen(module.body, site, nets.train().x)
        assert torch.equal(seen(quantized, site, nets.train().x), values)
        assert {-1.0, 1.0} == set(values.unique().tolist())
    whole = quantize(whole_biases(*deployed), *deployed[1:])
    assert torch.equal(seen(whole, "fc.inputs", nets.train().x), seen(module.body, "fc.inputs", nets.train().x))


@pytest.mark.parametrize("seed", range(8))
def test_thresholds_at_every_sum(seed: int) -> None:
    """One layer of signs, every sum that it can have: g (n - m) + o and n 2^s + b have one sign."""
    inputs = 24
    model = nn.Sequential(nn.Linear(inputs, 40), nn.Hardtanh(), nn.Linear(40, 2))
    torch.nn.init.constant_(model[0].weight, 0.5)
    x = torch.ones(inputs + 1, inputs)
    for row in range(inputs + 1):
        x[row, :row] = -1
    module = trainable(model, x, plan=Plan.parse({"*": "binary"}))
    tap = module.body.tap("0.outputs")
    norm = tap.norm
    random = torch.Generator().manual_seed(seed)
    norm.weight.data = torch.rand(40, generator=random) + 0.02
    norm.running_var = torch.rand(40, generator=random) * 30 + 0.01
    norm.running_mean = torch.randint(-24, 25, (40,), generator=random).float()
    norm.bias.data = torch.randn(40, generator=random) * 0.1
    scale, mean, offset = tap.affine()
    exact = scale * (x.sum(1).double()[:, None] - mean) + offset
    quantized = quantize(*module.eval().folded().deployed())
    found = seen(quantized, "2.inputs", x)
    assert torch.equal(found > 0, exact >= 0)
    assert bool((found != found[0]).any())
    apart = exact.abs() > 1e-5  # nearer than that batch norm itself, in float32, may err
    assert torch.equal(found[apart], seen(module.body, "2.inputs", x)[apart])


@pytest.mark.parametrize(("bits", "most"), [(32, 1e-5), (16, 1e-3), (8, 0.06), (4, 0.5)])
def test_elsewhere_it_costs_little(bits: int, most: float) -> None:
    module = trainable(nets.made(nets.Residual), nets.train().x, bits)
    nets.trained(module, 100)
    with torch.no_grad():
        wanted, found = module(nets.train().x), quantize(*module.deployed())(nets.train().x)
    assert (wanted - found).abs().mean() <= most * wanted.std()


def test_weights_beyond_their_range_are_clipped_for_good() -> None:
    network = capture(nets.made(nets.Chain), nets.train().x[:1])
    plan = Plan.uniform(network, Fixed(4))
    ranges = Ranges({site: Range((-4,), signed=True) for site in network.sites}, network.input_shape)
    module = Trainable(network, plan, ranges).eval()
    with torch.no_grad():
        assert torch.equal(module(nets.train().x), quantize(network, plan, ranges)(nets.train().x))
    after = module.deployed().network.tensors["fc.weight"]
    assert after.abs().max() == 2.0**-4
    inside = network.tensors["fc.weight"].abs() <= 2.0**-4
    assert torch.equal(after[inside], network.tensors["fc.weight"][inside])


def test_shifts_of_ranges_go_into_the_biases() -> None:
    network = capture(nets.made(nets.Chain), nets.train().x[:1])
    plan = Plan.uniform(network, Fixed(4))
    sites = {site: Range((0,), signed=True) for site in network.sites}
    sites["fc.weights"] = Range((0,), signed=True, shift=tuple(0.125 * k for k in range(10)))
    ranges = Ranges(sites, network.input_shape)
    module = Trainable(network, plan, ranges).eval()
    with torch.no_grad():
        wanted = quantize(network, plan, ranges)(nets.train().x)
        assert torch.equal(module(nets.train().x), wanted)
        assert torch.equal(quantize(*module.deployed())(nets.train().x), wanted)
    assert module.deployed().ranges.sites["fc.weights"].shift == ()


def test_steps_of_sums() -> None:
    network = capture(nets.made(nets.Chain), nets.train().x[:1])
    texts = {"*": "fixed4", "conv.inputs": "fixed8", "hidden.weights": "binary", "fc.inputs": "float32"}
    plan = Plan.parse(texts).expand(network)
    sites = {site: Range((0,), signed=site.endswith("weights")) for site in network.sites}
    sites["conv.inputs"] = Range((1,), signed=False)
    chosen = choices(network, plan, Ranges(sites, network.input_shape))
    steps = {
        layer.name: sum_steps(
            chosen[layer.weights], chosen[layer.inputs], network.tensors[network.sites[layer.weights].tensor]
        )
        for layer in network.layers
    }
    found = {name: None if step is None else step.tolist() for name, step in steps.items()}
    assert found == {"conv": [2**-3 * 2**-7], "hidden": [2**-4], "fc": None}
    assert {type(format) for format in plan.formats.values()} == {Fixed, Binary, Float32}
