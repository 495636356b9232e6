"""How good a plan is: accuracy with its interval, floors, metrics, evaluators, zeros."""

from picojoule.evaluate.accuracy import Accuracy, Floor, check_keep
from picojoule.evaluate.evaluator import Evaluator, PlainEvaluator, scores
from picojoule.evaluate.metrics import METRICS, Metric, check_labels, top1, top5
from picojoule.evaluate.sparsity import measure_sparsity

__all__ = [
    "METRICS",
    "Accuracy",
    "Evaluator",
    "Floor",
    "Metric",
    "PlainEvaluator",
    "check_keep",
    "check_labels",
    "measure_sparsity",
    "scores",
    "top1",
    "top5",
]
