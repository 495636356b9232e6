"""README and docs say what is true: their links lead somewhere, their Python runs, their commands work."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from mdit_py_plugins.anchors.index import slugify
from safetensors.torch import save_file
from tests.jobs import small
from torch import nn

import picojoule as pj
from picojoule.cli import main as cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
OWN = {
    "README.md": "test_documents.py",
    "docs/start.md": "test_start.py",
    "docs/tutorials/cluster.md": "test_cluster_tutorial.py",
    "docs/tutorials/search.md": "test_documents.py",
    "docs/tutorials/train.md": "test_training_tutorial.py",
}
"""Documents whose Python has a test of its own here, which asks more of it than that it runs."""
FRAGMENTS = {"docs/methods/integers.md": "a setting of hls4ml, as `tests/export/test_hls4ml.py` makes it"}
"""Documents whose Python is none to run, and why."""


def blocks(document: Path, *languages: str) -> list[str]:
    """The fenced code blocks of a document in one language or some, at first in none."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)
    return [text for found, text in fenced if found in (languages or ("",))]


def commands(document: Path) -> Iterator[list[str]]:
    """The `picojoule ...` commands in a document's plain code blocks and the shell's, comments cut off."""
    for block in blocks(document, "", "sh"):
        for line in block.splitlines():
            for part in line.split("·"):
                if part.strip().startswith("picojoule "):
                    yield shlex.split(part, comments=True)[1:]


def mentions(document: Path) -> Iterator[list[str]]:
    """The `picojoule ...` commands that stand within a document's sentences, where these name a verb."""
    prose = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    for text in re.findall(r"`picojoule ([a-z-][^`]*)`", prose):
        yield shlex.split(text)


def known() -> dict[str, set[str]]:
    """Every verb with its options, and under "" those of the command itself."""
    group = typer.main.get_command(cli.app)
    assert isinstance(group, typer.core.TyperGroup)
    return {name: _options(verb) for name, verb in {"": group, **group.commands}.items()}


def _options(verb: Any) -> set[str]:
    return {"--help"} | {word for each in verb.params for word in (*each.opts, *each.secondary_opts) if word[0] == "-"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(document: Path) -> set[str]:
    """What a link into a document may name: its headings, as code hosts and the site write them in addresses."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {slugify(heading.replace("`", "")) for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^){]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        if ":" in path:
            assert re.fullmatch(r"https://[\w-]+(\.[\w-]+)+(/\S*)?", path), f"{document.name} links to {target}"
        else:
            goal = document.parent / path if path else document
            assert goal.exists(), f"{document.name} links to {target}"
            assert not anchor or anchor in anchors(goal), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_scripts_that_are_named_exist(document: Path) -> None:
    for script in re.findall(r"\b(?:benchmarks|examples|tests)/[\w/]+\.(?:py|txt|toml)\b", document.read_text()):
        assert (ROOT / script).exists(), f"{document.name} names {script}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_commands_have_verbs_and_options_that_exist(document: Path) -> None:
    options = known()
    for command in (*commands(document), *mentions(document)):
        verb, *rest = command if not command[0].startswith("-") else ["", *command]
        assert verb in options, f"{document.name} names the verb {verb}"
        asked = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert asked <= options[verb], f"{document.name} names {asked - options[verb]} of {verb}"


def test_every_verb_stands_in_some_command() -> None:
    assert {command[0] for document in DOCUMENTS for command in commands(document)} >= known().keys() - {"", "demo"}


@pytest.fixture
def folder_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A folder with runs as the documents leave them, and what is at hand in a session there."""
    monkeypatch.chdir(tmp_path)
    result = pj.search(small.trained(), small.digits(), strategy="uniform", bits=(8, 8), keep=0.5)
    for name in ("demo", "lenet5", "mynet"):
        result.save(tmp_path / "runs" / name)
    return {"x": small.digits().held_out.x[:3]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "document",
    [each for each in DOCUMENTS if blocks(each, "python") and relative(each) not in {*OWN, *FRAGMENTS}],
    ids=relative,
)
def test_python_runs(document: Path, folder_of_runs: dict[str, object]) -> None:
    for source in blocks(document, "python"):
        exec(source, folder_of_runs)


def test_no_exception_is_left_over() -> None:
    assert [each for each in {*OWN, *FRAGMENTS} if not blocks(ROOT / each, "python")] == []
    for document, test in OWN.items():
        assert document.removeprefix("docs/") in (ROOT / "tests/docs" / test).read_text()


@pytest.fixture
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the search tutorial leaves it: a model file, its weights, and images."""
    source, _ = blocks(ROOT / "docs/tutorials/search.md", "python")
    assert source.startswith("# mynet.py\n")
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
    _, usage = blocks(ROOT / "docs/tutorials/search.md", "python")
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
