"""The QONNX file under the qonnx package's own executor, before its clean-up transforms and after."""

import numpy as np
import pytest
import torch
from tests import needs
from tests.export import engines
from torch import Tensor

from picojoule.export import exporters
from picojoule.integer import Program
from picojoule.integer.lowering.builder import Builder
from picojoule.verify.engines import interpreter

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def cleaned_up(program: Program, x: Tensor) -> tuple[Tensor, set[str]]:
    """What the executor gives after the clean-up transforms, and the nodes that are left."""
    import onnx
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.util.cleanup import cleanup_model

    content = exporters()["qonnx"].files(program)["model.qonnx.onnx"]
    model = cleanup_model(ModelWrapper(onnx.load_model_from_string(content)))
    name = model.graph.input[0].name
    found = [execute_onnx(model, {name: each[None].numpy()})[model.graph.output[0].name] for each in x]
    return torch.from_numpy(np.concatenate(found)), {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("seed", range(5))
def test_random_networks(seed: int) -> None:
    needs.packages("onnx", "onnxruntime", "qonnx")
    program = engines.random_program(seed)
    x = engines.hard(program)[::5]
    assert engines.mismatches(program, "qonnx", x) == 0
    found, kinds = cleaned_up(program, x)
    assert torch.equal(found, interpreter(program)(x).float())
    assert kinds & {"Quant", "BipolarQuant"}


@pytest.mark.parametrize(("low", "high"), [(-1, 0), (0, 1), (-2, 1), (0, 5), (-3, 3), (-128, 127), (0, 65535)])
def test_bounds_of_activations(low: int, high: int) -> None:
    """Those that no number of bits has are had by a clip."""
    needs.packages("onnx", "onnxruntime", "qonnx")
    made = Builder()
    image = made.emit("input", "input", (), shape=[1], low=low, high=high, exponent=-1, sign=False)
    ends = [low - 2, low - 0.5, low, low + 0.5, high - 0.5, high, high + 0.5, high + 9]
    x = torch.tensor(ends)[:, None] / 2
    assert engines.mismatches(made.program(image), "qonnx", x) == 0


def test_layers_read_quantised_weights_at_once() -> None:
    """As FINN and hls4ml look for them: no node between Quant and the product."""
    needs.packages("onnx")
    import onnx

    program = engines.random_program(0)
    graph = onnx.load_model_from_string(exporters()["qonnx"].files(program)["model.qonnx.onnx"]).graph
    makers = {node.output[0]: node.op_type for node in graph.node}
    layers = [node for node in graph.node if node.op_type == "MatMul" or (node.name in program.by_name and
              program.by_name[node.name].kind in ("conv1d", "conv2d"))]  # fmt: skip
    assert layers
    assert {makers[node.input[1]] for node in layers} <= {"Quant", "BipolarQuant"}
