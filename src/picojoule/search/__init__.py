"""Find the plan: strategies over two functions, the journal, and the result they hand over."""

from picojoule.search.journal import Journal, JournaledEvaluator, OutOfTimeError
from picojoule.search.result import OperatingPoint, Result, Waypoint, non_dominated
from picojoule.search.sensitivity import Memo, Sensitivities, measure
from picojoule.search.strategy import (
    FAMILIES,
    Decision,
    Problem,
    Step,
    Strategy,
    Trial,
    by_energy,
    formats_of,
    ladders_of,
    left_out,
    strategies,
)

__all__ = [
    "FAMILIES",
    "Decision",
    "Journal",
    "JournaledEvaluator",
    "Memo",
    "OperatingPoint",
    "OutOfTimeError",
    "Problem",
    "Result",
    "Sensitivities",
    "Step",
    "Strategy",
    "Trial",
    "Waypoint",
    "by_energy",
    "formats_of",
    "ladders_of",
    "left_out",
    "measure",
    "non_dominated",
    "strategies",
]
