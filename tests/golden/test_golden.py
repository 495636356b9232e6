"""The files picojoule writes stay the same, byte for byte, from version to version.

Regenerate on purpose only (`make golden`), and say why in the commit.
"""

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from picojoule.calibration import Histogram, Range, Ranges
from picojoule.energy import Platform, Sparsity, energy
from picojoule.evaluate import Tally
from picojoule.formats import parse
from picojoule.network import Network, capture
from picojoule.plan import Plan
from picojoule.search import Decision, OperatingPoint, Result, Trial, Waypoint

HERE = Path(__file__).parent


class Small(nn.Module):
    """A convolution whose output two layers read, a residual add and a dense layer, with weights of exact binary
    fractions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(2, eps=0.0)
        self.second = nn.Conv2d(2, 2, 1)
        self.fc = nn.Linear(8, 3)
        with torch.no_grad():
            for index, parameter in enumerate(self.parameters()):
                values = torch.arange(parameter.numel(), dtype=torch.float32).reshape(parameter.shape)
                parameter.copy_((values - 3 * index) / 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.first(x)))
        x = torch.max_pool2d(x + self.second(x), 2)
        out: torch.Tensor = self.fc(x.flatten(1))
        return out


@cache
def small() -> Network:
    return capture(Small(), torch.zeros(1, 1, 4, 4))


def result() -> Result:
    """A result with every field filled, none of it computed in floating point but the energies."""
    network = small()
    plan = Plan.uniform(network, "fixed4").replace("fc.weights", parse("binary"))
    shifts = {"fc.weights": (0.25, -1.5, 0.0)}
    sites = {site: Range((-1,), site.endswith("weights"), shifts.get(site, ())) for site in network.sites}
    ranges = Ranges(sites, network.input_shape)
    sparsity = Sparsity(dict.fromkeys(network.sites, 0.25))
    priced = energy(network, plan, Platform.load("moons2017"), sparsity)
    trials = (
        Trial(parse("fixed2"), True, Tally(10, 9, 9.0, 0.0, 0.0)),
        Trial(parse("binary"), False, Tally(10, 4, 1.0, 3.0, 0.0)),
    )
    decision = Decision("fc.weights", parse("fixed2"), trials)
    searched, reported = Tally(10, 10, 8.75, 1.25, 0.5), Tally(20, 20, 17.0, 2.0, 1.0)
    point = OperatingPoint("0.9", 0.9, plan, ranges, searched, reported, priced, sparsity, log=(decision,))
    histograms = {"fc.weights": Histogram(-1.0, 1.5, (4, 0, 20), 0)}
    wide = Plan.uniform(network, "float32")
    alike = Tally(10, 10, 9.5, 0.0, 0.0), Tally(20, 20, 18.0, 0.0, 0.0)
    base = OperatingPoint("float32", None, wide, ranges, *alike, None, sparsity)
    path = (Waypoint(plan.replace("fc.weights", parse("fixed3")), *alike, 12.5),)
    return Result(network, (point,), {"float32": base}, {"strategy": "descent", "confidence": 0.95}, histograms, path)


DOCUMENTS = {
    "network.safetensors": lambda: small().to_bytes(),
    "plan.json": lambda: result().plan.to_json().encode(),
    "ranges.json": lambda: result().ranges.to_json().encode(),
    "sparsity.json": lambda: result().point.sparsity.to_json().encode(),
    "result.json": lambda: result().to_json().encode(),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_golden(name: str, request: pytest.FixtureRequest) -> None:
    made = DOCUMENTS[name]()
    if request.config.getoption("--golden"):
        (HERE / name).write_bytes(made)
    assert made == (HERE / name).read_bytes()


def test_the_golden_run_loads(tmp_path: Path) -> None:
    for name in ("plan.json", "ranges.json", "result.json"):
        (tmp_path / name).write_bytes((HERE / name).read_bytes())
    (tmp_path / "weights.safetensors").write_bytes((HERE / "network.safetensors").read_bytes())
    assert Result.load(tmp_path).to_json() == result().to_json()
