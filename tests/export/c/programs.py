"""Programs by hand for corners of C, and what the tests that run C need: hard inputs, and a comparison."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from tests.integer import nets
from torch import Tensor

from picojoule.export.c import as_stored
from picojoule.export.c.render import rendered
from picojoule.integer import Coding, Constant, Interpreter, Program, lower
from picojoule.integer.lowering.builder import Builder
from picojoule.verify.c import run_on_host
from picojoule.verify.inputs import adversarial

CAREFUL = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
"""Flags with which reading beyond an array and sums that overflow end the process."""


CODED = {"coded": 0, "blocks of 3": 3, "blocks of 8": 8}
"""Forms of weights that are codes, and the length of their blocks."""


class Hand(Builder):
    """A program written down; weights are random, half of them at the ends of what their bits hold."""

    def __init__(
        self, shape: Sequence[int], low: int = -128, high: int = 127, sign: bool = False, members: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.random = torch.Generator().manual_seed(len(shape) * 97 + high % 89)
        how = {"low": low, "high": high, "sign": sign} | ({"members": [*members]} if members else {})
        self.x = self.emit("input", "input", (), shape=[*shape], exponent=0, **how)

    def weights(self, shape: Sequence[int], bits: int, form: str) -> Constant:
        if form in CODED:
            return self.coded(shape, bits, CODED[form])
        low, high = {
            "sign": (-1, 1),
            "signed": (-(1 << bits - 1), (1 << bits - 1) - 1),
            "unsigned": (0, (1 << bits) - 1),
        }[form]
        found = torch.randint(low, high + 1, (*shape,), generator=self.random)
        ends = torch.where(torch.rand((*shape,), generator=self.random) < 0.5, low, high)
        return Constant(
            torch.where((torch.rand((*shape,), generator=self.random) < 0.5) | (form == "sign"), ends, found),
            bits,
            form,
        )

    def coded(self, shape: Sequence[int], bits: int, block: int) -> Constant:
        """Codes of so many bits, of a table as large as it may be without blocks, the ends of 16 bits in it."""
        top = 1 << (9 if block else 15)
        table = torch.randperm(2 * top, generator=self.random)[: (1 << bits) - 2] - top
        table = torch.cat([table, torch.tensor([-top, top - 1])]).unique()
        outputs, inputs, *kernel = shape
        block = min(block, inputs)
        shifts = torch.randint(0, 7, (outputs, -(-inputs // block), *kernel), generator=self.random) if block else None
        coding = Coding(table, block, shifts)
        codes = torch.randint(0, len(table), (*shape,), generator=self.random)
        return Constant.coded(coding.values(codes), coding)

    def bias(self, count: int, most: int = 100) -> Constant:
        return Constant(torch.randint(-most, most + 1, (count,), generator=self.random), 54, "signed")

    def conv(
        self, x: str, outputs: int, kernel: Sequence[int] = (3, 3), bits: int = 8, form: str = "signed", *,
        exponents: Sequence[int] = (0,), bias: int = 100, **how: Any,
    ) -> str:  # fmt: skip
        sides, groups = len(kernel), how.get("groups", 1)
        args = {"stride": [1] * sides, "padding": [0] * sides, "dilation": [1] * sides, "groups": 1} | how
        shape = (outputs, self.type(x).shape[0] // groups, *kernel)
        stored = self.weights(shape, bits, form), self.bias(outputs, bias)
        return self.emit("conv", f"conv{sides}d", (x,), *stored, exponents=[*exponents], **args)

    def linear(self, x: str, outputs: int, bits: int = 8, form: str = "signed", exponents: Sequence[int] = (0,)) -> str:
        stored = self.weights((outputs, self.type(x).shape[-1]), bits, form), self.bias(outputs)
        return self.emit("fc", "linear", (x,), *stored, exponents=[*exponents])

    def round(self, x: str, low: int = -128, high: int = 127, exponent: int | None = None) -> str:
        own = self.type(x)
        most = max(-own.low, own.high) // max(1, -low, high)
        to = own.exponents[0] + max(0, most.bit_length() - 2) if exponent is None else exponent
        return self.emit("round", "requantise", (x,), low=low, high=high, exponent=to)

    def sign(self, x: str) -> str:
        return self.emit("sign", "sign", (x,), exponent=0)

    def flat(self, x: str) -> str:
        return self.emit("flat", "reshape", (x,), shape=[self.type(x).count])

    def pool(self, x: str, kernel: Sequence[int] = (2, 2), kind: str = "max_pool", **how: Any) -> str:
        sides = len(kernel)
        args = {"kernel": [*kernel], "stride": [*kernel], "padding": [0] * sides}
        args |= {"dilation": [1] * sides, "ceil": False} if kind == "max_pool" else {"count": 9}
        return self.emit("pool", kind, (x,), **(args | how))

    def add(self, one: str, other: str) -> str:
        return self.emit("add", "add", (self.together((one, other))))


@cache
def net(seed: int, curved: bool = False) -> Program:
    """A random network, of formats of 1 to 16 bits, with curves in it of 1 to 8."""
    return lower(*nets.case(seed, nets.NARROW if curved else nets.FORMATS, curved))


def hard(program: Program, count: int = 3) -> Tensor:
    """Hard inputs as codes [n, ...]."""
    return program.encode(torch.cat([*adversarial(program, count).values()]))


def mismatches(
    program: Program, codes: Tensor | None = None, compiler: str = "gcc", flags: Sequence[str] = CAREFUL
) -> int:
    """How many output codes of the C on this machine are not the interpreter's."""
    given = hard(program) if codes is None else codes
    wanted = Interpreter(program).run(given).reshape(len(given), -1)
    found = run_on_host(rendered(program), as_stored(given), compiler=compiler, flags=flags)
    return int((torch.from_numpy(found) != wanted).sum())
