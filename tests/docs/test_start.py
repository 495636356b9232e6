"""The first page says what works: its files, commands and Python run as they stand, and print what it shows."""

import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tests import needs
from tests.docs.test_documents import ROOT, blocks, commands
from torch import nn

import picojoule as pj
from picojoule.cli import main as cli

PAGE = ROOT / "docs/start.md"
OUT_OF_REACH = "0.999"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a new user, with the page's files."""
    for source in blocks(PAGE, "python"):
        if found := re.match(r"# (\w+\.py)\n", source):
            (tmp_path / found[1]).write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("mynet", None)


@pytest.mark.slow
def test_it_works_word_for_word(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    needs.packages("mlxtend", "onnx", "onnxruntime")
    needs.programs("cc", "make")
    runpy.run_path("standin.py")
    printed = []
    for arguments in commands(PAGE):
        with pytest.raises(SystemExit) as ended:
            cli.run(arguments)
        out, err = capfd.readouterr()
        assert ended.value.code == (3 if OUT_OF_REACH in arguments else 0), err
        printed.append(out)
    (shell,) = [line for text in blocks(PAGE, "sh") for line in text.splitlines() if line.startswith("make -C")]
    subprocess.run(shell.split(), check=True)
    (source,) = [text for text in blocks(PAGE, "python") if "pj.search" in text]
    names: dict[str, object] = {}
    exec(source, names)
    assert pj.load("runs/mynet").plan == names["result"].plan  # type: ignore[attr-defined]
    printed += [capfd.readouterr().out, _of_what_stays_in_float(capfd)]
    shown = blocks(PAGE, "text")
    assert shown[0] == printed[0]  # no number there depends on the training
    seen = {_words(line) for text in printed for line in text.splitlines()}
    assert [line for text in shown for line in text.splitlines() if _words(line) not in seen] == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's next exporter needs packages of its own
def test_an_onnx_file_is_a_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs.packages("onnx")
    build: Callable[[], nn.Module] = runpy.run_path("mynet.py")["build"]
    torch.onnx.export(build().eval(), (torch.zeros(1, 1, 28, 28),), "mynet.onnx", dynamo=False)
    with pytest.raises(SystemExit) as ended:
        cli.run(["inspect", "mynet.onnx"])
    assert ended.value.code == 0
    assert "3 layers, 322 560 MACs" in capsys.readouterr().out


def test_it_installs_what_there_is() -> None:
    (install,) = [text for text in blocks(PAGE, "sh") if "pip install" in text]
    assert "$(VENV)/.demo:" in (ROOT / "Makefile").read_text()
    assert "make .venv/.demo" in install
    assert "constraints.txt" in install
    assert "\nonnx = [" in (ROOT / "pyproject.toml").read_text()


def _of_what_stays_in_float(capfd: pytest.CaptureFixture[str]) -> str:
    """What `inspect` says of a small vision transformer."""
    shutil.copy(ROOT / "tests/models/onnx/nets.py", "nets.py")
    with pytest.raises(SystemExit):
        cli.run(["inspect", "nets.py:Attentive", "--data", "digits", "--resize", "14"])
    return capfd.readouterr().out


def _words(line: str) -> tuple[str, ...]:
    """A line without its numbers and their units, which depend on the machine that trained."""
    return tuple(re.findall(r"[A-Za-z_:]{3,}", line))
