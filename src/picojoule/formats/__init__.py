"""What a number can be. One canonical text per format: `str(parse(text)) == text`.

A new format is one file here with one class derived from `Format`; other packages register theirs under the entry-point
group `picojoule.formats`.
"""

import re
from difflib import get_close_matches
from functools import cache

from picojoule.errors import FormatError
from picojoule.formats.base import EXPONENT_LIMIT, Format
from picojoule.formats.block import Block
from picojoule.formats.fixed import Fixed
from picojoule.formats.float32 import Float32
from picojoule.formats.lut import MOST_NUMBERS, NUMBER_BITS, Lut
from picojoule.formats.minifloat import Minifloat
from picojoule.formats.normal import Normal
from picojoule.formats.signs import Binary, Ternary
from picojoule.registry import members

__all__ = [
    "EXPONENT_LIMIT",
    "MOST_NUMBERS",
    "NUMBER_BITS",
    "Binary",
    "Block",
    "Fixed",
    "Float32",
    "Format",
    "Lut",
    "Minifloat",
    "Normal",
    "Ternary",
    "classes",
    "listed",
    "parse",
]


@cache
def classes() -> tuple[type[Format], ...]:
    """Every class of formats at hand, in the order of their files."""
    return members("picojoule.formats", Format, "picojoule.formats")  # type: ignore[type-abstract]


@cache
def parse(text: str) -> Format:
    """The format that `text` names.

    >>> parse("fixed4").bits, str(parse("binary"))
    (4, 'binary')

    Raises:
        FormatError: no format has this text; the message lists what there is, and what comes nearest.
    """
    for each in classes():
        if (found := each.match(text)) is not None:
            return found
    known = ", ".join(map(listed, classes()))
    near = get_close_matches(text, [name for each in classes() for name in each.examples])
    hint = f"; nearest are {', '.join(near)}" if near else ""
    raise FormatError(f"format '{text:.60}' is not known; known are {known}{hint}")


def listed(kind: type[Format]) -> str:
    """The examples of a class for a list: only the ends of a series such as fixed1..fixed16."""
    examples = kind.examples
    series = len(examples) > 2 and len({re.sub(r"\d+$", "", each) for each in examples}) == 1
    return f"{examples[0]}..{examples[-1]}" if series else ", ".join(examples)
