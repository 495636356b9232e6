"""The loops as machine code. Imported only where that is first needed: numba takes its time."""

import torch
from numba import njit, types

from picojoule.kernels.loops import PART, SMALL, Loop
from picojoule.kernels.loops.across import blocks_across, maxima_across
from picojoule.kernels.loops.floats import blocks, maxima, minifloat
from picojoule.kernels.loops.gates import gate, keep, within
from picojoule.kernels.loops.rounding import codes, grid, table


def compile(name: str, here: bool, dtype: torch.dtype, block: int = 0) -> Loop:
    """The machine code of a loop for float32 or float64; `here` for the one that writes what it reads.

    Those over blocks whose numbers lie side by side are made for blocks of one length. It is read from the disk if an
    earlier process left it there, and lets other threads run while it does.
    """
    number = types.float32 if dtype == torch.float32 else types.float64
    source, kinds = {
        "grid": lambda: (grid(here, number), "aannaff"),
        "codes": lambda: (codes(number), "aannaff"),
        "table": lambda: (table(here, number, PART), "aannaan"),
        "small table": lambda: (table(here, number, SMALL), "aannaan"),
        "minifloat": lambda: (minifloat(here, number), "aannannnfff"),
        "gate": lambda: (gate(number), "aaannaa"),
        "within": lambda: (within(number), "aannaa"),
        "keep": lambda: (keep(number), "aaann"),
        "maxima": lambda: (maxima(number, block), "anna"),
        "blocks of floats": lambda: (blocks(number, block, members=False), "aannanfffnnnfff"),
        "blocks of members": lambda: (blocks(number, block, members=True), "aannanfffaanfff"),
        "maxima across": lambda: (maxima_across(number), "annann"),
        "blocks of floats across": lambda: (blocks_across(number, members=False), "aannanfffnnnfffnn"),
        "blocks of members across": lambda: (blocks_across(number, members=True), "aannanfffaanfffnn"),
    }[name]()
    signature = types.void(*({"a": types.int64, "n": types.int64, "f": types.float64}[kind] for kind in kinds))
    try:
        return njit(signature, nogil=True, error_model="numpy", cache=True)(source)
    except Exception:  # no folder to keep it in, a full disk, a damaged file
        return njit(signature, nogil=True, error_model="numpy")(source)
