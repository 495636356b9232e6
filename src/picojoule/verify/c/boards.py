"""The boards: which machine QEMU emulates, what it is compiled for, where its memory lies, how its timer ticks."""

from dataclasses import dataclass

MB = 2**20


@dataclass(frozen=True)
class Board:
    """One board. `clock_hz` is the processor's, which SysTick counts.

    `flash` and `ram` are address and bytes of its largest memories, for any network to fit; the vectors stand at 0.
    """

    name: str
    machine: str
    flags: tuple[str, ...]
    flash: tuple[int, int]
    ram: tuple[int, int]
    clock_hz: int


_MPS2_FLASH, _MPS2_RAM = (0x2100_0000, 16 * MB), (0x2000_0000, 4 * MB)

BOARDS = {
    board.name: board
    for board in (
        # QEMU's one M0 has 16 KB of RAM, so M0 code runs on an M3, which traps what an M0 would.
        Board("cortex-m0", "mps2-an385", ("-mcpu=cortex-m0",), _MPS2_FLASH, _MPS2_RAM, 25_000_000),
        Board("cortex-m3", "mps2-an385", ("-mcpu=cortex-m3",), _MPS2_FLASH, _MPS2_RAM, 25_000_000),
        Board("cortex-m4", "mps2-an386", ("-mcpu=cortex-m4",), _MPS2_FLASH, _MPS2_RAM, 25_000_000),
        # With hard floats the compiler may use the vector registers, which are theirs, for integers.
        Board(
            "cortex-m55", "mps3-an547", ("-mcpu=cortex-m55", "-mfloat-abi=hard"), (0x6000_0000, 16 * MB),
            (0x2100_0000, 4 * MB), 32_000_000,
        ),
    )
}  # fmt: skip
"""By name."""
