"""How good a plan is: accuracy with its interval, floors, metrics, evaluators, zeros."""

from picojoule.evaluate.accuracy import Accuracy
from picojoule.evaluate.evaluator import Evaluator, IncrementalEvaluator, PlainEvaluator, scores
from picojoule.evaluate.floor import Floor, Tally, Verdict, check_confidence, check_keep
from picojoule.evaluate.metrics import METRICS, Metric, check_labels, chosen, top1, top5
from picojoule.evaluate.sparsity import measure_sparsity

__all__ = [
    "METRICS",
    "Accuracy",
    "Evaluator",
    "Floor",
    "IncrementalEvaluator",
    "Metric",
    "PlainEvaluator",
    "Tally",
    "Verdict",
    "check_confidence",
    "check_keep",
    "check_labels",
    "chosen",
    "measure_sparsity",
    "scores",
    "top1",
    "top5",
]
