"""Kill searches with -9 at random moments and start them again: each ends as if undisturbed, and repeats nothing.

    python benchmarks/kills.py [RUNS [SEED [STRATEGY]]]

Each life of a search is a process of its own, killed by the clock or as it comes to a line of calibration, evaluation,
measurement of sensitivities, journal or saving, drawn at random from those that an undisturbed search runs. A life that
ends before its moment comes ends the run.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

import picojoule as pj
from picojoule.search import Journal

PLACES = {
    "calibration": ("calibration/calibrate.py", "calibration/statistics.py"),
    "evaluation": ("evaluate/evaluator.py", "execute/runner.py"),
    "measurement": ("search/sensitivity.py",),
    "journal": ("search/journal.py",),
    "saving": ("search/result/result.py", "picojoule/files/writing.py"),
}
"""Where a process is killed by itself; elsewhere it is killed by the clock."""
WRITING = ("save", "write_together", "_beside", "_new", "_sweep", "_lock", "_settle", "_told")
"""The functions that count as saving; others in those files only read."""
COMPARED = ("result.json", "plan.json", "ranges.json", "weights.safetensors")
Known = dict[str, int]
"""What a journal holds: of each context with a plan how often its tally grew, of each with the name of a measure 1."""


def main(runs: int = 100, seed: int = 0, strategy: str = "descent") -> int:
    """Kill so many runs, print what came of them, and return how many fell short."""
    torch.set_num_threads(1)  # forked processes must find no threads at work
    draw = random.Random(seed)
    _case()
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        place = Path(name)
        whole = place / "whole" / "run"
        begun = time.monotonic()
        assert _life(whole, strategy) == 0
        seconds = time.monotonic() - begun
        farthest: Known = {}
        for key, grown in _worked(whole):
            farthest[key] = max(grown, farthest.get(key, 0))
        assert farthest == _journaled(whole), "rows are not counted where they are written"
        lines = json.loads(whole.with_name("lines").read_text())
        totals, unequal = Counter[str](), 0
        for run in range(runs):
            found, equal = _run(place / str(run) / "run", strategy, whole, draw, lines, seconds)
            totals += found
            unequal += not equal
            shutil.rmtree(place / str(run))
        evaluations = len(_worked(whole))
    kills = sum(totals[f"killed: {what}"] for what in (*PLACES, "clock"))
    where = ", ".join(f"{totals[f'killed: {what}']} {what}" for what in (*PLACES, "clock"))
    print(f"{kills} kills ({where}) over {runs} runs of {evaluations} evaluations and measurements each, by {strategy}")
    print(f"equal to the undisturbed run, with nothing left beside: {runs - unequal} of {runs}")
    print(f"repeated though journaled: {totals['repeated']}; lost in flight: {totals['lost']}")
    return unequal + totals["repeated"]


def _run(
    folder: Path, strategy: str, whole: Path, draw: random.Random, lines: dict[str, int], seconds: float
) -> tuple[Counter[str], bool]:
    """One search, killed and started again until a life ends by itself; what happened, and whether it ended equal."""
    found: Counter[str] = Counter()
    while True:
        what = draw.choice([*(place for place in PLACES if lines[place]), "clock"])
        known = _journaled(folder)
        before = len(_worked(folder))
        moment = draw.random() ** 2  # rather early: the more is journaled, the shorter is a life
        at = int(lines[what] * moment) if what in PLACES else seconds * moment
        code = _life(folder, strategy, what, at)
        begun, after = _worked(folder)[before:], _journaled(folder)
        found["repeated"] += sum(grown <= known.get(key, 0) for key, grown in begun) + len(begun) - len(set(begun))
        found["lost"] += sum(grown > after.get(key, 0) for key, grown in begun)
        if code == 0:
            break
        assert code == -signal.SIGKILL, f"a life ended with {code}"
        found[f"killed: {what}"] += 1
    names = {path.name for path in folder.iterdir()}
    same = all((folder / name).read_bytes() == (whole / name).read_bytes() for name in COMPARED)
    return found, same and names == {path.name for path in whole.iterdir()} and _journaled(folder) == _journaled(whole)


def _life(folder: Path, strategy: str, what: str = "", at: float = 0) -> int:
    """A search in a forked process: its exit code, or the negative number of the signal that killed it."""
    folder.parent.mkdir(exist_ok=True)
    process = os.fork()
    if process == 0:
        try:
            lines = Lines(what, at)
            _search(folder, strategy, lines)
            folder.with_name("lines").write_text(json.dumps(lines.run))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    if what == "clock":
        time.sleep(at)
        os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


class Lines:
    """Counts the lines that a process runs, place by place, and kills it with -9 as it comes to one of them."""

    def __init__(self, what: str, line: float) -> None:
        self.run = dict.fromkeys(PLACES, 0)
        self._what, self._line = what, line

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        for what, files in PLACES.items():
            if frame.f_code.co_filename.endswith(files) and (what != "saving" or frame.f_code.co_name in WRITING):
                if event == "line":
                    if (what, self.run[what]) == (self._what, self._line):
                        os.kill(os.getpid(), signal.SIGKILL)
                    self.run[what] += 1
                return self
        return None


def _search(folder: Path, strategy: str, lines: Lines) -> None:
    """The job itself, noting each row of the journal as it is about to be written."""
    handle = os.open(_notes(folder), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def noting(write: Callable[..., None], key: Callable[..., str]) -> Callable[..., None]:
        def noted(journal: Journal, *row: Any) -> None:
            os.write(handle, f"{key(*row)}\n".encode())
            write(journal, *row)

        return noted

    def evaluation(context: str, plan: str, tallies: list[Any], _: float) -> str:
        return f"{len(tallies)} {context} {plan}"

    def measurement(context: str, name: str, _: bytes) -> str:
        return f"1 {context} {name}"

    Journal.add = noting(Journal.add, evaluation)  # type: ignore[method-assign]
    Journal.keep = noting(Journal.keep, measurement)  # type: ignore[method-assign]
    sys.settrace(lines)
    pj.search(*_case(), keep=[0.9, 0.8], bits=(1, 8), strategy=strategy, out=folder)


@cache
def _case() -> tuple[pj.Network, tuple[torch.Tensor, torch.Tensor]]:
    """A random network and samples that it is always right on, made before the first fork."""
    random = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0, 0.3, generator=random)
    x = torch.randn(304, 1, 8, 8, generator=random)
    with torch.no_grad():
        return pj.capture(model, x[:1]), (x, model(x).argmax(1))


def _notes(folder: Path) -> Path:
    return folder.with_name("notes")


def _worked(folder: Path) -> list[tuple[str, int]]:
    """What was worked out, and how far, in order."""
    lines = _notes(folder).read_text().splitlines() if _notes(folder).exists() else []
    return [(key, int(grown)) for grown, _, key in (line.partition(" ") for line in lines)]


def _journaled(folder: Path) -> Known:
    """What a journal holds, read from a copy: opening it would mend what the next life must."""
    if not (folder / "journal.sqlite").exists():
        return {}
    with tempfile.TemporaryDirectory() as copy:
        for path in folder.glob("journal.sqlite*"):
            shutil.copy(path, copy)
        with contextlib.closing(sqlite3.connect(Path(copy) / "journal.sqlite")) as connection:
            try:
                rows = connection.execute("SELECT context, plan, length(tallies) / 32 FROM evaluations").fetchall()
                rows += connection.execute("SELECT context, name, 1 FROM measurements").fetchall()
            except sqlite3.OperationalError:  # its tables are not made yet
                return {}
    return {f"{context} {name}": grown for context, name, grown in rows}


if __name__ == "__main__":
    sys.exit(min(1, main(*map(int, sys.argv[1:3]), *sys.argv[3:])))
