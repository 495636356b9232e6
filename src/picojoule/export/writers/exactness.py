"""What engines for ONNX compute exactly: whole numbers of up to 24 bits in float32, in float64 of up to 53.

The rest is refused, by the name of the operation.
"""

from collections.abc import Container

from picojoule.errors import InputError
from picojoule.integer.program import Operation, Program
from picojoule.integer.types import Type

EXACT = 2**24
"""Whole numbers up to this are exact in float32, and so are sums of them that stay within."""
MOST_BITS = 16
"""Of what is rounded."""
_LEAST, _MOST = -126, 127
"""Exponents of float32's normal numbers."""


def check_exact(program: Program, doubles: bool = False, odd: Container[str] = ()) -> None:
    """Refuse what float32 would not compute exactly, or with `doubles` what float64 would not, or has no operation for.

    The sums in `odd` are rounded to odd, which float32 holds.

    Raises:
        InputError: the message names the layer or value.
    """
    for each in program.operations:
        own = each.type
        if largest(each) > EXACT and not doubles and each.name not in odd:
            bits = largest(each).bit_length() + 1
            raise InputError(
                f"'{each.name}' has sums of up to {bits} bits, and engines for ONNX compute in float32, which is exact "
                "up to 24; give that layer fewer bits, or export to another target"
            )
        if min(own.exponents) < _LEAST or max(own.exponents) + 25 > _MOST:
            raise InputError(f"'{each.name}' has steps of 2^{min(own.exponents)}, outside float32; rescale its inputs")
        if each.kind in ("input", "requantise", "table") and own.bits > MOST_BITS:
            raise InputError(f"'{each.name}' has codes of {own.bits} bits, and ONNX rounds to at most {MOST_BITS}")
        if each.kind == "clamp":
            _check_bounds(each, program.by_name[each.reads[0]].type)
        if not doubles and not divides_exactly(program, each):
            divisor = program.by_name[each.reads[0]].type.divisor
            raise InputError(f"'{each.name}' rounds a mean over {divisor} values, which float32 may take for a tie")


def largest(operation: Operation) -> int:
    """The largest whole number that computing an operation takes; the input's codes come of rounding."""
    return max(operation.largest_sum, -operation.type.low, operation.type.high) if operation.kind != "input" else 0


def is_wide(operation: Operation) -> bool:
    """Whether float32 does not hold a value, so that it is in float64."""
    return operation.kind != "input" and max(-operation.type.low, operation.type.high) > EXACT


def needs_parts(program: Program, operation: Operation) -> bool:
    """Whether an operation takes more than one convolution: its sums leave float32, and ONNX Runtime has no wider."""
    convolved = operation.kind.startswith("conv") or (
        operation.kind == "sum_pool" and not is_global(program, operation)
    )
    return convolved and (largest(operation) > EXACT or is_wide(program.by_name[operation.reads[0]]))


def is_global(program: Program, pool: Operation) -> bool:
    """Whether a window covers all there is."""
    return tuple(pool.args["kernel"]) == program.by_name[pool.reads[0]].type.shape[1:] and not any(pool.args["padding"])


def divides_exactly(program: Program, operation: Operation) -> bool:
    """Whether a quotient in float32 is rounded to the code that the true one is."""
    if operation.kind != "requantise":
        return True
    own, read = operation.type, program.by_name[operation.reads[0]].type
    span = own.bits + max(0, own.exponents[0] - min(read.exponents))
    return read.divisor == 1 or read.divisor.bit_length() + span <= 22


def _check_bounds(clamp: Operation, read: Type) -> None:
    """Refuse a clamp whose bounds are not the same numbers in every channel; a network's always are."""
    for bounds in (clamp.args["low"], clamp.args["high"]):
        if (
            bounds is not None
            and len({bound * 2.0**each for bound, each in zip(bounds, read.exponents, strict=True)}) > 1
        ):
            raise InputError(f"'{clamp.name}' clamps channels to different bounds, which ONNX has no operation for")
