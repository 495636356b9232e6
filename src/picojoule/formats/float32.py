"""float32: the number format of a network that was not quantised, and of every site that a plan leaves alone."""

from typing import ClassVar, Self

from torch import Tensor

from picojoule.errors import FormatError
from picojoule.formats.base import Format


class Float32(Format):
    """`float32`: values pass unchanged. The network computes in torch's own type, so nothing is rounded here."""

    arithmetic = "float"
    summary: ClassVar[str] = "not quantised: torch's own 32-bit floating point"
    rounds: ClassVar[bool] = False
    examples: ClassVar[tuple[str, ...]] = ("float32",)

    @classmethod
    def match(cls, text: str) -> Self | None:
        return cls() if text == "float32" else None

    @property
    def bits(self) -> int:
        return 32

    def __str__(self) -> str:
        return "float32"

    def quantize(self, x: Tensor, exponent: int | Tensor = 0, signed: bool = True, out: Tensor | None = None) -> Tensor:
        return x if out is None else out.copy_(x)

    def grid(self, signed: bool = True) -> Tensor:
        raise FormatError("format 'float32' has 2^32 members, too many to list")

    def limits(self, signed: bool = True) -> tuple[float, float]:
        return (float("-inf"), float("inf"))
