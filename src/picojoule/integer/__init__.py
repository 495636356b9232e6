"""The network as integers: the program, how a network becomes one, its exact interpreter, products digit by digit."""

from picojoule.integer.arithmetic import bitserial
from picojoule.integer.coding import Coding, coded
from picojoule.integer.interpreter import Interpreter
from picojoule.integer.lowering.lower import lower
from picojoule.integer.memory import Memory, memory
from picojoule.integer.program import Operation, Program
from picojoule.integer.types import Constant, Type

__all__ = [
    "Coding", "Constant", "Interpreter", "Memory", "Operation", "Program", "Type", "bitserial", "coded", "lower",
    "memory",
]  # fmt: skip
