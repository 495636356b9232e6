"""What a number can be. One canonical text per format: `str(parse(text)) == text`.

A new format is one file here with one class derived from `Format`; other packages register theirs under the entry-point
group `picojoule.formats`.
"""

from functools import cache

from picojoule.errors import FormatError
from picojoule.formats.base import EXPONENT_LIMIT, Format
from picojoule.formats.binary import Binary
from picojoule.formats.fixed import Fixed
from picojoule.formats.float32 import Float32
from picojoule.registry import members

__all__ = ["EXPONENT_LIMIT", "Binary", "Fixed", "Float32", "Format", "families", "parse"]


@cache
def families() -> tuple[type[Format], ...]:
    """Every class of formats at hand, in the order of their files."""
    return members("picojoule.formats", Format, "picojoule.formats")  # type: ignore[type-abstract]


@cache
def parse(text: str) -> Format:
    """The format that `text` names.

    >>> parse("fixed4").bits, str(parse("binary"))
    (4, 'binary')

    Raises:
        FormatError: no format has this text; the message lists what there is.
    """
    for family in families():
        if (found := family.match(text)) is not None:
            return found
    known = ", ".join(_range(family.examples) for family in families())
    raise FormatError(f"format '{text:.60}' is not known; known are {known}")


def _range(examples: tuple[str, ...]) -> str:
    return examples[0] if len(examples) == 1 else f"{examples[0]}..{examples[-1]}"
