"""Run samples through a network at plans, as fast as torch lets it: on bytes, on all cores, from where plans differ."""

from picojoule.execute.runner import Runner

__all__ = ["Runner"]
