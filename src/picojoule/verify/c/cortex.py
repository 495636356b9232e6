"""A network's C on emulated Cortex-M boards: what it computes, how many instructions, how much stack, flash and RAM.

Two images are made of it. One has the network as it ships, and gives outputs, stack and sizes. In the other each
NETWORK_STEP takes the time.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from picojoule.verify.c import trace
from picojoule.verify.c.bench import Bench, Sizes
from picojoule.verify.c.boards import Board
from picojoule.verify.c.toolchain import RunError


@dataclass(frozen=True)
class BoardRun:
    """Output codes [n, outputs]; instructions [traced, steps], [0, 0] with none traced; the most stack of any sample.

    `tools` are compiler and emulator with their versions: what the instructions depend on beside the board.
    """

    outputs: NDArray[np.int64]
    instructions: NDArray[np.int64]
    stack_bytes: int
    sizes: Sizes
    tools: tuple[str, str]


def run_on_board(
    board: Board, files: Mapping[str, bytes], codes: NDArray[np.integer], *, traced: int = 1, seconds: float = 600
) -> BoardRun:
    """Run the network in `network.c` for input codes [n, inputs]; the first `traced` samples have their steps counted.

    Raises:
        AbsentError: the compiler, its library or the emulator is not installed.
        RunError: a warning of the compiler, a network_run that does not give 0, a fault, other outputs when traced, or
            more than `seconds` for one of the two images.
    """
    with tempfile.TemporaryDirectory(prefix="picojoule-") as name:
        bench = Bench(board, files, Path(name), seconds)
        stack, outputs = bench.run(codes, traced=False)
        counts = _counts(bench, codes[:traced], outputs) if traced and len(codes) else np.zeros((0, 0), np.int64)
        return BoardRun(outputs, counts, int(stack), bench.sizes(), bench.tools())


def _counts(bench: Bench, codes: NDArray[np.integer], outputs: NDArray[np.int64]) -> NDArray[np.int64]:
    printed, again = bench.run(codes, traced=True)
    if not np.array_equal(again, outputs[: len(codes)]):
        raise RunError(f"network.c on {bench.board.name}: gives other outputs when its steps are traced")
    readings = [trace.reading(line) for line in printed.splitlines()]
    each = len(readings) // len(codes)
    samples = (readings[i : i + each] for i in range(0, len(readings), each))
    return np.array([trace.instructions(sample, bench.board.clock_hz) for sample in samples], np.int64)
