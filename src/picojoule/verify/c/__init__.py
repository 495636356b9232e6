"""Generated C as it runs: compiled for this machine, and for Cortex-M boards that QEMU emulates."""

from picojoule.verify.c.bench import Sizes
from picojoule.verify.c.boards import BOARDS, Board
from picojoule.verify.c.cortex import BoardRun, run_on_board
from picojoule.verify.c.host import run_on_host
from picojoule.verify.c.toolchain import RunError

__all__ = ["BOARDS", "Board", "BoardRun", "RunError", "Sizes", "run_on_board", "run_on_host"]
