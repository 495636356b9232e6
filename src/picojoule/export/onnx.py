"""ONNX, as ONNX Runtime executes it."""

from collections.abc import Mapping
from typing import ClassVar

from picojoule.errors import InputError
from picojoule.export.exporter import Exporter
from picojoule.integer import Program

NEEDS = "needs the package onnx; install picojoule[onnx]"


class Onnx(Exporter):
    """`model.onnx`: opset 21, weights in 4, 8 or 16 bits, activations in 8 or 16."""

    name: ClassVar[str] = "onnx"
    summary: ClassVar[str] = "ONNX with QuantizeLinear and DequantizeLinear, exact in ONNX Runtime"

    @classmethod
    def files(cls, program: Program) -> Mapping[str, bytes]:
        try:
            from picojoule.export.writers.graph import serialised
            from picojoule.export.writers.qdq import QdqWriter
        except ImportError as error:
            raise InputError(f"target '{cls.name}' {NEEDS}") from error
        return {"model.onnx": serialised(QdqWriter(program).model())}
