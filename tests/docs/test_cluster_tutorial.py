"""The tutorial on clusters says what works."""

from pathlib import Path

import pytest
from safetensors.torch import save_file
from tests.docs.test_documents import ROOT, blocks, commands
from tests.jobs import small

import picojoule as pj
from picojoule import data, zoo
from picojoule.cli import main as cli
from picojoule.jobs import demo

TUTORIAL = ROOT / "docs/tutorials/cluster.md"


def test_its_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = blocks(TUTORIAL, "python")
    exec(source, {"model": small.trained(), "data": small.digits()})
    assert "conv.weights=lut" in capsys.readouterr().out


@pytest.mark.slow
def test_its_commands_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "EPOCHS", 3)
    model, digits = zoo.create("lenet5"), data.load("mnist5k")
    assert digits.train is not None
    demo.train(model, digits.train)
    Path("runs/demo").mkdir(parents=True)
    save_file(model.state_dict(), "runs/demo/lenet5-seed0.safetensors")
    clustering, _, _, searching, training = commands(TUTORIAL)
    for command in ([*clustering, "--epochs", "1"], searching, [*training, "--epochs", "1"]):
        with pytest.raises(SystemExit) as ended:
            cli.run(command)
        assert ended.value.code in (0, 3), capsys.readouterr().err
    assert pj.load("runs/lut-trained").plan == pj.load("runs/lut").plan
