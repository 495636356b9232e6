"""Which networks there are, by name. A new one is a file beside this and a line in the table.

A width multiplier stands behind a name as torchvision writes it, `resnet20-x0.5`: each hidden layer has that many times
its channels, rounded to the nearest whole number (ties to even), at least 1; inputs and classes stay as they are.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

import torch
from torch import Tensor, nn

from picojoule.errors import InputError
from picojoule.zoo import qnn
from picojoule.zoo.ds_cnn import DsCnn
from picojoule.zoo.lenet5 import LeNet5
from picojoule.zoo.lenet_300_100 import LeNet300
from picojoule.zoo.resnet20 import ResNet20

Shape = tuple[int, int, int]  # channels, rows and columns of one input
Widths = tuple[int, ...]

_SCALED = re.compile(r"(.+)-x(\d{1,4}(?:\.\d{1,4})?)", re.ASCII)
_WIDEST = 16


@dataclass(frozen=True)
class _Entry:
    """How a network is built, for what it was published, and the least rows and columns it can read."""

    build: Callable[[Shape, Widths, int], nn.Module]
    widths: Widths
    shape: Shape
    classes: int
    least: tuple[int, int]


_ENTRIES = {
    "lenet5": _Entry(LeNet5, (6, 16, 120, 84), (1, 28, 28), 10, least=(12, 12)),
    "lenet-300-100": _Entry(LeNet300, (300, 100), (1, 28, 28), 10, least=(1, 1)),
    "resnet20": _Entry(ResNet20, (16, 32, 64), (3, 32, 32), 10, least=(1, 1)),
    "ds-cnn": _Entry(DsCnn, (64,), (1, 49, 10), 12, least=(1, 2)),
}


def names() -> tuple[str, ...]:
    """Every network with a name of its own, and the smallest published one of the `qnn-…` family."""
    return (*_ENTRIES, "qnn-1x64-1x64-1x64")


def create(name: str, seed: int = 0, input_shape: Sequence[int] | None = None, classes: int | None = None) -> nn.Module:
    """An untrained network in training mode, its weights drawn from `seed`; torch's own random state stays as it is.

    It reads inputs of `input_shape`, channels, rows and columns, and tells `classes` apart: unless given, those it was
    published for.

    >>> create("qnn-1x8-1x8-1x8", input_shape=(1, 28, 28), classes=26).dense
    Linear(in_features=72, out_features=26, bias=False)

    Raises:
        InputError: no such network, one too large or too wide, or an input or a number of classes it cannot have.
    """
    entry = _entry(name)
    shape = _shape(name, entry, input_shape)
    if classes is None:
        classes = entry.classes
    if classes < 1:
        raise InputError(f"network '{name}' cannot have {classes} classes; give at least 1")
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also seed the accelerators, whose state is not put back here.
        torch.default_generator.manual_seed(seed)
        return entry.build(shape, entry.widths, classes)


def scaled(name: str, width: float | str | Fraction = 1, depth: int = 1) -> str:
    """The name of a network that many times as wide and as deep; only those of the family `qnn-…` have depths.

    A name has its width to four decimals.

    >>> scaled("qnn-1x64-2x64-1x128", width=0.5, depth=2), scaled("lenet5", "0.25"), scaled("resnet20-x0.5", 2)
    ('qnn-2x32-4x32-2x64', 'lenet5-x0.25', 'resnet20')

    Raises:
        InputError: no such network, one too large, or a depth of one that has none.
    """
    try:
        by = Fraction(str(width))
    except (ValueError, ZeroDivisionError):  # such as nan
        by = Fraction(0)
    if not 0 < by <= _WIDEST:
        raise InputError(f"width {width} cannot be had; give one above 0, up to {_WIDEST}")
    if not (type(depth) is int and depth >= 1):
        raise InputError(f"depth {depth} cannot be had; give a whole number of at least 1")
    _entry(name)
    if (blocks := qnn.blocks(name)) is not None:
        made = "qnn-" + "-".join(f"{count * depth}x{max(1, round(filters * by))}" for count, filters in blocks)
    elif depth != 1:
        raise InputError(f"network '{name}' has one depth; only those of the family qnn-NxF-NxF-NxF have others")
    else:
        found = _SCALED.fullmatch(name)
        base, factor = (found[1], Fraction(found[2]) * by) if found else (name, by)
        made = base if factor == 1 else f"{base}-x{float(round(factor, 4)):g}"
    _entry(made)
    return made


def classes(name: str) -> int:
    """How many classes the network was published for.

    Raises:
        InputError: no such network.
    """
    return _entry(name).classes


def example(name: str, input_shape: Sequence[int] | None = None) -> Tensor:
    """One input of zeros for the network, for instance `[1, 1, 28, 28]` for `lenet5`.

    Raises:
        InputError: no such network, or an input it cannot have.
    """
    return torch.zeros(1, *_shape(name, _entry(name), input_shape))


def _shape(name: str, entry: _Entry, given: Sequence[int] | None) -> Shape:
    if given is None:
        return entry.shape
    if len(given) != 3 or min(given) < 1:
        raise InputError(f"network '{name}' reads [channels, rows, columns], not inputs of shape {list(given)}")
    channels, rows, columns = given
    if rows < entry.least[0] or columns < entry.least[1]:
        least = "x".join(map(str, entry.least))
        raise InputError(f"network '{name}' reads inputs of {least} or more, not {rows}x{columns}; choose another")
    return channels, rows, columns


def _entry(name: str) -> _Entry:
    if name in _ENTRIES:
        return _ENTRIES[name]
    scaled = _SCALED.fullmatch(name)
    if scaled and scaled[1] in _ENTRIES:
        return _widened(name, _ENTRIES[scaled[1]], Fraction(scaled[2]))
    blocks = qnn.blocks(name)
    if blocks is None:
        known = ", ".join(_ENTRIES)
        raise InputError(
            f"network '{name}' is not known; give one of {known}, each also at another width (lenet5-x0.5), "
            "or qnn-NxF-NxF-NxF"
        )
    depths, widths = zip(*blocks, strict=True)
    return _Entry(partial(qnn.Qnn, depths=depths), widths, (3, 32, 32), 10, least=(8, 8))


def _widened(name: str, entry: _Entry, width: Fraction) -> _Entry:
    if not 0 < width <= _WIDEST:
        raise InputError(f"network '{name}' cannot be that wide; give a width above 0, up to {_WIDEST}")
    return replace(entry, widths=tuple(max(1, round(channels * width)) for channels in entry.widths))
