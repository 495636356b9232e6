"""QONNX, as FINN and hls4ml read it."""

from collections.abc import Mapping
from typing import ClassVar

from picojoule.errors import InputError
from picojoule.export.exporter import Exporter
from picojoule.export.onnx import NEEDS
from picojoule.integer import Program


class Qonnx(Exporter):
    """`model.qonnx.onnx`: one sample at a time, any bits, shapes inferred."""

    name: ClassVar[str] = "qonnx"
    summary: ClassVar[str] = "QONNX with Quant and BipolarQuant at any bits, for FINN and hls4ml"

    @classmethod
    def files(cls, program: Program) -> Mapping[str, bytes]:
        try:
            from picojoule.export.writers.graph import serialised
            from picojoule.export.writers.quant import QonnxWriter
        except ImportError as error:
            raise InputError(f"target '{cls.name}' {NEEDS}") from error
        return {"model.qonnx.onnx": serialised(QonnxWriter(program).model())}
