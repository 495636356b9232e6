"""The look at a plan's cost: energy layer by layer, with zeros measured on data, beside the usual baselines."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from picojoule import files
from picojoule.energy import EnergyReport, Platform, Sparsity
from picojoule.jobs.progress import Listener, Meter, Stage, silent
from picojoule.jobs.setup import BASELINES, range_settings, set_up
from picojoule.network import Network
from picojoule.plan import Plan


@dataclass(frozen=True)
class Priced:
    """A plan's energy and zeros, and the energies of the baselines (None where the platform has no figure)."""

    network: Network
    plan: Plan
    energy: EnergyReport | None
    sparsity: Sparsity
    baselines: Mapping[str, EnergyReport | None]

    def to_json(self) -> str:
        """The document for machines."""
        body: dict[str, Any] = {
            "plan": {site: str(format) for site, format in self.plan.formats.items()},
            "energy": None if self.energy is None else self.energy.to_table(),
            "zeros": self.sparsity.to_table(),
            "baselines": {label: None if e is None else e.total_pj for label, e in self.baselines.items()},
        }
        return files.dump("energy", 1, body)


def price(
    model: nn.Module | Network,
    data: object,
    plan: Plan,
    platform: str | os.PathLike[str] | Platform = "moons2017",
    rescale: str = "layer",
    observer: str = "max",
    signed: str = "auto",
    seed: int = 0,
    listener: Listener = silent,
) -> Priced:
    """The energy of a model at a plan; ranges and zeros come from the calibration split of `data`.

    Raises:
        InputError: anything the user gave that cannot be used, such as a plan that names unknown sites.
    """
    setup = set_up(model, data, range_settings(observer, rescale, signed), platform, seed, meter=Meter(listener))
    expanded = plan.expand(setup.network)
    setup.meter.expect()
    setup.meter.begin(Stage("counting zeros", 1 + len(BASELINES), len(setup.splits.calibration), "plans"))
    zeros = setup.zeros(expanded)
    setup.meter.heard()
    baselines = {}
    for label in BASELINES:
        baseline = setup.baseline(label)
        baselines[label] = setup.price(baseline, setup.zeros(baseline))
        setup.meter.heard()
    return Priced(setup.network, expanded, setup.price(expanded, zeros), zeros, baselines)
