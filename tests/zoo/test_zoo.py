import re
from typing import Any

import pytest
import torch
from torch import nn

from picojoule import zoo
from picojoule.errors import InputError

OUTPUTS = {"ds-cnn": 12}


def counts(name: str) -> tuple[int, int, int, int]:
    """MACs, weights, outputs of MAC layers, MACs of the first layer: counted while one sample runs through."""
    seen: list[tuple[int, int, int]] = []

    def note(module: Any, _: Any, output: torch.Tensor) -> None:
        weights = module.weight.numel()
        outputs = output[0].numel()
        seen.append((outputs * weights // module.weight.shape[0], weights, outputs))

    network = zoo.create(name).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(note)
    with torch.inference_mode():
        network(zoo.example(name))
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
    ],
)
def test_counts(name: str, expected: tuple[int, int, int, int]) -> None:
    assert counts(name) == expected


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
    "name", ["", "LeNet5", "qnn-1x64-1x64", "qnn-0x64-1x64-1x64", "qnn-1x064-1x64-1x64\n", "qnn-١x64-1x64-1x64"]
)
def test_unknown_names_list_the_known(name: str) -> None:
    message = f"network '{name}' is not known; give one of lenet5, lenet-300-100, resnet20, ds-cnn, or qnn-NxF-NxF-NxF"
    for use in (zoo.create, zoo.example):
        with pytest.raises(InputError, match=re.escape(message)):
            use(name)


@pytest.mark.parametrize("name", ["qnn-17x64-1x64-1x64", "qnn-1x64-1x64-1x4097"])
def test_sizes_are_bounded(name: str) -> None:
    message = f"network '{name}' is too large; a block has at most 16 convolutions of at most 4096 filters"
    with pytest.raises(InputError, match=message):
        zoo.create(name)


def test_the_largest_name_is_understood_without_building_it() -> None:
    assert zoo.example("qnn-16x4096-16x4096-16x4096").shape == (1, 3, 32, 32)
