"""Find the plan: strategies over two functions, the journal, and the result they hand over."""

from picojoule.search.journal import Journal, JournaledEvaluator, OutOfTimeError
from picojoule.search.result import OperatingPoint, Result, Waypoint, non_dominated
from picojoule.search.sensitivity import Memo, Sensitivities, measure
from picojoule.search.strategy import Decision, Problem, Step, Strategy, Trial, fixed_point_ladders, strategies

__all__ = [
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
    "strategies",
]
