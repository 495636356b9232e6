"""Curves as tables against the quantised network in float64 and Python's own functions, on hard inputs."""

from collections.abc import Callable
from itertools import product

import pytest
import torch
from tests.integer import nets
from tests.integer.lowering.test_lower import Net, check, hard, made, outputs, refused
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (its customary name)

from picojoule.calibration import Range, Ranges, Settings
from picojoule.integer import Program, lower
from picojoule.integer.lowering import tables
from picojoule.network import capture
from picojoule.plan import Plan

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
CURVES: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "silu": nn.SiLU, "gelu": nn.GELU, "gelu by tanh": lambda: nn.GELU("tanh"),
    "hardswish": nn.Hardswish, "hardsigmoid": nn.Hardsigmoid, "elu": nn.ELU, "selu": nn.SELU, "celu": nn.CELU,
    "leaky": nn.LeakyReLU, "leaky by half": lambda: nn.LeakyReLU(0.5), "mish": nn.Mish, "softplus": nn.Softplus,
    "prelu": nn.PReLU, "prelu by channel": lambda: nn.PReLU(4), "log sigmoid": nn.LogSigmoid, "softsign": nn.Softsign,
    "tanh shrink": nn.Tanhshrink, "hard shrink": nn.Hardshrink, "soft shrink": nn.Softshrink,
    "threshold": lambda: nn.Threshold(0.1, 20.0),
}  # fmt: skip


def kinds(program: Program) -> list[str]:
    return [each.kind for each in program.operations]


UNCERTAIN = ("gelu by tanh", "binary")
"""Far below zero it is 0 or a little less, as torch's loops have it; a test below has it refused."""


@pytest.mark.parametrize(
    ("curve", "format"),
    [each for each in product(CURVES, ("fixed8", "fixed3", "fixed1", "binary")) if each != UNCERTAIN],
)
def test_curves(curve: str, format: str) -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 2), CURVES[curve](), nn.Conv2d(4, 2, 1))
    program = check(made(model, (2, 4, 4), {"*": "fixed6", "2.inputs": format}))
    assert kinds(program) == ["input", "conv2d", "table", "conv2d"]


@pytest.mark.parametrize("seed", range(10))
def test_random_networks(seed: int) -> None:
    case = nets.case(seed, nets.NARROW, curved=True)
    check(case, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1030))
def test_more_random_networks(seed: int) -> None:
    check(nets.case(seed, nets.NARROW, curved=True), seed)


def net(
    run: Callable[..., Tensor], features: int = 6, more: dict[str, str] | None = None, **layers: nn.Module
) -> nets.Case:
    layers = {"a": nn.Linear(6, 6), "b": nn.Linear(features, 2)} | layers
    return made(Net(run, **layers), (6,), {"*": "fixed5", **(more or {})})


class TestWhatIsOneFunction:
    """Any operations between one value and its site, of that value and of numbers."""

    @pytest.mark.parametrize(
        "curve",
        [
            lambda x: x * torch.sigmoid(x),
            lambda x: x * F.relu6(x + 3) / 6,
            lambda x: F.relu(x) * x,
            lambda x: F.dropout(F.relu(x), training=False) * torch.sigmoid(F.relu(x) - 1),
            lambda x: x + 1,
            lambda x: x.clamp(-0.1, 1.0),
            lambda x: F.relu(x) / 3 + torch.tanh(x),
        ],
    )
    def test_of_several_operations(self, curve: Callable[[Tensor], Tensor]) -> None:
        program = check(net(lambda net, x: net.b(curve(net.a(x)))))
        assert kinds(program).count("table") == 1
        assert "requantise" not in kinds(program)

    def test_one_table_for_each_site(self) -> None:
        """Two layers read what is moved in different ways, so that there are two sites."""

        def run(net: nn.Module, x: Tensor) -> Tensor:
            y = F.silu(net.a(x))
            result: Tensor = net.b(F.pad(y, (1, 1))) + net.c(torch.cat([y, y], 1))
            return result

        assert kinds(check(net(run, 8, c=nn.Linear(12, 2)))).count("table") == 2

    def test_a_rounded_value_is_read_by_others_too(self) -> None:
        program = check(net(lambda net, x: net.b((y := F.silu(net.a(x))) + F.relu(net.c(y))), c=nn.Linear(6, 6)))
        assert kinds(program).count("table") == 1

    def test_stored_numbers_by_channel(self) -> None:
        gains = nn.Parameter(torch.tensor([0.5, 1.0, -2.0, 0.5, 1.0, 3.0]))
        model = Net(lambda net, x: net.b(F.silu(net.a(x)) * net.gains), a=nn.Linear(6, 6), b=nn.Linear(6, 2))
        model.register_parameter("gains", gains)
        program = check(made(model, (6,), {"*": "fixed5"}))
        (found,) = (each for each in program.operations if each.kind == "table")
        assert found.args["rows"] == [*range(6)]


class TestExponentsByChannel:
    def scaled(self, case: nets.Case) -> nets.Case:
        """The same with steps of weights that differ by channel."""
        sites = {**case.ranges.sites, "a.weights": Range((0, 1, 0, -2, 1, 0), signed=True)}
        return case._replace(ranges=Ranges(sites, case.ranges.input_shape))

    def test_channels_alike_share_a_row(self) -> None:
        program = check(self.scaled(net(lambda net, x: net.b(F.silu(net.a(x))))))
        (found,) = (each for each in program.operations if each.kind == "table")
        assert found.args["rows"] == [0, 1, 0, 2, 1, 0]
        assert len(found.args["steps"]) == 3

    def test_beside_stored_numbers_along_another_dimension(self) -> None:
        """A dense layer on rows has its exponents along the last dimension, `prelu` its slopes along the first."""
        model = Net(lambda net, x: net.b(net.p(net.a(x))), a=nn.Linear(6, 6), b=nn.Linear(6, 2), p=nn.PReLU(3))
        program = check(self.scaled(made(model, (3, 6), {"*": "fixed5"})))
        (found,) = (each for each in program.operations if each.kind == "table")
        assert (found.args["rows"], found.args["axis"]) == ([0, 1, 2], 0)


class TestMoves:
    """Rounded first, then moved: what is moved has few bits."""

    @pytest.mark.parametrize(
        ("move", "features"),
        [
            (lambda x: F.max_pool1d(x[:, None], 2, 1, 1).flatten(1), 7),
            (lambda x: x.reshape(-1, 2, 3).permute(0, 2, 1).reshape(-1, 6), 6),
            (lambda x: torch.cat([x, x * 2], 1), 12),
            (lambda x: F.pad(x, (1, 2)), 9),
            (lambda x: x[:, 1:4], 3),
        ],
    )
    def test_moves(self, move: Callable[[Tensor], Tensor], features: int) -> None:
        program = check(net(lambda net, x: net.b(move(F.gelu(net.a(x)))), features))
        assert "table" in kinds(program)
        assert "requantise" not in kinds(program)

    def test_signs_are_not_padded(self) -> None:
        with refused(r"'gelu' \(gelu\) has no exact integers; let nothing but layers read it, which rounds it, or .*"):
            lower(*net(lambda net, x: net.b(F.pad(F.gelu(net.a(x)), (1, 0))), 7, {"b.inputs": "binary"}))


class TestRefusals:
    def test_what_no_site_rounds(self) -> None:
        told = r"'silu' \(silu\) has no exact integers; let nothing but layers read it, which rounds it, or use a .*"
        for run in (
            lambda net, x: F.silu(net.b(net.a(x))),
            lambda net, x: net.b(F.silu(net.a(x)) + net.c(x)),
            lambda net, x: net.b(F.avg_pool1d(F.silu(net.a(x))[:, None], 2, 1, 0).flatten(1)),
        ):
            with refused(told):
                lower(*net(run, 5 if "avg" in str(run.__code__.co_names) else 6, c=nn.Linear(6, 6)))

    def test_products_of_two_values(self) -> None:
        with refused(r"'mul.*' \(mul\) has no exact integers; use a rectifier or a clamp in its place"):
            lower(*net(lambda net, x: net.b(net.a(x) * net.c(x)), c=nn.Linear(6, 6)))

    def test_more_than_8_bits(self) -> None:
        with refused(r"'silu' \(silu\) is looked up, in at most 8 bits; give site 'b.inputs' fewer than 9"):
            lower(*net(lambda net, x: net.b(F.silu(net.a(x))), more={"b.inputs": "fixed9"}))

    def test_too_many_codes(self) -> None:
        with refused(r"'silu' \(silu\) reads sums of \d+ bits, too many to be looked up; give that layer fewer bits"):
            lower(*net(lambda net, x: net.b(F.silu(net.a(x))), more={"a.*": "fixed16"}))

    def test_means_that_floating_point_rounds(self) -> None:
        model = Net(lambda net, x: net.b(F.silu(F.avg_pool1d(net.a(x), 3))), a=nn.Conv1d(2, 2, 1), b=nn.Conv1d(2, 1, 1))
        with refused(r"'silu' \(silu\) reads a mean over a multiple of 3 values, which floating point rounds; .*"):
            lower(*made(model, (2, 6), {"*": "fixed5"}))

    def test_no_number(self) -> None:
        with refused(r"'log' \(log\) has no number for -\d.*, which its value may be; bound the value first"):
            lower(*net(lambda net, x: net.b(torch.log(net.a(x) + 4))))

    def test_a_tie_that_only_some_of_torchs_loops_see(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Halves of codes are ties; one loop is made to give a little more."""
        case = net(lambda net, x: net.b(F.leaky_relu(net.a(x), 0.5)))
        check(case)
        monkeypatch.setattr(tables, "_scattered", lambda x: x * (1 + 2.0**-50))
        with refused(r"'leaky_relu' \(leaky_relu\) of -?\d.* lies so near to halfway between two codes that torch .*"):
            lower(*case)

    def test_a_function_that_sees_the_sign_of_zero(self) -> None:
        model = Net(
            lambda net, x: net.b(torch.atan2(y := net.a(x), -torch.relu(y))), a=nn.Linear(6, 6), b=nn.Linear(6, 2)
        )
        with refused(r"'atan2' \(atan2\) of .*0 lies so near to halfway .*"):
            lower(*made(model, (6,), {"*": "fixed5"}))

    def test_too_many_steps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tables, "MOST_STEPS", 20)
        with refused(r"'sin' \(sin\) has \d+ steps, and at most 20 are possible"):
            lower(*net(lambda net, x: net.b(torch.sin(net.a(x) * 30))))


def test_every_code_of_a_value_is_tried() -> None:
    """More codes than are looked at together, with steps on both sides of each seam."""
    network = capture(nn.Sequential(nn.Linear(1, 1), nn.SiLU(), nn.Linear(1, 1)).eval(), torch.zeros(1, 1))
    tensors = {name: torch.full_like(each, 0.5 if "weight" in name else 0.0) for name, each in network.tensors.items()}
    network = type(network)(network.nodes, tensors, network.output)
    plan = Plan.parse({"*": "fixed8", "0.inputs": "fixed16"}).expand(network)
    ranges = Ranges({site: Range((3,), signed=True) for site in network.sites}, network.input_shape)
    program = check(nets.Case(network, plan, ranges))
    (read,) = next(each for each in program.operations if each.kind == "table").reads
    x = torch.arange(-(2**15), 2**15)[:, None] * 2.0**-12
    assert program.by_name[read].type.high > 4 * tables._CHUNK
    assert torch.equal(outputs(program, x), nets.Case(network, plan, ranges).exact(x))


def test_functions_that_are_the_same_for_all() -> None:
    program = check(net(lambda net, x: net.b(torch.sigmoid(net.a(x)) * 0 + 0.25)))
    (found,) = (each for each in program.operations if each.kind == "table")
    assert (found.args["steps"], found.type.low) == ([1], found.type.high)


def test_settings_by_channel() -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 2), nn.Hardswish(), nn.MaxPool2d(2), nn.Conv2d(4, 2, 1))
    case = made(model, (2, 5, 5), {"*": "fixed4"}, Settings("mse", "channel", "auto", "bias"))
    assert kinds(check(case)).count("max_pool") == 1
    assert hard(lower(*case)).shape[1:] == (2, 5, 5)
