"""The real command in forked processes, on a model and data of a user, with a journal that does things to its process.

A test names one evaluation or measurement by its number, and what is done just before it is written down:
`AT="5:SIGKILL"`.
"""

import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from tests.jobs import small
from tests.lives import Life

import picojoule_command
from picojoule.search import Journal

OPTIONS = ("--data", "few.npz", "--keep", "1.0", "0.9", "--bits", "2:8", "--strategy")
WRITTEN = ("result.json", "plan.json", "ranges.json", "weights.safetensors", "report.html")
NOBODY = ""
"""A pipe whose reader has left."""


class Home:
    """A user's folder, in which commands run."""

    def __init__(self, folder: Path, strategy: str = "greedy") -> None:
        self.folder, self.strategy = folder, strategy
        small.write_model(folder)
        held_out = small.digits().held_out.first(101)
        np.savez(folder / "few.npz", x=held_out.x.numpy(), y=held_out.y.numpy())

    def start(self, *arguments: object, before: Callable[[], object] = bool, **environment: object) -> Life:
        """Run a command in a process of its own, after something else; environment variables by keyword."""

        def work() -> None:
            os.chdir(self.folder)
            os.environ.update({name: str(value) for name, value in environment.items()})
            sys.argv = ["picojoule", *map(str, arguments)]
            before()
            picojoule_command.run()

        return Life(work, self.folder)

    def search(self, *options: object, before: Callable[[], object] = bool, **more: Any) -> Life:
        """Start the search that these tests are about; what it works out is counted anew."""
        (self.folder / "calls").unlink(missing_ok=True)

        def noting() -> None:
            for name in ("add", "keep"):
                setattr(Journal, name, noted(getattr(Journal, name)))
            before()

        chosen = (*OPTIONS, self.strategy, *(options or ("--out", "run")))
        return self.start("search", "net.py:trained", *chosen, before=noting, **more)

    @property
    def calls(self) -> int:
        """How many evaluations and measurements the last search worked out."""
        path = self.folder / "calls"
        return path.stat().st_size if path.exists() else 0


def noted(write: Callable[..., None]) -> Callable[..., None]:
    """Count what is to be written down, and do what the environment says."""

    def writing(journal: Journal, *row: object) -> None:
        with Path("calls").open("a") as file:
            file.write("x")
        actions = dict(each.split(":") for each in os.environ.get("AT", "").split())
        action = actions.get(str(Path("calls").stat().st_size), "")
        if action.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, action))
        while action == "wait" and not Path("go").exists():
            time.sleep(0.01)
        if action == "fill":
            fill(Path(os.environ["DISK"]), int(os.environ.get("LEFT", "0")))
        write(journal, *row)

    return writing


def fill(disk: Path, left: int) -> None:
    """Leave so many bytes of a disk."""
    with (disk / "ballast").open("ab", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(4096))
        file.truncate(max(0, file.tell() - left))


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
    """How much a run folder's journal holds, read from a copy: a reader would mend it, or leave a trace."""
    with tempfile.TemporaryDirectory() as copy:
        for path in folder.glob("journal.sqlite*"):
            shutil.copy(path, copy)
        with closing(sqlite3.connect(Path(copy) / "journal.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            tables = ("evaluations", "measurements")
            found = [connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables]
    return sum(found)


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
