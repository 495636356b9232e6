"""Golden vectors: a few inputs, with the outputs that the program's own interpreter gives for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from picojoule.export.c.loops.weights import literal
from picojoule.integer import Interpreter, Program

SEED = 0
PERIOD = 4093
"""A longer input repeats so many codes, so that the file stays small; a prime, so that no two rows are alike."""
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Vectors:
    """By name of an input its first codes, which repeat, in the order in which C takes them; outputs [n, outputs]."""

    inputs: Mapping[str, Codes]
    outputs: Codes
    length: int

    @property
    def whole(self) -> Codes:
        """The inputs as they are given, [n, inputs]."""
        return _whole(self.inputs, self.length)

    def facts(self) -> dict[str, Any]:
        """What the template needs."""
        rows = zip(self.inputs.items(), self.outputs.tolist(), strict=True)
        return {
            "period": min(self.length, PERIOD), "repeats": self.length > PERIOD,
            "each": [{"name": name, "inputs": literal(codes.tolist(), 110), "outputs": literal(outputs, 110)}
                     for (name, codes), outputs in rows],
        }  # fmt: skip


def vectors(program: Program) -> Vectors:
    """The golden vectors of a program: codes at random, the ends of the range at random, and each end throughout."""
    own = program.input.type
    random = np.random.RandomState(SEED)  # whose numbers are the same in every version
    size = min(own.count, PERIOD)
    codes = random.randint(own.low, own.high + 1, size)
    if program.members:
        codes = random.choice(program.members, size)
    if program.input.args["sign"]:
        codes = np.where(codes < 0, -1, 1)
    inputs = {
        "codes at random": codes,
        "ends of the range at random": random.choice([own.low, own.high], size),
        f"{own.low} throughout": np.full(size, own.low),
        f"{own.high} throughout": np.full(size, own.high),
    }
    whole = torch.from_numpy(_whole(inputs, own.count)).reshape(len(inputs), *own.shape[1:], own.shape[0])
    outputs = Interpreter(program).run(whole.movedim(-1, 1))
    return Vectors(inputs, outputs.reshape(len(inputs), -1).numpy(), own.count)


def _whole(inputs: Mapping[str, Codes], length: int) -> Codes:
    return np.stack([np.resize(codes, length) for codes in inputs.values()])
