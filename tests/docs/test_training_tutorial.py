"""The tutorial on training says what works."""

from pathlib import Path

import pytest
import torch
from tests.docs.test_documents import ROOT, blocks, commands

import picojoule as pj
from picojoule import data
from picojoule.cli import main as cli
from picojoule.training import Recipe

TUTORIAL = ROOT / "docs/tutorials/train.md"


@pytest.mark.slow
def test_its_commands_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    first, *_ = commands(TUTORIAL)
    with pytest.raises(SystemExit) as ended:
        cli.run([*first, "--epochs", "1"])
    assert ended.value.code == 0, capsys.readouterr().err
    assert pj.load("runs/two").accuracy.total == len(data.load("mnist5k").held_out) // 2


def test_its_recipe_is_one() -> None:
    (text,) = blocks(TUTORIAL, "toml")
    recipe = Recipe.parse(text.encode(), "the tutorial", "mine")
    assert (recipe.epochs, recipe.mirror) == (20, "colour")


def test_its_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = blocks(TUTORIAL, "python")
    names: dict[str, object] = {}
    torch.manual_seed(0)
    exec(source, names)
    assert float(capsys.readouterr().out) > 0
    quantized, module, x = (names[name] for name in ("quantized", "module", "x"))
    assert isinstance(quantized, torch.nn.Module)
    assert isinstance(module, torch.nn.Module)
    assert quantized(x).shape == module(x).shape == (64, 10)
