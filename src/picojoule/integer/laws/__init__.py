"""What each kind of operation makes of the types that it reads: shape, codes from least to most, exponents, divisor.

Both who makes a program and who loads one ask here, so a file cannot claim what does not follow. Bounds of layers are
proved from their very weights.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from picojoule.files import Fields
from picojoule.integer.laws.elements import add, align, clamp, input_of, requantise, sign, table
from picojoule.integer.laws.fields import check_size
from picojoule.integer.laws.layers import layer
from picojoule.integer.laws.shapes import concat, pad, permute, reshape, slice_of
from picojoule.integer.laws.windows import max_pool, sum_over, sum_pool
from picojoule.integer.types import LARGEST, MOST_EXPONENT, Constant, Type

Law = Callable[[Fields, Sequence[Type], Sequence[Constant]], Type]


def type_of(
    kind: str, args: Mapping[str, Any], reads: Sequence[Type], constants: Sequence[Constant], origin: str
) -> Type:
    """The type of what an operation makes; `constants` are its own (`PARTS`), `origin` names it in errors.

    Raises:
        FileError: arguments that are missing, unknown or do not fit what is read, or values beyond 53 bits.
    """
    fields = Fields(args, origin)
    law, arity = LAWS[kind]
    if len(reads) != arity if arity >= 0 else not reads:
        fields.fail(f"reads {len(reads)} values")
    made = law(fields, reads, constants)
    fields.finish()
    if max(-made.low, made.high) > LARGEST:
        fields.fail("has values of more than 53 bits; give the layers before it fewer bits")
    check_size(fields, made.shape)
    if max(map(abs, made.exponents)) > MOST_EXPONENT or made.divisor > LARGEST:
        fields.fail(f"has exponents beyond {MOST_EXPONENT}, or counts for less than one part of 2^53")
    one = made.exponents[:1] if len(set(made.exponents)) == 1 else made.exponents
    if len(one) > 1 and (made.axis >= len(made.shape) or made.shape[made.axis] != len(one)):
        fields.fail(f"has {len(one)} exponents for shape {list(made.shape)}")
    return Type(made.shape, made.low, made.high, one, made.axis if len(one) > 1 else 0, made.divisor)


LAWS: Mapping[str, tuple[Law, int]] = {
    "input": (input_of, 0), "conv1d": (layer, 1), "conv2d": (layer, 1), "linear": (layer, 1), "add": (add, 2),
    "clamp": (clamp, 1), "requantise": (requantise, 1), "sign": (sign, 1), "table": (table, 1),
    "align": (align, 1),
    "max_pool": (max_pool, 1), "sum_pool": (sum_pool, 1), "sum": (sum_over, 1), "concat": (concat, -1),
    "reshape": (reshape, 1), "permute": (permute, 1), "slice": (slice_of, 1), "pad": (pad, 1),
}  # fmt: skip
"""By kind: the law, and how many values it reads; -1 for any number above none."""
LAYERS = {"conv1d": 3, "conv2d": 4, "linear": 2}
"""The kinds that multiply, and how many dimensions their weights have."""
PARTS: Mapping[str, Mapping[str, int]] = {
    **{kind: {"weights": dimensions, "bias": 1} for kind, dimensions in LAYERS.items()},
    "table": {"thresholds": 1, "codes": 1},
}
"""The constants of each kind that has any, and how many dimensions each has."""
