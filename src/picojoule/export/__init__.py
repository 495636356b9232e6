"""From a program to files that others run: ONNX, QONNX."""

from picojoule.export.exporter import Exporter, exporters

__all__ = ["Exporter", "exporters"]
