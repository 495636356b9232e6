"""The forward sweep once more, by brute force: plain loops and torch's functions, and of picojoule only its answer.

Everything is worked out anew here: the ranges, the rounding (by the exact oracle of the formats), the forward pass, the
floor and the sweep. The library must give the same plan, by the same trials with the same counts of correct samples.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from tests.formats.oracle import quantize_array
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (its customary name)

import picojoule
from picojoule import data, zoo
from picojoule.data import Prepare, Samples, Splits
from picojoule.evaluate.evaluator import BATCH  # a sum in float32 may differ in its last bit with the batch
from picojoule.userref import call

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lenet5_mnist.py"

Rounding = tuple[str, int, bool]  # format text, exponent, signed
Log = list[tuple[str, str, list[tuple[str, int]]]]  # site, format chosen, each format tried and how many were right
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


def sweep(
    forward: Forward, model: nn.Module, calibration: Samples, search: Samples, keep: str, most: int
) -> tuple[dict[str, str], Log, int]:
    """The plan, how it came about, and how many samples it gets right.

    All sites begin at the most bits; then site by site goes down one bit at a time, until the floor fails.
    """
    ranges = calibrated(forward, model, calibration.x)
    needed = Fraction(keep) * count_right(forward, model, search, {})

    def text(site: str, bits: int) -> str:
        return "binary" if bits == 1 and ranges[site][1] else f"fixed{bits}"

    def right_with(bits: dict[str, int]) -> int:
        roundings = {site: (text(site, bits[site]), *ranges[site]) for site in ranges}
        return count_right(forward, model, search, roundings)

    chosen = dict.fromkeys(ranges, most)
    right = right_with(chosen)
    assert right >= needed, "the floor must hold at the most bits"
    log: Log = []
    for site in ranges:
        tried = [(text(site, most), right)]
        for bits in range(most - 1, 0, -1):
            found = right_with({**chosen, site: bits})
            tried.append((text(site, bits), found))
            if found < needed:
                break
            chosen[site], right = bits, found
        log.append((site, text(site, chosen[site]), tried))
    return {site: text(site, chosen[site]) for site in ranges}, log, right


def same_plan(forward: Forward, model: nn.Module, splits: Splits, keep: str, most: int) -> None:
    """The library's plan and log against those of the sweep above."""
    plan, log, right = sweep(forward, model, splits.calibration, splits.search, keep, most)
    result = picojoule.search(model, None, splits=splits, keep=float(keep), strategy="greedy", bits=(1, most))
    found = [
        (each.site, str(each.format), [(str(trial.format), trial.accuracy.correct) for trial in each.trials])
        for each in result.log
    ]
    assert found == log
    assert {site: str(format) for site, format in result.plan.formats.items()} == plan
    assert result.point.search.correct == right
    assert result.baselines["float32"].search.correct == count_right(forward, model, splits.search, {})
    assert len(set(plan.values())) > 2, "a plan that is uniform would prove little"


@torch.enable_grad()
def train(model: nn.Module, samples: Samples, epochs: int) -> nn.Module:
    """Train in place, with torch's random state left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        optimizer = torch.optim.Adam(model.parameters(), 2e-3)
        for _ in range(epochs):
            for chosen in torch.randperm(len(samples)).split(50):
                loss = F.cross_entropy(model(samples.x[chosen]), samples.y[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return model.eval()


@pytest.mark.parametrize("keep", ["0.98"])
def test_lenet5_trained_on_5000_digits(keep: str) -> None:
    loaded = data.load("mnist5k")
    assert loaded.train is not None
    model = train(zoo.create("lenet5"), loaded.train, epochs=2)
    held_out = loaded.held_out
    splits = Splits(loaded.train.first(300), held_out.take(range(400)), held_out.take(range(400, 500)))
    same_plan(lenet5_of_the_zoo, model, splits, keep, 8)


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
    same_plan(lenet5_of_the_example, model.eval(), splits, "0.99", 8)
