"""The user's network: by reference, from an ONNX file or the zoo, with weights from a file that cannot run code."""

from picojoule.models.load import input_of, is_own, load_model
from picojoule.models.weights import load_checkpoint, load_tensors

__all__ = ["input_of", "is_own", "load_checkpoint", "load_model", "load_tensors"]
