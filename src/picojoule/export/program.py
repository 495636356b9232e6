"""The program itself, for picojoule's own interpreter and for other exporters."""

from collections.abc import Mapping
from typing import ClassVar

from picojoule.export.exporter import Exporter
from picojoule.integer import Program


class Integers(Exporter):
    """`program.safetensors`."""

    name: ClassVar[str] = "program"
    summary: ClassVar[str] = "the integer program, weights packed at their bits"

    @classmethod
    def files(cls, program: Program) -> Mapping[str, bytes]:
        return {"program.safetensors": program.to_bytes()}
