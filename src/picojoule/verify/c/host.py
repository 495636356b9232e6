"""A network's C on this machine."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from picojoule.verify.c import toolchain


def run_on_host(
    files: Mapping[str, bytes], codes: NDArray[np.integer], *, compiler: str = "cc", flags: Sequence[str] = (),
    seconds: float = 600,
) -> NDArray[np.int64]:  # fmt: skip
    """The output codes [n, outputs] of the network in `network.c`, for input codes [n, inputs].

    It runs in a process of its own, so nothing it does harms this one. `flags` come after the usual ones, for example
    `-fsanitize=address,undefined` and `-fno-sanitize-recover=all`.

    Raises:
        AbsentError: there is no such compiler.
        RunError: a warning of the compiler, a network_run that does not give 0, a crash, or more than `seconds`.
    """
    path = toolchain.found(compiler, "clang" if "clang" in compiler else "gcc libc6-dev")
    with tempfile.TemporaryDirectory(prefix="picojoule-") as name:
        folder = Path(name)
        toolchain.lay(files, folder)
        toolchain.lay_inputs(codes, folder)
        command = [path, *toolchain.FLAGS, *flags, "-I.", "network.c", toolchain.DRIVER, "-o", "driver"]
        toolchain.call(command, folder, seconds, f"{compiler} network.c")
        toolchain.call(["./driver"], folder, seconds, "network.c on the host")
        return toolchain.outputs(folder)
