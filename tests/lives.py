"""Processes that are stopped and killed: forked, without the seconds that a fresh one takes to import torch."""

import itertools
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any


class Life:
    """A forked process at some work, with standard output and error in files `out` and `err` of a folder."""

    def __init__(self, work: Callable[[], object], folder: Path) -> None:
        self.folder = folder
        self.code: int | None = None
        for name in ("out", "err"):
            (folder / name).write_text("")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking where there are threads: ours run nothing
            self.pid = os.fork()
        if self.pid == 0:
            self._live(work)

    def _live(self, work: Callable[[], object]) -> None:
        code = 1
        try:
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)
            for name, number in (("out", 1), ("err", 2)):
                os.dup2(os.open(self.folder / name, os.O_WRONLY), number)
            sys.stdout, sys.stderr = (os.fdopen(number, "w") for number in (1, 2))
            work()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        except BaseException:
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):
                    stream.flush()
            os._exit(code)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self, seconds: float = 60) -> int:
        """Its exit code, or the negative number of the signal that ended it; killed where it takes too long."""
        end = time.monotonic() + seconds
        while self.code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                self.signal(signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise TimeoutError(f"no end after {seconds} s; it said: {self.err}")
            else:
                time.sleep(0.002)
        return self.code

    @property
    def out(self) -> str:
        """What it printed."""
        return (self.folder / "out").read_text()

    @property
    def err(self) -> str:
        """What it said on standard error."""
        return (self.folder / "err").read_text()

    def __enter__(self) -> "Life":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.code is None:
            self.signal(signal.SIGKILL)
            self.wait()


def dying(work: Callable[[], object], line: int, *files: str, by: int = signal.SIGKILL) -> Callable[[], None]:
    """The work, sent a signal as it comes to a line of some source files, the first of all being 0."""
    lines = itertools.count()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.endswith(files):
            return None
        if event == "line" and next(lines) == line:
            os.kill(os.getpid(), by)
        return trace

    def running() -> None:
        sys.settrace(trace)
        work()

    return running
