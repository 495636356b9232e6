"""ONNX, as ONNX Runtime executes it."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from picojoule.errors import InputError
from picojoule.export.exporter import Exporter
from picojoule.integer import Program

if TYPE_CHECKING:
    from picojoule.export.writers.graph import GraphWriter


class GraphExporter(Exporter):
    """A dialect of ONNX, as one file."""

    file: ClassVar[str]

    @classmethod
    @abc.abstractmethod
    def writer(cls) -> type[GraphWriter]:
        """What writes it; its module needs the package onnx."""

    @classmethod
    def files(cls, program: Program) -> Mapping[str, bytes]:
        try:
            from picojoule.export.writers.model import written

            writer = cls.writer()
        except ImportError as error:
            raise InputError(f"target '{cls.name}' needs the package onnx; install picojoule[onnx]") from error
        return {cls.file: written(writer, program)}


class Onnx(GraphExporter):
    """Opset 21, weights in 4, 8 or 16 bits, activations in 8 or 16."""

    name: ClassVar[str] = "onnx"
    summary: ClassVar[str] = "ONNX with QuantizeLinear and DequantizeLinear, exact in ONNX Runtime"
    file: ClassVar[str] = "model.onnx"

    @classmethod
    def writer(cls) -> type[GraphWriter]:
        from picojoule.export.writers.dialects.qdq import QdqWriter

        return QdqWriter
