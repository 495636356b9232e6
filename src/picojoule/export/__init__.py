"""From a program to files that others run: ONNX, QONNX, C99."""

from picojoule.export.exporter import Exporter, exporters

__all__ = ["Exporter", "exporters"]
