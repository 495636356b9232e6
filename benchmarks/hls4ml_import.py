"""hls4ml imports our QONNX files, and all outputs of the fixed-point C++ that it makes of them are the program's.

    python benchmarks/hls4ml_import.py

Small networks with random weights, on random samples and on inputs made to be hard. hls4ml's own emulation is compiled
with the C++ compiler at hand. It runs in an environment of its own, which is made on first use.

Two settings are needed. The input's precision must hold the samples: `fixed<60,16>`. And hls4ml's pass
`quantize_dense_output` is left out: it rounds weights of -1 and +1, which are stored as 0 and 1 by then, a second time,
which makes all of them +1 (hls4ml 1.3, `backends/vivado/passes/bn_quant.py`, line 137).
"""

import contextlib
import io
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from measure import machine
from peers.environment import enter
from torch import Tensor, nn

from picojoule.calibration import Calibration
from picojoule.export import exporters
from picojoule.integer import Program, lower
from picojoule.network import capture
from picojoule.plan import Plan
from picojoule.verify.engines import interpreter
from picojoule.verify.inputs import adversarial

FLOW, FAULTY = "vivado:quantization", "vivado:quantize_dense_output"
Build = Callable[[], nn.Module]


def dense() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.Hardtanh(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 4))


def signs() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.Hardtanh(), nn.Linear(16, 12), nn.Hardtanh(), nn.Linear(12, 4))


def convolutions(padding: int) -> Build:
    def build() -> nn.Module:
        size = 4 if padding else 2
        return nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=padding), nn.Hardtanh(), nn.Conv2d(4, 4, 3, padding=padding), nn.Hardtanh(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * size * size, 4),
        )  # fmt: skip

    return build


NETWORKS: dict[str, tuple[Build, tuple[int, ...], dict[str, str]]] = {
    "dense, 4 bits": (dense, (8,), {"*": "fixed4", "0.inputs": "fixed8"}),
    "convolutions, 4 bits, padded": (convolutions(1), (2, 8, 8), {"*": "fixed4", "0.inputs": "fixed8"}),
    "mixed, one layer binary": (signs, (8,), {"*": "fixed4", "2.*": "binary", "0.inputs": "fixed8"}),
    "binary throughout, dense": (signs, (8,), {"*": "binary", "0.inputs": "fixed8"}),
    "binary throughout, convolutions": (convolutions(0), (2, 8, 8), {"*": "binary", "0.inputs": "fixed8"}),
    "binary throughout, padded": (convolutions(1), (2, 8, 8), {"*": "binary", "0.inputs": "fixed8"}),
}
"""By name: the network, one sample's shape, the plan. Images are of 8 bits."""
OUT_OF_REACH = ("binary throughout, padded",)
"""hls4ml has 1 bit for -1 and +1, and pads with 0, which there is -1."""


def main() -> int:
    print(machine(), "\n")
    print("| network | outputs | differ | with hls4ml as it is |")
    print("| --- | --- | --- | --- |")
    failed = 0
    for name, (build, shape, plan) in NETWORKS.items():
        program, x = case(build, shape, plan)
        wanted = interpreter(program)(x)
        differ = [int((imported(program, x, as_it_is) != wanted).sum()) for as_it_is in (False, True)]
        print(f"| {name} | {wanted.numel()} | {differ[0]} | {differ[1]} |", flush=True)
        failed += differ[0] > 0 and name not in OUT_OF_REACH
    return min(failed, 1)


def case(build: Build, shape: tuple[int, ...], plan: dict[str, str]) -> tuple[Program, Tensor]:
    """A network's program, and samples for it."""
    torch.manual_seed(0)
    x = torch.randn(100, *shape)
    network = capture(build().eval(), x[:1])
    expanded = Plan.parse(plan).expand(network)
    calibration = Calibration.of(network, x)
    program = lower(calibration.network, expanded, calibration.ranges(expanded))
    return program, torch.cat([x, *adversarial(program, 100).values()])


def imported(program: Program, x: Tensor, as_it_is: bool) -> Tensor:
    """What hls4ml's emulation of our file gives."""
    with tempfile.TemporaryDirectory() as folder, silence(), corrected(as_it_is):
        model = converted(program, Path(folder))
        model.compile()
        found = model.predict(x.numpy().copy())
    return torch.from_numpy(found).reshape(len(x), -1).double()


def converted(program: Program, folder: Path) -> Any:
    """Our file, read by hls4ml as its documentation says: cleaned up, and with convolutions, channels moved last."""
    import hls4ml
    import onnx
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
    from qonnx.transformation.gemm_to_matmul import GemmToMatMul
    from qonnx.util.cleanup import cleanup_model

    content = exporters()["qonnx"].files(program)["model.qonnx.onnx"]
    model = cleanup_model(ModelWrapper(onnx.load_model_from_string(content)))
    if len(program.input.type.shape) > 1:
        model = cleanup_model(model.transform(ConvertToChannelsLastAndClean()).transform(GemmToMatMul()))
    config = hls4ml.utils.config.config_from_onnx_model(
        model, granularity="name", backend="Vivado", default_precision="fixed<32,16>"
    )
    config["LayerName"]["global_in"]["Precision"]["result"] = "fixed<60,16>"
    return hls4ml.converters.convert_from_onnx_model(
        model, output_dir=str(folder), backend="Vivado", hls_config=config, io_type="io_parallel"
    )


@contextlib.contextmanager
def corrected(as_it_is: bool) -> Iterator[None]:
    """hls4ml without the pass that spoils binary weights, unless it is wanted as it is."""
    from hls4ml.model.flow import get_flow

    passes = get_flow(FLOW).optimizers
    before = [*passes]
    if not as_it_is:
        passes.remove(FAULTY)
    try:
        yield
    finally:
        passes[:] = before


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Without what the packages print."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        yield


if __name__ == "__main__":
    if not enter("hls4ml", "hls4ml"):
        sys.exit("nothing to compare with")
    sys.exit(main())
