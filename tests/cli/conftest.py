"""The command line in this process and in one of its own, and the files a user would have."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.jobs import small

from picojoule.cli import main, screen


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def refused(self) -> str:
        """The one line, without its prefix, of a command that refused its input."""
        assert self.code == 2
        assert self.out == ""
        assert self.err.count("\n") == 1
        assert self.err.startswith("picojoule: ")
        return self.err.removeprefix("picojoule: ").rstrip("\n")


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, in a folder of its own; it tells no stages, however slow the machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(screen, "PAUSE", 1e6)

    def running(*arguments: object) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run([str(each) for each in arguments])
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start a command in a process of its own, in a folder of its own; environment variables by keyword."""
    started = []

    def starting(*arguments: object, **environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "picojoule_command", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
        )
        started.append(process)
        return process

    yield starting
    for process in started:
        with process:
            process.kill()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: `net.py`, its weights, a few digits as `few.npz`, plans and platforms."""
    folder = tmp_path_factory.mktemp("home")
    small.write_model(folder)
    held_out = small.digits().held_out.first(100)
    np.savez(folder / "few.npz", x=held_out.x.numpy(), y=held_out.y.numpy())
    return folder


@pytest.fixture
def model(home: Path) -> str:
    """MODEL on the command line."""
    return f"{home / 'net.py'}:trained"


@pytest.fixture
def data(home: Path) -> str:
    """DATA on the command line: a hundred digits."""
    return str(home / "few.npz")


@pytest.fixture(scope="session")
def folder(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run at two floors."""
    out = tmp_path_factory.mktemp("runs") / "small"
    arguments = ["search", f"{home / 'net.py'}:trained", "--data", str(home / "few.npz"), "--keep", "1.0", "0.9",
                 "--bits", "3:8", "--out", str(out), "--json"]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main.run(arguments)
    assert ended.value.code == 0
    return out
