"""emx-onnx-cgen's C for an ONNX file, with what a board needs to run and trace it as it does ours.

A file in ONNX's quantised form, of QuantizeLinear and DequantizeLinear, becomes C that computes in float. So there is a
second file of the same network whose operators are whole numbers' own, QLinearConv and ConvInteger. The C itself is as
emx-onnx-cgen writes it; its buffers, which it takes from a heap, lie in static memory and cost nothing.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from picojoule.integer import Program
from picojoule.integer.program import Operation

HEAP_BYTES = 2**20
LINKED = (*(f"-Wl,--undefined={name}" for name in ("nearbyint", "nearbyintf", "fminf", "fmaxf")), "-lm")
"""What its C needs beside the flags of ours: functions of the mathematical library."""

_HEADER = """\
#include <stdint.h>
typedef uint8_t network_input_t;
typedef int32_t network_output_t;
#define NETWORK_INPUTS {inputs}
#define NETWORK_OUTPUTS {outputs}
#define NETWORK_STEPS 1
int network_run(const network_input_t *input, network_output_t *output);
"""
_MODEL = """\
#pragma GCC system_header
#include <stdlib.h>
static _Alignas(8) uint8_t heap[{heap}];
static size_t taken;
static void *take(size_t size)
{{
    void *here = heap + taken;
    taken += (size + 7) / 8 * 8;
    return taken <= sizeof heap ? here : NULL;
}}
#define malloc(size) take(size)
#define free(place) ((void)(place))
"""
_NETWORK = """\
#include "network.h"
#include "model.h"
#ifndef NETWORK_STEP
#define NETWORK_STEP(step) ((void)0)
#endif
static {number} given[NETWORK_INPUTS];
/* Outputs are copied as they are: of floats the bits. */
int network_run(const network_input_t *input, network_output_t *output)
{{
    taken = 0;
    for (int i = 0; i < NETWORK_INPUTS; i++)
        given[i] = ({number}){given};
    NETWORK_STEP(0);
    model((void *)given, (void *)output);
    NETWORK_STEP(1);
    return 0;
}}
"""


def files(content: bytes, program: Program, whole: bool) -> Mapping[str, bytes]:
    """C for a board, of an ONNX file that takes codes if it is of `whole` numbers, else the floats they stand for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(content)
        command = [
            sys.executable,
            "-m",
            "emx_onnx_cgen",
            "compile",
            "model.onnx",
            "model.c",
            "--large-weight-threshold",
            "0",
        ]
        subprocess.run(
            [*command, *(() if whole else ("--input-dim", "n=1"))], cwd=folder, check=True, capture_output=True
        )
        made = (folder / "model.c").read_bytes()
    given = program.input.type
    number, code = ("uint8_t", "input[i]") if whole else ("float", f"input[i] * {2.0 ** given.exponents[0]!r}f")
    return {
        "network.h": _HEADER.format(inputs=given.count, outputs=program.output_type.count).encode(),
        "model.h": _MODEL.format(heap=HEAP_BYTES).encode() + made,
        "network.c": _NETWORK.format(number=number, given=code).encode(),
    }


def whole_numbers(program: Program) -> bytes:
    """A chain of layers, roundings and maxima in operators of whole numbers; the last layer's sums come out."""
    from onnx import TensorProto, checker, helper

    chain = _Chain(program)
    for operation in program.operations[1:]:
        chain.add(operation)
    given, made = [1, *program.input.type.shape], [1, program.output_type.count, 1, 1]
    graph = helper.make_graph(
        chain.nodes, "whole", [helper.make_tensor_value_info(program.input.name, TensorProto.UINT8, given)],
        [helper.make_tensor_value_info(program.output, TensorProto.INT32, made)], chain.constants,
    )  # fmt: skip
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)])
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


class _Chain:
    """Nodes so far. A layer waits for the rounding of its sums; a dense one is a convolution over one pixel."""

    def __init__(self, program: Program) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._program, self._at = program, program.input.name

    def add(self, operation: Operation) -> None:
        """Add an operation behind the last one."""
        name, args = operation.name, operation.args
        if operation.kind in ("conv2d", "linear"):
            if name == self._program.output:
                self._node("ConvInteger", [self._at, self._weights(operation)], f"{name}.products", _windows(args))
                self._node("Add", [self._at, self._bias(operation, (1, -1, 1, 1))], name, {})
        elif operation.kind == "requantise":
            self._rounded(self._program.by_name[operation.reads[0]], args["exponent"], name)
        elif operation.kind == "max_pool":
            self._node("MaxPool", [self._at], name, _windows(args) | {"kernel_shape": args["kernel"]})
        elif operation.kind == "reshape":
            shape = self._constant(f"{name}.shape", [1, operation.type.count, 1, 1], np.int64)
            self._node("Reshape", [self._at, shape], name, {})
        else:
            raise ValueError(f"'{name}' is a {operation.kind}, which has no such operator here")

    def _rounded(self, layer: Operation, exponent: int, makes: str) -> None:
        reads, sums = self._program.by_name[layer.reads[0]].type.exponents[0], layer.type.exponents
        zero = self._constant(f"{makes}.zero", 0, np.uint8)
        inputs = [
            self._at, self._constant(f"{makes}.read", 2.0**reads, np.float32), zero, self._weights(layer),
            self._constant(f"{makes}.steps", [2.0 ** (each - reads) for each in sums], np.float32),
            self._constant(f"{makes}.zeros", np.zeros(len(sums)), np.int8),
            self._constant(f"{makes}.made", 2.0**exponent, np.float32), zero, self._bias(layer, (-1,)),
        ]  # fmt: skip
        self._node("QLinearConv", inputs, makes, _windows(layer.args))

    def _weights(self, layer: Operation) -> str:
        weights = self._program.constants[f"{layer.name}.weights"].values.numpy()
        return self._constant(f"{layer.name}.w", weights.reshape(*weights.shape, *[1] * (4 - weights.ndim)), np.int8)

    def _bias(self, layer: Operation, shape: tuple[int, ...]) -> str:
        bias = self._program.constants[f"{layer.name}.bias"].values.numpy()
        return self._constant(f"{layer.name}.b", bias.reshape(shape), np.int32)

    def _constant(self, name: str, value: Any, kind: type[np.generic]) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def _node(self, kind: str, reads: list[str], makes: str, how: Mapping[str, Any]) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, reads, [makes], **how))
        self._at = makes


def _windows(args: Mapping[str, Any]) -> dict[str, Any]:
    return {"strides": args.get("stride", [1, 1]), "pads": [*args.get("padding", [0, 0])] * 2}
