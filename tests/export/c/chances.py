"""Programs that chance writes: any operations in any order, more than lowering makes of networks."""

import random
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

import torch
from tests.export.c.programs import CODED, Hand

from picojoule.errors import InputError
from picojoule.integer import Constant, Program

NARROW = (1, 2, 3, 4, 8, 8, 8, 12, 16)
WIDE = (*NARROW, 20, 40)


class Chance(Hand):
    """A program that chance writes: any operation on any value so far, and at its end what was made last."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        low, high, sign = self.dice.choice(
            [
                (-128, 127, False),
                (0, 255, False),
                (-8, 7, False),
                (-1, 1, True),
                (0, 65535, False),
                (-32768, 32767, False),
                (-3, 900, False),
            ]
        )
        shape = self.dice.choice([(3, 5, 4), (8, 3, 3), (1, 6, 7), (9, 4, 5), (4, 7), (9, 8), (11,), (16,)])
        super().__init__(shape, low, high, sign)
        self.random.manual_seed(seed)
        self.values = [self.x]

    def made(self) -> Program:
        """The program."""
        for _ in range(self.dice.randint(3, 12)):
            x = self.dice.choice(self.values[-3:])
            if not self.type(x).shape:
                x = self.emit("one", "reshape", (x,), shape=[1])
            with suppress(InputError):  # a law says no
                self.values.append(self.dice.choice(MOVES)(self, x))
        return self.program(self.values[-1])

    def narrow(self, x: str) -> str:
        """A value that a layer can read."""
        own = self.type(x)
        if len(own.exponents) == own.divisor == 1 and own.bits <= 16 and self.dice.random() < 0.7:
            return x
        return self.sign(x) if self.dice.random() < 0.3 else self.rounded(x, NARROW)

    def rounded(self, x: str, widths: Sequence[int] = WIDE) -> str:
        bits, own = self.dice.choice(widths), self.type(x)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if self.dice.random() < 0.6 else (0, (1 << bits) - 1)
        exponent = max(own.exponents) + own.bits - bits + self.dice.randint(-2, 2)
        return self.round(x, low, high, self.dice.choice([exponent, exponent, exponent, 0, own.exponents[0], -9, 40]))

    def form(self) -> tuple[int, str]:
        form = self.dice.choice(["sign", "sign", "signed", "signed", "unsigned", *CODED])
        if form in CODED:
            return self.dice.randint(2, 8), form
        return (1 if form == "sign" else self.dice.choice([1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 12, 15])), form


def _layer(self: Chance, x: str) -> str:
    given, chance = self.narrow(x), self.dice
    bits, form = self.form()
    shape, outputs = self.type(given).shape, chance.choice([1, 2, 3, 7, 8, 9, 16])
    if len(shape) not in (2, 3) or chance.random() < 0.2:
        exponents = [chance.randint(-4, 4) for _ in range(outputs)] if chance.random() < 0.3 else [0]
        return self.linear(given, outputs, bits, form, exponents)
    groups = chance.choice([each for each in (1, 1, 2, 3, 4, shape[0]) if shape[0] % each == 0])
    kernel = [chance.randint(1, min(3, size)) for size in shape[1:]]
    how = {
        key: [chance.randint(low, 2) for _ in kernel] for key, low in (("stride", 1), ("padding", 0), ("dilation", 1))
    }
    if chance.random() < 0.4:
        how["dilation"] = [1 for _ in kernel]
    if chance.random() < 0.3:
        kernel, how = [1 for _ in kernel], {}
    outputs *= groups
    exponents = [chance.randint(-4, 4) for _ in range(outputs)] if chance.random() < 0.4 else [0]
    return self.conv(
        given,
        outputs,
        kernel,
        bits,
        form,
        exponents=exponents,
        bias=chance.choice([0, 100, 9**9]),
        groups=groups,
        **how,
    )


def _same(self: Chance, x: str) -> str:
    """A layer that keeps the shape, and what it read added to it."""
    given = self.narrow(x)
    shape = self.type(given).shape
    bits, form = self.form()
    if len(shape) not in (2, 3):
        made = self.linear(given, shape[-1], bits, form)
    else:
        made = self.conv(given, shape[0], [3] * (len(shape) - 1), bits, form, padding=[1] * (len(shape) - 1))
    return self.add(
        *self.dice.sample([self.rounded(made) if self.dice.random() < 0.5 else made, self.dice.choice([x, given])], 2)
    )


def _add(self: Chance, x: str) -> str:
    others = [each for each in self.values if self.type(each).shape == self.type(x).shape]
    return self.add(x, self.dice.choice([x, *others]))


def _concat(self: Chance, x: str) -> str:
    shape = self.type(x).shape
    dim = self.dice.randrange(len(shape))
    beside = [size for k, size in enumerate(shape) if k != dim]
    shapes = {each: self.type(each).shape for each in self.values}
    rest = [each for each, its in shapes.items() if len(its) == len(shape) and [*its[:dim], *its[dim + 1 :]] == beside]
    parts = [x, *self.dice.choices([x, *rest], k=self.dice.randint(1, 2))]
    return self.emit("cat", "concat", self.together(parts), dim=dim + 1)


def _pool(self: Chance, x: str) -> str:
    sides, chance = len(self.type(x).shape) - 1, self.dice
    kernel = [chance.randint(1, 3) for _ in range(sides)]
    how = {
        "stride": [chance.randint(1, 2) for _ in kernel],
        "padding": [chance.randint(0, each // 2) for each in kernel],
    }
    if chance.random() < 0.7:
        return self.pool(self.sign(x) if chance.random() < 0.4 else x, kernel, ceil=chance.random() < 0.5, **how)
    return self.pool(x, kernel, "sum_pool", count=chance.choice([4, 9, 49]), **how)


def _sum(self: Chance, x: str) -> str:
    dims = self.dice.sample(range(1, len(self.type(x).shape) + 1), self.dice.randint(1, len(self.type(x).shape)))
    return self.emit(
        "sum", "sum", (x,), dims=dims, keep=self.dice.random() < 0.5, count=self.dice.choice([1, 3, 8, 20])
    )


def _shape(self: Chance, x: str) -> str:
    shape = [*self.type(x).shape]
    at = self.dice.randrange(len(shape))
    shapes = [
        shape,
        [self.type(x).count],
        [*shape, 1],
        [1, *shape],
        [shape[0], self.type(x).count // shape[0]],
        [*shape[:at], *shape[at:][::-1]],
    ]
    return self.emit("shape", "reshape", (x,), shape=self.dice.choice(shapes))


def _permute(self: Chance, x: str) -> str:
    count = len(self.type(x).shape)
    return self.emit("turn", "permute", (x,), order=[0, *self.dice.sample(range(1, count + 1), count)])


def _slice(self: Chance, x: str) -> str:
    dim = self.dice.randint(1, len(self.type(x).shape))
    return self.emit(
        "part", "slice", (x,), dim=dim, start=self.dice.randint(0, 1), stop=9, step=self.dice.randint(1, 2)
    )


def _pad(self: Chance, x: str) -> str:
    return self.emit(
        "pad",
        "pad",
        (x,),
        pad=[self.dice.randint(0, 2) for _ in range(2 * self.dice.randint(1, len(self.type(x).shape)))],
    )


def _clamp(self: Chance, x: str) -> str:
    own = self.type(x)
    low, high = (
        [self.dice.randint(*ends) for _ in own.exponents]
        for ends in ((own.low, max(own.low, 0)), (max(own.low, 0), max(own.high, 0)))
    )
    return self.emit(
        "clamp",
        "clamp",
        (x,),
        **self.dice.choice([{"low": low, "high": high}, {"low": low, "high": None}, {"low": None, "high": high}]),
    )


def _table(self: Chance, x: str) -> str:
    own, dice = self.type(x), self.dice
    axis = dice.randrange(len(own.shape))
    count = dice.randint(1, min(3, own.shape[axis]))
    rows = [] if count == 1 else [*range(count), *dice.choices(range(count), k=own.shape[axis] - count)]
    steps = [dice.randint(1, min(9, own.high - own.low + 1)) for _ in range(count)]
    thresholds = [each for step in steps for each in sorted(dice.sample(range(own.low, own.high + 1), step))]
    codes = dice.choices(range(-128, 128), k=len(thresholds) + count)
    stored = Constant(torch.tensor(thresholds), 54, "signed"), Constant(torch.tensor(codes), 8, "signed")
    return self.emit(
        "table", "table", (x,), *stored, steps=steps, rows=rows or [0], axis=axis, exponent=dice.randint(-3, 3)
    )


MOVES = [
    _layer, _layer, _layer, _same, _same, _add, _add, _concat, _pool, _sum, _shape, _permute, _slice, _pad, _clamp,
    _table, Chance.rounded, Chance.rounded, Hand.sign,
]  # fmt: skip


@cache
def chance(seed: int) -> Program:
    """A random program of any operations."""
    return Chance(seed).made()
