"""The laws of the input, and of what is done element by element."""

from collections.abc import Sequence
from itertools import pairwise

from picojoule.files import Fields
from picojoule.integer.coding import ENTRY_BITS, MOST_ENTRIES
from picojoule.integer.laws.fields import ends_of, exponent_of, sizes_of, whole_number
from picojoule.integer.types import LARGEST, MOST_DIMENSIONS, Constant, Type

MOST_STEPS = 2**20
"""Of one table, all its rows together."""


def input_of(fields: Fields, _: Sequence[Type], __: Sequence[Constant]) -> Type:
    """All codes from low to high, or where they are named some of them: what is given is rounded to the nearest."""
    low, high = ends_of(fields)
    made = Type(sizes_of(fields, "shape"), low, high, (exponent_of(fields),))
    if (sign := fields.boolean("sign")) and (low, high) != (-1, 1):
        fields.fail("has signs that are not -1 and 1")
    if "members" in fields:
        members = [whole_number(fields, each, low, high) for each in fields.items("members")]
        ends = [min(members, default=None), max(members, default=None)]
        if sign or len(members) > MOST_ENTRIES or made.bits > ENTRY_BITS or ends != [low, high]:
            told = f"has {len(members)} members; give up to {MOST_ENTRIES} of at most {ENTRY_BITS} bits"
            fields.fail(f"{told}, from {low} to {high}, and none with signs")
        if any(one >= other for one, other in pairwise(members)):
            fields.fail("has members that do not rise")
    return made


def clamp(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read = reads[0]
    low, high = (_bound(fields, key, len(read.exponents)) for key in ("low", "high"))
    if low and high and any(one > other for one, other in zip(low, high, strict=True)):
        fields.fail("clamps to no interval")

    def ends(value: int) -> list[int]:
        raised = [max(value, each) for each in low] if low else [value]
        return [min(one, each) for one in raised for each in high] if high else raised

    return Type(read.shape, min(ends(read.low)), max(ends(read.high)), read.exponents, read.axis, read.divisor)


def _bound(fields: Fields, key: str, count: int) -> list[int] | None:
    found = fields.take(key, lambda value: value is None or isinstance(value, list), "a list or null")
    if found is None:
        return None
    if len(found) != count:
        fields.fail(f"key '{key}' has {len(found)} bounds for {count} exponents")
    return [whole_number(fields, each) for each in found]


def requantise(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    return Type(reads[0].shape, *ends_of(fields), (exponent_of(fields),))


def sign(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    return Type(reads[0].shape, -1, 1, (exponent_of(fields),))


def table(fields: Fields, reads: Sequence[Type], constants: Sequence[Constant]) -> Type:
    """Rows of steps, each for the channels that name it: a code is that behind the last threshold it reaches."""
    read, thresholds, codes = reads[0], constants[0].values, constants[1].values
    steps = [whole_number(fields, each, 1, MOST_STEPS) for each in fields.items("steps")]
    rows = [whole_number(fields, each, 0, len(steps) - 1) for each in fields.items("rows")]
    axis = fields.integer("axis", 0, MOST_DIMENSIONS)
    if sum(steps) != len(thresholds) or len(codes) != len(thresholds) + len(steps) or sum(steps) > MOST_STEPS:
        fields.fail(f"has {len(thresholds)} thresholds and {len(codes)} codes for {sum(steps)} steps")
    if {*rows} != {*range(len(steps))} or (len(rows) > 1 and read.shape[axis : axis + 1] != (len(rows),)):
        fields.fail(f"has {len(steps)} rows for {len(rows)} channels of {list(read.shape)}")
    starts = {sum(steps[:row]) for row in range(len(steps))}
    falls = (thresholds[1:] <= thresholds[:-1]).nonzero().flatten() + 1
    least, most = int(thresholds.min()), int(thresholds.max())
    if not read.low <= least <= most <= read.high:
        fields.fail(f"looks up codes from {read.low} to {read.high}, and has thresholds beyond")
    if max(-read.low, read.high) + (read.high - read.low + 1) * (len(steps) - 1) > LARGEST:
        fields.fail(
            f"has {len(steps)} rows for codes from {read.low} to {read.high}: end to end they take more than 53 bits"
        )
    if not starts.issuperset(falls.tolist()):
        fields.fail("has thresholds that do not rise")
    return Type(read.shape, int(codes.min()), int(codes.max()), (exponent_of(fields),))


def align(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    read, exponent, divisor = reads[0], exponent_of(fields), fields.integer("divisor", 1, LARGEST)
    if divisor % read.divisor or exponent > min(read.exponents):
        fields.fail("aligns to what is coarser than its own")
    scale = (divisor // read.divisor) << (max(read.exponents) - exponent)
    return Type(read.shape, min(read.low, read.low * scale), max(read.high, read.high * scale), (exponent,), 0, divisor)


def add(fields: Fields, reads: Sequence[Type], _: Sequence[Constant]) -> Type:
    one, other = reads
    check_alike(fields, reads)
    if one.shape != other.shape:
        fields.fail(f"adds {list(one.shape)} and {list(other.shape)}")
    return Type(one.shape, one.low + other.low, one.high + other.high, one.exponents, 0, one.divisor)


def check_alike(fields: Fields, reads: Sequence[Type]) -> None:
    if len({(each.exponents, each.divisor) for each in reads}) > 1 or len(reads[0].exponents) > 1:
        fields.fail("joins values that are not aligned")
