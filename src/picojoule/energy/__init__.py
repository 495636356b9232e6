"""What a plan costs: platforms as files of sourced constants, the energy model, and its report in pJ.

>>> Platform.load("moons2017").mac_pj(16)
3.7

A new platform is one TOML file in `platforms/`; its laws are tested for every file that lies there.
"""

from picojoule.energy.arithmetic import has_figure
from picojoule.energy.model import energy
from picojoule.energy.platform import Platform, Provenance, platforms
from picojoule.energy.report import EnergyReport, LayerEnergy
from picojoule.energy.sparsity import Sparsity

__all__ = ["EnergyReport", "LayerEnergy", "Platform", "Provenance", "Sparsity", "energy", "has_figure", "platforms"]
