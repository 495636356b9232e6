"""What goes to the terminal: results to standard output, progress to standard error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar

from picojoule import units
from picojoule.jobs.progress import Listener, Progress, silent

WIDTH = 10_000
"""Columns where the output is not a terminal, so that each row is one line."""


def show(*parts: RenderableType) -> None:
    """Print to standard output."""
    terminal = sys.stdout.isatty()
    width = None if terminal else WIDTH
    console = Console(width=width, soft_wrap=not terminal, highlight=False, markup=False, emoji=False)
    for part in parts:
        console.print(part)


def plain(text: str) -> None:
    """Print a text as it is, for machines."""
    sys.stdout.write(text)


def remark(text: str) -> None:
    """Say something in passing, on standard error."""
    sys.stderr.write(f"{text}\n")


@contextmanager
def work() -> Iterator[None]:
    """Keep standard output for results: what the user's own code prints meanwhile goes to standard error."""
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def progress(quiet: bool = False) -> Iterator[Listener]:
    """A listener for a job: a live bar on a terminal, else one line at the start of each stage, or nothing."""
    if quiet:
        yield silent
    elif sys.stderr.isatty():
        with _bar() as listener:
            yield listener
    else:
        yield _lines()


@contextmanager
def _bar() -> Iterator[Listener]:
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, TextColumn("{task.fields[left]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", left="")

        def listen(event: Progress) -> None:
            if event.bound == 0:  # a remark, which the bar would soon hide
                bar.console.print(event.stage, soft_wrap=True, highlight=False, markup=False)
                return
            what = f"{event.stage}  {event.detail}" if event.detail else event.stage
            left = "" if event.seconds is None else f"at most {units.duration(event.seconds)} left"
            bar.update(task, description=what, completed=event.done, total=event.bound, left=left)

        yield listen


def _lines() -> Listener:
    stage = ""
    begun = time.monotonic()

    def listen(event: Progress) -> None:
        nonlocal stage
        if event.stage == stage:
            return
        stage = event.stage
        left = "" if event.seconds is None else f", at most {units.duration(event.seconds)} left"
        bound = f": at most {event.bound} {event.unit}{left}" if event.bound > 1 else ""
        sys.stderr.write(f"[{units.duration(time.monotonic() - begun)}] {stage}{bound}\n")
        sys.stderr.flush()

    return listen
