"""Programs against the quantised network in float64 and against rational numbers, on hard inputs."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction

import pytest
import torch
from tests.integer import nets, oracle
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (its customary name)

from picojoule.calibration import Calibration, Range, Ranges, Settings
from picojoule.errors import InputError
from picojoule.integer import Interpreter, Program, lower
from picojoule.network import capture
from picojoule.plan import Plan
from picojoule.quantize import quantize, settled
from picojoule.verify.inputs import adversarial
from picojoule.verify.verify import differing

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def outputs(program: Program, x: Tensor) -> Tensor:
    return program.decode(Interpreter(program).run(program.encode(x)))


def hard(program: Program, count: int = 5, seed: int = 0) -> Tensor:
    return torch.cat([*adversarial(program, count, seed).values()])


class Net(nn.Module):
    """A function over a few layers."""

    def __init__(self, run: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def made(
    model: nn.Module, shape: tuple[int, ...], formats: dict[str, str], settings: Settings | None = None
) -> nets.Case:
    """A network with a plan of patterns, calibrated on random samples."""
    x = torch.randn(8, *shape, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for parameter in model.parameters():
            nn.init.normal_(parameter, 0.0, 0.4)
    network = capture(model.eval(), x[:1])
    plan = Plan.parse(formats).expand(network)
    calibration = Calibration.of(network, x, settings or Settings("max", "layer", "auto", "none"))
    return nets.Case(calibration.network, plan, calibration.ranges(plan))


def check(case: nets.Case, seed: int = 0) -> Program:
    """Hold a case's program, as its file has it, to the network in float64, and one sample to rational numbers."""
    program = Program.from_bytes(lower(*case).to_bytes(), "the program")
    x = hard(program, seed=seed)
    found = outputs(program, x)
    assert differing(case.exact(x), found, program.output_type) == 0
    whole = settled(*case)
    one = x[seed % len(x)]
    exact = oracle.run(whole.network, case.plan, whole.ranges, one)
    codes = Interpreter(program).run(program.encode(one[None]))[0]
    step = Fraction(2) ** program.output_type.exponents[0] / program.output_type.divisor
    assert [step * code for code in codes.flatten().tolist()] == exact.flatten().tolist()
    return program


@pytest.mark.parametrize("seed", range(12))
def test_random_networks(seed: int) -> None:
    check(nets.case(seed), seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1040))
def test_more_random_networks(seed: int) -> None:
    check(nets.case(seed), seed)


@pytest.mark.parametrize("seed", range(6))
def test_weights_that_are_codes(seed: int) -> None:
    program = check(nets.case(seed, nets.NARROW, weights=nets.CODED), seed)
    assert any(each.coding is not None for each in program.constants.values())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2000, 2020))
def test_more_weights_that_are_codes(seed: int) -> None:
    check(nets.case(seed, nets.NARROW, weights=nets.CODED), seed)


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_values_that_are_looked_up(seed: int, curved: bool) -> None:
    program = check(nets.case(seed, nets.LOOKED_UP, curved), seed)
    assert program.members or any(each.kind == "table" for each in program.operations)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3000, 3030))
def test_more_values_that_are_looked_up(seed: int) -> None:
    check(nets.case(seed, nets.LOOKED_UP), seed)


class TestThresholds:
    """A bias that only signs see is rounded down: no sign changes, whatever the bias was."""

    @pytest.mark.parametrize("inputs", ["fixed3", "binary", "fixed16"])
    def test_signs_are_those_of_the_unrounded_bias(self, inputs: str) -> None:
        model = nn.Sequential(nn.Linear(6, 40), nn.Hardtanh(), nn.Linear(40, 3))
        case = made(model, (6,), {"*": "binary", "0.inputs": inputs, "0.weights": "fixed4"})
        program = check(case)
        x = hard(program, 50)
        with torch.no_grad():
            unrounded = quantize(*case).double()(x.double())
        second = settled(*case).network.tensors["2.bias"] - case.network.tensors["2.bias"]
        assert torch.allclose(outputs(program, x) - second, unrounded, atol=1e-9)

    def test_a_sum_on_the_threshold(self) -> None:
        """A bias of -0.4 steps: a sum of 0 is below it, though the nearest whole bias is 0."""
        model = nn.Sequential(nn.Linear(1, 1), nn.Hardtanh(), nn.Linear(1, 1, bias=False))
        network = capture(model.eval(), torch.zeros(1, 1))
        tensors = {name: torch.full_like(each, 1.0) for name, each in network.tensors.items()}
        network = type(network)(network.nodes, tensors | {"0.bias": torch.tensor([-0.1])}, network.output)
        plan = Plan.parse({"*": "binary", "0.inputs": "fixed3"}).expand(network)
        ranges = Ranges({site: Range((0,), signed=True) for site in network.sites}, network.input_shape)
        program = lower(network, plan, ranges)
        assert program.constants["0.bias"].values.tolist() == [-1]
        assert outputs(program, torch.tensor([[0.0], [0.25]])).tolist() == [[-1.0], [1.0]]


class TestBiases:
    def test_shifts_of_ranges_are_in_them(self) -> None:
        model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
        case = made(model, (6,), {"*": "fixed3"}, Settings("max", "channel", "auto", "bias"))
        assert any(any(each.shift) for each in case.ranges.sites.values())
        check(case)

    def test_of_weights_that_are_never_negative(self) -> None:
        case = made(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), (6,), {"*": "fixed4"})
        tensors = {name: each.abs() if name == "0.weight" else each for name, each in case.network.tensors.items()}
        network = type(case.network)(case.network.nodes, tensors, case.network.output)
        sites = {**case.ranges.sites, "0.weights": Range((0,), signed=False)}
        program = check(nets.Case(network, case.plan, Ranges(sites, case.ranges.input_shape)))
        assert program.constants["0.weights"].form == "unsigned"

    def test_that_two_layers_share(self) -> None:
        """One layer called twice, on values of different steps."""
        case = made(Net(lambda net, x: net.fc(F.relu(net.fc(x))), fc=nn.Linear(6, 6)), (6,), {"*": "fixed5"})
        program = check(case)
        one, two = (program.constants[f"{name}.bias"].values for name in ("fc", "fc@2"))
        assert not torch.equal(one, two)


class TestOperations:
    @pytest.mark.parametrize("kernel", [(2, 3), (4, 1), (3, 3), (2, 2)])
    def test_same_padding(self, kernel: tuple[int, int]) -> None:
        layer = nn.Conv2d(2, 3, kernel, padding="same", dilation=(1, 2))
        program = check(made(Net(lambda net, x: net.conv(x), conv=layer), (2, 5, 6), {"*": "fixed5"}))
        assert program.output_type.shape == (3, 5, 6)
        uneven = (kernel[0] - 1) % 2  # dilated by 2, the other is always even
        assert ("pad" in {each.kind for each in program.operations}) == bool(uneven)

    def test_windows_along_channels(self) -> None:
        """A dense layer on rows has its exponents along the last dimension, which windows then go over."""
        model = Net(lambda net, x: F.max_pool1d(net.fc(x), 3, 1, 1), fc=nn.Linear(6, 4))
        check(made(model, (5, 6), {"*": "fixed6"}, Settings("max", "channel", "auto", "none")))

    def test_a_bound_that_does_nothing(self) -> None:
        model = Net(lambda net, x: net.b(net.a(x).clamp(-0.25, float("inf"))), a=nn.Linear(6, 5), b=nn.Linear(5, 2))
        check(made(model, (6,), {"*": "fixed5"}))

    def test_a_value_added_to_itself(self) -> None:
        model = Net(lambda net, x: net.b((y := net.a(x)) + y), a=nn.Linear(6, 5), b=nn.Linear(5, 2))
        check(made(model, (6,), {"*": "fixed5"}))

    def test_means_of_different_counts_side_by_side(self) -> None:
        def run(net: nn.Module, x: Tensor) -> Tensor:
            y = net.conv(x)
            return net.fc(torch.cat([F.avg_pool2d(y, 3).flatten(1), F.avg_pool2d(y[:, :, :5, :5], 5).flatten(1)], 1))

        check(made(Net(run, conv=nn.Conv2d(1, 2, 1), fc=nn.Linear(10, 2)), (1, 6, 6), {"*": "fixed7"}))

    def test_an_output_that_is_a_mean(self) -> None:
        model = Net(lambda net, x: F.adaptive_avg_pool2d(net.conv(x), 2), conv=nn.Conv2d(1, 2, 1))
        assert check(made(model, (1, 6, 6), {"*": "fixed7"})).output_type.divisor == 9


@contextmanager
def refused(told: str) -> Iterator[None]:
    with pytest.raises(InputError) as caught:
        yield
    assert re.fullmatch(told, str(caught.value)), str(caught.value)


REFUSED: dict[str, tuple[Callable[..., Tensor], str]] = {
    "sigmoid": (
        lambda net, x: torch.sigmoid(net.b(net.a(x))),
        r"'sigmoid' \(sigmoid\) has no exact integers; let nothing but layers read it, which rounds it, or use a .*",
    ),
    "softmax": (
        lambda net, x: torch.softmax(net.a(x), 1),
        r"'softmax' \(_?softmax\) has no exact integers; leave it to whoever reads the output: .*",
    ),
    "stored": (
        lambda net, x: net.b(net.a(x)) + net.b.bias,
        "'add.*' reads the stored tensor 'b.bias', which has no place in a program",
    ),
    "constant": (
        lambda net, x: net.b(net.a(x) + torch.ones(1, 6)),
        "'ones' is no value that depends on the network's input; it has no place in a program",
    ),
    "number": (lambda net, x: net.b(net.a(x)) + 1, "'add.*' adds a number or a multiple; .*"),
    "transposed": (
        lambda net, x: torch.conv_transpose1d(net.a(x)[:, None], net.b.weight[:1, None]),
        r"'conv_transpose.*' \(conv_transpose1d\) has no exact integers; transposed .*; use an upsampling .*",
    ),
    "product": (lambda net, x: net.b(net.a(x) * x), r"'mul.*' \(mul\) has no exact integers; .*"),
    "batch": (
        lambda net, x: net.b(net.a(x.reshape(-1, 6))).reshape(-1, 8),
        "'.*' mixes the samples of a batch; a program runs one sample after the other",
    ),
    "bound": (
        lambda net, x: net.b(net.a(x)).clamp(-0.1, 1),
        r"'clamp' clamps to -0.1 and 1.0, which takes \d+ bits; give it bounds that are small multiples of .*",
    ),
    "padding": (lambda net, x: net.b(F.pad(net.a(x), (0, 6), value=1.0)[..., :6]), "'pad' pads with something else .*"),
    "input": (lambda net, x: net.b(net.a(F.relu(x))), "no layer reads the network's input itself, .*"),
    "means": (
        lambda net, x: net.b((y := net.a(x)).mean(1, keepdim=True) + y[:, :3].mean(1, keepdim=True)),
        "'add.*' adds up means over a multiple of 3 values, which floating point rounds; .*",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals_of_operations(what: str) -> None:
    run, told = REFUSED[what]
    layers = {"a": nn.Linear(6, 6), "b": nn.Linear(1 if what == "means" else 6, 2)}
    case = made(Net(run, **layers), (4, 6) if what == "batch" else (6,), {"*": "fixed4"})
    with refused(told):
        lower(*case)


def test_refusals_of_formats() -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    told = "give it fixed point, binary or a codebook in the plan"
    with refused(f"site '2.inputs' is float32, which has no integers; {told}"):
        lower(*made(model, (6,), {"*": "fixed4", "2.inputs": "float32"}))
    with refused(f"site '0.inputs' is e2m1/4:e8m0, which has no integers; {told}"):
        lower(*made(model, (6,), {"*": "fixed4", "0.inputs": "e2m1/4:e8m0"}))
    with refused("site '2.inputs' is e4m3: its numbers are whole numbers of 19 bits, and programs have at most 16; .*"):
        lower(*made(model, (6,), {"*": "fixed4", "2.inputs": "e4m3"}))
    with refused("site '0.weights' is float32, which has no integers; .*"):
        lower(*made(model, (6,), {"*": "fixed4", "0.weights": "float32"}))
    with refused("site '2.weights' is nf4: its weights are whole numbers of .* bits, and programs have at most 16; .*"):
        lower(*made(model, (6,), {"*": "fixed4", "2.weights": "nf4"}))


def test_refusals_of_sums_beyond_53_bits() -> None:
    """Two values are added whose steps are 2^60 apart."""
    model = Net(lambda net, x: net.b((y := net.a(x)) + net.c(F.relu(y))), a=nn.Linear(6, 5), b=nn.Linear(5, 2),
                c=nn.Linear(5, 5, bias=False))  # fmt: skip
    case = made(model, (6,), {"*": "fixed8"})
    sites = {**case.ranges.sites, "c.weights": Range((-60,), signed=True)}
    with refused("the network: operation '.*': has values of more than 53 bits; give the layers before it fewer bits"):
        lower(*case._replace(ranges=Ranges(sites, case.ranges.input_shape)))


def test_refusals_of_layers_left_in_floating_point() -> None:
    """Their weights are computed from values, for which nothing but the whole batch can be taken together."""
    model = Net(lambda net, x: net.b(F.linear(x, net.a(x).mean(0) * torch.ones(6, 1))), a=nn.Linear(6, 6),
                b=nn.Linear(6, 2))  # fmt: skip
    with refused("'.*' mixes the samples of a batch; .*"):
        lower(*made(model, (6,), {"*": "fixed4"}))
