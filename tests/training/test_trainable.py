"""The module that trains: in anybody's loop, and the same as what is deployed."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
from tests.training import nets
from torch import nn

from picojoule import zoo
from picojoule.calibration import calibrate
from picojoule.errors import InputError, PlanError
from picojoule.formats import parse
from picojoule.network import capture
from picojoule.plan import Plan
from picojoule.quantize import quantize
from picojoule.training import Trainable, trainable, whole_biases
from picojoule.training.shared import Shared

BITS = (1, 2, 3, 4, 8, 16, 32)
KINDS = (nets.Residual, nets.Chain)


def module_of(kind: type[nn.Module], bits: int = 4, activation: str = "relu") -> Trainable:
    return trainable(nets.made(kind), nets.train().x, bits, activation=activation)


class TestDeployed:
    @pytest.mark.parametrize("activation", ["relu", "hardtanh"])
    @pytest.mark.parametrize("bits", BITS)
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_the_folded_module_to_the_bit(self, kind: type[nn.Module], bits: int, activation: str) -> None:
        module = module_of(kind, bits, activation)
        nets.trained(module)
        folded = module.folded()
        x = nets.train().x
        for _ in range(2):
            with torch.no_grad():
                assert torch.equal(quantize(*folded.deployed())(x), folded(x))
            nets.trained(folded, 10, 0.01)

    @pytest.mark.parametrize("text", ["e4m3", "e2m1", "e3m0", "nf4", "ternary", "nf4/8", "e2m1/4:e8m0", "e2m1/4:e4m3"])
    def test_at_other_formats_too(self, text: str) -> None:
        """Latent weights fill the format's grid, learn, and are deployed to the bit."""
        made, x = nets.made(nets.Residual), nets.train().x
        module = trainable(made, x, plan=Plan.uniform(capture(made, x[:1]), text))
        nets.trained(module, 100, 0.01)
        folded = module.folded()
        with torch.no_grad():
            assert torch.equal(quantize(*folded.deployed())(x), folded(x))
            assert (module(x).argmax(1) == nets.train().y).float().mean() > 0.25
        once = folded.deployed()
        assert Trainable(*once).deployed().ranges == once.ranges

    @pytest.mark.parametrize("bits", BITS)
    def test_again_trainable_is_the_same(self, bits: int) -> None:
        """Weights go to the unit scale and back, to the bit, so that training can stop and go on anywhere."""
        folded = module_of(nets.Residual, bits).folded()
        nets.trained(folded, 5)
        once = folded.deployed()
        twice = Trainable(*once).deployed()
        assert twice.network == once.network
        assert twice.ranges == once.ranges

    @pytest.mark.parametrize("name", ["qnn-1x8-1x8-1x8", "lenet5", "lenet-300-100", "resnet20", "ds-cnn"])
    def test_of_the_zoo(self, name: str) -> None:
        x = torch.rand(4, *zoo.example(name).shape[1:], generator=torch.Generator().manual_seed(0))
        module = trainable(zoo.create(name), x, 4).train()
        for _ in range(2):
            nn.functional.cross_entropy(module(x), torch.arange(4)).backward()
        folded = module.folded().eval()
        with torch.no_grad():
            assert torch.equal(quantize(*folded.deployed())(x), folded(x))
        assert module.deployed().ranges == folded.ranges

    def test_formats_are_the_published_ones(self) -> None:
        plan = {site: str(format) for site, format in module_of(nets.Residual, 4).plan.formats.items()}
        assert plan.pop("stem.inputs") == "fixed8"
        assert set(plan.values()) == {"fixed4"}
        plan = {site: str(format) for site, format in module_of(nets.Residual, 1).plan.formats.items()}
        assert plan.pop("stem.inputs") == "fixed8"
        assert set(plan.values()) == {"binary"}

    def test_mixed_plans(self) -> None:
        plan = Plan.parse({"*": "fixed4", "left.weights": "binary", "fc.inputs": "binary", "right.weights": "float32"})
        module = trainable(nets.made(nets.Residual), nets.train().x, plan=plan)
        nets.trained(module)
        folded = module.folded()
        with torch.no_grad():
            assert torch.equal(quantize(*folded.deployed())(nets.train().x), folded(nets.train().x))
        assert folded.plan.formats["left.weights"] == parse("binary")

    @pytest.mark.parametrize(("bits", "least"), [(1, 0.65), (2, 0.85), (4, 0.9)])
    @pytest.mark.parametrize("kind", KINDS)
    def test_learns(self, kind: type[nn.Module], bits: int, least: float) -> None:
        module = nets.trained(module_of(kind, bits), 300, 0.01)
        with torch.no_grad():
            right = (module(nets.train().x).argmax(1) == nets.train().y).float().mean()
        assert right > least

    def test_whole_biases_make_sums_integers(self) -> None:
        module = module_of(nets.Chain, 4)
        nets.trained(module)
        network, plan, ranges = module.folded().deployed()
        whole = quantize(whole_biases(network, plan, ranges), plan, ranges).double()
        step = 2.0 ** (-3 - 4)  # of weights on [-1, 1) by inputs on [0, 1), at 4 bits
        with torch.no_grad():
            outputs = whole(nets.train().x.double())
        steps = step * torch.tensor(ranges.sites["fc.weights"].exponents).double().exp2()
        assert torch.equal(outputs / steps, (outputs / steps).round())
        assert (outputs / steps).abs().max() > 10


class TestAnybodysLoop:
    def test_the_users_model_stays_as_it_is(self) -> None:
        model = nets.made(nets.Residual)
        before = copy.deepcopy(model.state_dict())
        nets.trained(trainable(model, nets.train().x))
        assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())

    @pytest.mark.parametrize("bits", [1, 4])
    def test_copies_and_pickles_train_alike(self, bits: int) -> None:
        module = module_of(nets.Residual, bits)
        nets.trained(module, 3)
        others = copy.deepcopy(module), pickle.loads(pickle.dumps(module))
        wanted = nets.trained(module, 5).state_dict()
        for other in others:
            found = nets.trained(other, 5).state_dict()
            assert found.keys() == wanted.keys()
            assert all(torch.equal(found[name], wanted[name]) for name in wanted)

    @pytest.mark.parametrize("folded", [False, True])
    def test_state_brings_another_to_the_same(self, folded: bool, tmp_path: Path) -> None:
        def fresh() -> Trainable:
            module = module_of(nets.Residual)
            return module.folded() if folded else module

        module = fresh() if not folded else nets.trained(module_of(nets.Residual)).folded()  # type: ignore[operator]
        nets.trained(module, 5)
        torch.save(module.state_dict(), tmp_path / "state.pt")
        other = fresh()
        other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
        with torch.no_grad():
            assert torch.equal(other.eval()(nets.train().x), module(nets.train().x))
        assert other.deployed().network == module.deployed().network
        assert other.deployed().ranges == module.deployed().ranges

    def test_biases_wait_for_the_fold(self) -> None:
        module = module_of(nets.Chain)
        frozen = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
        assert frozen == {"body.conv.bias", "body.hidden.bias", "body.fc.bias"}
        assert all(parameter.requires_grad for parameter in module.folded().parameters())

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within torch's own compiler
    @pytest.mark.parametrize("bits", [1, 4])
    def test_compiled_trains_as_eager(self, bits: int) -> None:
        modules = [module_of(nets.Residual, bits) for _ in range(2)]
        ways = [torch.compile(modules[0]), modules[1]]
        losses = []
        for module in ways:
            optimizer = torch.optim.SGD([each for each in module.parameters() if each.requires_grad], 0.5)
            module.train()
            losses.append([nets.step(module, optimizer, 50 * index) for index in range(4)])
        assert losses[0] == pytest.approx(losses[1], rel=1e-3)
        assert losses[0][-1] != losses[0][0]
        for module in ways:
            module(nets.train().x[:8])
        assert all(each.abs().max() <= 1 for each in modules[0].body.parameters() if each.dim() > 1)


def test_a_network_with_shared_weights_trains_on_from_its_plan() -> None:
    network = capture(nets.made(nets.Shared), nets.train().x[:1])
    plan = Plan.uniform(network, "fixed4")
    module = Trainable(network, plan, calibrate(network, nets.train().x, plan))
    nets.trained(module, 5, 0.01)
    with torch.no_grad():
        assert torch.equal(quantize(*module.deployed())(nets.train().x), module(nets.train().x))
    assert not torch.equal(module.deployed().network.tensors["fc.weight"], network.tensors["fc.weight"])


class TestCodebooks:
    def module(self, kind: type[nn.Module], text: str, inputs: str = "fixed8", prepare: str = "bias") -> Trainable:
        network = capture(nets.made(kind), nets.train().x[:1])
        plan = Plan.parse({"*.weights": text, "*.inputs": inputs}).expand(network)
        return Trainable(network, plan, calibrate(network, nets.train().x, plan, prepare=prepare))

    @pytest.mark.parametrize("kind", [*KINDS, nets.Shared])
    @pytest.mark.parametrize(("text", "inputs"), [("lut2", "fixed8"), ("lut16:fp16", "fixed16"), ("lut8", "lut16")])
    def test_are_deployed_to_the_bit(self, kind: type[nn.Module], text: str, inputs: str) -> None:
        module, x = self.module(kind, text, inputs), nets.train().x
        for _ in range(2):
            with torch.no_grad():
                assert torch.equal(quantize(*module.eval().deployed())(x), module(x))
            nets.trained(module, 10, 0.01)

    def test_learn_while_memberships_stay(self) -> None:
        module, y = self.module(nets.Residual, "lut4"), nets.train().y
        before = {site: tap.indices.clone() for site, tap in module.body.named_modules() if isinstance(tap, Shared)}
        with torch.no_grad():
            first = float(nn.functional.cross_entropy(module(nets.train().x), y))
        nets.trained(module, 60, 0.02)
        with torch.no_grad():
            assert float(nn.functional.cross_entropy(module(nets.train().x), y)) < first - 0.1
        after = {site: tap.indices for site, tap in module.body.named_modules() if isinstance(tap, Shared)}
        assert len(before) == 4
        assert all(torch.equal(after[site], before[site]) for site in before)

    def test_train_on_from_what_was_deployed_as_if_nothing_had_been(self) -> None:
        module = nets.trained(self.module(nets.Residual, "lut8"), 5, 0.01)
        assert isinstance(module, Trainable)
        once = module.deployed()
        twice = Trainable(*once)
        assert twice.deployed().ranges == once.ranges
        assert twice.deployed().network == once.network

    def test_of_a_layer_that_is_constant(self) -> None:
        made = nets.made(nets.Chain)
        with torch.no_grad():
            made.get_parameter("hidden.weight").fill_(0.25)
        network = capture(made, nets.train().x[:1])
        plan = Plan.parse({"*.weights": "lut4", "*.inputs": "fixed8"}).expand(network)
        module = nets.trained(Trainable(network, plan, calibrate(network, nets.train().x, plan)), 5, 0.01)
        assert isinstance(module, Trainable)
        (trained,) = module.deployed().network.tensors["hidden.weight"].unique().tolist()
        assert trained != 0.25


class TestRefusals:
    def test_shared_weights(self) -> None:
        with pytest.raises(InputError, match="layer 'fc' is used 2 times"):
            module_of(nets.Shared)

    @pytest.mark.parametrize("bits", [0, 17, 31, -1, 2.0, True, None])
    def test_bits(self, bits: object) -> None:
        with pytest.raises(InputError, match=r"^bits .* cannot be trained at; give 1 to 16, or 32 for floating point"):
            trainable(nets.made(nets.Chain), nets.train().x, bits)  # type: ignore[arg-type]

    def test_activation(self) -> None:
        with pytest.raises(InputError, match="activation 'gelu' is not known; choose one of relu, hardtanh"):
            module_of(nets.Chain, activation="gelu")

    def test_plan(self) -> None:
        with pytest.raises(PlanError, match=r"plan key 'conv9\.weights' matches no site"):
            trainable(nets.made(nets.Chain), nets.train().x, plan=Plan.parse({"conv9.weights": "fixed4"}))

    def test_codebooks_before_there_is_anything_to_fit_them_to(self) -> None:
        with pytest.raises(
            InputError, match=r"^site 'conv\.weights' has lut4, whose numbers come from trained values; tr"
        ):
            trainable(nets.made(nets.Chain), nets.train().x, plan=Plan.parse({"*.weights": "lut4"}))

    def test_nothing_to_train(self) -> None:
        with pytest.raises(InputError, match="no convolution or linear layer that can be trained"):
            trainable(nn.Flatten(), nets.train().x)

    def test_a_captured_network_serves_too(self) -> None:
        network = capture(nets.made(nets.Chain), nets.train().x[:1])
        assert trainable(network, nets.train().x).plan == module_of(nets.Chain).plan
