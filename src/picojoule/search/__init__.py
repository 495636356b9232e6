"""Find the plan: strategies over two functions, the journal, and the result they hand over."""

from picojoule.search.journal import Journal, JournaledEvaluator, OutOfTimeError
from picojoule.search.result import OperatingPoint, Result, non_dominated
from picojoule.search.strategy import Decision, Problem, Step, Strategy, Trial, strategies

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
    "non_dominated",
    "strategies",
]
