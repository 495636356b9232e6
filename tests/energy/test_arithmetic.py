"""What MACs of floats and codebooks cost: by hand, of two classes the wider, and refused where there is no figure."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from picojoule.energy import EnergyReport, Platform, energy, has_figure
from picojoule.energy.report import LayerEnergy
from picojoule.errors import PlatformError
from picojoule.formats import classes, parse
from picojoule.network import capture
from picojoule.plan import Plan

MACS, OUTPUTS, STORED = 640, 10, 650
NETWORK = capture(nn.Sequential(nn.Linear(64, OUTPUTS)), torch.zeros(1, 64))
LOOKUP_PJ = 0.8833


def report(inputs: str, weights: str, platform: str = "horowitz45") -> EnergyReport:
    plan = Plan.parse({"*.inputs": inputs, "*.weights": weights}).expand(NETWORK)
    return energy(NETWORK, plan, Platform.load(platform))


def layer(inputs: str, weights: str) -> LayerEnergy:
    return report(inputs, weights).layers["0"]


def float_pj(significand: int, bits: int = 16) -> float:
    """Horowitz' points once more, from the other end of each law."""
    multiply = 3.7 * (significand / 24) ** (math.log(3.7 / 1.1) / math.log(24 / 11))
    return multiply + 0.9 * (bits / 32) ** (math.log(0.9 / 0.4) / math.log(2))


FIXED_16 = 0.1 + 0.00104167 * 16 + 0.00299479 * 256


@pytest.mark.parametrize(
    ("inputs", "weights", "mac_pj"),
    [
        ("fp16", "fp16", 1.5),
        ("e4m3", "e4m3", float_pj(4)),
        ("e2m1", "e2m1", float_pj(2)),
        ("e3m0", "e3m0", float_pj(1)),
        ("bf16", "bf16", float_pj(8)),
        ("e4m3/32:e8m0", "e2m1/32:e8m0", float_pj(4)),
        ("e2m3", "e5m2", float_pj(4)),
        ("fixed8", "e4m3", float_pj(8)),  # a significand of all its bits
        ("e4m3", "ternary", float_pj(4)),
        ("float32", "e4m3", 4.6),
        ("float32", "nf4", 4.6),
        ("nf4", "nf4", FIXED_16),
        ("fixed8", "nf4/64", FIXED_16),
        ("nf4", "e4m3", float_pj(11)),  # the table then holds fp16
        ("lut16", "lut16", FIXED_16),
        ("fixed8", "lut2", FIXED_16),
        ("nf4", "lut256", FIXED_16),
        ("lut16:fp16", "lut16:fp16", float_pj(11)),
        ("fixed8", "lut16:fp16", float_pj(11)),
        ("fixed16", "lut16:fp16", float_pj(16)),
        ("lut4:fp16", "e2m1", float_pj(11)),
        ("float32", "lut16", 4.6),
    ],
)
def test_one_mac(inputs: str, weights: str, mac_pj: float) -> None:
    assert layer(inputs, weights).compute_pj == pytest.approx(mac_pj * (MACS + 3 * OUTPUTS), rel=1e-9)
    assert layer(weights, inputs).compute_pj == layer(inputs, weights).compute_pj


def test_codebooks_move_their_bits_and_are_decoded_once_a_fetch() -> None:
    platform = Platform.load("horowitz45")
    found = layer("nf2", "nf4")
    share = 64**0.5
    fetched_pj = [(platform.local.curve(bits) + LOOKUP_PJ) * MACS / share for bits in (4, 2)]
    assert found.weights_pj == pytest.approx(platform.main(4) * STORED + fetched_pj[0])
    assert found.activations_pj == pytest.approx(2 * platform.main(2) * OUTPUTS + fetched_pj[1])
    assert (found.weight_bits, found.input_bits) == (4, 2)


def test_a_clustered_layer_by_hand() -> None:
    """MACs of 16 bits; memories move indices of 2 and 8 bits; each fetch, shared by 8, looks one number up."""
    memory = {bits: (0.1 + 0.00104167 * bits + 0.00299479 * bits**2) for bits in (2, 8, 16)}
    platform = Platform.load("horowitz45")
    found = layer("lut4", "lut256")
    assert platform.mac_pj(16) == pytest.approx(memory[16])
    assert found.compute_pj == pytest.approx(memory[16] * (MACS + 3 * OUTPUTS))
    look_ups = LOOKUP_PJ * MACS / 8
    assert found.weights_pj == pytest.approx(platform.main(8) * STORED + platform.local.curve(8) * MACS / 8 + look_ups)
    assert found.activations_pj == pytest.approx(
        2 * platform.main(2) * OUTPUTS + platform.local.curve(2) * MACS / 8 + look_ups
    )
    assert found.dram_pj == layer("fixed16", "fixed16").dram_pj  # the image is 8 bits whatever becomes of it
    assert (found.weight_bits, found.input_bits, found.passes) == (8, 2, 1)


def test_a_table_of_fp16_needs_figures_of_floats_too(make: SimpleNamespace) -> None:
    platform = make.edited("horowitz45", drop=["float"])
    assert has_figure(parse("lut16"), platform)
    assert not has_figure(parse("lut16:fp16"), platform)
    plan = Plan.uniform(NETWORK, "lut16:fp16")
    with pytest.raises(PlatformError, match="has no figure for lut16:fp16 \\(layer '0'\\)"):
        energy(NETWORK, plan, platform)


def test_floats_move_what_they_store_as_fixed_point_of_their_bits_does() -> None:
    for number, fixed in (("e4m3", "fixed8"), ("e2m1/32:e8m0", "fixed4/32:e8m0"), ("fp16", "fixed16")):
        for part in ("weights_pj", "activations_pj", "dram_pj"):
            assert getattr(layer(number, number), part) == getattr(layer(fixed, fixed), part)


def test_a_layer_that_reads_the_image_digit_by_digit_does_so_with_fixed_point_alone(make: SimpleNamespace) -> None:
    platform = make.edited("horowitz45", ("passes = false", "passes = true"))
    for inputs, weights, passes in (("fixed8", "fixed4", 2), ("fixed8", "e2m1", 1), ("fixed8", "lut16", 1)):
        plan = Plan.parse({"*.inputs": inputs, "*.weights": weights}).expand(NETWORK)
        assert energy(NETWORK, plan, platform).layers["0"].passes == passes


@pytest.mark.parametrize("name", ["moons2017", "eyeriss", "envision"])
def test_platforms_without_figures_say_so(name: str) -> None:
    for inputs, weights, named in (
        ("fixed8", "e4m3", "e4m3"),
        ("nf4", "fixed8", "nf4"),
        ("e2m1/32:e8m0", "fixed4", "e2m1/32:e8m0"),
        ("lut16", "fixed8", "lut16"),
        ("fixed8", "lut16:fp16", "lut16:fp16"),
    ):
        with pytest.raises(PlatformError, match=f"^platform '{name}' has no figure for {named} \\(layer '0'\\)"):
            report(inputs, weights, name)


def test_every_format_has_a_figure_at_45_nm() -> None:
    for text in (text for each in classes() for text in each.examples):
        assert layer(text, text).compute_pj > 0, text


def test_significands() -> None:
    texts = ("fp16", "bf16", "e4m3", "e5m2", "e3m0", "e4m3/32:e8m0", "fixed8")
    assert [parse(text).significand_bits for text in texts] == [11, 8, 4, 3, 1, 4, 8]
