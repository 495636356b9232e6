"""Recipes: bundled ones, strict reading, losses and schedules."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from picojoule.errors import InputError
from picojoule.training import Recipe, recipes, squared_hinge
from picojoule.training.recipe import Schedule

SHORT = Recipe.load("short").text


@pytest.mark.parametrize("name", recipes())
def test_bundled(name: str) -> None:
    recipe = Recipe.load(name)
    assert recipe.name == name
    factors = [recipe.schedule.factor(course / 100) for course in range(100)]
    assert max(factors) == pytest.approx(1.0, abs=0.01)
    assert min(factors) > 0


def test_published() -> None:
    recipe = Recipe.load("published")
    assert (recipe.loss, recipe.optimizer, recipe.batch, recipe.epochs) == ("squared_hinge", "adam", 64, 100)
    assert [recipe.schedule.factor(epoch / 100) for epoch in (0, 24, 25, 79, 80, 99)] == [1, 1, 0.1, 0.1, 1, 1]
    assert recipe.mirrors((3, 32, 32))
    assert not recipe.mirrors((1, 28, 28))


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SHORT.replace("epochs = 4", "epochs = 7"))
    recipe = Recipe.load(path)
    assert (recipe.name, recipe.epochs) == ("mine", 7)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs = 4", "epochs = 4\ncolour = 1", "unknown key 'colour'"),
        ('mirror = "never"', 'mirror = "never"\ntwist = 2', "'images': unknown key 'twist'"),
        ("epochs = 4", "", "key 'epochs' is missing (a whole number from 1 to 100000)"),
        ("epochs = 4", "epochs = 0", "key 'epochs' is 0, expected a whole number from 1 to 100000"),
        ('loss = "cross_entropy"', 'loss = "hinge"', "key 'loss' is 'hinge', expected one of 'cross_entropy', "),
        ('name = "adam"', 'name = "lion"', "'optimizer': key 'name' is 'lion', expected one of 'adam', 'adamw', 'sgd'"),
        ('name = "cosine"', 'name = "steps"\nsteps = [0.5]', "'schedule': key 'steps' must be pairs of a share of the"),
        ("folded = 0.25", "folded = 1.5", "key 'folded' is 1.5, expected a finite number from 0 to 1"),
        ("version = 1", "version = 2", "this picojoule reads version 1 of recipes"),
        ("version = 1", "version = ", "'bad.toml' is not valid TOML"),
    ],
)
def test_strict(old: str, new: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert old in SHORT
    Path("bad.toml").write_text(SHORT.replace(old, new))
    with pytest.raises(InputError, match=re.escape(said)):
        Recipe.load("bad.toml")


def test_unknown() -> None:
    known = "clusters, finetune, modern, published, short, sweep"
    told = f"recipe 'fast' is not known; choose one of {known}, or give a .toml file"
    with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
        Recipe.load("fast")


def test_squared_hinge() -> None:
    outputs = torch.tensor([[2.0, -3.0], [0.5, 0.5]])
    assert squared_hinge(outputs, torch.tensor([0, 0])).item() == (0 + 0 + 0.25 + 2.25) / 4


def test_warmup_then_cosine() -> None:
    schedule = Schedule("cosine", warmup=0.2)
    assert [round(schedule.factor(course), 6) for course in (0, 0.1, 0.2, 0.6, 1.0)] == [0.01, 0.5, 1, 0.5, 0]
    assert Schedule("constant").factor(0.7) == 1


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_optimizers(name: str) -> None:
    recipe = Recipe.parse(SHORT.replace('"adam"', f'"{name}"\nweight_decay = 0.1').encode(), "text", "text")
    module = nn.Linear(3, 2)
    module.bias.requires_grad_(False)
    optimizer = recipe.optimizer_of(nn.Sequential(module, nn.Linear(2, 2)))
    assert [(len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups] == [(2, 0.1), (1, 0.0)]
    assert type(optimizer).__name__.lower() == name
