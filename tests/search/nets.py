"""Trained networks for tests of search, each as a problem on data that it was not trained on. Made once per process."""

from collections.abc import Callable, Mapping
from functools import cache

import torch
from tests.jobs.small import Small, digits, fit
from torch import Tensor, nn

from picojoule import data, zoo
from picojoule.calibration import Calibration, Settings
from picojoule.data import Loaded, Samples
from picojoule.energy import Platform, Sparsity, energy
from picojoule.evaluate import Accuracy, Evaluator, IncrementalEvaluator
from picojoule.formats import Format
from picojoule.network import Network, capture
from picojoule.plan import Plan
from picojoule.search import Problem, formats_of, ladders_of, measure


class Residual(nn.Module):
    """Two layers read what the first convolution gives, and a sum of it and theirs goes on: five layers, nine sites."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.left = nn.Conv2d(6, 6, 3, padding=1)
        self.right = nn.Conv2d(6, 6, 1)
        self.hidden = nn.Linear(96, 24)
        self.fc = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.left(x) + self.right(x))
        out: Tensor = self.fc(torch.relu(self.hidden(torch.max_pool2d(x, 2).flatten(1))))
        return out


def loaded(name: str) -> Loaded:
    """The data that a network is for."""
    return data.load("mnist5k") if name == "lenet5" else digits()


@cache
def trained(name: str) -> nn.Module:
    """A network after a few epochs: `small`, `residual` or `lenet5`."""
    build = {"small": Small, "residual": Residual, "lenet5": lambda: zoo.create("lenet5")}[name]
    train = loaded(name).train
    assert train is not None
    return fit(build, train, rate=4e-3, epochs=2 if name == "lenet5" else 12, seed=1)


@cache
def calibration(name: str, observer: str = "max") -> Calibration:
    """Of a network, on 200 of the samples that it was trained on."""
    train = loaded(name).train
    assert train is not None
    network = capture(trained(name), train.x[:1])
    return Calibration.of(network, train.x[:200], Settings(observer))


def ladders(calibration: Calibration, bits: tuple[int, int]) -> Mapping[str, tuple[Format, ...]]:
    """The fixed-point formats of every site."""
    return ladders_of(
        {site: calibration.signed(site) for site in calibration.network.sites}, formats_of(("fixed",), bits)
    )


def price(network: Network) -> Callable[[Plan], float]:
    """The energy of plans on the usual platform, as if no value were zero."""
    platform = Platform.load("moons2017")
    return lambda plan: energy(network, plan, platform, Sparsity.none()).total_pj


@cache
def problem(
    name: str, bits: tuple[int, int], observer: str = "max", samples: int = 400, sensed: bool = False
) -> tuple[Problem, Accuracy]:
    """A network's problem on so many held-out samples, and the float network's accuracy there."""
    found = calibration(name, observer)
    evaluator: Evaluator = IncrementalEvaluator(found, held_out(name, samples), hardest_first=True)
    rungs = ladders(found, bits)
    train = loaded(name).train
    assert train is not None
    known = measure(found, train.x[:200], rungs, tune=False)[1] if sensed else None
    reference = evaluator.accuracy(Plan.uniform(found.network, "float32"))
    return Problem(found.network, rungs, evaluator, price(found.network), known), reference


def held_out(name: str, samples: int) -> Samples:
    """Samples that the network was not trained on."""
    return loaded(name).held_out.first(samples)
