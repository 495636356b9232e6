"""What goes to the terminal: results to standard output, progress to standard error."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column

from picojoule import units
from picojoule.jobs.progress import Listener, Progress

WIDTH = 10_000
"""Columns where the output is not a terminal, so that each row is one line."""

PAUSE, EVERY = 2.0, 30.0
"""Seconds between looks at a job whose progress goes to a log, and between lines on one stage. Most bad input is found
before the first look, so that nothing stands before the one line that says so."""


def show(*parts: RenderableType) -> None:
    """Print to standard output."""
    terminal = sys.stdout.isatty()
    width = None if terminal else WIDTH
    console = Console(width=width, soft_wrap=not terminal, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    plain(captured.get())


def plain(text: str) -> None:
    """Print a text as it is, for machines."""
    _write(sys.stdout, text)


def remark(text: str, stream: TextIO | None = None) -> None:
    """Say something in passing, on standard error as it is now, or as it was."""
    with suppress(OSError):  # whatever happens to it, the job goes on
        _write(stream or sys.stderr, f"{text}\n")


@contextmanager
def work() -> Iterator[None]:
    """Keep standard output for results: what the user's own code prints meanwhile goes to standard error."""
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def progress(quiet: bool = False) -> Iterator[Listener]:
    """A listener for a job: a live bar on a terminal, else lines now and then, as for a log, or remarks alone.

    All goes to standard error as it is now: a job may point that elsewhere while others' code runs.
    """
    if quiet:
        yield _remarks
    elif sys.stderr.isatty():
        with _bar() as listener:
            yield listener
    else:
        with _lines() as listener:
            yield listener


@contextmanager
def _bar() -> Iterator[Listener]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(12),
        TextColumn("{task.fields[counts]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
        TextColumn("{task.fields[detail]}", markup=False, table_column=Column(no_wrap=True, ratio=1)),
    )  # the last one has what is left of the line
    with Bar(*columns, console=Console(file=sys.stderr), transient=True, expand=True) as bar:
        task = bar.add_task("", total=None, counts="", left="", detail="")

        def listen(event: Progress) -> None:
            if event.remark:  # which the bar would soon hide
                bar.console.print(event.stage, soft_wrap=True, highlight=False, markup=False)
                return
            bar.update(task, description=event.stage, completed=event.done, total=event.expected or None,
                       counts=_counts(event), left=_left(event), detail=event.detail)  # fmt: skip

        yield listen


@contextmanager
def _lines() -> Iterator[Listener]:
    log, over = Log(), threading.Event()

    def watch() -> None:
        while not over.wait(PAUSE):
            log.look()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield log.listen
    finally:
        over.set()
        watcher.join()


class Log:
    """What a log says of a job: each stage that is there to be seen at a look, and where it stands now and then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._begun, self._told = clock, clock(), 0.0
        self._stream = sys.stderr
        self._event: Progress | None = None
        self._stage = ""

    def listen(self, event: Progress) -> None:
        """Remember where the job stands; remarks are said at once."""
        if event.remark:
            remark(event.stage, self._stream)
        else:
            self._event = event

    def look(self) -> None:
        """Write a line where the stage is new, or the last line old."""
        event, now = self._event, self._clock()
        if event is not None and (event.stage != self._stage or now - self._told >= EVERY):
            self._stage, self._told = event.stage, now
            where = ", ".join(part for part in (_counts(event), _left(event), event.detail) if part)
            remark(f"[{units.duration(now - self._begun)}] {event.stage}{where and ': '}{where}", self._stream)


def _remarks(event: Progress) -> None:
    if event.remark:
        remark(event.stage)


def _counts(event: Progress) -> str:
    return f"{event.done}/{event.expected} {event.unit}" if event.expected > 1 else ""


def _left(event: Progress) -> str:
    return "" if event.seconds is None else f"about {units.roughly(event.seconds)} left"


def _write(stream: TextIO, text: str) -> None:
    """Write at once. A reader may leave early, as `head` does: from then on all goes nowhere."""
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            raise
