"""picojoule: accuracy floor in, minimum energy out.

    import picojoule as pj
    result = pj.search(model, data, keep=0.99)
    result.plan, result.energy.total_pj, result.network

The rooms of the house are the sub-packages; what stands here is the whole public face. Where a face shares its room's
name (`pj.search`, `pj.energy`, `pj.quantize`), the name is the function; import from the room as
`from picojoule.energy import Platform`.
"""

from picojoule.calibration import Ranges, calibrate
from picojoule.data import Samples
from picojoule.energy import EnergyReport, Platform, Sparsity, energy
from picojoule.errors import InputError, PicojouleError, UnreachableFloorError
from picojoule.evaluate import Accuracy
from picojoule.formats import Format
from picojoule.formats import parse as format
from picojoule.jobs.clustering.cluster import cluster
from picojoule.jobs.explore import explore
from picojoule.jobs.search import search
from picojoule.jobs.train import train
from picojoule.network import Network, capture
from picojoule.plan import Plan
from picojoule.quantize import quantize
from picojoule.search import OperatingPoint, Result
from picojoule.verify import lowered as lower

__version__ = "0.1.0"

load = Result.load

__all__ = [
    "Accuracy",
    "EnergyReport",
    "Format",
    "InputError",
    "Network",
    "OperatingPoint",
    "PicojouleError",
    "Plan",
    "Platform",
    "Ranges",
    "Result",
    "Samples",
    "Sparsity",
    "UnreachableFloorError",
    "calibrate",
    "capture",
    "cluster",
    "energy",
    "explore",
    "format",
    "load",
    "lower",
    "quantize",
    "search",
    "train",
]
