"""Instructions of our C on Cortex-M processors, and of emx-onnx-cgen's C for the same network.

    python benchmarks/cortex_m.py [RUN]

A convolution of 3x3 over 16x16 pixels, 16 channels in and out, with padding and requantisation, at several bits. Then a
whole network at 8 bits, LeNet-5 or that of a run: ours against emx-onnx-cgen's C for our ONNX file, which computes in
float, without and with the processor's instructions for floats; and against its C for the same network in ONNX's
operators of whole numbers, where it has floats only to round. All are compiled with the same flags and run in QEMU,
which counts instructions exactly. Outputs are compared with the interpreter's. emx-onnx-cgen runs in an environment of
its own, which is made on first use.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from peers import emx
from peers.environment import enter

import picojoule as pj
from picojoule.calibration import Calibration
from picojoule.export import exporters
from picojoule.export.c import as_stored
from picojoule.integer import Constant, Interpreter, Program, lower
from picojoule.integer.lowering.builder import Builder
from picojoule.models import load_model
from picojoule.network import capture
from picojoule.plan import Plan
from picojoule.verify.c import BOARDS, run_on_board
from picojoule.verify.inputs import adversarial

CHANNELS, SIZE = 16, 16
BITS = (1, 2, 3, 4, 6, 8, 16)
TARGETS = {1: 0.36, 4: 1.5, 8: 1.0}
"""Millions of instructions on the Cortex-M4, by bits."""
FEWER = 4
"""How many times fewer instructions the whole network is to take than emx-onnx-cgen's C."""
LENET = f"{Path(__file__).resolve().parents[1] / 'examples' / 'lenet5_mnist.py'}:lenet5"
M4 = BOARDS["cortex-m4"]
FLOATS = ("-mcpu=cortex-m4", "-mfloat-abi=hard")
"""Flags with which the compiler uses the Cortex-M4's instructions for floats."""


@dataclass(frozen=True)
class _Entry:
    """C for a network, what it takes and must give, and what it is linked with."""

    name: str
    files: Mapping[str, bytes]
    codes: NDArray[np.int64]
    wanted: NDArray[np.integer]
    linked: tuple[str, ...] = ()


def main() -> int:
    program = pj.lower(sys.argv[1]) if len(sys.argv) > 1 else lenet()
    missed = convolutions()
    name = sys.argv[1] if len(sys.argv) > 1 else "LeNet-5, random weights"
    print(f"\n{name}, one sample on cortex-m4; emx-onnx-cgen {version('emx-onnx-cgen')}\n")
    return network(program) or missed


def convolutions() -> int:
    """Print one layer's instructions by bits; 1 if a target is missed."""
    print(f"3x3, {CHANNELS} to {CHANNELS} channels, {SIZE}x{SIZE} pixels: millions of instructions\n")
    print(f"| bits | {' | '.join(BOARDS)} | target on cortex-m4 | outputs that differ |")
    print(f"|{' --- |' * (len(BOARDS) + 3)}")
    codes = torch.randint(-128, 128, (3, CHANNELS, SIZE, SIZE), generator=torch.Generator().manual_seed(0))
    missed, tools = False, {}
    for bits in BITS:
        program, counts, differ = convolution(bits), {}, 0
        wanted = Interpreter(program).run(codes).reshape(len(codes), -1).numpy()
        for name, board in BOARDS.items():
            ran = run_on_board(board, exporters()["c"].files(program), as_stored(codes))
            counts[name] = ran.instructions[0, 1 if bits == 1 else 0] / 1e6
            differ += int((ran.outputs != wanted).sum())
            tools[ran.tools[0]] = ran.tools[1]
        most = TARGETS.get(bits)
        missed |= differ > 0 or (most is not None and counts[M4.name] > most)
        print(
            f"| {bits} | {' | '.join(f'{each:.3f}' for each in counts.values())} | {most or ''} | {differ} |",
            flush=True,
        )
    for compiler, emulator in tools.items():
        print(f"\n{compiler}\n{emulator}")
    return int(missed)


def convolution(bits: int) -> Program:
    """The layer at so many bits, on codes of 8 bits; at 1 bit on signs, which are made and read by layers beside it."""
    made, random = Builder(), torch.Generator().manual_seed(1)
    how = {"exponents": [0] * CHANNELS, "stride": [1, 1], "dilation": [1, 1], "groups": 1}
    shape = (CHANNELS, CHANNELS, 3, 3)
    bias = Constant(torch.randint(-100, 100, (CHANNELS,), generator=random), 16, "signed")
    x = made.emit("input", "input", (), shape=[CHANNELS, SIZE, SIZE], low=-128, high=127, exponent=0, sign=False)
    if bits > 1:
        weights = torch.randint(-(2 ** (bits - 1)), 2 ** (bits - 1), shape, generator=random)
        x = made.emit("layer", "conv2d", (x,), Constant(weights, bits, "signed"), bias, padding=[1, 1], **how)
        return made.program(made.emit("out", "requantise", (x,), low=-128, high=127, exponent=bits + 2))
    signs = [
        Constant(torch.randint(0, 2, each, generator=random) * 2 - 1, 1, "sign") for each in (shape, (*shape[:2], 1, 1))
    ]
    x = made.emit("given", "sign", (x,), exponent=0)
    x = made.emit("layer", "conv2d", (x,), signs[0], bias, padding=[1, 1], **how)
    x = made.emit("made", "sign", (x,), exponent=0)
    return made.program(made.emit("out", "conv2d", (x,), signs[1], bias, padding=[0, 0], **how))


def network(program: Program) -> int:
    """Print a network's instructions; 1 if emx-onnx-cgen's are not so many times more, or our outputs differ."""
    x = torch.cat([torch.rand(4, *program.input.type.shape), *adversarial(program, 2).values()])
    codes = program.encode(x)
    wanted = Interpreter(program).run(codes)
    in_order, sums = codes.reshape(len(codes), -1).numpy(), wanted.numpy()
    values = program.decode(wanted).float().numpy().view(np.int32)
    onnx = exporters()["onnx"].files(program)["model.onnx"]
    ours = _Entry("picojoule", exporters()["c"].files(program), as_stored(codes), sums)
    floats = emx.files(onnx, program, whole=False), in_order, values, emx.LINKED
    whole = emx.files(emx.whole_numbers(program), program, whole=True), in_order, sums, emx.LINKED
    theirs = _Entry("emx-onnx-cgen, our ONNX file", *floats), _Entry("emx-onnx-cgen, whole numbers", *whole)
    print("| C | flags | instructions | times ours | flash, bytes | outputs that differ |")
    print(f"|{' --- |' * 6}")
    missed = False
    for flags in (M4.flags, FLOATS):
        fewest = 0
        for each in (ours, *theirs):
            board = replace(M4, flags=(*flags, *each.linked))
            ran = run_on_board(board, each.files, each.codes)
            count, differ = int(ran.instructions.sum()), int((ran.outputs != each.wanted).sum())
            fewest = fewest or count
            times = count / fewest
            missed |= (each is ours and differ > 0) or (each is not ours and times < FEWER)
            cells = (
                each.name,
                " ".join(flags),
                f"{count:,}",
                f"{times:.1f}",
                f"{ran.sizes.flash:,}",
            )
            print(f"| {' | '.join(cells)} | {differ} of {each.wanted.size} |", flush=True)
    return int(missed)


def lenet() -> Program:
    """LeNet-5 with random weights, 8 bits everywhere."""
    torch.manual_seed(0)
    x = torch.rand(50, 1, 32, 32)
    network = capture(load_model(LENET).eval(), x[:1])
    plan = Plan.parse({"*": "fixed8"}).expand(network)
    calibration = Calibration.of(network, x)
    return lower(calibration.network, plan, calibration.ranges(plan))


if __name__ == "__main__":
    sys.exit(main() if enter("emx", "emx-onnx-cgen") else "nothing to compare with")
