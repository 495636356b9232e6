"""Where a model comes from: the user's code, and the zoo."""

import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from picojoule.errors import InputError
from picojoule.models import load_model

CODE = """
from torch import nn

def net():
    return nn.Linear(2, 3)

def words():
    return "no module"

def fails():
    raise RuntimeError("no weights\\nhere")

class Net(nn.Linear):
    def __init__(self):
        super().__init__(4, 5)

made = nn.Linear(2, 3)
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "nets.py"
    path.write_text(CODE)
    return path


def test_a_network_of_the_zoo_by_seed() -> None:
    mine, again, other = (load_model("lenet-300-100", seed=seed).fc1.weight for seed in (3, 3, 4))
    assert torch.equal(mine, again)
    assert not torch.equal(mine, other)


def test_a_function_and_a_class_of_a_file(code: Path) -> None:
    assert isinstance(load_model(f"{code}:net"), nn.Linear)
    model = load_model(f"{code}:Net")
    assert isinstance(model, nn.Linear)
    assert (model.in_features, model.out_features) == (4, 5)


def test_a_function_of_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "users_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    try:
        assert isinstance(load_model("users_package.nets:net"), nn.Linear)
    finally:
        for name in ("users_package", "users_package.nets"):
            sys.modules.pop(name, None)


def test_with_a_checkpoint(code: Path, tmp_path: Path) -> None:
    state = {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}
    save_file(state, tmp_path / "w.safetensors")
    model = load_model(f"{code}:net", tmp_path / "w.safetensors")
    assert torch.equal(model.state_dict()["weight"], torch.ones(3, 2))


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("lenet6", "network 'lenet6' is not known; give one of lenet5, lenet-300-100, resnet20, ds-cnn"),
        ("{file}:words", "model '{file}:words' returned str; give a function that returns a torch.nn.Module"),
        ("{file}:fails", "'{file}:fails' raised RuntimeError at line 11 of '{file}': no weights here"),
        ("{file}:nothing", "'{file}' has no 'nothing'; it has 'net', 'words', 'fails', 'Net'"),
        ("nowhere.py:net", "'nowhere.py:net': there is no file 'nowhere.py'"),
        ("no_such_module:net", "'no_such_module:net': there is no module 'no_such_module'"),
        ("{file}", "model '{file}' names a file; give the function in it that returns the model, as '{file}:NAME'"),
        ("{file}:", "'{file}:' names no function"),
        ("{file}:made", "model '{file}:made' is a Linear, already made; give a function that returns it"),
    ],
)
def test_what_is_no_model(code: Path, reference: str, text: str) -> None:
    with pytest.raises(InputError, match=re.escape(text.format(file=code))):
        load_model(reference.format(file=code))


def test_a_network_of_the_zoo_fits_the_data() -> None:
    model = load_model("lenet-300-100", input_shape=(1, 8, 8), classes=7)
    assert (model.fc1.in_features, model.fc3.out_features) == (64, 7)


def test_with_a_checkpoint_it_has_the_published_classes_at_least(tmp_path: Path) -> None:
    published = load_model("lenet-300-100", input_shape=(1, 8, 8))
    save_file(published.state_dict(), tmp_path / "w.safetensors")
    model = load_model("lenet-300-100", tmp_path / "w.safetensors", input_shape=(1, 8, 8), classes=7)
    assert model.fc3.out_features == 10
