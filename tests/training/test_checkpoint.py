"""A training as it stands after an epoch, on disk."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.training import nets
from torch import nn

from picojoule.errors import FileError
from picojoule.training import Checkpoint, Trainable, trainable

ABOUT = {"network": "1", "data": "2", "seed": "3"}


def begun(optimizer: str) -> tuple[Trainable, torch.optim.Optimizer]:
    module = trainable(nets.made(nets.Chain), nets.train().x, 4).train()
    given = [each for each in module.parameters() if each.requires_grad]
    made = torch.optim.SGD(given, 0.1, momentum=0.9) if optimizer == "sgd" else torch.optim.Adam(given, 0.01)
    return module, made


def some_steps(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for index in range(4):
        nets.step(module, optimizer, 50 * index)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_goes_on_to_the_bit(optimizer: str, tmp_path: Path) -> None:
    one, other = begun(optimizer), begun(optimizer)
    some_steps(*one)
    Checkpoint.of(*one, ABOUT, 1, False, {"loss": 0.5}).save(tmp_path / "kept")
    kept = Checkpoint.load(tmp_path / "kept", ABOUT, 9)
    assert (kept.epochs, kept.folded, dict(kept.notes)) == (1, False, {"loss": 0.5})
    kept.restore(*other)
    for each in (one, other):
        some_steps(*each)
    assert all(torch.equal(tensor, other[0].state_dict()[name]) for name, tensor in one[0].state_dict().items())


def test_of_another_training(tmp_path: Path) -> None:
    Checkpoint.of(*begun("adam"), ABOUT, 1, False, {}).save(tmp_path / "kept")
    told = "kept' is of a training with another network and seed; choose another folder, or remove it"
    with pytest.raises(FileError, match=re.escape(told)):
        Checkpoint.load(tmp_path / "kept", {**ABOUT, "network": "9", "seed": "4"}, 9)


def facts(**changes: object) -> dict[str, str]:
    table = {"version": 1, "about": ABOUT, "epochs": 1, "folded": False, "notes": {}, **changes}
    return {"picojoule.training": json.dumps(table)}


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (None, "is no checkpoint of a training, or damaged; remove it to begin anew"),
        ({"picojoule.training": "{"}, "is no checkpoint of a training, or damaged"),
        (facts(version=2), "key 'version' is 2"),
        (facts(epochs=-1), "key 'epochs' is -1"),
        (facts(epochs=10), "key 'epochs' is 10"),
        (facts(more=1), "unknown key 'more'"),
    ],
)
def test_strict(metadata: dict[str, str] | None, said: str, tmp_path: Path) -> None:
    save_file({"module/x": torch.zeros(1)}, tmp_path / "kept", metadata)
    with pytest.raises(FileError, match=re.escape(said)):
        Checkpoint.load(tmp_path / "kept", ABOUT, 9)


def test_damaged(tmp_path: Path) -> None:
    Checkpoint.of(*begun("adam"), ABOUT, 1, False, {}).save(tmp_path / "kept")
    content = (tmp_path / "kept").read_bytes()
    for cut in (0, 5, 100, len(content) - 1):
        (tmp_path / "kept").write_bytes(content[:cut])
        with pytest.raises(FileError, match="is no checkpoint of a training, or damaged"):
            Checkpoint.load(tmp_path / "kept", ABOUT, 9)


def test_of_another_shape(tmp_path: Path) -> None:
    """What was tampered with is refused in our words too."""
    Checkpoint.of(nn.Linear(2, 2), begun("adam")[1], ABOUT, 1, False, {}).save(tmp_path / "kept")
    with pytest.raises(FileError, match="the checkpoint's tensors are not those of this training"):
        Checkpoint.load(tmp_path / "kept", ABOUT, 9).restore(*begun("adam"))
