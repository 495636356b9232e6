"""The model against published figures: the generic platform's CIFAR-10 nets, Eyeriss' AlexNet, Horowitz' fits."""

from types import SimpleNamespace

import pytest

from picojoule.energy import Platform, energy
from picojoule.energy.curves import Sram

CIFAR = {
    "1x64, 1x64, 1x64": ([(1, 64)] * 3, 13_576_192, 85_696, 86_026, 1_769_472),
    "2x64, 3x128, 3x128": ([(2, 64), (3, 128), (3, 128)], 162_222_080, 870_080, 253_962, 1_769_472),
    "3x256 three times": ([(3, 256)] * 3, 1_781_309_440, 4_766_464, 1_032_202, 7_077_888),
}


def cifar_net(make: SimpleNamespace, blocks: list[tuple[int, int]]):
    """3x3 convolutions that keep the size, a 2x2 pool after each block, one dense layer, no biases."""
    counts, channels, side = [], 3, 32
    for layers, filters in blocks:
        for _ in range(layers):
            counts.append(make.conv(channels, filters, side, 3))
            channels = filters
        side //= 2
    return make.chain(*counts, make.dense(channels * side**2, 10))


@pytest.mark.parametrize("name", CIFAR)
def test_counts_of_the_cifar_nets(make: SimpleNamespace, name: str) -> None:
    blocks, macs, weights, activations, first = CIFAR[name]
    layers = cifar_net(make, blocks).layers
    assert sum(layer.macs for layer in layers) == macs
    assert sum(layer.weight_count for layer in layers) == weights
    assert sum(layer.output_count for layer in layers) == activations
    assert layers[0].macs == first


@pytest.mark.parametrize(
    ("bits", "passes", "microjoules"), [(1, 8, "3.28"), (2, 4, "5.87"), (4, 2, "11.8"), (8, 1, "26.1"), (16, 1, "65.7")]
)
def test_energies_of_the_smallest_cifar_net(make: SimpleNamespace, bits: int, passes: int, microjoules: str) -> None:
    net = cifar_net(make, CIFAR["1x64, 1x64, 1x64"][0])
    # The published equations fetch words of Q bits: at Q = 16 the 8-bit image travels in 16-bit words.
    plan = net.plan([(max(8, bits), bits)] + [(bits, bits)] * (len(net.layers) - 1))
    report = energy(net, plan, make.edited("moons2017", ("pj = 473.6", "pj = 0")))
    assert report.layers["l0"].passes == passes
    assert report.dram_pj == 0
    assert f"{report.total_pj / 1e6:.3g}" == microjoules


ALEXNET = {
    "conv1": (("conv", 3, 96, 55, 11, 1), 1.69, 6.75),
    "conv2": (("conv", 96, 256, 27, 5, 2), 3.58, 14.33),
    "conv3": (("conv", 256, 384, 13, 3, 1), 2.39, 9.57),
    "conv4": (("conv", 384, 384, 13, 3, 2), 1.79, 7.18),
    "conv5": (("conv", 384, 256, 13, 3, 2), 1.20, 4.78),
    "fc1": (("dense", 9216, 4096), 0.60, 2.42),
    "fc2": (("dense", 4096, 4096), 0.27, 1.07),
    "fc3": (("dense", 4096, 1000), 0.07, 0.26),
}
BATCH = 16


@pytest.mark.parametrize("index", range(len(ALEXNET)), ids=list(ALEXNET))
def test_alexnet_on_eyeriss(make: SimpleNamespace, index: int) -> None:
    """The ALU and register-file columns of the reference, in units of 10^9 MAC energies per batch of 16."""
    net = make.chain(*(getattr(make, kind)(*shape) for (kind, *shape), _, _ in ALEXNET.values()))
    _, alu, register_file = list(ALEXNET.values())[index]
    platform = make.edited("eyeriss", ("pj = 5.3\n", "pj = 0\n"))  # the register file's column alone
    layer = energy(net, net.uniform(16), platform).layers[f"l{index}"]
    unit_pj = platform.mac_pj(16)
    assert round(BATCH * layer.compute_pj / unit_pj / 1e9, 2) == alu
    assert round(BATCH * (layer.weights_pj + layer.activations_pj) / unit_pj / 1e9, 2) == register_file


def test_eyeriss_keeps_the_published_ratios() -> None:
    eyeriss = Platform.load("eyeriss")
    unit_pj = eyeriss.mac_pj(16)
    ratios = [curve(16) / unit_pj for curve in (eyeriss.local.curve, eyeriss.main, eyeriss.dram)]
    assert ratios == pytest.approx([1, 6, 200], rel=1e-5)


@pytest.mark.parametrize(("kilobytes", "pj"), [(8, 10), (32, 20), (1024, 100)])
def test_the_memory_fit_meets_horowitz(kilobytes: int, pj: float) -> None:
    assert Sram(kilobytes * 8192)(64) == pytest.approx(pj, rel=1e-2)


@pytest.mark.parametrize(("bits", "pj"), [(8, 0.2), (32, 3.1)])
def test_the_multiply_fit_meets_horowitz(bits: int, pj: float) -> None:
    assert Platform.load("horowitz45").mac_pj(bits) - 0.1 == pytest.approx(pj, rel=1e-3)


def test_horowitz_memories_and_floats() -> None:
    platform = Platform.load("horowitz45")
    assert platform.local.curve(64) == pytest.approx(10, rel=1e-3)
    assert platform.main(64) == pytest.approx(100, rel=1e-3)
    assert 1300 <= platform.dram(64) <= 2600
    assert platform.float32_mac_pj == pytest.approx(3.7 + 0.9)


@pytest.mark.parametrize(("significand", "bits", "pj"), [(11, 16, 1.1 + 0.4), (24, 32, 3.7 + 0.9)])
def test_the_laws_of_floats_meet_horowitz(significand: int, bits: int, pj: float) -> None:
    floats = Platform.load("horowitz45").small_floats
    assert floats is not None
    assert floats.mac_pj(significand, bits) == pytest.approx(pj, rel=1e-12)


def test_a_look_up_costs_what_eyeriss_register_file_does() -> None:
    horowitz = Platform.load("horowitz45")
    assert horowitz.lookup_pj == pytest.approx(horowitz.mac_pj(16), rel=1e-4)


def test_generic_float32_follows_horowitz() -> None:
    scaled = 3.7 * 4.6 / Platform.load("horowitz45").mac_pj(16)
    assert Platform.load("moons2017").float32_mac_pj == pytest.approx(scaled, rel=1e-6)


@pytest.mark.parametrize(("bits", "tops_per_watt"), [(16, 0.26), (4, 10)])
def test_envision_efficiency(bits: int, tops_per_watt: float) -> None:
    assert 2 / Platform.load("envision").mac_pj(bits) == pytest.approx(tops_per_watt, rel=2e-3)
