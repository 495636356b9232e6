"""Small networks that share values: two readers of one value, a residual sum, a module called twice."""

import copy
from functools import cache

import torch
from torch import Tensor, nn

from picojoule.network import Network, capture


class Forked(nn.Module):
    """Two convolutions read one value, and a sum reads it too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 3, 3, padding=1)
        self.left = nn.Conv2d(3, 3, 3, padding=1)
        self.right = nn.Conv2d(3, 3, 1)
        self.fc = nn.Linear(3 * 16, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x).relu()
        z = self.left(y) + self.right(y) + y
        return self.fc(z.relu().flatten(1))


class Twice(nn.Module):
    """One linear layer called twice: two layers that share weights."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.fc(x).relu())


def forked() -> tuple[Forked, Network]:
    """A model of its own to change, and the network that was captured from it. One input is [1, 4, 4]."""
    model, network = _forked()
    return copy.deepcopy(model), network


@cache
def _forked() -> tuple[Forked, Network]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Forked().eval()
    return model, capture(model, torch.zeros(1, 1, 4, 4))


@cache
def twice() -> Network:
    """The network of `Twice`; one input is [4]."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return capture(Twice().eval(), torch.zeros(1, 4))
