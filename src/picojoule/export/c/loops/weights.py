"""Weights as bytes that C unpacks with few instructions, at their bits.

Rows of a dense product are in groups of 8 weights, and a group of B-bit weights takes B bytes. A weight's bits are
dealt out to planes of 8, 4, 2 and 1 bits, highest first: 3 bits are a plane of 2 and one of 1. C puts four weights at a
time into the four bytes of a word, each at the top of its byte, so that they count 2^(8-B) times what they are.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

GROUP = 8
Codes = npt.NDArray[np.int64]


def planes(bits: int) -> tuple[int, ...]:
    """The widths of the planes of so many bits.

    >>> planes(3), planes(8), planes(13)
    ((2, 1), (8,), (8, 4, 1))
    """
    found, left = [], bits
    for width in (8, 4, 2, 1):
        while left >= width:
            found.append(width)
            left -= width
    return tuple(found)


def grouped(rows: Codes, bits: int, interleaved: bool) -> bytes:
    """Rows [n, k] of codes in two's complement, each filled up with zeros to whole groups, by turns of two rows.

    `interleaved` puts the second and third of four weights in each other's place: inputs of 16 bits come in pairs of
    neighbours, and bytes are widened in pairs of every other one.
    """
    pairs, count = -(-len(rows) // 2), -(-rows.shape[1] // GROUP)
    whole = np.zeros((2 * pairs, count * GROUP), np.int64)
    whole[: len(rows), : rows.shape[1]] = rows & ((1 << bits) - 1)
    turns = whole.reshape(pairs, 2, count, 2, 4).swapaxes(1, 2)
    lanes = turns[..., [0, 2, 1, 3] if interleaved else [0, 1, 2, 3]]
    parts, left = [], bits
    for width in planes(bits):
        left -= width
        parts.append(_plane((lanes >> left) & ((1 << width) - 1), width))
    return np.concatenate(parts, axis=-1).astype(np.uint8).tobytes()


def _plane(lanes: Codes, width: int) -> Codes:
    """One plane of groups [..., 2, 4] of so many bits each, as bytes [..., width]."""
    first, second = lanes[..., 0, :], lanes[..., 1, :]
    if width == 8:
        return np.concatenate([first, second], axis=-1)
    if width == 4:
        return first | second << 4
    if width == 2:
        nibbles = first | second << 2
        return nibbles[..., :2] | nibbles[..., 2:] << 4
    bits: Codes = ((first | second << 4) << np.arange(4)).sum(axis=-1, keepdims=True)
    return bits


def signs(rows: Codes, run: int) -> bytes:
    """Rows [n, k] of -1 and 1 as bits, a byte begun at each run; 3 bytes follow, for a word is read at a time."""
    bits = (rows < 0).reshape(len(rows), -1, run)
    return np.packbits(bits, axis=-1, bitorder="little").tobytes() + bytes(3)


def channels_last(weights: Codes) -> Codes:
    """A convolution's weights [outputs, inputs, *window] as rows [outputs, window times inputs]."""
    return np.moveaxis(weights, 1, -1).reshape(len(weights), -1)


def literal(numbers: bytes | Sequence[int], width: int = 116) -> list[str]:
    """Numbers as lines of C's initialiser."""
    lines, line = [], ""
    for number in numbers:
        text = f"{number}, "
        if len(line) + len(text) > width:
            lines.append(line.rstrip())
            line = ""
        line += text
    return [*lines, line.rstrip(", ")]
