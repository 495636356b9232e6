"""Find the plan: strategies over two functions, the journal, and the result they hand over."""

from picojoule.search.journal import Journal, JournaledEvaluator, OutOfTimeError
from picojoule.search.result import OperatingPoint, Result, non_dominated
from picojoule.search.strategy import Decision, Problem, Step, Strategy, Trial, fixed_point_ladders, strategies

__all__ = [
    "Decision",
    "Journal",
    "JournaledEvaluator",
    "OperatingPoint",
    "OutOfTimeError",
    "Problem",
    "Result",
    "Step",
    "Strategy",
    "Trial",
    "fixed_point_ladders",
    "non_dominated",
    "strategies",
]
