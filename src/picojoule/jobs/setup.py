"""What every job fixes before it begins: the captured network, the splits, its calibration, the platform, the metric.

All checks of what the user gave are made here, before any long work.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import nn

from picojoule.calibration import GRANULARITIES, Calibration, Settings
from picojoule.data import Samples, Splits, as_loaded, split
from picojoule.energy import EnergyReport, Platform, Sparsity, energy
from picojoule.errors import DataError, InputError, PlatformError
from picojoule.evaluate import METRICS, Metric, check_labels, measure_sparsity
from picojoule.formats import Fixed, Float32
from picojoule.jobs.metric import choose
from picojoule.network import Network, capture
from picojoule.plan import Plan

BASELINES = ("fixed16", "fixed8", "float32")
"""What every plan is measured against: the same network in these formats, on the same platform."""


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything that is fixed before the first evaluation."""

    network: Network
    splits: Splits
    calibration: Calibration
    platform: Platform
    metric: Metric
    metric_name: str
    device: str

    def context(self, samples: Samples) -> str:
        """A hash of all that an accuracy on these samples depends on, except the plan."""
        parts = {
            "network": self.network.digest(),
            "calibration": [self.splits.calibration.digest(), *vars(self.calibration.settings).values()],
            "samples": samples.digest(),
            "metric": self.metric_name,
            "device": self.device,
            "code": [version("picojoule"), torch.__version__],
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def price(self, plan: Plan) -> tuple[EnergyReport | None, Sparsity]:
        """The energy of a plan, None where the platform has no figure for float32, and its measured zeros.

        Raises:
            PlatformError: the platform has no figure for a format that is not float32.
        """
        ranges = self.calibration.ranges(plan)
        sparsity = measure_sparsity(self.network, plan, ranges, self.splits.calibration)
        try:
            return energy(self.network, plan, self.platform, sparsity), sparsity
        except PlatformError:
            if any(format != Float32() for format in plan.formats.values()):
                raise
            return None, sparsity

    def baseline(self, label: str) -> Plan:
        """The plan of a baseline."""
        format = Float32() if label == "float32" else Fixed(int(label.removeprefix("fixed")))
        return Plan.uniform(self.network, format)

    def described(self) -> dict[str, Any]:
        """The setup as results state it."""
        sizes = {name: len(getattr(self.splits, name)) for name in ("calibration", "search", "report")}
        return {
            "rescale": self.calibration.settings.granularity,
            "observer": self.calibration.settings.observer,
            "signed": self.calibration.settings.signed,
            "platform": self.platform.name,
            "metric": self.metric_name,
            "samples": sizes,
        }


def range_settings(observer: str, rescale: str, signed: str) -> Settings:
    """How ranges are chosen; `rescale` is what jobs call the granularity.

    Raises:
        InputError: one of them is not known.
    """
    if rescale not in GRANULARITIES:
        raise InputError(f"rescale '{rescale}' is not known; choose one of {', '.join(GRANULARITIES)}")
    return Settings(observer, rescale, signed)


def prepare(
    model: nn.Module | Network,
    data: object,
    settings: Settings,
    platform: str | Platform = "moons2017",
    metric: str | Metric = "top1",
    seed: int = 0,
    splits: Splits | None = None,
    device: str = "cpu",
) -> Setup:
    """Capture the model, split the data, calibrate, and check that they fit together.

    Raises:
        InputError: anything the user gave that cannot be used.
    """
    _check_device(device)
    chosen, name = choose(metric)
    priced = platform if isinstance(platform, Platform) else Platform.load(platform)
    if splits is None:
        splits = split(as_loaded(data), seed=seed)
    network = capture(model, splits.calibration.x[:1])
    if not network.layers:
        told = "; ".join(f"{leftover.name}: {leftover.reason}" for leftover in network.leftovers[:3])
        raise InputError(f"the network has no layer that can be quantised{f' ({told})' if told else ''}")
    if splits.calibration.shape != network.input_shape:
        raise DataError(
            f"samples have shape {list(splits.calibration.shape)}, the network takes {list(network.input_shape)}; "
            "prepare the data (--resize) or give another model"
        )
    if name in METRICS:
        for part in (splits.search, splits.report):
            check_labels(network.output_shape, part.y)
    calibration = Calibration.of(network, splits.calibration.x, settings)
    return Setup(network, splits, calibration, priced, chosen, name, device)


def _check_device(device: str) -> None:
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        said = str(error).splitlines()[0]
        raise InputError(f"device '{device}' cannot be used: {said}") from error
