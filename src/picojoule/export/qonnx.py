"""QONNX, as FINN and hls4ml read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from picojoule.export.onnx import GraphExporter

if TYPE_CHECKING:
    from picojoule.export.writers.graph import GraphWriter


class Qonnx(GraphExporter):
    """One sample at a time, any bits."""

    name: ClassVar[str] = "qonnx"
    summary: ClassVar[str] = "QONNX with Quant and BipolarQuant at any bits, for FINN and hls4ml"
    file: ClassVar[str] = "model.qonnx.onnx"

    @classmethod
    def writer(cls) -> type[GraphWriter]:
        from picojoule.export.writers.dialects.quant import QonnxWriter

        return QonnxWriter
