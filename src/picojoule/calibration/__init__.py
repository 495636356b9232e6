"""Which range each site has: statistics of the float network, observers, exponents."""

from picojoule.calibration.calibrate import GRANULARITIES, PREPARATIONS, SIGNED, Calibration, Settings, calibrate
from picojoule.calibration.compare import Comparison, compare
from picojoule.calibration.equalize import equalize
from picojoule.calibration.histogram import Histogram, histogram
from picojoule.calibration.observers import OBSERVERS
from picojoule.calibration.ranges import Range, Ranges
from picojoule.calibration.statistics import Statistics, observe

__all__ = [
    "GRANULARITIES",
    "OBSERVERS",
    "PREPARATIONS",
    "SIGNED",
    "Calibration",
    "Comparison",
    "Histogram",
    "Range",
    "Ranges",
    "Settings",
    "Statistics",
    "calibrate",
    "compare",
    "equalize",
    "histogram",
    "observe",
]
