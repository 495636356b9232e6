"""Make a network run at a plan: `Quantizer`, straight-through gradients, `quantize()`."""

from picojoule.quantize.biases import layers_by_node, settled
from picojoule.quantize.choice import Choice, choices, shifted_biases
from picojoule.quantize.quantize import quantize
from picojoule.quantize.quantizer import Quantizer
from picojoule.quantize.steps import MOST_BITS, Steps, steps_of, value_steps

__all__ = [
    "MOST_BITS", "Choice", "Quantizer", "Steps", "choices", "layers_by_node", "quantize", "settled", "shifted_biases",
    "steps_of", "value_steps",
]  # fmt: skip
