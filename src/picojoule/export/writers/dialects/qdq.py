"""ONNX with QuantizeLinear and DequantizeLinear, in the narrowest types that hold, as ONNX Runtime executes it.

Bits between the types' are had by bounds before rounding: these are whole codes, so that nothing else changes.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from onnx import TensorProto, helper

from picojoule.export.writers.graph import GraphWriter, ends_of
from picojoule.integer.types import Constant, Type

_TYPES = {
    (4, False): TensorProto.UINT4, (4, True): TensorProto.INT4, (8, False): TensorProto.UINT8,
    (8, True): TensorProto.INT8, (16, False): TensorProto.UINT16, (16, True): TensorProto.INT16,
}  # fmt: skip

_LEAST_BITS = 8
"""Of activations: with fewer, ONNX Runtime (1.31) optimises graphs into ones that it cannot run. Weights take 4."""


class QdqWriter(GraphWriter):
    """Activations as Clip, QuantizeLinear, DequantizeLinear; weights as integers and DequantizeLinear by channel."""

    opset: ClassVar[int] = 21
    ir_version: ClassVar[int] = 10
    doubles: ClassVar[bool] = True

    def rounded(self, x: str, name: str, type: Type) -> str:
        kind, bits, signed = _narrowest(max(type.bits, _LEAST_BITS), type.signed)
        step = self.step(type)
        x = self.clipped(x, name, type, *ends_of(bits, signed))
        codes = self.node("QuantizeLinear", [x, step], f"{name}.codes", output_dtype=kind)
        return self.node("DequantizeLinear", [codes, step], name)

    def signs(self, x: str, name: str, type: Type) -> str:
        one = 2.0 ** type.exponents[0]
        positive = self.node("GreaterOrEqual", [x, self.number(0.0)], f"{name}.positive")
        return self.node("Where", [positive, self.number(one), self.number(-one)], name)

    def weights(self, name: str, constant: Constant, exponents: Sequence[int], axis: int) -> str:
        low, high = int(constant.values.min()), int(constant.values.max())
        kind, bits, _ = _narrowest(Type((1,), low, high, (0,)).bits, low < 0)
        # Signed bytes times unsigned ones saturate on processors that add their products up in pairs of 16 bits.
        zero = 128 if low < -64 or (low < 0 and high > 63) else 0
        kind, zero = (TensorProto.UINT8, zero) if bits == 8 and zero else (kind, 0)
        whole = (constant.values + zero).flatten().tolist()
        codes = self.tensor(helper.make_tensor(f"{name}.codes", kind, constant.values.shape, whole))
        steps = self.array(np.exp2(np.array(exponents, np.float64)), f"{name}.steps", np.float32)
        zeros = self.tensor(helper.make_tensor(f"{name}.zeros", kind, [len(exponents)], [zero] * len(exponents)))
        return self.node("DequantizeLinear", [codes, steps, zeros], name, axis=axis)


def _narrowest(bits: int, signed: bool) -> tuple[int, int, bool]:
    """The narrowest type of at least so many bits."""
    wide = next(each for each in (4, 8, 16) if bits <= each)
    return _TYPES[wide, signed], wide, signed
