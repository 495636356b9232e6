"""README and docs say what is true: their links lead somewhere, their Python runs, their commands work."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import picojoule as pj
from picojoule.cli import main as cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def blocks(document: Path, language: str = "") -> list[str]:
    """The fenced code blocks of a document in one language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    return [text for found, text in fenced if found == language]


def commands(document: Path) -> Iterator[list[str]]:
    """The `picojoule ...` commands in a document's plain code blocks, comments cut off."""
    for block in blocks(document):
        for line in block.splitlines():
            for part in line.split("·"):
                if part.strip().startswith("picojoule "):
                    yield shlex.split(part, comments=True)[1:]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.parametrize(("document", "least"), [("README.md", 6), ("docs/tutorials/ship.md", 3)])
def test_documents_name_only_options_that_exist(document: str, least: int, capsys: pytest.CaptureFixture[str]) -> None:
    found = list(commands(ROOT / document))
    assert len(found) >= least
    for verb, *rest in found:
        with pytest.raises(SystemExit):
            cli.run([verb, "--help"])
        usage = capsys.readouterr().out
        assert all(word in usage for word in rest if word.startswith("--")), verb


@pytest.fixture
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the search tutorial leaves it: a model file, its weights, and images."""
    (source,) = [text for text in blocks(ROOT / "docs/tutorials/search.md", "python") if "mynet.py" in text]
    (tmp_path / "mynet.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1352, 10))
    save_file(model.state_dict(), "mynet.safetensors")
    x = torch.rand(1000, 1, 28, 28)
    np.savez("images.npz", x=x.numpy(), y=model(x).argmax(1).numpy())
    return tmp_path


def test_the_search_tutorial_works_word_for_word(user_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = list(commands(ROOT / "docs/tutorials/search.md"))
    assert [verb for verb, *_ in ran] == ["inspect", "search"]
    for arguments in ran:
        with pytest.raises(SystemExit) as ended:
            cli.run(arguments)
        assert ended.value.code == 0, capsys.readouterr().err
    (usage,) = [text for text in blocks(ROOT / "docs/tutorials/search.md", "python") if "pj.load" in text]
    images = torch.rand(3, 1, 28, 28)
    names: dict[str, object] = {"images": images}
    exec(usage, names)
    loaded = names["result"]
    assert isinstance(loaded, pj.Result)
    assert loaded.network(images).shape == (3, 10)


def test_the_readme_python_runs(user_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = blocks(ROOT / "README.md", "python")
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(1, 4, 3))
    model.add_module("relu", nn.ReLU())
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc", nn.Linear(4 * 26 * 26, 10))
    x = torch.rand(1000, 1, 28, 28)
    names: dict[str, object] = {"model": model, "data": (x.numpy(), model(x).argmax(1).numpy())}
    exec(source, names)
    printed = capsys.readouterr().out
    assert "conv1.inputs=" in printed
    assert pj.load("runs/mine").plan == names["result"].plan  # type: ignore[attr-defined]


def test_the_platform_tutorial_describes_every_table() -> None:
    text = (ROOT / "docs/tutorials/platform.md").read_text()
    for name in pj.Platform.load("moons2017").provenance:
        assert f"[{name.table}]" in text
