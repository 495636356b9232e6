"""The network as integers: products digit by digit (`bitserial`)."""

from picojoule.integer import bitserial

__all__ = ["bitserial"]
