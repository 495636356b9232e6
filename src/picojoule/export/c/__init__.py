"""C99 for microcontrollers: no heap, no float, no dependency; every bit as the program has it."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from picojoule.export.c.render import rendered
from picojoule.export.exporter import Exporter
from picojoule.integer import Program


class C(Exporter):
    """`network.h` and `network.c`, and what shows that they work: `vectors.h`, `main.c`, a Makefile, a README."""

    name: ClassVar[str] = "c"
    summary: ClassVar[str] = "C99 for microcontrollers: no heap, no float, weights packed at 1 to 16 bits"

    @classmethod
    def files(cls, program: Program) -> Mapping[str, bytes]:
        return rendered(program)


def as_stored(codes: Tensor) -> npt.NDArray[np.int64]:
    """Codes of a program's input [n, ...] as `network_run` takes them: [n, inputs], channels last."""
    moved = codes.movedim(1, -1) if codes.dim() > 2 else codes
    stored: npt.NDArray[np.int64] = moved.reshape(len(codes), -1).contiguous().numpy()
    return stored
