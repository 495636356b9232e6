"""Which networks there are, by name. A new one is a file beside this and a line in the table."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from picojoule.errors import InputError
from picojoule.zoo import qnn
from picojoule.zoo.ds_cnn import DsCnn
from picojoule.zoo.lenet5 import LeNet5
from picojoule.zoo.lenet_300_100 import LeNet300
from picojoule.zoo.resnet20 import ResNet20


@dataclass(frozen=True)
class _Entry:
    """How a network is built, and the shape of one input of it."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]


_ENTRIES = {
    "lenet5": _Entry(LeNet5, (1, 28, 28)),
    "lenet-300-100": _Entry(LeNet300, (1, 28, 28)),
    "resnet20": _Entry(ResNet20, (3, 32, 32)),
    "ds-cnn": _Entry(DsCnn, (1, 49, 10)),
}


def names() -> tuple[str, ...]:
    """Every network with a name of its own, and the smallest published one of the `qnn-…` family."""
    return (*_ENTRIES, "qnn-1x64-1x64-1x64")


def create(name: str, seed: int = 0) -> nn.Module:
    """An untrained network in training mode, its weights drawn from `seed`; torch's own random state stays as it is.

    Raises:
        InputError: no such network, or one of the `qnn-…` family that is too large.
    """
    build = _entry(name).build
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also seed the accelerators, whose state is not put back here.
        torch.default_generator.manual_seed(seed)
        return build()


def example(name: str) -> Tensor:
    """One input of zeros for the network, for instance `[1, 1, 28, 28]` for `lenet5`.

    Raises:
        InputError: no such network.
    """
    return torch.zeros(1, *_entry(name).shape)


def _entry(name: str) -> _Entry:
    if name in _ENTRIES:
        return _ENTRIES[name]
    blocks = qnn.blocks(name)
    if blocks is None:
        known = ", ".join(_ENTRIES)
        raise InputError(f"network '{name}' is not known; give one of {known}, or qnn-NxF-NxF-NxF")
    return _Entry(lambda: qnn.Qnn(blocks), (3, 32, 32))
