"""What a network takes on a microcontroller, beside the same network in 8 bits.

Flash of weights, RAM and multiplications follow from its C. Instructions, stack and code are measured on emulated
boards where compiler and emulator are installed. Energy is the plan's on the run's platform.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from picojoule.energy import EnergyReport
from picojoule.errors import PicojouleError
from picojoule.export.c.figures import Figures
from picojoule.export.c.render import figures, rendered
from picojoule.export.c.vectors import Vectors, vectors
from picojoule.integer import Program, lower
from picojoule.plan import Plan
from picojoule.search import Result
from picojoule.verify.absent import AbsentError
from picojoule.verify.c import BOARDS, Board, BoardRun, RunError, run_on_board

INT8 = "fixed8"
"""The format of the network that every other is held against; its baseline's label too."""


@dataclass(frozen=True)
class Measured:
    """A network's C on one board: bytes, the deepest stack of all golden vectors, and each step's instructions for one.

    `differ` of `compared` outputs were not the interpreter's: 0, or something is wrong.
    """

    code_bytes: int
    constant_bytes: int
    ram_bytes: int
    stack_bytes: int
    instructions: tuple[int, ...]
    compared: int
    differ: int
    compiler: str
    emulator: str

    @classmethod
    def of(cls, run: BoardRun, golden: Vectors) -> "Measured":
        """What a run on the golden vectors tells."""
        own = run.sizes
        return cls(
            own.code, own.constants, own.ram, run.stack_bytes, tuple(run.instructions[0].tolist()),
            golden.outputs.size, int((run.outputs != golden.outputs).sum()), *run.tools,
        )  # fmt: skip

    @property
    def total(self) -> int:
        """The instructions of one inference."""
        return sum(self.instructions)

    @property
    def flash_bytes(self) -> int:
        """Of flash: code, weights and tables."""
        return self.code_bytes + self.constant_bytes


@dataclass(frozen=True)
class Version:
    """One version of the network: its C's figures, what each board says of it, its energy where there is a figure."""

    label: str
    figures: Figures
    energy: EnergyReport | None
    boards: Mapping[str, Measured] = field(default_factory=dict)

    def to_table(self) -> dict[str, Any]:
        """The version as plain data."""
        return {
            "label": self.label,
            **self.figures.to_table(),
            "energy": None if self.energy is None else self.energy.to_table(),
            "boards": {name: asdict(each) | {"total": each.total} for name, each in self.boards.items()},
        }


@dataclass(frozen=True)
class Sheet:
    """The network as it ships, and in 8 bits, None where that cannot be; `remarks` say what is not there and why."""

    own: Version
    int8: Version | None
    remarks: tuple[str, ...] = ()

    @property
    def versions(self) -> tuple[Version, ...]:
        """Those that there are."""
        return (self.own,) if self.int8 is None else (self.own, self.int8)

    def to_table(self) -> dict[str, Any]:
        """The sheet as plain data."""
        int8 = None if self.int8 is None else self.int8.to_table()
        return {"own": self.own.to_table(), "int8": int8, "remarks": list(self.remarks)}


def sheet_of(
    result: Result, program: Program, *, measure: bool = True, heard: Callable[[str], None] = lambda _: None
) -> Sheet:
    """The sheet of a result's selected point, whose program it is; `heard` is told each thing that is measured.

    Raises:
        InputError: the program has no C; the message names what has none.
    """
    remarks: list[str] = [] if measure else ["Nothing was measured: that was left out."]
    point = result.point
    own, int8 = Version(point.label, figures(program), point.energy), None
    try:
        program_8, energy_8 = _in_8_bits(result)
        int8 = Version("8 bits", figures(program_8), energy_8)
    except PicojouleError as error:
        remarks.append(f"There is no version in 8 bits: {error}")
    if measure:
        try:
            own = _measured(own, program, remarks, heard)
            if int8 is not None:
                int8 = _measured(int8, program_8, remarks, heard)
        except AbsentError as error:
            remarks.append(f"No instructions, stack or code size: compiler or emulator {error}")
    return Sheet(own, int8, tuple(remarks))


def _in_8_bits(result: Result) -> tuple[Program, EnergyReport | None]:
    """The network in 8 bits: the run's own baseline, or with the point's ranges where it has none."""
    if (found := result.baselines.get(INT8)) is not None:
        return lower(result.captured, found.plan, found.ranges), found.energy
    return lower(result.captured, Plan.uniform(result.captured, INT8), result.ranges), None


def _measured(version: Version, program: Program, remarks: list[str], heard: Callable[[str], None]) -> Version:
    """The version with what each board says of it; a board that fails is a remark."""
    content, golden = rendered(program), vectors(program)
    found = {}
    for board in BOARDS.values():
        heard(f"{version.label} on {board.name}")
        try:
            found[board.name] = _on(board, content, golden)
        except RunError as error:
            remarks.append(f"{version.label}: {error}")
    for name, each in found.items():
        if each.differ:
            remarks.append(f"{version.label} on {name}: {each.differ} of {each.compared} outputs are wrong")
    return Version(version.label, version.figures, version.energy, found)


def _on(board: Board, content: Mapping[str, bytes], golden: Vectors) -> Measured:
    return Measured.of(run_on_board(board, content, golden.whole), golden)
