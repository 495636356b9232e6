"""Compilers and emulator as programs that are called, and the files that the driver of a network reads and writes.

The driver is the same C on the host and on a board: it takes the file `inputs` and makes the file `outputs`.
"""

import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from picojoule.verify.absent import AbsentError

SOURCES = Path(__file__).parent / "sources"
DRIVER = str(SOURCES / "driver.c")
OPTIMISED = "-O2"
FLAGS = ("-std=c99", OPTIMISED, "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion")
_ERROR, _SUMMARY = re.compile("error:|ERROR|fatal"), re.compile("ld returned|linker command failed")
_FOLDERS = re.compile(r"^\S*/")


class RunError(Exception):
    """Generated code does not compile, or does not run to its end."""


def found(program: str, packages: str) -> str:
    """The path of a program.

    Raises:
        AbsentError: there is none; `packages` are what to install.
    """
    path = shutil.which(program)
    if path is None:
        raise AbsentError(f"not installed; apt install {packages}")
    return path


def call(command: Sequence[str], folder: Path, seconds: float, doing: str) -> str:
    """What a command prints, run in a folder.

    Raises:
        RunError: it fails or takes longer than `seconds`; the message begins with `doing`.
    """
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
            timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise RunError(f"{doing}: no end after {seconds:g} s") from error
    if done.returncode != 0:
        raise RunError(f"{doing}: {_why(done)}")
    return done.stdout


def _why(done: subprocess.CompletedProcess[str]) -> str:
    """The first line of an error, or else the last line, or else the status."""
    lines = [line for line in done.stderr.splitlines() if line.strip() and not _SUMMARY.search(line)]
    if lines:
        return _FOLDERS.sub("", next((line for line in lines if _ERROR.search(line)), lines[-1]))
    status = done.returncode
    return f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def lay(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a network's files into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def lay_inputs(codes: NDArray[np.integer], folder: Path) -> None:
    """Write the driver's inputs: codes [n, inputs] of less than 32 bits."""
    shape = np.array(codes.shape, "<i4")
    (folder / "inputs").write_bytes(shape.tobytes() + codes.astype("<i4").tobytes())


def outputs(folder: Path) -> NDArray[np.int64]:
    """What the driver wrote: codes [n, outputs]."""
    content = (folder / "outputs").read_bytes()
    shape = np.frombuffer(content, "<i4", count=2)
    return np.frombuffer(content, "<i8", offset=shape.nbytes).reshape(shape).astype(np.int64)
