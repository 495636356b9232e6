"""What the laws ask of arguments that a file states: whole numbers within bounds, sizes that a computer can hold."""

import math
from collections.abc import Sequence
from typing import Any

from picojoule.files import Fields
from picojoule.integer.types import LARGEST, MOST_CODES, MOST_DIMENSIONS, MOST_EXPONENT

MOST = 2**31
MOST_TERMS = 2**28
"""Products, or codes compared, that make one value of one sample, where an engine may lay them all out in memory."""


def ends_of(fields: Fields) -> tuple[int, int]:
    low, high = fields.integer("low", -LARGEST, LARGEST), fields.integer("high", -LARGEST, LARGEST)
    if low > high:
        fields.fail(f"has codes from {low} to {high}")
    return low, high


def exponent_of(fields: Fields) -> int:
    return fields.integer("exponent", -MOST_EXPONENT, MOST_EXPONENT)


def sizes_of(fields: Fields, key: str, count: int | None = None, low: int = 1) -> tuple[int, ...]:
    found = tuple(whole_number(fields, each, low, MOST) for each in fields.items(key))
    if not found or (count is not None and len(found) != count):
        fields.fail(f"key '{key}' has {len(found)} numbers" + ("" if count is None else f", expected {count}"))
    return found


def whole_number(fields: Fields, value: Any, low: int = -LARGEST, high: int = LARGEST) -> int:
    if type(value) is not int or not low <= value <= high:
        fields.fail(f"has {value!r:.40} where a whole number from {low} to {high} is expected")
    number: int = value
    return number


def check_size(fields: Fields, shape: Sequence[int], most: int = MOST_CODES) -> None:
    if len(shape) > MOST_DIMENSIONS or min(shape, default=1) < 1 or math.prod(shape) > most:
        fields.fail(f"makes values of shape {list(shape)!s:.60}; at least 1 and at most {most} codes are possible")


def windows_in(length: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil: bool = False) -> int:
    """How many windows a side has room for."""
    free = length + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil:
        return free // stride + 1
    count = -(-free // stride) + 1
    return count - ((count - 1) * stride >= length + padding)  # a window that begins beyond the end is none


def padded_sides(sides: Sequence[int], padding: Sequence[int]) -> tuple[int, ...]:
    return tuple(size + 2 * more for size, more in zip(sides, padding, strict=True))
