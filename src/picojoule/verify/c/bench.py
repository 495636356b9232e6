"""A folder where a network's C is compiled, linked, run and weighed for one board."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from picojoule.verify.absent import AbsentError
from picojoule.verify.c import toolchain
from picojoule.verify.c.boards import Board
from picojoule.verify.c.toolchain import OPTIMISED, SOURCES, RunError, call, found

PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
COMPILED = (*toolchain.FLAGS, "-mthumb", "-ffunction-sections", "-fdata-sections", "-I.")
LINKED = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-T", str(SOURCES / "board.ld"))
DRIVEN = ("--specs=rdimon.specs", "-Wl,--wrap=network_run", "-Wl,--entry=reset")
TRACED = ("-include", str(SOURCES / "trace.h"))
QUIET = ("-display", "none", "-serial", "null", "-monitor", "none", "-semihosting-config", "enable=on,target=native")
CLOCKED = ("-icount", "shift=7")
"""One instruction after the other, each 2^7 ns of the board's time, see `trace`."""


@dataclass(frozen=True)
class Sizes:
    """Bytes of a network with what it takes of the compiler's libraries, and of nothing else."""

    code: int
    constants: int
    data: int
    zeroed: int

    @property
    def flash(self) -> int:
        """Of flash. Data that does not begin as zeros lies there too."""
        return self.code + self.constants + self.data

    @property
    def ram(self) -> int:
        """Of RAM, beside the stack."""
        return self.data + self.zeroed


class Bench:
    """A network's files in a folder, for one board.

    Raises:
        AbsentError: the compiler, its library or the emulator is not installed.
    """

    def __init__(self, board: Board, files: Mapping[str, bytes], folder: Path, seconds: float) -> None:
        self.board, self.folder, self.seconds = board, folder, seconds
        self._gcc, self._qemu = (found(each, PACKAGES) for each in ("arm-none-eabi-gcc", "qemu-system-arm"))
        if self._call(self._gcc, "-print-file-name=nano.specs").strip() == "nano.specs":  # no path: there is none
            raise AbsentError(f"not installed; apt install {PACKAGES}")
        toolchain.lay(files, folder)

    def run(self, codes: NDArray[np.integer], traced: bool) -> tuple[str, NDArray[np.int64]]:
        """What the board prints, and the output codes; all samples are traced or none."""
        network, image = ("traced.o", "traced.elf") if traced else ("shipped.o", "shipped.elf")
        self._compile("-c", "network.c", *(TRACED if traced else ()), "-o", network)
        sources = (toolchain.DRIVER, str(SOURCES / "board.c"), f"-DTRACED={len(codes) if traced else 0}")
        self._compile(*sources, network, *LINKED, *self._memory(), *DRIVEN, "-o", image)
        toolchain.lay_inputs(codes, self.folder)
        try:
            clock = CLOCKED if traced else ()
            printed = self._call(self._qemu, "-M", self.board.machine, *QUIET, *clock, "-kernel", image)
        except RunError as error:
            raise RunError(self._placed(str(error), image)) from error
        return printed, toolchain.outputs(self.folder)

    def sizes(self) -> Sizes:
        """Of the network that ran untraced."""
        self._compile("shipped.o", *LINKED, *self._memory(), "-Wl,--entry=network_run", "-o", "alone.elf")
        listed = self._call(found("arm-none-eabi-size", PACKAGES), "-A", "-d", "alone.elf")
        bytes_of = {name: int(size) for name, size in re.findall(r"^(\.\S+)\s+(\d+)", listed, re.MULTILINE)}
        code = bytes_of.get(".text", 0) + bytes_of.get(".ARM.exidx", 0)
        return Sizes(code, *(bytes_of.get(name, 0) for name in (".rodata", ".data", ".bss")))

    def tools(self) -> tuple[str, str]:
        """Compiler and emulator with their versions."""
        said = [self._call(program, "--version").splitlines()[0] for program in (self._gcc, self._qemu)]
        return f"{said[0]} {' '.join(self.board.flags)} {OPTIMISED}", said[1]

    def _memory(self) -> tuple[str, ...]:
        places = {"FLASH": self.board.flash, "RAM": self.board.ram}
        return tuple(
            f"-Wl,--defsym={name}_ORIGIN={origin:#x},--defsym={name}_LENGTH={length:#x}"
            for name, (origin, length) in places.items()
        )

    def _compile(self, *arguments: str) -> None:
        self._call(self._gcc, *COMPILED, *self.board.flags, *arguments)

    def _call(self, program: str, *arguments: str) -> str:
        return call([program, *arguments], self.folder, self.seconds, f"network.c on {self.board.name}")

    def _placed(self, message: str, image: str) -> str:
        """The message of a fault with the function that it happened in."""
        if fault := re.search(r"fault at (0x[0-9a-f]+)$", message):
            where = self._call(found("arm-none-eabi-addr2line", PACKAGES), "-f", "-e", image, fault[1])
            return f"{message}, in {where.split()[0]}"
        return message
