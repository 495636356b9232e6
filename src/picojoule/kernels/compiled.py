"""Where compiled loops serve, and how they are called: dense float32 and float64 tensors in main memory.

Everything else takes the plain path of torch operations, to the same bits: other devices and types, strided tensors,
memory that is read and written at once. Numba is imported when the first tensor comes that is worth the 0.6 s; what was
compiled once is found on the disk.
"""

import math
import sys
import warnings
from functools import cache

import torch
from torch import Tensor
from torch.nn import Parameter

from picojoule.kernels.loops import Loop
from picojoule.kernels.threads import spread

ENOUGH = 1 << 16
"""A tensor of so many numbers loads the compiled loops; from then on they serve smaller ones too."""
SPREAD = 1 << 20
"""Tensors of at least so many numbers are divided among threads."""

_LINE = 64
"""Threads write apart by at least so many numbers."""
_LOOPS = "picojoule.kernels.loops.machine"
_DTYPES = (torch.float32, torch.float64)


def direct(x: Tensor) -> bool:
    """Whether to work on x as it lies there: no compiler, tracer, transform or mode looks on, no gradient is due.

    Otherwise the operations of `ops` are called, which torch knows how to handle in all of those.
    """
    return (
        not torch.compiler.is_compiling()
        and ordinary(x)
        and not (x.requires_grad and torch.is_grad_enabled())
        and torch._C._len_torch_dispatch_stack() == 0
        and torch._C._get_tracing_state() is None
        and torch._C._functorch.peek_interpreter_stack() is None
    )


def ordinary(x: Tensor) -> bool:
    """Whether x is one of torch's own tensors, no stand-in for one."""
    return type(x) is Tensor or type(x) is Parameter


def run(
    name: str,
    x: Tensor,
    parameters: tuple[Tensor, ...] = (),
    numbers: tuple[float, ...] = (),
    shape: tuple[int, ...] | None = None,
    beside: Tensor | None = None,
    out: Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor | None:
    """What a loop makes of x, in `out` or a new tensor, of x's dtype or another; None where the plain path must serve.

    The parameters have as many numbers for each element of `shape`, which broadcasts to x; without a shape they are
    `constant`s, one set for all. `beside` is a tensor like x, or of booleans, that the loop reads with it.
    """
    size = x.numel()
    if not (x.is_cpu and x.dtype in _DTYPES and size > 1 and (size >= ENOUGH or _LOOPS in sys.modules)):
        return None  # a single number may be a view with its sign bit turned, several in a row never are
    rows = 1 if shape is None else _rows(x, shape, parameters)
    start = x.data_ptr()
    if not (rows and start and (x.is_contiguous() or _channels_last(x))):
        return None
    if beside is not None and not (_alike(x, beside) and beside.dtype in (x.dtype, torch.bool)):
        return None
    if out is not None and out is not x and not (_alike(x, out) and out.dtype is x.dtype and _writable(x, out)):
        return None
    loop = machine_code(name, out is not None and out.data_ptr() == start, x.dtype)
    if loop is None:
        return None
    if out is None:
        out = torch.empty_like(x, dtype=dtype)
    else:
        torch.autograd.graph.increment_version(out)  # a backward that needs what it held must find out
    if size < SPREAD or torch.get_num_threads() == 1:
        others = () if beside is None else (beside.data_ptr(),)
        loop(*others, start, out.data_ptr(), rows, size // rows, *[each.data_ptr() for each in parameters], *numbers)
    else:
        unit, tensors = 1 if rows == 1 else size // rows, (x, out) if beside is None else (beside, x, out)
        _spread(loop, tensors, rows, unit, parameters, numbers)
    return out


def over_blocks(
    name: str,
    x: Tensor,
    axis: int,
    size: int,
    scales: Tensor,
    numbers: tuple[float, ...] = (),
    out: Tensor | None = None,
) -> bool:
    """Have a loop go over blocks of at least two numbers along an axis of x: whether one could.

    It reads or writes the scales [..., blocks, ...], and writes to `out`, which may be x, if it makes more of x.
    """
    total, n, apart = x.numel(), x.shape[axis], math.prod(x.shape[axis + 1 :])
    if not (x.is_cpu and x.dtype in _DTYPES and total > 1 and (total >= ENOUGH or _LOOPS in sys.modules)):
        return False
    if not (x.is_contiguous() and x.data_ptr() and scales.is_contiguous() and scales.dtype is x.dtype):
        return False
    if size < 2 or scales.shape != (*x.shape[:axis], -(-n // size), *x.shape[axis + 1 :]) or not scales.is_cpu:
        return False
    if out is not None and not (out.is_contiguous() and _alike(x, out) and out.dtype is x.dtype and _writable(x, out)):
        return False
    one_row = apart == 1 and n % size == 0  # else the blocks at the ends of rows are shorter
    rows, unit = (1, size) if one_row else (total // (n * apart), n * apart)
    if apart > 1:
        name, numbers = f"{name} across", (*numbers, size, apart)
    loop = machine_code(name, False, x.dtype, size if apart == 1 else 0)
    if loop is None:
        return False
    if out is not None:
        torch.autograd.graph.increment_version(out)  # a backward that needs what it held must find out
    _spread(loop, (x,) if out is None else (x, out), rows, unit, (scales,), numbers)
    return True


def at_once(name: str, x: Tensor, parameter: float, numbers: tuple[float, ...], out: Tensor) -> bool:
    """`run` with one parameter for all, from small and contiguous x to out, once loops are loaded: whether it could be.

    Where a loop takes 2 µs, what `run` has to find out takes 3.
    """
    size, start, to = x.numel(), x.data_ptr(), out.data_ptr()
    if not (1 < size < SPREAD and x.is_contiguous() and out.is_contiguous() and x.is_cpu and out.is_cpu):
        return False
    if out.dtype is not x.dtype or not out.is_same_size(x) or out.requires_grad or not (start and to):
        return False
    if 0 < abs(to - start) < size * x.itemsize or _LOOPS not in sys.modules:
        return False
    loop, address, _ = _ready(name, to == start, parameter, x.dtype)
    if loop is None:
        return False
    torch.autograd.graph.increment_version(out)  # a backward that needs what it held must find out
    loop(start, to, 1, size, address, *numbers)
    return True


@cache
def _ready(name: str, here: bool, parameter: float, dtype: torch.dtype) -> tuple[Loop | None, int, Tensor]:
    """A loop, where its parameter lies, and the tensor that keeps it there; no loop for types it is not made for."""
    kept = constant(parameter, dtype)
    return (machine_code(name, here, dtype) if dtype in _DTYPES else None), kept.data_ptr(), kept


@cache
def constant(value: float, dtype: torch.dtype) -> Tensor:
    """A number as a tensor in main memory, for loops; not to be changed."""
    return torch.tensor(value, dtype=dtype, device="cpu")


@cache
def machine_code(name: str, here: bool, dtype: torch.dtype, block: int = 0) -> Loop | None:
    """The machine code of a loop, `here` where it writes what it reads, over blocks of so many numbers if it is one of
    those; None where numba does not work.

    A numba that fits neither this Python nor this numpy is no reason to stop: it is said once, and torch serves.
    """
    try:
        from picojoule.kernels.loops import machine

        return machine.compile(name, here, dtype, block)
    except Exception as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        warnings.warn(f"numba cannot compile picojoule's loops ({why}); slower torch operations serve", stacklevel=2)
        return None


def _spread(
    loop: Loop,
    tensors: tuple[Tensor, ...],
    rows: int,
    unit: int,
    parameters: tuple[Tensor, ...],
    numbers: tuple[float, ...],
) -> None:
    """Call a loop, from several threads if that is worth it: on units of the one row, or on some of the rows each.

    The parameters are those of the one row if a unit is a number, else those of a unit.
    """
    total = tensors[0].numel()
    units = total // unit

    def part(start: int, stop: int) -> None:
        moved = [each.data_ptr() + start * unit * each.element_size() for each in tensors]
        shape = (1, (stop - start) * unit) if rows == 1 else (stop - start, unit)
        first = 0 if rows == unit == 1 else start
        theirs = [each.data_ptr() + first * (each.numel() // units) * each.element_size() for each in parameters]
        loop(*moved, *shape, *theirs, *numbers)

    if total < SPREAD or torch.get_num_threads() == 1:
        part(0, units)
    else:
        spread(part, units, _LINE // unit or 1)


def _rows(x: Tensor, shape: tuple[int, ...], parameters: tuple[Tensor, ...]) -> int:
    """How many rows of consecutive elements x has, each with one of the parameters of a shape; 0 if they are no rows.

    Parameters [c, 1, 1, 1] make c rows of x [c, h, w, k], and [n, b, 1] makes n * b rows of x [n, b, 32].
    """
    if not all(each.is_cpu and each.dtype is x.dtype and each.is_contiguous() for each in parameters):
        return 0
    count = math.prod(shape)
    if count == 1:
        return int(len(shape) <= x.dim())
    axes = next(axis for axis in range(len(shape), 0, -1) if shape[axis - 1] != 1)
    fits = len(shape) == x.dim() and x.shape[:axes] == shape[:axes] and (axes == 1 or x.is_contiguous())
    return count if fits else 0


def _alike(x: Tensor, other: Tensor) -> bool:
    """Whether another tensor has x's shape, and its elements lie in the same order without gaps, as x's do."""
    return (
        other.is_cpu
        and other.shape == x.shape
        and ((other.is_contiguous() and x.is_contiguous()) or (_channels_last(other) and _channels_last(x)))
        and other.data_ptr() != 0
    )


def _channels_last(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last)


def _writable(x: Tensor, out: Tensor) -> bool:
    """Whether `out` may be written as it lies, and shares with x all its memory or none."""
    gap = abs(out.data_ptr() - x.data_ptr())
    apart = gap == 0 or gap >= x.numel() * x.element_size()
    return apart and not (out.requires_grad and torch.is_grad_enabled())
