"""What is done on an element between its making and its storing, as lines for the template, and its bits."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from picojoule.errors import InputError
from picojoule.export.c.loops.weights import literal
from picojoule.export.c.steps import Schedule, Step, Tail, factors
from picojoule.export.c.storage import BITS
from picojoule.integer.laws import LAYERS
from picojoule.integer.types import Type

Line = dict[str, Any]


@dataclass
class Finish:
    """The lines of one step's tail so far, the tables that they read, and the largest number on the way."""

    schedule: Schedule
    step: Step
    number: int
    axis: int = 0
    """The dimension whose coordinate the loop has at hand, as `c`."""
    lines: list[Line] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    largest: int = 1

    @property
    def bits(self) -> int:
        """The bits of the numbers that hold everything on the way."""
        return 32 if self.largest < 2**31 else 64

    @property
    def sum(self) -> str:
        """Those numbers in C."""
        return f"int{self.bits}_t"

    def begin(self, type: Type, scale: int = 0) -> None:
        """The element as it is made: of a layer's row, whose weights count 2^scale times what they are."""
        operation = self.step.operation
        self._meet(max(-type.low, type.high))
        if operation is not None and operation.kind in LAYERS:
            self._meet(operation.largest_sum << scale)
            if scale:
                self.lines.append({"does": "unscale", "by": scale})
            bias = self.schedule.program.constants[f"{operation.name}.bias"].values.tolist()
            if any(bias):
                self.lines.append({"does": "add", "number": self._number("bias", bias, self.axis)})

    def all(self) -> None:
        """All tails."""
        for at, tail in enumerate(self.step.tails):
            _DO[tail.operation.kind](self, at, tail)
        for line in self.lines:  # the width is known now
            line |= {"bits": self.bits, "sum": self.sum}

    def clamp(self, at: int, tail: Tail) -> None:
        read, operation = tail.reads, tail.operation
        low, high = operation.args["low"], operation.args["high"]
        if low is not None:
            self._bound("least", f"low{at}", [max(each, read.low) for each in low], read)
        if high is not None:
            self._bound("most", f"high{at}", [min(each, read.high) for each in high], read)

    def requantise(self, at: int, tail: Tail) -> None:
        """Rounding to a site: a shift to the right, or to the left, which saturates first, or a quotient."""
        read, own = tail.reads, tail.operation.type
        widest = max(-read.low, read.high).bit_length() + 1
        right = [min(max(own.exponents[0] - each, 0), widest) for each in read.exponents]
        saturates = own.bits + 1 + read.divisor.bit_length()
        left = [min(max(each - own.exponents[0], 0), saturates) for each in read.exponents]
        low, high = read.low, read.high
        alike = read.divisor == 1 and self._shift_alike(at, read, right, left)
        if any(left) and not alike:
            lows = [max(low, own.low * read.divisor >> by) if by else low for by in left]
            highs = [min(high, -(-own.high * read.divisor >> by)) if by else high for by in left]
            self._bound("least", f"least{at}", lows, read)
            self._bound("most", f"most{at}", highs, read)
            self._meet(
                max(max(abs(one), abs(other), 1) << by for one, other, by in zip(lows, highs, left, strict=True))
            )
        else:
            lows, highs = [low] * len(right), [high] * len(right)
        if read.divisor != 1:
            divisors, times = [read.divisor << by for by in right], [1 << by for by in left]
            if max(divisors) >= 2**62 or (max(times) << widest) >= 2**62:
                raise InputError(f"'{tail.operation.name}' rounds quotients of more than 62 bits; rescale its inputs")
            numbers = self._number(f"divisors{at}", divisors, read.axis), self._number(f"times{at}", times, read.axis)
            self.lines.append({"does": "divide", "number": numbers[0], "times": numbers[1]})
            ends = [round_even(end << by, divisor) for end, by, divisor in
                    (*zip(lows, left, divisors, strict=True), *zip(highs, left, divisors, strict=True))]  # fmt: skip
        else:
            if not alike:
                self._shift(at, read, right, left)
            ends = [round_even(end << up, 1 << down) for end, up, down in
                    (*zip(lows, left, right, strict=True), *zip(highs, left, right, strict=True))]  # fmt: skip
        if min(ends) < own.low:
            self._limit("least", f"low{at}", [own.low], own.axis)
        if max(ends) > own.high:
            self._limit("most", f"high{at}", [own.high], own.axis)

    def _shift_alike(self, at: int, read: Type, right: list[int], left: list[int]) -> bool:
        """Shift all channels by as much, each multiplied before, where that has room; whether it has."""
        by = max(right)
        times = [1 << by - down + up for down, up in zip(right, left, strict=True)]
        largest = max(-read.low, read.high, 1) * max(times) + (1 << by >> 1)
        if not by or largest >= 2**31:
            return False
        self._meet(largest)
        if max(times) > 1:
            self.lines.append({"does": "multiply", "number": self._number(f"times{at}", times, read.axis)})
        self.lines.append({"does": "round", "number": str(by)})
        return True

    def _shift(self, at: int, read: Type, right: list[int], left: list[int]) -> None:
        self._meet(max(max(-read.low, read.high) + (1 << by - 1 if by else 0) for by in right))
        if not any(left):
            if all(right):
                self.lines.append({"does": "round", "number": self._number(f"shifts{at}", right, read.axis)})
            elif any(right):
                self._shift_some(at, read, right, left)
        elif not any(right):
            self.lines.append(
                {"does": "multiply", "number": self._number(f"times{at}", [1 << by for by in left], read.axis)}
            )
        else:
            self._shift_some(at, read, right, left)

    def _shift_some(self, at: int, read: Type, right: list[int], left: list[int]) -> None:
        shifts = self._number(f"shifts{at}", right, read.axis)
        times = self._number(f"times{at}", [1 << by for by in left], read.axis)
        self.lines.append({"does": "round some", "number": shifts, "other": times})

    def sign(self, at: int, tail: Tail) -> None:
        if self.schedule.values[self.step.makes].storage is not BITS or tail is not self.step.tails[-1]:
            self.lines.append({"does": "sign"})

    def align(self, at: int, tail: Tail) -> None:
        read, own = tail.reads, tail.operation.type
        times = factors(read, own)
        self._meet(max(-own.low, own.high), *times)
        if times != (1,):
            self.lines.append({"does": "multiply", "number": self._number(f"times{at}", times, read.axis)})

    def add(self, at: int, tail: Tail) -> None:
        value = self.schedule.values[tail.addend or ""]
        times = self._number(f"times{at}", tail.times, value.type.axis)
        own = tail.operation.type
        self._meet(max(-own.low, own.high), max(-value.type.low, value.type.high) * max(tail.times), *tail.times)
        names = [each.addend for each in self.step.tails if each.addend]
        place = sum(each.addend is not None for each in self.step.tails[:at])
        assert len(names) > place
        self.lines.append({"does": "addend", "input": value.storage.name, "name": f"a{place}", "times": times})

    def table(self, at: int, tail: Tail) -> None:
        operation = tail.operation
        bits = 32 if max(~tail.reads.low, tail.reads.high).bit_length() < 32 else 64
        self._meet(max(-operation.type.low, operation.type.high))
        args, constants = operation.args, self.schedule.program.constants
        thresholds, codes = (constants[f"{operation.name}.{part}"].values.tolist() for part in ("thresholds", "codes"))
        first = [sum(args["steps"][:row]) for row in args["rows"]]
        by_channel = {
            "first": first, "first_code": [one + row for one, row in zip(first, args["rows"], strict=True)],
            "count": [args["steps"][row] for row in args["rows"]],
        }  # fmt: skip
        names = {key: self._number(f"{key}{at}", numbers, args["axis"]) for key, numbers in by_channel.items()}
        reached = self._table(f"thresholds{at}", thresholds, f"int{bits}_t")
        stored = {"thresholds": reached, "codes": self._table(f"codes{at}", codes)}
        self.lines.append({"does": "look up", "width": bits, **names, **stored})

    def _bound(self, does: str, name: str, bounds: list[int], read: Type) -> None:
        """A bound, where it is one at all."""
        end = read.low if does == "least" else read.high
        if any(each != end for each in bounds):
            self._limit(does, name, bounds, read.axis)

    def _limit(self, does: str, name: str, bounds: list[int], axis: int) -> None:
        self._meet(*map(abs, bounds))
        self.lines.append({"does": does, "number": self._number(name, bounds, axis)})

    def _number(self, name: str, numbers: Sequence[int], axis: int) -> str:
        """A number as C reads it, by channel where channels differ."""
        if len({*numbers}) == 1:
            return str(numbers[0])
        return f"{self._table(name, numbers)}[{self._coordinate(axis)}]"

    def _coordinate(self, axis: int) -> str:
        if axis == self.axis:
            return "c"
        value = self.schedule.values[self.step.makes]
        return f"at / {value.strides[axis]} % {value.type.shape[axis]}"

    def _table(self, name: str, numbers: Sequence[int], type: str = "") -> str:
        full = f"{name}_{self.number}"
        type = type or next(f"int{bits}_t" for bits in (8, 16, 32, 64)
                            if all(-(1 << (bits - 1)) <= each < 1 << (bits - 1) for each in numbers))  # fmt: skip
        self.tables.append(
            {"name": full, "type": type, "lines": literal(numbers), "bytes": len(numbers) * int(type[3:-2]) // 8}
        )
        return full

    def _meet(self, *numbers: int) -> None:
        self.largest = max(self.largest, *numbers)


def round_even(number: int, divisor: int) -> int:
    """A quotient rounded half to even.

    >>> [round_even(each, 2) for each in (-3, -1, 1, 3)]
    [-2, 0, 0, 2]
    """
    quotient, rest = divmod(number, divisor)
    return quotient + (2 * rest > divisor or (2 * rest == divisor and quotient % 2 == 1))


_DO = {
    "clamp": Finish.clamp, "requantise": Finish.requantise, "sign": Finish.sign, "align": Finish.align,
    "add": Finish.add, "table": Finish.table,
}  # fmt: skip
