"""QONNX, as FINN and hls4ml read it: Quant and BipolarQuant nodes at any bits, weights in floating point before them.

Source: A. Pappalardo et al., "QONNX: Representing Arbitrary-Precision Quantized Neural Networks", arXiv 2206.07527.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from picojoule.export.writers.graph import GraphWriter, ends_of
from picojoule.integer.types import Constant, Type

_DOMAIN = "qonnx.custom_op.general"


class QonnxWriter(GraphWriter):
    """Activations and weights through Quant, signs through BipolarQuant."""

    opset: ClassVar[int] = 13
    ir_version: ClassVar[int] = 8
    domains: ClassVar[Mapping[str, int]] = {_DOMAIN: 1}
    batch: ClassVar[str | int] = 1  # its own executor and compilers want every size

    def rounded(self, x: str, name: str, type: Type) -> str:
        x = self.clipped(x, name, type, *ends_of(_bits(type.bits, type.signed), type.signed))
        return self._quant(x, name, self.step(type), type.bits, type.signed)

    def signs(self, x: str, name: str, type: Type) -> str:
        return self.node("BipolarQuant", [x, self.step(type)], name, domain=_DOMAIN)

    def weights(self, name: str, constant: Constant, exponents: Sequence[int], axis: int) -> str:
        shape = [-1 if each == axis else 1 for each in range(constant.values.dim())]
        steps = np.exp2(np.array(exponents, np.float64))
        one = len(set(exponents)) == 1
        scale = self.number(steps[0]) if one else self.array(steps.reshape(shape), f"{name}.steps")
        values = self.array(constant.values.double().numpy() * steps.reshape(shape), f"{name}.values")
        if constant.form == "sign":
            return self.node("BipolarQuant", [values, scale], name, domain=_DOMAIN)
        whole = constant.plain
        return self._quant(values, name, scale, whole.bits, whole.form == "signed")

    def _quant(self, x: str, name: str, scale: str, bits: int, signed: bool) -> str:
        reads = [x, scale, self.number(0.0), self.number(float(_bits(bits, signed)))]
        return self.node("Quant", reads, name, domain=_DOMAIN, signed=int(signed), narrow=0, rounding_mode="ROUND")


def _bits(bits: int, signed: bool) -> int:
    """The bits that a Quant states: a signed one of 1 bit is taken for -1 and +1, not for -1 and 0."""
    return max(bits, 2) if signed else bits
