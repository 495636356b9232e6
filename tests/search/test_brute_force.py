"""The forward sweep once more, by brute force: plain loops and torch's functions, and of picojoule only its answer.

Everything is worked out anew here: the ranges, the rounding (by the exact oracle of the formats), the forward pass, the
floor and the sweep, which tries every bit count. Of all that the library tries the verdicts must be those that the
counts give here, and its plan the same up to a site where accuracy rises again below a bit count that fails.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from tests.formats.oracle import quantize_array
from tests.jobs.small import fit
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (its customary name)

import picojoule
from picojoule import data, zoo
from picojoule.data import Prepare, Samples, Splits
from picojoule.evaluate.evaluator import BATCH  # a sum in float32 may differ in its last bit with the batch
from picojoule.userref import call

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lenet5_mnist.py"

Rounding = tuple[str, int, bool]  # format text, exponent, signed
Trials = dict[str, int]  # formats tried at a site and how many samples were right
Seen = Callable[[str, Tensor], Tensor]  # site and tensor to the tensor that is used instead


def lenet5_of_the_zoo(model: nn.Module, x: Tensor, seen: Seen) -> Tensor:
    """28x28: two convolutions with pooling, three dense layers."""
    p = dict(model.named_parameters())
    x = F.conv2d(seen("conv1.inputs", x), seen("conv1.weights", p["conv1.weight"]), p["conv1.bias"], padding=2)
    x = F.max_pool2d(F.relu(x), 2)
    x = F.conv2d(seen("conv2.inputs", x), seen("conv2.weights", p["conv2.weight"]), p["conv2.bias"])
    x = F.max_pool2d(F.relu(x), 2).flatten(1)
    x = F.relu(F.linear(seen("fc1.inputs", x), seen("fc1.weights", p["fc1.weight"]), p["fc1.bias"]))
    x = F.relu(F.linear(seen("fc2.inputs", x), seen("fc2.weights", p["fc2.weight"]), p["fc2.bias"]))
    return F.linear(seen("fc3.inputs", x), seen("fc3.weights", p["fc3.weight"]), p["fc3.bias"])


def lenet5_of_the_example(model: nn.Module, x: Tensor, seen: Seen) -> Tensor:
    """32x32: three convolutions, the first two with pooling, two dense layers."""
    p = dict(model.named_parameters())

    def conv(name: str, x: Tensor) -> Tensor:
        name = f"convnet.{name}"
        weights = seen(f"{name}.weights", p[f"{name}.weight"])
        return F.relu(F.conv2d(x, weights, p[f"{name}.bias"]))

    x = F.max_pool2d(conv("c1", seen("convnet.c1.inputs", x)), 2)
    x = F.max_pool2d(conv("c3", seen("convnet.c3.inputs", x)), 2)
    x = conv("c5", seen("convnet.c5.inputs", x)).flatten(1)
    x = F.relu(F.linear(seen("fc.f6.inputs", x), seen("fc.f6.weights", p["fc.f6.weight"]), p["fc.f6.bias"]))
    return F.linear(seen("fc.f7.inputs", x), seen("fc.f7.weights", p["fc.f7.weight"]), p["fc.f7.bias"])


Forward = Callable[[nn.Module, Tensor, Seen], Tensor]


@torch.no_grad()
def calibrated(forward: Forward, model: nn.Module, x: Tensor) -> dict[str, tuple[int, bool]]:
    """Each site's exponent, the least power of two that covers its largest magnitude, and whether it is ever negative.

    In the order that the forward pass comes to them: each layer's inputs, then its weights.
    """
    largest: dict[str, float] = {}
    negative: dict[str, bool] = {}

    def look(site: str, value: Tensor) -> Tensor:
        largest[site] = max(largest.get(site, 0.0), float(value.abs().max()))
        negative[site] = negative.get(site, False) or bool((value < 0).any())
        return value

    for part in x.split(BATCH):
        forward(model, part, look)
    sites = sorted(largest, key=lambda site: (list(largest).index(f"{site.rsplit('.', 1)[0]}.inputs"), site))
    return {site: (next(e for e in range(-96, 97) if largest[site] <= 2.0**e), negative[site]) for site in sites}


@torch.no_grad()
def count_right(forward: Forward, model: nn.Module, samples: Samples, roundings: dict[str, Rounding]) -> int:
    """How many samples the network gets right with every site rounded; with no roundings, the float network."""

    def rounded(site: str, value: Tensor) -> Tensor:
        if not roundings:
            return value
        return torch.from_numpy(quantize_array(value.double().numpy(), *roundings[site])).float()

    right = 0
    for start in range(0, len(samples.x), BATCH):
        outputs = forward(model, samples.x[start : start + BATCH], rounded)
        right += int((outputs.argmax(dim=1) == samples.y[start : start + BATCH]).sum())
    return right


class Sweep:
    """All sites begin at the most bits; then site by site goes down one bit at a time, until the floor fails."""

    def __init__(
        self, forward: Forward, model: nn.Module, calibration: Samples, search: Samples, keep: str, most: int
    ) -> None:
        self._case, self._ranges = (forward, model, search), calibrated(forward, model, calibration.x)
        self.reference, self._known = count_right(*self._case, {}), dict[tuple[str, ...], int]()
        self.needed = Fraction(keep) * self.reference
        self.widest = {site: self.formats(site, most)[0] for site in self._ranges}
        self.plan = dict(self.widest)
        assert self.right_with(self.plan) >= self.needed, "the floor must hold at the most bits"
        for site in self._ranges:
            for text in self.formats(site, most)[1:]:
                if self.right_with({**self.plan, site: text}) < self.needed:
                    break
                self.plan[site] = text

    def formats(self, site: str, most: int) -> list[str]:
        return [*(f"fixed{bits}" for bits in range(most, 1, -1)), "binary" if self._ranges[site][1] else "fixed1"]

    def right_with(self, plan: dict[str, str]) -> int:
        key = tuple(plan[site] for site in self._ranges)
        if key not in self._known:
            roundings = {site: (plan[site], *self._ranges[site]) for site in self._ranges}
            self._known[key] = count_right(*self._case, roundings)
        return self._known[key]


def same_plan(forward: Forward, model: nn.Module, splits: Splits, keep: str, most: int) -> str | None:
    """The library's plan and log against those of the sweep above; the first site where they differ."""
    swept = Sweep(forward, model, splits.calibration, splits.search, keep, most)
    result = picojoule.search(model, None, splits=splits, keep=float(keep), strategy="greedy", bits=(1, most))
    plan = {site: str(format) for site, format in result.plan.formats.items()}
    assert [decision.site for decision in result.log] == list(swept.widest)
    decided, early = dict(swept.widest), 0
    for decision in result.log:
        site, chosen, ladder = decision.site, str(decision.format), swept.formats(decision.site, most)
        for trial in decision.trials:
            count = swept.right_with({**decided, site: str(trial.format)})
            assert trial.holds == (count >= swept.needed)
            assert trial.tally.low <= count <= trial.tally.high
            assert trial.tally.total == len(splits.search)
            early += trial.tally.seen < trial.tally.total
        decided[site] = chosen
        assert swept.right_with(decided) >= swept.needed
        if chosen != ladder[-1]:
            assert swept.right_with({**decided, site: ladder[ladder.index(chosen) + 1]}) < swept.needed
    assert decided == plan
    assert early > 0
    assert result.point.search.correct == swept.right_with(plan)
    assert result.baselines["float32"].search.correct == swept.reference
    assert len(set(plan.values())) > 2, "a plan that is uniform would prove little"
    return next((site for site in plan if plan[site] != swept.plan[site]), None)


@pytest.fixture(scope="module")
def trained() -> tuple[nn.Module, Splits]:
    loaded = data.load("mnist5k")
    assert loaded.train is not None
    model = fit(lambda: zoo.create("lenet5"), loaded.train, rate=2e-3, epochs=2)
    held_out = loaded.held_out
    return model, Splits(loaded.train.first(300), held_out.take(range(400)), held_out.take(range(400, 500)))


@pytest.mark.parametrize(("keep", "differs"), [("0.9", None), ("0.98", "conv1.weights")])
def test_lenet5_trained_on_5000_digits(trained: tuple[nn.Module, Splits], keep: str, differs: str | None) -> None:
    assert same_plan(lenet5_of_the_zoo, *trained, keep, 8) == differs


@pytest.mark.slow
def test_the_published_lenet5(shared_data: Path, unpacked: Path) -> None:
    model = call(f"{EXAMPLE}:lenet5")
    assert isinstance(model, nn.Module)
    model.load_state_dict(torch.load(shared_data / "models" / "lenet5-mnist.pth", weights_only=True))
    loaded = data.load(f"idx:{unpacked / 'mnist'}")
    assert loaded.train is not None
    prepare = Prepare(resize=32)
    calibration, held_out = prepare.apply_to(loaded.train.first(512)), prepare.apply_to(loaded.held_out.first(2000))
    splits = Splits(calibration, held_out.take(range(1000)), held_out.take(range(1000, 2000)))
    assert same_plan(lenet5_of_the_example, model.eval(), splits, "0.99", 8) == "convnet.c1.weights"
