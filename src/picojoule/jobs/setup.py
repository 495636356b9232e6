"""What every job fixes before it begins: the captured network, the splits, its calibration, the platform.

All checks of what the user gave are made here, before any long work.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from picojoule import files
from picojoule.calibration import GRANULARITIES, Calibration, Settings
from picojoule.data import Samples, Splits, as_loaded, split
from picojoule.energy import EnergyReport, Platform, Sparsity, energy
from picojoule.errors import InputError
from picojoule.evaluate import measure_sparsity
from picojoule.formats import Format
from picojoule.jobs.progress import Meter, Stage, silent
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
    device: str
    meter: Meter
    exponents: Mapping[tuple[str, Format], tuple[int, ...]] = field(default_factory=dict)
    """Those that were tuned after calibration."""

    def tuned(self, exponents: Mapping[tuple[str, Format], tuple[int, ...]]) -> "Setup":
        """The setup with some exponents other than calibration's own."""
        return replace(self, calibration=self.calibration.with_exponents(exponents), exponents=exponents)

    def context(self, samples: Samples, metric: str) -> str:
        """A hash of all that an accuracy on these samples by this metric depends on, except the plan."""
        parts = {
            "network": self.network.digest(),
            "calibration": [self.splits.calibration.digest(), *vars(self.calibration.settings).values()],
            "exponents": sorted((site, str(format), found) for (site, format), found in self.exponents.items()),
            "samples": samples.digest(),
            "metric": metric,
            "device": self.device,
            "code": [_code(), torch.__version__],
        }
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def zeros(self, plan: Plan) -> Sparsity:
        """The zeros of the network at a plan, measured on the calibration split."""
        ranges = self.calibration.ranges(plan)
        return measure_sparsity(self.network, plan, ranges, self.splits.calibration, self.device, self.meter.ran)

    def price(self, plan: Plan, zeros: Sparsity) -> EnergyReport | None:
        """The energy of a plan as `energy_of` has it."""
        return energy_of(self.network, plan, self.platform, zeros)

    def cost(self, plan: Plan) -> float:
        """The energy of a plan in pJ, infinite without a figure; zeros are measured only where they count."""
        skips = self.platform.guarded_fraction is not None
        report = self.price(plan, self.zeros(plan) if skips else Sparsity.none())
        return float("inf") if report is None else report.total_pj

    def estimate(self, plan: Plan) -> float:
        """`cost` with the zeros of each site on its own, in the float network, which takes no run."""
        skips = self.platform.guarded_fraction is not None
        zeros = {site: self.calibration.zeros(site, format) for site, format in plan.formats.items() if skips}
        report = self.price(plan, Sparsity(zeros))
        return float("inf") if report is None else report.total_pj

    def baseline(self, label: str) -> Plan:
        """The plan of a baseline, which is named after its format."""
        return Plan.uniform(self.network, label)

    def described(self) -> dict[str, Any]:
        """The setup as results state it."""
        sizes = {name: len(getattr(self.splits, name)) for name in ("calibration", "search", "report")}
        return {
            "platform": self.platform.name,
            "platform_toml": self.platform.to_toml(),
            "device": self.device,
            "samples": sizes,
        }


def energy_of(network: Network, plan: Plan, platform: Platform, zeros: Sparsity) -> EnergyReport | None:
    """The energy of a plan; None where nothing is quantised and the platform has no figure for float32.

    Raises:
        PlatformError: the platform has no figure for a format of the plan.
    """
    if platform.float32_mac_pj is None and not any(format.rounds for format in plan.formats.values()):
        return None
    return energy(network, plan, platform, zeros)


def range_settings(observer: str, rescale: str, signed: str, prepare: str = "none") -> Settings:
    """How ranges are chosen; `rescale` is what jobs call the granularity.

    Raises:
        InputError: one of them is not known.
    """
    if rescale not in GRANULARITIES:
        raise InputError(f"rescale '{rescale}' is not known; choose one of {', '.join(GRANULARITIES)}")
    return Settings(observer, rescale, signed, prepare)


def set_up(
    model: nn.Module | Network,
    data: object,
    settings: Settings,
    platform: str | os.PathLike[str] | Platform = "moons2017",
    seed: int = 0,
    splits: Splits | None = None,
    device: str | torch.device = "cpu",
    meter: Meter | None = None,
) -> Setup:
    """Capture the model, split the data, calibrate, and check that they fit together; the meter goes along.

    Raises:
        InputError: anything the user gave that cannot be used.
    """
    check_device(device)
    priced = platform if isinstance(platform, Platform) else Platform.load(platform)
    meter = meter or Meter(silent)
    if splits is None:
        meter.begin(Stage("reading the data"))
        splits = split(as_loaded(data), seed=seed)
    meter.begin(Stage("capturing the network"))
    network = capture(model, splits.calibration.x[:1])
    if not network.layers:
        told = "; ".join(f"{leftover.name}: {leftover.reason}" for leftover in network.leftovers[:3])
        raise InputError(
            f"the network has no convolution or linear layer that can be quantised{f' ({told})' if told else ''}"
        )
    meter.begin(Stage("calibrating", 1, len(splits.calibration)))
    calibration = Calibration.of(network, splits.calibration.x, settings, meter.ran)
    return Setup(calibration.network, splits, calibration, priced, str(device), meter)


@cache
def _code() -> str:
    """A hash of picojoule's own source, so that a journal never answers for other code."""
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def check_about(about: Mapping[str, Any] | None) -> None:
    """Refuse, before any work, what a result could not keep.

    Raises:
        InputError: it is no plain data.
    """
    try:
        files.loads(json.dumps({**(about or {})}, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"about cannot be kept in a result: {error}") from error


def check_device(device: str | torch.device) -> None:
    """Refuse a device that this torch cannot use.

    Raises:
        InputError: it cannot; the message lists those that it can.
    """
    try:
        torch.zeros(1, device=torch.device(device)).item()
    except Exception as error:  # nearly anything, by device; what torch says of it runs to a page
        usable = ["cpu", *(name for name in ("cuda", "mps") if getattr(torch, name).is_available())]
        raise InputError(f"device '{device}' cannot be used; give {' or '.join(usable)}") from error
