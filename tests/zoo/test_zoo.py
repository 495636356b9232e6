import re
from typing import Any

import pytest
import torch
from torch import nn

from picojoule import zoo
from picojoule.errors import InputError
from picojoule.network import capture, float_module

OUTPUTS = {"ds-cnn": 12}


def counts(name: str, shape: tuple[int, ...] | None = None) -> tuple[int, int, int, int]:
    """MACs, weights, outputs of MAC layers, MACs of the first layer: counted while one sample runs through."""
    seen: list[tuple[int, int, int]] = []

    def note(module: Any, _: Any, output: torch.Tensor) -> None:
        weights = module.weight.numel()
        outputs = output[0].numel()
        seen.append((outputs * weights // module.weight.shape[0], weights, outputs))

    network = zoo.create(name, input_shape=shape).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(note)
    with torch.inference_mode():
        network(zoo.example(name, shape))
    macs, weights, outputs = (sum(column) for column in zip(*seen, strict=True))
    return macs, weights, outputs, seen[0][0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # The family's paper, and its counts for three sizes.
        ("qnn-1x64-1x64-1x64", (13_576_192, 85_696, 86_026, 1_769_472)),
        ("qnn-2x64-3x128-3x128", (162_222_080, 870_080, 253_962, 1_769_472)),
        ("qnn-3x256-3x256-3x256", (1_781_309_440, 4_766_464, 1_032_202, 7_077_888)),
        # By hand: 784 outputs x 6 filters x 25 weights first, then 100 x 16 x 150, and the dense layers.
        ("lenet5", (416_520, 61_470, 6_518, 117_600)),
        ("lenet-300-100", (266_200, 266_200, 410, 235_200)),
        # The paper states 0.27 million parameters.
        ("resnet20", (40_551_040, 268_336, 188_426, 442_368)),
        # 9 layers of 125 x 64 outputs and the dense one; the paper states 5.4 million operations, two to a MAC.
        ("ds-cnn", (2_656_768, 22_016, 72_012, 320_000)),
        # By hand: 12, 32, 240, 168 outputs; every layer but the ends costs four times as much.
        ("lenet5-x2", (1_429_200, 243_900, 13_026, 235_200)),
        ("lenet-300-100-x0.5", (125_600, 125_600, 210, 117_600)),
        # 8, 16, 32 channels: the first and the last layer cost half, all others a quarter.
        ("resnet20-x0.5", (10_248_512, 67_352, 94_218, 221_184)),
        # 16 channels: 125 x (40 + 4 x (9 + 16)) x 16 and the dense layer.
        ("ds-cnn-x0.25", (280_192, 2_432, 18_012, 80_000)),
    ],
)
def test_counts(name: str, expected: tuple[int, int, int, int]) -> None:
    assert counts(name) == expected


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        # By hand: 28x28, 14x14 and 7x7 pixels of 64 filters, of which the last maximum leaves 3x3.
        ("qnn-1x64-1x64-1x64", (1, 28, 28), (9_489_024, 80_064, 65_866, 451_584)),
        ("qnn-1x8-2x8-1x16", (1, 8, 8), (4_608 + 2 * 9_216 + 4_608 + 160, 72 + 2 * 576 + 1_152 + 160, 842, 4_608)),
        # 16 maps of 6x6, or 7x6, in place of 5x5.
        ("lenet5", (3, 32, 32), (460_800 + 345_600 + 80_040, 450 + 2_400 + 80_040, 8_662, 460_800)),
        ("lenet5", (1, 36, 32), (172_800 + 403_200 + 91_560, 150 + 2_400 + 91_560, 9_814, 172_800)),
        ("lenet-300-100", (1, 8, 8), (50_200, 50_200, 410, 19_200)),
        # 28x28, 14x14 and 7x7 pixels; only the first layer reads fewer channels.
        ("resnet20", (1, 28, 28), (112_896 + 30_708_352, 268_048, 144_266, 112_896)),
        ("ds-cnn", (1, 20, 9), (44 * 64 * (40 + 4 * 73) + 768, 22_016, 25_356, 44 * 64 * 40)),
    ],
)
def test_counts_for_other_inputs(name: str, shape: tuple[int, ...], expected: tuple[int, int, int, int]) -> None:
    assert counts(name, shape) == expected


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("lenet5-x1", [6, 16, 120, 84]),
        ("lenet5-x1.0", [6, 16, 120, 84]),
        ("lenet5-x0.75", [4, 12, 90, 63]),  # 4.5 is a tie, and goes to the even 4
        ("lenet5-x0.25", [2, 4, 30, 21]),  # 1.5 goes to 2
        ("lenet5-x0.0001", [1, 1, 1, 1]),
        ("lenet5-x16", [96, 256, 1920, 1344]),
        ("lenet-300-100-x0.1", [30, 10]),
        ("ds-cnn-x1.25", [80] * 9),
    ],
)
def test_widths(name: str, widths: list[int]) -> None:
    layers = [module for module in zoo.create(name).modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert [layer.weight.shape[0] for layer in layers] == [*widths, OUTPUTS.get(name.rpartition("-x")[0], 10)]


ODD = [
    *(
        (f"{name}-x{width}", None)
        for name in ("lenet5", "lenet-300-100", "resnet20", "ds-cnn")
        for width in (0.01, 0.3)
    ),
    ("lenet5", (3, 12, 13)),
    ("lenet-300-100", (2, 1, 1)),
    *(("resnet20-x0.2", (channels, rows, 6)) for channels, rows in ((1, 1), (4, 7))),
    *(("ds-cnn-x0.1", (2, *sides)) for sides in ((1, 2), (6, 5))),
    *(("qnn-2x3-1x2-1x5", (1, *sides)) for sides in ((8, 8), (15, 28))),
]


@pytest.mark.parametrize(("name", "shape"), ODD)
def test_odd_sizes_compute_and_are_captured(name: str, shape: tuple[int, ...] | None) -> None:
    network = zoo.create(name, input_shape=shape, classes=7).eval()
    example = zoo.example(name, shape)
    x = torch.rand(3, *example.shape[1:], generator=torch.Generator().manual_seed(0))
    assert network(x).shape == (3, 7)
    torch.testing.assert_close(float_module(capture(network, example))(x), network(x), rtol=1e-4, atol=1e-4)


def test_the_published_network_is_the_one_without_further_words() -> None:
    for name, shape, classes in (("lenet5", (1, 28, 28), 10), ("ds-cnn", [1, 49, 10], 12)):
        plain, stated, wide = zoo.create(name), zoo.create(name, 0, shape, classes), zoo.create(f"{name}-x1")
        for other in (stated, wide):
            pairs = zip(plain.parameters(), other.parameters(), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", zoo.names())
def test_every_network_gives_scores_and_gradients(name: str) -> None:
    network = zoo.create(name)
    inputs = zoo.example(name).expand(2, -1, -1, -1) + 0.5
    scores = network(inputs)
    assert scores.shape == (2, OUTPUTS.get(name, 10))
    scores.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("name", zoo.names())
def test_the_seed_alone_decides_the_weights(name: str) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, same, other = zoo.create(name), zoo.create(name), zoo.create(name, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    pairs = list(zip(first.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)


def test_names() -> None:
    assert zoo.names() == ("lenet5", "lenet-300-100", "resnet20", "ds-cnn", "qnn-1x64-1x64-1x64")


@pytest.mark.parametrize(
    "name",
    [
        *("", "LeNet5", "qnn-1x64-1x64", "qnn-0x64-1x64-1x64", "qnn-1x064-1x64-1x64\n", "qnn-١x64-1x64-1x64"),
        *("lenet5-x", "lenet5-x-1", "lenet5-x.5", "lenet5-x1e1", "lenet5-x2\n", "lenet5-x١", "lenet5-x2-x2", "-x2"),
        *("lenet6-x2", "qnn-1x64-1x64-1x64-x2"),
    ],
)
def test_unknown_names_list_the_known(name: str) -> None:
    message = (
        f"network '{name}' is not known; give one of lenet5, lenet-300-100, resnet20, ds-cnn, each also at another "
        "width (lenet5-x0.5), or qnn-NxF-NxF-NxF"
    )
    for use in (zoo.create, zoo.example):
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            use(name)


@pytest.mark.parametrize("name", ["lenet5-x0", "ds-cnn-x0.0", "resnet20-x16.01", "lenet-300-100-x9999"])
def test_widths_are_bounded(name: str) -> None:
    with pytest.raises(InputError, match=f"^network '{name}' cannot be that wide; give a width above 0, up to 16$"):
        zoo.create(name)


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("lenet-300-100", (784,), "reads [channels, rows, columns], not inputs of shape [784]"),
        ("lenet5", (), "reads [channels, rows, columns], not inputs of shape []"),
        ("resnet20", (0, 32, 32), "reads [channels, rows, columns], not inputs of shape [0, 32, 32]"),
        ("lenet5", (1, 8, 8), "reads inputs of 12x12 or more, not 8x8; choose another"),
        ("lenet5-x2", (1, 12, 11), "reads inputs of 12x12 or more, not 12x11; choose another"),
        ("qnn-1x8-1x8-1x8", (1, 7, 8), "reads inputs of 8x8 or more, not 7x8; choose another"),
        ("ds-cnn", (1, 49, 1), "reads inputs of 1x2 or more, not 49x1; choose another"),
    ],
)
def test_inputs_a_network_cannot_have(name: str, shape: tuple[int, ...], told: str) -> None:
    message = "^" + re.escape(f"network '{name}' {told}") + "$"
    with pytest.raises(InputError, match=message):
        zoo.create(name, input_shape=shape)
    with pytest.raises(InputError, match=message):
        zoo.example(name, shape)


@pytest.mark.parametrize("classes", [0, -1])
def test_no_network_without_classes(classes: int) -> None:
    with pytest.raises(InputError, match=f"^network 'lenet5' cannot have {classes} classes; give at least 1$"):
        zoo.create("lenet5", classes=classes)


@pytest.mark.parametrize("name", ["qnn-17x64-1x64-1x64", "qnn-1x64-1x64-1x4097"])
def test_sizes_are_bounded(name: str) -> None:
    message = f"network '{name}' is too large; a block has at most 16 convolutions of at most 4096 filters"
    with pytest.raises(InputError, match=message):
        zoo.create(name)


def test_the_largest_name_is_understood_without_building_it() -> None:
    assert zoo.example("qnn-16x4096-16x4096-16x4096").shape == (1, 3, 32, 32)


class TestScaled:
    @pytest.mark.parametrize(
        ("name", "width", "depth", "made"),
        [
            ("lenet5", 1, 1, "lenet5"),
            ("lenet5", 1.0, 1, "lenet5"),
            ("lenet5", "0.5", 1, "lenet5-x0.5"),
            ("lenet5", 0.333, 1, "lenet5-x0.333"),
            ("lenet5", "1/3", 1, "lenet5-x0.3333"),
            ("lenet5", 2**0.5, 1, "lenet5-x1.4142"),
            ("lenet5", 16, 1, "lenet5-x16"),
            ("lenet5-x1.0", 1, 1, "lenet5"),
            ("lenet5-x0.5", 2, 1, "lenet5"),
            ("lenet5-x0.1", 3, 1, "lenet5-x0.3"),  # 0.1 * 3 is another number in floating point
            ("lenet5-x8", 0.5, 1, "lenet5-x4"),
            ("ds-cnn-x0.25", 0.25, 1, "ds-cnn-x0.0625"),
            ("qnn-1x64-2x64-3x128", 1, 1, "qnn-1x64-2x64-3x128"),
            ("qnn-1x64-2x64-3x128", 0.333, 2, "qnn-2x21-4x21-6x43"),
            ("qnn-1x3-1x5-1x7", 0.5, 16, "qnn-16x2-16x2-16x4"),  # ties go to even numbers
            ("qnn-1x3-1x5-1x7", 0.0001, 1, "qnn-1x1-1x1-1x1"),
            ("qnn-1x256-1x256-1x256", 16, 1, "qnn-1x4096-1x4096-1x4096"),
        ],
    )
    def test_names(self, name: str, width: float | str, depth: int, made: str) -> None:
        assert zoo.scaled(name, width, depth) == made
        assert zoo.scaled(made) == made
        zoo.example(made)

    @pytest.mark.parametrize("name", zoo.names())
    @pytest.mark.parametrize("width", [0.05, 0.5, 1.25])
    def test_networks_are_that_wide(self, name: str, width: float) -> None:
        layers = [
            [each.weight.shape[0] for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
            for network in (zoo.create(name), zoo.create(zoo.scaled(name, width)))
        ]
        assert len(layers[0]) == len(layers[1])
        assert layers[1] == [*(max(1, round(each * width)) for each in layers[0][:-1]), layers[0][-1]]

    def test_depth_is_the_number_of_convolutions_of_each_block(self) -> None:
        plain, deep = (
            zoo.create(zoo.scaled("qnn-1x4-2x4-1x8", depth=depth), input_shape=(1, 8, 8)) for depth in (1, 3)
        )
        sizes = [[module.weight.shape[0] for module in each.modules() if isinstance(module, nn.Conv2d)]
                 for each in (plain, deep)]  # fmt: skip
        assert sizes == [[4, 4, 4, 8], [4] * 9 + [8] * 3]

    def test_there_and_back_is_the_same_network(self) -> None:
        for name in ("lenet5", "resnet20"):
            assert zoo.scaled(zoo.scaled(name, 0.5), 2) == name
            assert counts(zoo.scaled(f"{name}-x2", 0.5)) == counts(name)

    @pytest.mark.parametrize(
        ("name", "width", "depth", "said"),
        [
            ("lenet6", 1, 1, "network 'lenet6' is not known; give one of lenet5, "),
            ("net.py:f", 1, 1, "network 'net.py:f' is not known; give one of lenet5, "),
            ("lenet5", 1, 2, "network 'lenet5' has one depth; only those of the family qnn-NxF-NxF-NxF have others"),
            ("lenet5-x4", 8, 1, "network 'lenet5-x32' cannot be that wide; give a width above 0, up to 16"),
            ("lenet5", 0.00001, 1, "network 'lenet5-x0' cannot be that wide; give a width above 0, up to 16"),
            ("qnn-1x512-1x1-1x1", 16, 1, "network 'qnn-1x8192-1x16-1x16' is too large; a block has at most 16 "),
            ("qnn-1x1-9x1-1x1", 1, 2, "network 'qnn-2x1-18x1-2x1' is too large; a block has at most 16 convolutions"),
            *[("lenet5", width, 1, f"width {width} cannot be had; give one above 0, up to 16")
              for width in (0, -0.5, 16.01, "", "a", "nan", "1/0", float("nan"), float("inf"), -float("inf"))],
            *[("qnn-1x1-1x1-1x1", 1, depth, f"depth {depth} cannot be had; give a whole number of at least 1")
              for depth in (0, -1, 1.5, "2", True)],
        ],
    )  # fmt: skip
    def test_what_cannot_be_had(self, name: str, width: float | str, depth: Any, said: str) -> None:
        with pytest.raises(InputError, match=f"^{re.escape(said)}"):
            zoo.scaled(name, width, depth)
