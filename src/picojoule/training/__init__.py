"""Train at a plan: `trainable` makes a module for any loop, recipes and `Course` are ours."""

from picojoule.training.checkpoint import Checkpoint
from picojoule.training.fold import whole_biases
from picojoule.training.loop import Course, Epoch
from picojoule.training.recipe import LOSSES, Recipe, recipes, squared_hinge
from picojoule.training.taps import Latent, Norm
from picojoule.training.topology import ACTIVATIONS
from picojoule.training.trainable import Deployed, Trainable, trainable

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "Checkpoint",
    "Course",
    "Deployed",
    "Epoch",
    "Latent",
    "Norm",
    "Recipe",
    "Trainable",
    "recipes",
    "squared_hinge",
    "trainable",
    "whole_biases",
]
