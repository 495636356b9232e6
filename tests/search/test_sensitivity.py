"""Sensitivities on tiny networks: noise by hand, exponents that disturb less, and what a journal remembers of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import Tensor, nn

from picojoule.calibration import Calibration, Settings
from picojoule.execute import Runner
from picojoule.formats import Format, parse
from picojoule.network import capture
from picojoule.search import Journal, Memo, OutOfTimeError, Sensitivities, measure
from picojoule.search.sensitivity import HARMLESS, SAMPLES, SPREAD

Ladders = Mapping[str, tuple[Format, ...]]
WEIGHTS = torch.tensor([[1.0, 0.2], [-0.3, 0.9], [0.4, -0.7]])
X = torch.rand(40, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1


def linear(weights: Tensor = WEIGHTS) -> nn.Module:
    model = nn.Linear(weights.shape[1], weights.shape[0], bias=False)
    with torch.no_grad():
        model.weight.copy_(weights)
    return nn.Sequential(model).eval()


def calibrated(model: nn.Module, x: Tensor = X, observer: str = "max", rescale: str = "layer") -> Calibration:
    return Calibration.of(capture(model, x[:1]), x, Settings(observer, rescale))


def ladders(calibration: Calibration, *texts: str) -> Ladders:
    return {site: tuple(map(parse, texts)) for site in calibration.network.sites}


def margins(outputs: Tensor, classes: Tensor) -> Tensor:
    """How far the class's output is above the next one."""
    own = outputs[torch.arange(len(outputs)), classes]
    others = outputs.clone()
    others[torch.arange(len(outputs)), classes] = -torch.inf
    return own - others.max(1).values


def by_hand(x: Tensor, weights: Tensor) -> Tensor:
    """What a linear layer's change of its inputs or weights does to the margins, squared."""
    classes = (X @ WEIGHTS.T).argmax(1)
    return (margins(x @ weights.T, classes) - margins(X @ WEIGHTS.T, classes)).square()


@pytest.mark.parametrize("text", ["fixed2", "fixed3", "fixed6", "binary"])
def test_noise_by_hand(text: str) -> None:
    calibration, format = calibrated(linear()), parse(text)
    chosen, found = measure(calibration, X, ladders(calibration, text), tune=False)
    assert chosen == {}
    assert found.noise.keys() == {("0.inputs", format), ("0.weights", format)}
    np.testing.assert_allclose(found.slack, margins(X @ WEIGHTS.T, (X @ WEIGHTS.T).argmax(1)), rtol=1e-5)
    weights = by_hand(X, format.quantize(WEIGHTS, 0, signed=True))
    inputs = by_hand(format.quantize(X, 0, signed=True), WEIGHTS)
    np.testing.assert_allclose(found.noise["0.weights", format], weights, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(found.noise["0.inputs", format], inputs, rtol=1e-3, atol=1e-7)
    assert min(float(weights.sum()), float(inputs.sum())) > 0


def test_what_is_kept_by_hand() -> None:
    """The mean over samples of the chance that noise is below the slack."""
    found = Sensitivities(np.array([0.0, 1.0, 3.0]), {})
    noise = np.array([0.5, 0.25, 4.0])
    expected = [norm.cdf(slack / (SPREAD * each) ** 0.5) for slack, each in zip(found.slack, noise, strict=True)]
    assert float(found.kept(noise)) == pytest.approx(np.mean(expected))
    assert float(found.kept(np.zeros(3))) == pytest.approx((0.5 + 1 + 1) / 3)
    assert float(found.kept(np.full(3, 1e30))) == pytest.approx(0.5)
    np.testing.assert_allclose(found.kept(np.stack([noise, 0 * noise])), [np.mean(expected), 2.5 / 3])


def test_outputs_without_classes() -> None:
    """Their squared error over the variance of the outputs, against a slack of 1."""
    for model in (nn.Sequential(nn.Conv1d(1, 2, 2)), nn.Sequential(nn.Linear(2, 1))):
        torch.manual_seed(0)
        x = X.reshape(40, 1, 2) if isinstance(model[0], nn.Conv1d) else X
        layer = model.eval()[0]
        with torch.no_grad():
            layer.weight.copy_(torch.rand(layer.weight.shape) - 0.5)
            layer.bias.fill_(0.125)
        calibration, format = calibrated(model, x), parse("fixed3")
        _, found = measure(calibration, x, ladders(calibration, "fixed3"), tune=False)
        exponent = calibration.exponents("0.weights", format)[0]
        with torch.no_grad():
            base = layer(x).flatten(1)
            layer.weight.copy_(format.quantize(layer.weight, exponent, signed=True))
            error = (layer(x).flatten(1) - base).square().sum(1)
        variance = (base - base.mean(0)).square().sum(1).mean()
        np.testing.assert_allclose(found.noise["0.weights", format], error / variance, rtol=1e-3, atol=1e-7)
        np.testing.assert_allclose(found.slack, np.ones(40))


def test_so_many_samples_at_most() -> None:
    x = X.repeat(20, 1)
    calibration = calibrated(linear(), x)
    assert len(measure(calibration, x, ladders(calibration, "fixed2"))[1].slack) == SAMPLES < len(x)


class TestTuning:
    """The first input is always 0, so that the large weights there need not be covered."""

    WIDE = torch.cat([torch.full((3, 1), 3.9), WEIGHTS], dim=1)
    X = torch.cat([torch.zeros(40, 1), X], dim=1)

    def test_it_takes_the_exponent_that_disturbs_less(self) -> None:
        calibration = calibrated(linear(self.WIDE), self.X)
        key = ("0.weights", parse("fixed3"))
        assert calibration.exponents(*key) == (2,)
        untuned = measure(calibration, self.X, ladders(calibration, "fixed3"), tune=False)[1]
        chosen, found = measure(calibration, self.X, ladders(calibration, "fixed3"))
        assert chosen[key] == (1,)
        assert found.kept(found.noise[key]) > untuned.kept(untuned.noise[key])
        tuned = calibration.with_exponents(chosen)
        again = measure(tuned, self.X, ladders(calibration, "fixed3"), tune=False)[1]
        for each, noise in found.noise.items():
            np.testing.assert_array_equal(again.noise[each], noise)

    def test_it_leaves_what_is_best(self) -> None:
        near_the_grid = torch.tensor([[0.53, 0.04], [-0.47, 0.52], [0.03, -0.95]])
        calibration = calibrated(linear(near_the_grid))
        only = {"0.weights": (parse("fixed2"),)}
        chosen, found = measure(calibration, X, only)
        assert chosen == {}
        assert float(found.kept(found.noise["0.weights", parse("fixed2")])) < 0.999
        untuned = measure(calibration, X, only, tune=False)[1]
        for key, noise in untuned.noise.items():
            np.testing.assert_array_equal(found.noise[key], noise)

    def test_the_exponents_of_channels_go_together(self) -> None:
        rows = torch.tensor([[1.0], [0.25], [4.0]])
        calibration = calibrated(linear(self.WIDE * rows), self.X, rescale="channel")
        chosen, _ = measure(calibration, self.X, ladders(calibration, "fixed3"))
        assert calibration.exponents("0.weights", parse("fixed3")) == (2, 0, 4)
        assert chosen["0.weights", parse("fixed3")] == (1, -1, 3)


def test_what_is_harmless_is_not_measured_at_more_bits() -> None:
    """From there on each bit divides the noise by four; whatever the order of the ladder."""
    x = X[margins(X @ WEIGHTS.T, (X @ WEIGHTS.T).argmax(1)) > 0.4]
    calibration, heard = calibrated(linear(), x), list[bool]()
    texts = ["fixed16", "fixed15", "fixed8", "fixed4", "fixed2"]
    memo = Memo(Journal(), "c", heard=heard.append)
    _, found = measure(calibration, x, ladders(calibration, *texts), memo=memo)
    _, same = measure(calibration, x, ladders(calibration, *reversed(texts)))
    assert found.noise.keys() == same.noise.keys()
    assert len(heard) == len(found.noise) == 10
    for site in calibration.network.sites:
        lost = {bits: 1 - float(found.kept(found.noise[site, parse(f"fixed{bits}")])) for bits in (2, 4, 8, 15, 16)}
        assert lost[2] > HARMLESS > lost[8]
        for few, many in ((8, 15), (15, 16)):
            expected = found.noise[site, parse(f"fixed{few}")] / 4.0 ** (many - few)
            np.testing.assert_allclose(found.noise[site, parse(f"fixed{many}")], expected)
        np.testing.assert_array_equal(found.noise[site, parse("fixed16")], same.noise[site, parse("fixed16")])
    assert heard == [True, True, heard[2], False, False] * 2


def test_of_codebooks_what_is_harmless_is_not_measured_either() -> None:
    """From there on twice the numbers divide the noise by four; and no other exponent is tried."""
    random = torch.Generator().manual_seed(1)
    x, weights = torch.rand(200, 40, generator=random) * 2 - 1, torch.randn(3, 40, generator=random)
    x = x[margins(x @ weights.T, (x @ weights.T).argmax(1)) > 1.5]
    calibration, heard = calibrated(linear(weights), x), list[bool]()
    texts = ["lut256", "fixed8", "lut64", "lut16", "lut2"]
    memo = Memo(Journal(), "c", heard=heard.append)
    chosen, found = measure(calibration, x, ladders(calibration, *texts), memo=memo)
    assert not any(format.fitted for _, format in chosen)
    lost = {text: 1 - float(found.kept(found.noise["0.weights", parse(text)])) for text in texts}
    assert lost["lut2"] > HARMLESS > lost["lut64"]
    quarter = found.noise["0.weights", parse("lut64")] / 4.0**2
    np.testing.assert_allclose(found.noise["0.weights", parse("lut256")], quarter)
    alone = measure(calibration, x, {"0.weights": (parse("lut2"),)})[1]
    np.testing.assert_array_equal(found.noise["0.weights", parse("lut2")], alone.noise["0.weights", parse("lut2")])
    assert False in heard


def test_of_other_families_all_is_measured() -> None:
    """More bits need not disturb less there; what is harmless in one family says nothing of another."""
    x = X[margins(X @ WEIGHTS.T, (X @ WEIGHTS.T).argmax(1)) > 0.4]
    calibration = calibrated(linear(), x)
    alone = measure(calibration, x, ladders(calibration, "fixed16", "fixed8", "fixed4"))[1]
    texts = ("fixed16", "bf16", "e4m3", "nf8", "fixed8", "fixed4", "nf4")
    _, mixed = measure(calibration, x, ladders(calibration, *texts))
    for site in calibration.network.sites:
        for text in ("fixed16", "fixed8", "fixed4"):
            np.testing.assert_array_equal(mixed.noise[site, parse(text)], alone.noise[site, parse(text)])
        for text in ("bf16", "e4m3", "nf8", "nf4"):
            only = measure(calibration, x, {site: (parse(text),)})[1]
            np.testing.assert_array_equal(mixed.noise[site, parse(text)], only.noise[site, parse(text)])


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What runs through the network, one entry each time."""
    seen: list[str] = []
    plainly = Runner.run

    def counting(self: Runner, plan: Any) -> Any:
        seen.append(str(plan))
        return plainly(self, plan)

    monkeypatch.setattr(Runner, "run", counting)
    return seen


class TestJournal:
    TEXTS = ("fixed2", "fixed3", "fixed4", "fixed5")

    def measured(self, memo: Memo) -> tuple[dict[Any, Any], dict[Any, list[float]]]:
        calibration = calibrated(linear(TestTuning.WIDE), TestTuning.X)
        chosen, found = measure(calibration, TestTuning.X, ladders(calibration, *self.TEXTS), memo=memo)
        return chosen, {"slack": list(found.slack), **{key: list(noise) for key, noise in found.noise.items()}}

    def test_what_is_known_runs_no_more(self, runs: list[str]) -> None:
        with Journal() as journal:
            heard: list[bool] = []
            first = self.measured(Memo(journal, "c", heard=heard.append))
            assert len(runs) > len(heard) == 8
            runs.clear()
            heard.clear()
            assert self.measured(Memo(journal, "c", stopped=lambda: True, heard=heard.append)) == first
            assert (runs, heard) == ([], [False] * 8)
            assert self.measured(Memo(journal, "another")) == first
            assert runs

    @pytest.mark.parametrize("after", range(8))
    def test_stopped_anywhere_it_goes_on_from_there(self, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
        undisturbed = self.measured(Memo(Journal(), "c"))
        kept: list[str] = []
        plainly = Journal.keep

        def keeping(self: Journal, context: str, name: str, content: bytes) -> None:
            kept.append(name)
            plainly(self, context, name, content)

        monkeypatch.setattr(Journal, "keep", keeping)
        with Journal() as journal:
            with pytest.raises(OutOfTimeError):
                self.measured(Memo(journal, "c", stopped=lambda: len(kept) > after))
            assert len(kept) == after + 1
            assert self.measured(Memo(journal, "c")) == undisturbed
        assert len(set(kept)) == len(kept) > after + 1
