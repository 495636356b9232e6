"""Lines of C evaluated in Python's own integers: what the operations say, within their numbers."""

import bisect
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from tests.export.c.chances import chance
from tests.export.c.programs import Hand, net

from picojoule.errors import InputError
from picojoule.export.c.loops import loop_of
from picojoule.export.c.steps import Schedule, Step, schedule
from picojoule.export.c.storage import BITS
from picojoule.export.c.tails import Finish, round_even
from picojoule.integer import Constant, Program
from picojoule.integer.laws import LAYERS
from picojoule.integer.types import Type

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


class Line:
    """Lines run one after the other, as C does; `seen` is the largest number that was met."""

    def __init__(self, finish: Finish, at: int, c: int, addends: dict[str, int]) -> None:
        self.tables = {
            each["name"]: [*map(int, re.findall(r"-?\d+", " ".join(each["lines"])))] for each in finish.tables
        }
        self.known = {"at": at, "c": c, **self.tables}
        self.addends, self.seen = addends, 0

    def number(self, text: str) -> Any:
        return eval(text.replace("/", "//"), {"__builtins__": {}}, self.known)

    def met(self, *values: int) -> int:
        self.seen = max(self.seen, *map(abs, values))
        return values[-1]

    def run(self, value: int, lines: list[dict[str, Any]]) -> int:
        for line in lines:
            value = self.met(value, getattr(self, line["does"].replace(" ", "_"))(value, line))
        return value

    def unscale(self, value: int, line: dict[str, Any]) -> int:
        assert value % (1 << line["by"]) == 0
        return value >> line["by"]

    def add(self, value: int, line: dict[str, Any]) -> int:
        return value + self.number(line["number"])

    def addend(self, value: int, line: dict[str, Any]) -> int:
        return value + self.met(self.addends[line["name"]] * self.number(line["times"]))

    def multiply(self, value: int, line: dict[str, Any]) -> int:
        return value * self.met(self.number(line["number"]))

    def least(self, value: int, line: dict[str, Any]) -> int:
        return max(value, self.met(self.number(line["number"])))

    def most(self, value: int, line: dict[str, Any]) -> int:
        return min(value, self.met(self.number(line["number"])))

    def round(self, value: int, line: dict[str, Any]) -> int:
        shift = self.number(line["number"])
        assert 1 <= shift <= 62
        return self.met(value + (1 << shift - 1) - 1 + (value >> shift & 1)) >> shift

    def round_some(self, value: int, line: dict[str, Any]) -> int:
        return (
            self.round(value, line) if self.number(line["number"]) > 0 else value * self.met(self.number(line["other"]))
        )

    def divide(self, value: int, line: dict[str, Any]) -> int:
        product, divisor = value * self.number(line["times"]), self.number(line["number"])
        assert max(abs(product), divisor) < 2**63
        return round_even(product, divisor)

    def sign(self, value: int, line: dict[str, Any]) -> int:
        return -1 if value < 0 else 1

    def look_up(self, value: int, line: dict[str, Any]) -> int:
        most = 1 << (line["width"] - 1)
        assert all(-most <= each < most for each in (value, *self.tables[line["thresholds"]]))
        first, count, code = (self.number(line[key]) for key in ("first", "count", "first_code"))
        return int(
            self.tables[line["codes"]][
                code + bisect.bisect_right(self.tables[line["thresholds"]], value, first, first + count) - first
            ]
        )


def wanted(program: Program, step: Step, value: int, where: tuple[int, ...], addends: Iterator[int]) -> int:
    """What the operations make of an element, in fractions."""
    for tail in step.tails:
        operation, read, own = tail.operation, tail.reads, tail.operation.type
        args = operation.args
        each = where[read.axis] if len(read.exponents) > 1 else 0
        one = Fraction(value) * Fraction(2) ** read.exponents[each] / read.divisor
        if operation.kind == "clamp":
            value = value if args["low"] is None else max(value, args["low"][each])
            value = value if args["high"] is None else min(value, args["high"][each])
        elif operation.kind == "requantise":
            value = min(max(round(one / Fraction(2) ** own.exponents[0]), own.low), own.high)
        elif operation.kind == "sign":
            value = -1 if value < 0 else 1
        elif operation.kind == "align":
            value = _whole(one, own)
        elif operation.kind == "add":
            value += next(addends)
        else:
            row = args["rows"][where[args["axis"]] if len(args["rows"]) > 1 else 0]
            first = sum(args["steps"][:row])
            thresholds, codes = (
                program.constants[f"{operation.name}.{part}"].values.tolist() for part in ("thresholds", "codes")
            )
            value = codes[first + row + sum(each <= value for each in thresholds[first : first + args["steps"][row]])]
    return value


def _whole(value: Fraction, type: Type) -> int:
    code = value / Fraction(2) ** type.exponents[0] * type.divisor
    assert code.denominator == 1
    return int(code)


def check(its: Schedule, number: int, random: Random) -> None:
    """One step, on elements that are hard."""
    step, program = its.steps[number], its.program
    loops = loop_of(its, step)
    made = step.operation.type if step.operation else its.values[step.reads[0]].type
    finish = Finish(its, step, number, loops.axis)
    finish.begin(made, loops.scale)
    finish.all()
    own = its.values[step.makes]
    for _ in range(20):
        at = random.randrange(own.type.count)
        where = tuple(int(k) for k in np.unravel_index(own.positions[at], own.type.shape))
        c = where[loops.axis] if where else 0
        low, high, bias = _ends(its, step, c) or (made.low, made.high, 0)
        value = random.choice([low, high, min(max(random.randint(-1, 1), low), high), random.randint(low, high)])
        tails = [tail for tail in step.tails if tail.addend]
        codes = [random.choice([type.low, type.high, random.randint(type.low, type.high)])
                 for type in (its.values[tail.addend or ""].type for tail in tails)]  # fmt: skip
        added = [
            _aligned(its, tail.addend or "", code, tail.operation.type, where)
            for tail, code in zip(tails, codes, strict=True)
        ]
        lines = Line(finish, at, c, {f"a{k}": code for k, code in enumerate(codes)})
        found = lines.run((value - bias) << loops.scale, finish.lines)
        exact = wanted(program, step, value, where, iter(added))
        assert (found < 0) == (exact < 0) if own.storage is BITS else found == exact
        assert lines.seen <= finish.largest < 2 ** (finish.bits - 1)
        assert {line["sum"] for line in finish.lines} <= {finish.sum}


def _ends(its: Schedule, step: Step, c: int) -> tuple[int, int, int] | None:
    """The least and the largest sum of a layer's row, and its bias, which is in them."""
    if step.operation is None or step.operation.kind not in LAYERS:
        return None
    weights, bias = (its.program.constants[f"{step.operation.name}.{part}"].values[c] for part in ("weights", "bias"))
    read = its.values[step.reads[0]].type
    up, down = int(weights.clamp(min=0).sum()), int(weights.clamp(max=0).sum())
    return up * read.low + down * read.high + int(bias), up * read.high + down * read.low + int(bias), int(bias)


def _aligned(its: Schedule, name: str, code: int, sum: Type, where: tuple[int, ...]) -> int:
    type = its.values[name].type
    exponent = type.exponents[where[type.axis] if len(type.exponents) > 1 else 0]
    return _whole(Fraction(code) * Fraction(2) ** exponent / type.divisor, sum)


@pytest.mark.parametrize(("make", "count"), [(net, 10), (partial(net, curved=True), 10), (chance, 150)],
                         ids=["networks", "curves", "chances"])  # fmt: skip
def test_lines_are_what_the_operations_say(make: "partial[Program]", count: int) -> None:
    random, steps = Random(0), 0
    for seed in range(count):
        its = schedule(make(seed))
        for number in range(len(its.steps)):
            check(its, number, random)
            steps += 1
    assert steps > 2 * count


def rounding(read: tuple[int, int], exponents: list[int], low: int, high: int, divisor: int = 1) -> None:
    """A requantise of codes with those exponents, to exponent 0."""
    made = Hand((len(exponents),), *read)
    layer = made.emit("fc", "linear", (made.x,), Constant(torch.eye(len(exponents)).long(), 2, "signed"),
                      Constant(torch.zeros(len(exponents)).long(), 2, "signed"), exponents=exponents)  # fmt: skip
    value = made.aligned(layer, min(exponents), divisor) if divisor > 1 else layer
    its = schedule(made.program(made.round(value, low, high, exponent=0)))
    for number in range(len(its.steps)):
        check(its, number, Random(len(exponents)))


@pytest.mark.parametrize(
    "exponents", [[0], [-3], [5], [-9, -2, -9], [4, 0, 9], [-3, 0, 4], [-40, 40], [-1, 500], [-500, 0]]
)
@pytest.mark.parametrize(("low", "high"), [(-128, 127), (0, 1), (5, 7), (-9, -8), (0, 2**40), (2**33, 2**34)])
def test_rounding(exponents: list[int], low: int, high: int) -> None:
    for read in ((-128, 127), (0, 65535), (0, 0), (10, 20), (-20, -10)):
        rounding(read, exponents, low, high)


@pytest.mark.parametrize("divisor", [3, 49, 3**10])
@pytest.mark.parametrize("exponents", [[0], [-3], [9], [16], [-3, 4]])
def test_rounding_quotients(exponents: list[int], divisor: int) -> None:
    for low, high in ((-128, 127), (5, 7), (-9, -8)):
        rounding((-128, 127), exponents, low, high, divisor)


def test_rounding_is_half_to_even() -> None:
    for number in range(-40, 41):
        for divisor in (1, 2, 3, 4, 6, 7):
            assert round_even(number, divisor) == round(Fraction(number, divisor))


def test_refusals() -> None:
    made = Hand((1, 3, 3))
    sum = made.emit("mean", "sum", (made.x,), dims=[2, 3], keep=False, count=3**19)
    wide = schedule(made.program(made.round(sum, -(2**50), 2**50, exponent=-60)))
    with pytest.raises(InputError, match=r"^'round' rounds quotients of more than 62 bits; rescale its inputs$"):
        check(wide, 0, Random(0))


@pytest.mark.parametrize(("least", "most", "width"), [
    (2**31 - 6, 2**31 - 1, 32), (-(2**31), 5, 32), (2**31 - 5, 2**31, 64), (-(2**31) - 1, 0, 64), (2**33, 2**34, 64),
])  # fmt: skip
def test_thresholds_are_as_wide_as_what_is_looked_up(least: int, most: int, width: int) -> None:
    made = Hand((4,))
    far = made.emit("far", "requantise", (made.x,), low=least, high=most, exponent=-30)
    stored = Constant(torch.tensor([least + 1, most]), 40, "signed"), Constant(torch.tensor([1, 2, 5]), 9, "signed")
    its = schedule(made.program(made.emit("curve", "table", (far,), *stored, steps=[2], rows=[0], axis=0, exponent=0)))
    check(its, 0, Random(0))
    finish = Finish(its, its.steps[0], 0)
    finish.begin(its.values[its.steps[0].reads[0]].type)
    finish.all()
    assert finish.lines[-1]["width"] == width
    assert finish.tables[-2]["bytes"] == 2 * width // 8
