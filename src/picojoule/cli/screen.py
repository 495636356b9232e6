"""What goes to the terminal: results to standard output, progress to standard error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar

from picojoule import units
from picojoule.jobs.progress import Listener, Progress, silent

WIDTH = 160
"""Columns when the output is not a terminal, so that no table is cut."""


def show(*parts: RenderableType) -> None:
    """Print to standard output."""
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else WIDTH, highlight=False, soft_wrap=not terminal)
    for part in parts:
        console.print(part)


def plain(text: str) -> None:
    """Print a text as it is, for machines."""
    sys.stdout.write(text)


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
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, TextColumn("{task.fields[left]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", left="")

        def listen(event: Progress) -> None:
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
        bound = f": at most {event.bound} evaluations{left}" if event.bound > 1 else ""
        sys.stderr.write(f"[{units.duration(time.monotonic() - begun)}] {stage}{bound}\n")
        sys.stderr.flush()

    return listen
