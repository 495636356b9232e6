"""The engines that a deployed network may run in, each as a function from samples to the numbers that come out.

The interpreter is what the others are held against. A new engine is one more entry in the table.
"""

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from picojoule.errors import InputError
from picojoule.export import exporters
from picojoule.export.c import as_stored
from picojoule.integer import Interpreter, Program
from picojoule.integer.interpreter import Arithmetic
from picojoule.network import NetworkModule
from picojoule.verify.absent import AbsentError as AbsentError
from picojoule.verify.c import BOARDS, Board, run_on_board, run_on_host

Engine = Callable[[Tensor], Tensor]
"""From samples [n, ...] in float32 to outputs [n, ...], in float64 or in the float32 that the engine computes in."""

BATCH = 250


def engines(network: NetworkModule, program: Program) -> Mapping[str, Callable[[], Engine]]:
    """Every engine by name, made when it is called for; `network` is the fake-quantised one, in float64.

    Making one raises AbsentError where it is not installed, and InputError where it refuses the program.
    """
    return {
        "float64": lambda: _float64(network),
        "interpreter": lambda: interpreter(program),
        "interpreter, bit-serial": lambda: interpreter(program, "datapath"),
        "onnxruntime": lambda: _onnxruntime(program, optimised=True),
        "onnxruntime, not optimised": lambda: _onnxruntime(program, optimised=False),
        "qonnx": lambda: _qonnx(program),
        "c-host": lambda: _c(program, run_on_host),
        **{name: partial(_c, program, partial(_on_board, board)) for name, board in BOARDS.items()},
    }


SLOW = ("qonnx", *BOARDS)
"""Engines that get fewer samples."""


def interpreter(program: Program, arithmetic: Arithmetic = "float") -> Engine:
    """The program's own interpreter."""
    running = Interpreter(program, arithmetic)

    def run(x: Tensor) -> Tensor:
        return program.decode(running.run(program.encode(x)))

    return _in_batches(run)


def _float64(network: NetworkModule) -> Engine:
    module = network.double().eval()

    def run(x: Tensor) -> Tensor:
        with torch.no_grad():
            return module.run(x.double())

    return _in_batches(run)


def _onnxruntime(program: Program, optimised: bool) -> Engine:
    try:
        import onnxruntime
    except ImportError as error:
        raise AbsentError("not installed; pip install onnxruntime") from error
    content = _exported("onnx", program)
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return _in_batches(lambda x: torch.from_numpy(session.run(None, {"input": x.numpy()})[0]))


def _qonnx(program: Program) -> Engine:
    try:
        import onnx
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.infer_shapes import InferShapes
    except ImportError as error:
        raise AbsentError("not installed; pip install qonnx") from error
    content = _exported("qonnx", program)
    model = ModelWrapper(onnx.load_model_from_string(content)).transform(InferShapes())

    def run(x: Tensor) -> Tensor:
        found = [execute_onnx(model, {"input": each[None].numpy()})["output"] for each in x]
        return torch.from_numpy(np.concatenate(found))

    return run


def _c(program: Program, run: Callable[[Mapping[str, bytes], NDArray[np.int64]], NDArray[np.int64]]) -> Engine:
    """The exported C, compiled and run somewhere."""
    files, shape = exporters()["c"].files(program), program.output_type.shape

    def outputs(x: Tensor) -> Tensor:
        found = run(files, as_stored(program.encode(x)))
        return program.decode(torch.from_numpy(found).reshape(len(x), *shape))

    return outputs


def _on_board(board: Board, files: Mapping[str, bytes], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    return run_on_board(board, files, codes, traced=0).outputs


def _exported(target: str, program: Program) -> bytes:
    """The one file of a target."""
    if find_spec("onnx") is None:
        raise AbsentError("not installed; pip install onnx")
    (content,) = exporters()[target].files(program).values()
    return content


def _in_batches(run: Engine) -> Engine:
    return lambda x: torch.cat([run(part) for part in x.split(BATCH)])


def told(error: Exception) -> str:
    """Why an engine does not run a program, in a line."""
    line = next(iter(str(error).splitlines()), "")
    return line if isinstance(error, InputError | AbsentError) else f"{type(error).__name__}: {line}"[:200]
