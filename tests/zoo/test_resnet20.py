from pathlib import Path

import torch

from picojoule import zoo
from picojoule.zoo.resnet20 import BasicBlock


def test_the_shortcut_takes_every_second_pixel_between_zero_channels() -> None:
    x = torch.arange(2 * 16.0).reshape(1, 2, 4, 4)
    shortcut = BasicBlock(2, 4, stride=2).shortcut(x)
    assert shortcut.shape == (1, 4, 2, 2)
    assert shortcut[0, :, 0, 1].tolist() == [0, 2, 18, 0]
    assert BasicBlock(2, 2).shortcut(x) is x


def test_of_an_odd_number_of_new_channels_one_more_comes_behind() -> None:
    x = torch.arange(2 * 9.0).reshape(1, 2, 3, 3)
    shortcut = BasicBlock(2, 5, stride=2).shortcut(x)
    assert shortcut.shape == (1, 5, 2, 2)
    assert shortcut[0, :, 0, 1].tolist() == [0, 2, 11, 0, 0]


def test_a_stage_without_new_channels_still_strides() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert BasicBlock(1, 1, stride=2).shortcut(x).flatten().tolist() == [0, 2, 8, 10]


def test_the_names_are_those_of_the_published_checkpoint(shared_data: Path) -> None:
    path = shared_data / "models" / "resnet20-12fca82f.th"
    state = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
    wanted = {name.removeprefix("module."): tensor.shape for name, tensor in state.items()}
    found = {name: tensor.shape for name, tensor in zoo.create("resnet20").state_dict().items()}
    # The checkpoint is older than BatchNorm's count of batches.
    assert {name: shape for name, shape in found.items() if not name.endswith("num_batches_tracked")} == wanted
