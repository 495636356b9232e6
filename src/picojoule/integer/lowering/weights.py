"""A layer's weights as a constant of its program: whole numbers of a power of two, stored at the bits of their format.

What matters are the numbers, not the format's name: whatever comes as whole numbers of at most 16 bits is taken.
"""

import torch
from torch import Tensor

from picojoule.errors import InputError
from picojoule.formats import Binary, Block
from picojoule.integer.coding import CODE_BITS, coded
from picojoule.integer.types import Constant, Type
from picojoule.quantize import MOST_BITS, Choice, steps_of


def stored_weights(choice: Choice, weights: Tensor, site: str) -> tuple[Constant, list[int]]:
    """Weights [outputs, ...] quantised as chosen, and for each output channel the exponent of one.

    Raises:
        InputError: they are no such whole numbers; the message names the site and the bits that they would take.
    """
    if not choice.format.rounds:
        raise InputError(f"site '{site}' is {choice.format}, which has no integers; give it another format in the plan")
    found = steps_of(choice, weights)
    if not found.fit:
        raise InputError(
            f"site '{site}' is {choice.format}: its weights are whole numbers of {found.bits} bits, and programs have "
            f"at most {MOST_BITS}; give it fixed point or a narrower format, in blocks with scales e8m0 or in none"
        )
    exponents = [*found.exponents] * (len(weights) if len(found.exponents) == 1 else 1)
    steps = torch.tensor(exponents, dtype=torch.float64).exp2().reshape(-1, *[1] * (weights.dim() - 1))
    return _stored((choice.quantize(weights.double()) / steps).long(), choice, site), exponents


def _stored(whole: Tensor, choice: Choice, site: str) -> Constant:
    """As numbers of the format's bits where these hold them, else as codes; formats of more than 256 numbers as numbers
    of the bits that they take."""
    format = choice.format
    if isinstance(format, Binary):
        return Constant(whole, format.bits, "sign")
    low, high = int(whole.min()), int(whole.max())
    signed = choice.range.signed or low < 0
    bits = Type((), min(low, -1) if signed else 0, max(high, 0), (0,)).bits
    if bits <= format.bits or (format.bits > CODE_BITS and not format.with_scales):
        return Constant(whole, max(bits, format.bits), "signed" if signed else "unsigned")
    coding = coded(whole, format.length if isinstance(format, Block) else 0)
    if coding.bits > format.bits:
        raise InputError(
            f"site '{site}' is {format}, and its scales are no powers of two: its codes of {format.bits} bits stand "
            f"for {len(coding.table)} different numbers; give it scales e8m0"
        )
    return Constant.coded(whole, coding)
