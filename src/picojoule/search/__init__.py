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
    fixed_point_ladders,
    other_formats,
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
    "fixed_point_ladders",
    "measure",
    "non_dominated",
    "other_formats",
    "strategies",
]
