"""The arithmetic that a layer needs for its operands, how it runs, and what one MAC of it costs.

Of two operands the wider decides: fixed point, codebooks, floats, float32. A codebook's operand is decoded by a table
of 16-bit numbers: fixed point of 16 bits, or for `nf`, where it meets floats, fp16. A fixed-point operand that meets
floats is one with a significand of all its bits; the wider significand decides. What multiplying by the scales of
blocks costs, once for a block of MACs, is not counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from picojoule.energy.chip import DATAPATHS, FLOAT32, Run, common, serial
from picojoule.energy.platform import Platform
from picojoule.errors import PlatformError
from picojoule.formats import NUMBER_BITS, Lut

if TYPE_CHECKING:
    from picojoule.formats import Format
    from picojoule.network import Layer

ENTRY_SIGNIFICAND_BITS = 11
"""Of what a codebook's table holds where it meets floats, unless calibration made it of fixed point."""


class Arithmetic(NamedTuple):
    """How a layer runs, pJ of one MAC of one pass, and of what decodes a fetched weight or input."""

    run: Run
    mac_pj: float
    weight_lookup_pj: float = 0.0
    input_lookup_pj: float = 0.0


def arithmetic(layer: Layer, weights: Format, inputs: Format, platform: Platform) -> Arithmetic:
    """A layer's arithmetic on a platform.

    Raises:
        PlatformError: the platform has no figure for one of the operands.
    """
    for number in (weights, inputs):
        if not has_figure(number, platform):
            raise PlatformError(
                f"platform '{platform.name}' has no figure for {number} (layer '{layer.name}'); "
                "give that layer a format it has, or choose another platform"
            )
    run, mac_pj = _mac(layer, weights, inputs, platform)
    return Arithmetic(run, mac_pj, _lookup_pj(weights, platform), _lookup_pj(inputs, platform))


def has_figure(number: Format, platform: Platform) -> bool:
    """Whether a platform says what operands of a format cost."""
    figures = {"fixed": platform.mac, "float": platform.small_floats, "codebook": platform.lookup_pj}
    if _is_float32(number):
        return platform.float32_mac_pj is not None
    return all(figures.get(each) is not None for each in (number.arithmetic, _decoded(number)))


def _mac(layer: Layer, weights: Format, inputs: Format, platform: Platform) -> tuple[Run, float]:
    numbers = (weights, inputs)
    if any(map(_is_float32, numbers)):
        assert platform.float32_mac_pj is not None, "refused before"
        return FLOAT32, platform.float32_mac_pj
    needed = set(map(_decoded, numbers))
    widths = _datapath_bits(weights), _datapath_bits(inputs)
    if "float" in needed:
        assert platform.small_floats is not None, "refused before"
        run = common(*widths)
        return run, platform.small_floats.mac_pj(max(map(_significand_bits, numbers)), max(widths))
    in_passes = needed == {"fixed"} and layer.reads_input and platform.image is not None and platform.image.passes
    run = (serial if in_passes else DATAPATHS[platform.mac.datapath])(*widths)
    return run, platform.mac_pj(run.bits)


def _decoded(number: Format) -> str:
    """The arithmetic of what is multiplied: a table of fp16 holds floats."""
    return "float" if isinstance(number, Lut) and number.entry == "fp16" else number.arithmetic


def _is_float32(number: Format) -> bool:
    return (number.arithmetic, number.bits) == ("float", 32)


def _datapath_bits(number: Format) -> int:
    return NUMBER_BITS if number.arithmetic == "codebook" else number.bits


def _significand_bits(number: Format) -> int:
    if isinstance(number, Lut) and number.entry == "fixed16":
        return NUMBER_BITS
    return ENTRY_SIGNIFICAND_BITS if number.arithmetic == "codebook" else number.significand_bits


def _lookup_pj(number: Format, platform: Platform) -> float:
    return (platform.lookup_pj or 0.0) if number.arithmetic == "codebook" else 0.0
