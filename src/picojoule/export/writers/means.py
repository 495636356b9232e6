"""Means whose sums leave float32, where a dialect has nothing wider: summed by digits, and rounded to odd.

What a sum is rounded to in the end depends on its upper bits, and on whether there is anything below them. One bit
more says that, so that the sum fits. Source: S. Boldo, G. Melquiond, "Emulation of a FMA and correctly rounded sums:
proved algorithms using rounding to odd", IEEE Transactions on Computers 57 (4), 2008.
"""

from collections.abc import Mapping

from picojoule.export.writers.exactness import EXACT, is_global, largest
from picojoule.export.writers.graph import GraphWriter
from picojoule.export.writers.parts import digits
from picojoule.integer.program import Operation, Program

_CARRIED = ("reshape", "permute", "slice")
"""Operations that leave numbers as they are."""


def rounded_to_odd(program: Program) -> Mapping[str, int]:
    """The lowest bits that may go of each sum that leaves float32 and is rounded later, and of what carries it on."""
    found: dict[str, int] = {}
    for each in program.operations:
        if each.kind in _CARRIED and each.reads[0] in found:
            found[each.name] = found[each.reads[0]]
        elif each.kind == "sum" or (each.kind == "sum_pool" and is_global(program, each)):
            bits = largest(each).bit_length() - 22
            if largest(each) > EXACT and each.type.divisor == 1 and _only_rounded(program, each, bits):
                read = program.by_name[each.reads[0]].type
                terms, width = _terms(program, each), _width(program, each)
                most = (max(-read.low, read.high) >> width) + 1
                if most * terms <= EXACT and bits <= width and max(-read.low, read.high) <= EXACT:
                    found[each.name] = bits
    return found


def total(writer: GraphWriter, operation: Operation, x: str, axes: str, keep: int) -> str:
    """Write a sum over dimensions: at once where float32 holds it, else of two digits, and rounded to odd."""
    name, exponents = operation.name, writer.program.by_name[operation.reads[0]].type.exponents
    if name not in writer.odd:
        return writer.node("ReduceSum", [x, axes], f"{name}.sum", keepdims=keep)
    parts = digits(writer, operation, x, 2, _width(writer.program, operation))
    low, high = (writer.node("ReduceSum", [each, axes], f"{name}.sum", keepdims=keep) for each in parts)
    step = 2.0 ** (exponents[0] + writer.odd[name])
    rest = writer.node("Div", [low, writer.number(step)], f"{name}.rest")
    sides = [writer.node(each, [rest], f"{name}.{each.lower()}") for each in ("Floor", "Ceil")]
    odd = writer.node("Mul", [writer.node("Add", sides, f"{name}.twice"), writer.number(step / 2)], f"{name}.odd")
    return writer.node("Add", [high, odd], f"{name}.total")


def _terms(program: Program, operation: Operation) -> int:
    return program.by_name[operation.reads[0]].type.count // operation.type.count


def _width(program: Program, operation: Operation) -> int:
    """The bits of a low digit whose sum float32 holds; it is half of them at most, of either sign."""
    return 25 - (_terms(program, operation) - 1).bit_length()


def _only_rounded(program: Program, value: Operation, bits: int) -> bool:
    """Whether a value is only rounded, to steps of which the lost bits are less than half."""
    if value.name == program.output or len(value.type.exponents) > 1:
        return False
    readers = [each for each in program.operations if value.name in each.reads]
    return all(
        _only_rounded(program, each, bits)
        if each.kind in _CARRIED
        else each.kind == "sign"
        or (each.kind == "requantise" and each.type.exponents[0] - value.type.exponents[0] > bits)
        for each in readers
    )
