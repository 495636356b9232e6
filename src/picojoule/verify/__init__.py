"""The proof that a network is the same integers in every engine."""

from picojoule.verify.verify import Proof, Verdict, lowered, verify

__all__ = ["Proof", "Verdict", "lowered", "verify"]
