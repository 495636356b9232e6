"""A program made smaller without a change of any result: rounding comes first.

A window's maximum and rounding to a site give the same in either order, since rounding keeps order and treats a channel
alike; a table does where its codes rise. Rounded first, what is kept and compared has the site's few bits. And a clamp
that rounding repeats is left out.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from picojoule.integer.laws import PARTS
from picojoule.integer.program import Operation, Program, assembled
from picojoule.integer.types import Constant, Type

_ROUNDING = ("requantise", "sign", "table")


def sunk(program: Program) -> Program:
    """The program with each rounding before the maxima that it alone reads, and without clamps that do nothing."""
    operations, constants = {each.name: each for each in program.operations}, dict(program.constants)
    alone = {name for name, count in _readers(operations).items() if count == 1} - {program.output}
    for name in [*operations]:
        at = name
        while operations[at].kind in _ROUNDING and (read := operations[at].reads[0]) in alone:
            before = operations[read]
            if before.kind == "max_pool" and _keeps_order(operations[at], constants):
                # The two swap places, and each keeps its name for those who read it.
                operations[read] = replace(operations[at], name=read, reads=before.reads)
                operations[at] = replace(before, name=at, reads=(read,))
                for part in PARTS.get(operations[read].kind, ()):
                    constants[f"{read}.{part}"] = constants.pop(f"{at}.{part}")
                at = read
            elif before.kind == "clamp" and _is_idle(before, operations[at], constants):
                operations[at] = replace(operations[at], reads=before.reads)
                del operations[read]
            else:
                break
    tables = [{"name": each.name, "kind": each.kind, "reads": list(each.reads), "args": dict(each.args)}
              for each in operations.values()]  # fmt: skip
    return assembled(tables, constants, program.output, "the network")


def _readers(operations: Mapping[str, Operation]) -> Counter[str]:
    return Counter(read for each in operations.values() for read in each.reads)


def _keeps_order(rounding: Operation, constants: Mapping[str, Constant]) -> bool:
    """Whether a greater number never gives a lesser code, and windows lie in what is rounded alike."""
    if rounding.kind != "table":
        return True
    codes, steps = constants[f"{rounding.name}.codes"].values, rounding.args["steps"]
    alike = rounding.args["axis"] == 0
    return alike and all(bool((row.diff() >= 0).all()) for row in codes.split([each + 1 for each in steps]))


def _is_idle(clamp: Operation, rounding: Operation, constants: Mapping[str, Constant]) -> bool:
    """Whether rounding gives the same without a clamp: it saturates at the bounds, sees the sign alone, or has no
    step beyond."""
    low, high = clamp.args["low"], clamp.args["high"]
    if rounding.kind == "table":
        thresholds = constants[f"{rounding.name}.thresholds"].values
        return (low is None or max(low) < int(thresholds.min())) and (
            high is None or int(thresholds.max()) <= min(high)
        )
    if rounding.kind == "sign":
        return (low is None or max(low) < 0) and (high is None or min(high) >= 0)
    own, steps = rounding.type, clamp.type.exponents
    return all(
        bounds is None
        or all(_code(bound, each, clamp.type.divisor, own) == end for bound, each in zip(bounds, steps, strict=True))
        for bounds, end in ((low, own.low), (high, own.high))
    )


def _code(bound: int, exponent: int, divisor: int, own: Type) -> int:
    """The code that a bound is rounded to."""
    return min(max(round(Fraction(bound, divisor) * Fraction(2) ** (exponent - own.exponents[0])), own.low), own.high)
