"""Make a network run at a plan: `Quantizer`, straight-through gradients, `quantize()`; `Execution`, which is fast."""

from picojoule.quantize.codes import Choice, Codes
from picojoule.quantize.execution import Execution, Value
from picojoule.quantize.integers import Weights
from picojoule.quantize.quantize import choices, quantize, shifted_biases
from picojoule.quantize.quantizer import Quantizer
from picojoule.quantize.steps import Step, Steps, steps_of

__all__ = [
    "Choice",
    "Codes",
    "Execution",
    "Quantizer",
    "Step",
    "Steps",
    "Value",
    "Weights",
    "choices",
    "quantize",
    "shifted_biases",
    "steps_of",
]
