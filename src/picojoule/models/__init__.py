"""The user's network: by reference or from the zoo, with weights from a file that cannot run code."""

from picojoule.models.load import load_model
from picojoule.models.weights import load_checkpoint

__all__ = ["load_checkpoint", "load_model"]
