"""The few hot loops: rounding to a grid and to a table, and the backward of both; compiled on the CPU."""

from picojoule.kernels import ops  # registers the operations

__all__ = ["ops"]
