"""The real command in forked processes, on a model and data of a user, with a metric that does things to its process.

A test names one evaluation by its number, and what is then done: `AT="5:kill"`.
"""

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from tests.jobs import small
from tests.lives import Life

import picojoule_command

METRIC = """
import os, signal, time

def noted(outputs, targets):
    with open("calls", "a") as file:
        file.write("x")
    actions = dict(each.split(":") for each in os.environ.get("AT", "").split())
    action = actions.get(str(os.path.getsize("calls")), "")
    if action.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, action))
    if action == "wait":
        while not os.path.exists("go"):
            time.sleep(0.01)
    if action == "fill":
        fill(os.environ["DISK"], int(os.environ.get("LEFT", "0")))
    return outputs.argmax(1) == targets

def fill(disk, left):
    with open(os.path.join(disk, "ballast"), "ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - left))
"""
OPTIONS = ("--data", "few.npz", "--keep", "1.0", "0.9", "--bits", "4:8", "--metric", "metric.py:noted")
WRITTEN = ("result.json", "plan.json", "ranges.json", "weights.safetensors", "report.html")
NOBODY = ""
"""A pipe whose reader has left."""


class Home:
    """A user's folder, in which commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        small.write_model(folder)
        held_out = small.digits().held_out.first(101)
        np.savez(folder / "few.npz", x=held_out.x.numpy(), y=held_out.y.numpy())
        (folder / "metric.py").write_text(METRIC)

    def start(self, *arguments: object, before: Callable[[], object] = bool, **environment: object) -> Life:
        """Run a command in a process of its own, after something else; environment variables by keyword."""

        def work() -> None:
            os.chdir(self.folder)
            os.environ.update({name: str(value) for name, value in environment.items()})
            sys.argv = ["picojoule", *map(str, arguments)]
            before()
            picojoule_command.run()

        return Life(work, self.folder)

    def search(self, *options: object, **more: Any) -> Life:
        """Start the search that these tests are about; the evaluations it begins are counted anew."""
        (self.folder / "calls").unlink(missing_ok=True)
        return self.start("search", "net.py:trained", *OPTIONS, *(options or ("--out", "run")), **more)

    @property
    def calls(self) -> int:
        """How many evaluations the last search began, of one batch each."""
        path = self.folder / "calls"
        return path.stat().st_size if path.exists() else 0


def direct(path: str, *streams: int) -> None:
    """Point streams of this process to a file, or to a pipe that nobody reads."""
    if path == NOBODY:
        reader, handle = os.pipe()
        os.close(reader)
    else:
        handle = os.open(path, os.O_WRONLY)
    for stream in streams:
        os.dup2(handle, stream)


def rows(folder: Path) -> int:
    """How many evaluations a run folder's journal holds, read from a copy: a reader would mend it, or leave a trace."""
    with tempfile.TemporaryDirectory() as copy:
        for path in folder.glob("journal.sqlite*"):
            shutil.copy(path, copy)
        with closing(sqlite3.connect(Path(copy) / "journal.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            found: tuple[int] = connection.execute("SELECT COUNT(*) FROM evaluations").fetchone()
    return found[0]


def written(folder: Path) -> dict[str, bytes]:
    """What a finished run left, which is all that may be there."""
    assert {path.name for path in folder.iterdir()} == small.FILES
    return {name: (folder / name).read_bytes() for name in WRITTEN}


def refused(life: Life) -> str:
    """The last line of a command that refused, without its prefix."""
    assert life.wait() == 2
    assert "Traceback" not in life.err
    *_, last = life.err.splitlines()
    assert last.startswith("picojoule: ")
    assert life.out == ""
    return last.removeprefix("picojoule: ")
