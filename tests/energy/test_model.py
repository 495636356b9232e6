"""The energy model: its laws over random plans, its special cases, and one plan computed by hand."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from picojoule.energy import Platform, Sparsity, energy, platforms
from picojoule.energy.report import LayerEnergy
from picojoule.errors import InputError, PlanError, PlatformError
from picojoule.network import capture
from picojoule.network.derive import Leftover
from picojoule.plan import Plan

MIXED = [(1, 4), (5, 3), (4, 3), (6, 5), (6, 5)]
BITS = st.integers(1, 16)
PLANS = st.lists(st.tuples(BITS, BITS), min_size=5, max_size=5)
FRACTIONS = st.floats(0, 1)
CAPACITY = '\n[capacity]\nsource = "a test"\nstatus = "derived"\nweight_bits = {}\nactivation_bits = {}\n'
ZERO_SKIP = '\n[zero_skip]\nsource = "a test"\nstatus = "derived"\nguarded_fraction = 0.25\n'
ATTENTION = Leftover("attention", "matmul", "both operands are activations", 1000)
SOFTMAX = Leftover("softmax", "softmax", "stays in floating point", 0)


@given(bits=PLANS)
@pytest.mark.parametrize("name", platforms())
def test_energies_add_up(lenet: Any, name: str, bits: list[tuple[int, int]]) -> None:
    report = energy(lenet, lenet.plan(bits), Platform.load(name))
    parts = (report.compute_pj, report.weights_pj, report.activations_pj, report.dram_pj)
    assert min(parts) >= 0
    assert list(report.layers) == [layer.name for layer in lenet.layers]
    assert report.total_pj == pytest.approx(sum(parts))
    assert report.total_pj == pytest.approx(sum(layer.total_pj for layer in report.layers.values()))


@given(bits=PLANS, layer=st.integers(0, 4), operand=st.integers(0, 1))
@pytest.mark.parametrize("name", ["envision", "eyeriss", "horowitz45"])
def test_more_bits_never_cost_less(
    lenet: Any, name: str, bits: list[tuple[int, int]], layer: int, operand: int
) -> None:
    more = [list(pair) for pair in bits]
    more[layer][operand] += 1
    platform = Platform.load(name)
    assert platform.mac.datapath == "common"
    less_pj = energy(lenet, lenet.plan(bits), platform).total_pj
    assert less_pj <= energy(lenet, lenet.plan(more), platform).total_pj * (1 + 1e-12)


@given(bits=PLANS, fractions=st.lists(FRACTIONS, min_size=10, max_size=10))
def test_skipping_zeros_never_costs(
    lenet: Any, make: SimpleNamespace, bits: list[tuple[int, int]], fractions: list[float]
) -> None:
    plan = lenet.plan(bits)
    zeros = Sparsity(dict(zip(plan.formats, fractions, strict=True)))
    skipping = make.edited("moons2017", add=ZERO_SKIP)
    dense_pj = energy(lenet, plan, skipping).total_pj
    assert energy(lenet, plan, skipping, zeros).total_pj <= dense_pj * (1 + 1e-12)
    generic = Platform.load("moons2017")
    assert energy(lenet, plan, generic, zeros).total_pj == energy(lenet, plan, generic).total_pj == dense_pj


def test_a_mixed_plan_by_hand(lenet: Any, make: SimpleNamespace) -> None:
    """ENERGY.md's equations once more, in plain arithmetic and from the bare counts."""
    z_w, z_i, guarded = 0.25, 0.5, 0.25
    weight_room, output_room = 20_000, 9_000

    def mac(bits: float) -> float:
        return 3.7 * (bits / 16) ** 1.25

    expected = 0.0
    for index, layer in enumerate(lenet.layers):
        i, w = MIXED[index]
        o = MIXED[index + 1][0] if index < 4 else i
        q, passes = (w, -(-i // w)) if index == 0 else (max(i, w), 1)
        n_c, n_s, a_s = layer.macs * passes, layer.weight_count + layer.bias_count, layer.output_count
        full = (1 - z_w) * (1 - z_i)
        share = (64 * 16 / q) ** 0.5
        expected += mac(q) * (n_c * (full + (1 - full) * guarded) + 3 * a_s)
        expected += 2 * mac(w) * n_s + mac(w) * n_c * (1 - z_i) / share
        expected += 4 * mac(o) * a_s + mac(min(i, w) if index == 0 else i) * n_c * (1 - z_w) / share
        expected += 2 * 128 * mac(o) * max(0, a_s - output_room / o)
        held = min(weight_room, n_s * w)
        weight_room -= held
        expected += 128 * mac(w) * (n_s - held / w)
    expected += 128 * mac(MIXED[0][1]) * 8 / MIXED[0][1] * 1024

    plan = lenet.plan(MIXED)
    zeros = Sparsity({site: z_w if site.endswith("weights") else z_i for site in plan.formats})
    platform = make.edited("moons2017", add=ZERO_SKIP + CAPACITY.format(20_000, 9_000))
    assert energy(lenet, plan, platform, zeros).total_pj == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("datapath", "inputs", "weights", "bits", "passes", "fetched"),
    [
        ("passes", 8, 1, 1, 8, 1),
        ("passes", 8, 3, 3, 3, 3),
        ("passes", 2, 4, 4, 1, 2),
        ("common", 8, 3, 8, 1, 8),
        ("product", 9, 4, 6, 1, 9),
    ],
)
def test_datapaths(
    make: SimpleNamespace, datapath: str, inputs: int, weights: int, bits: int, passes: int, fetched: int
) -> None:
    image = 'source = "a test"\nstatus = "assumed"\nbits = 8\npasses = '
    edits = [('"common"', f'"{datapath}"')] if datapath != "passes" else []
    add = f"\n[input]\n{image}{'true' if datapath == 'passes' else 'false'}\n"
    platform = make.edited("moons2017", *edits, ("per_output = 3", "per_output = 0"), drop=["input"], add=add)
    net = make.chain((100, 0, 0, 10, 10))
    layer = energy(net, net.plan([(inputs, weights)]), platform).layers["l0"]
    assert layer.passes == passes
    assert layer.compute_pj == pytest.approx(100 * passes * platform.mac_pj(bits))
    share = platform.array.shared_by(bits)
    assert layer.weights_pj == pytest.approx(100 * passes * platform.local.curve(weights) / share)
    kept_pj = 2 * 10 * platform.main(inputs)  # the last layer's outputs take its inputs' bits
    assert layer.activations_pj == pytest.approx(100 * passes * platform.local.curve(fetched) / share + kept_pj)


def test_outputs_take_the_widest_site_that_they_reach(make: SimpleNamespace) -> None:
    net = make.chain((0, 0, 0, 1, 10), (0, 0, 0, 10, 0), (0, 0, 0, 10, 0))
    first = replace(net.layers[0], outputs=("l1.inputs", "l2.inputs"))
    net = make.Net((first, *net.layers[1:]), 1)
    platform = Platform.load("horowitz45")
    report = energy(net, net.plan([(2, 2), (3, 3), (9, 9)]), platform)
    assert report.layers["l0"].activations_pj == pytest.approx(2 * 10 * platform.main(9))


def test_sums_are_charged_where_the_platform_has_them(make: SimpleNamespace) -> None:
    eyeriss = Platform.load("eyeriss")
    net = make.chain((100, 0, 0, 1, 0))
    layer = energy(net, net.plan([(8, 4)]), eyeriss).layers["l0"]
    assert layer.activations_pj == pytest.approx(100 * (eyeriss.local.curve(8) + 2 * eyeriss.local.curve(16)))


def test_the_image_is_fetched_once(make: SimpleNamespace) -> None:
    net = make.chain((10, 10, 0, 50, 5), (10, 10, 0, 50, 5))
    net = make.Net(tuple(replace(layer, reads_input=True) for layer in net.layers), 50)
    platform = Platform.load("horowitz45")
    report = energy(net, net.uniform(4), platform)
    assert report.layers["l0"].dram_pj == pytest.approx(platform.dram(8) * 50)
    assert report.layers["l1"].dram_pj == 0


def test_float32_on_either_operand(make: SimpleNamespace) -> None:
    generic = Platform.load("moons2017")
    net = make.chain((1000, 0, 0, 1, 0))
    plan = SimpleNamespace(formats={"l0.inputs": make.Number(32, "float"), "l0.weights": make.Number(4)})
    layer = energy(net, plan, generic).layers["l0"]
    assert (layer.passes, layer.weight_bits, layer.input_bits) == (1, 4, 32)
    assert layer.compute_pj == pytest.approx(1000 * 19.26793)
    assert layer.weights_pj == pytest.approx(1000 * generic.local.curve(4) / 32**0.5)
    assert layer.activations_pj == pytest.approx(1000 * generic.local.curve(32) / 32**0.5)


@pytest.mark.parametrize(
    ("platform", "family", "bits", "message"),
    [
        ("envision", "float", 32, "platform 'envision' has no figure for float32 (layer 'l0')"),
        ("moons2017", "float", 16, "platform 'moons2017' has no figure for float16 (layer 'l0')"),
        ("moons2017", "codebook", 4, "platform 'moons2017' has no figure for codebook4 (layer 'l0')"),
    ],
)
def test_no_figure(lenet: Any, platform: str, family: str, bits: int, message: str) -> None:
    with pytest.raises(PlatformError) as caught:
        energy(lenet, lenet.uniform(bits, family), Platform.load(platform))
    assert str(caught.value) == f"{message}; give that layer a format it has, or choose another platform"


def test_arguments_that_are_taken_for_others(lenet: Any) -> None:
    with pytest.raises(InputError, match=r"^platform is of type str, expected Platform; make it with Platform.load$"):
        energy(lenet, lenet.uniform(8), "moons2017")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^network is of type Linear, expected Network; make it with capture$"):
        energy(nn.Linear(2, 2), lenet.uniform(8), Platform.load("moons2017"))  # type: ignore[arg-type]


def test_a_site_without_format(lenet: Any) -> None:
    plan = lenet.uniform(8)
    del plan.formats["l2.weights"]
    with pytest.raises(
        PlanError, match=r"the plan has no format for site 'l2\.weights'; expand it on this network first"
    ):
        energy(lenet, plan, Platform.load("moons2017"))


def test_left_over_macs_are_float32_or_listed(make: SimpleNamespace) -> None:
    net = make.chain((10, 10, 0, 5, 5), leftovers=(ATTENTION, SOFTMAX))
    report = energy(net, net.uniform(8), Platform.load("moons2017"))
    assert list(report.layers) == ["l0", "attention"]
    assert report.uncounted == ()
    left = report.layers["attention"]
    assert left.compute_pj == pytest.approx(1000 * 19.26793)
    assert left.dram_pj == 0
    assert energy(net, net.uniform(8), Platform.load("envision")).uncounted == ("attention",)


def test_weights_fill_the_chip_in_order(lenet: Any, make: SimpleNamespace) -> None:
    everything = sum(layer.weight_count + layer.bias_count for layer in lenet.layers) * 8
    plan = lenet.uniform(8)
    roomy = make.edited("moons2017", drop=["input"], add=CAPACITY.format(everything, 4704 * 8))
    assert energy(lenet, plan, roomy).dram_pj == 0
    short = make.edited("moons2017", drop=["input"], add=CAPACITY.format(everything - 8, 4704 * 8 - 8))
    report = energy(lenet, plan, short)
    assert report.layers["l4"].dram_pj == pytest.approx(short.dram(8))  # one weight
    assert report.layers["l0"].dram_pj == pytest.approx(2 * short.dram(8))  # one output, written and read
    assert report.dram_pj == pytest.approx(3 * short.dram(8))


def test_memories_move_the_scales_of_blocks_and_the_datapath_does_not_see_them() -> None:
    network = capture(nn.Sequential(nn.Linear(64, 10)), torch.zeros(1, 64))
    platform = Platform.load("horowitz45")

    def layer(weights: str) -> LayerEnergy:
        plan = Plan.parse({"*.inputs": "fixed8", "*.weights": weights}).expand(network)
        return next(iter(energy(network, plan, platform).layers.values()))

    plain, blocks = layer("fixed4"), layer("fixed4/32:e8m0")
    for part in ("weight_bits", "compute_pj", "activations_pj", "dram_pj"):
        assert getattr(blocks, part) == getattr(plain, part)
    local = platform.local.curve(4.25) * 640 / platform.array.shared_by(8)
    assert blocks.weights_pj == pytest.approx(platform.main(4.25) * 650 + local)


def test_a_small_float_has_no_figure_on_the_generic_platform() -> None:
    network = capture(nn.Sequential(nn.Linear(64, 10)), torch.zeros(1, 64))
    for text in ("e4m3", "nf4", "e2m1/32:e8m0"):
        with pytest.raises(PlatformError, match=f"^platform 'moons2017' has no figure for {text} \\(layer '0'\\)"):
            energy(network, Plan.uniform(network, text), Platform.load("moons2017"))
