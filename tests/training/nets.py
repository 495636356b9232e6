"""Small networks to train, with what real ones have: shared values, sums, pooling, convolutions without bias."""

from functools import cache

import torch
from tests.jobs.small import digits
from torch import Tensor, nn

from picojoule.data import Samples


class Residual(nn.Module):
    """Two branches that meet, a convolution without bias, batch norms of its own, an average, a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(6)
        self.left = nn.Conv2d(6, 6, 3, padding=1)
        self.right = nn.Conv2d(6, 6, 1, groups=2)
        self.fc = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn(self.stem(x)))
        x = torch.relu(self.left(x) + x + self.right(x))
        out: Tensor = self.fc(nn.functional.avg_pool2d(x, 4).flatten(1))
        return out


class Chain(nn.Module):
    """Convolution, maximum, two dense layers: behind all but the last, signs see what batch norm gives."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 5, 3)
        self.hidden = nn.Linear(45, 20)
        self.fc = nn.Linear(20, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.hardtanh(nn.functional.max_pool2d(self.conv(x), 2))
        x = nn.functional.hardtanh(self.hidden(x.flatten(1)))
        out: Tensor = self.fc(x)
        return out


class Shared(nn.Module):
    """One layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 64)
        self.last = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(torch.relu(self.fc(torch.relu(self.fc(x.flatten(1))))))
        return out


def made(kind: type[nn.Module], seed: int = 0) -> nn.Module:
    """A network with its weights drawn from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind()


@cache
def train() -> Samples:
    """The thousand digits to train on."""
    found = digits().train
    assert found is not None
    return found


def step(module: nn.Module, optimizer: torch.optim.Optimizer, first: int = 0, count: int = 50) -> float:
    """One step of anybody's loop; returns the loss."""
    x, y = train().x[first : first + count], train().y[first : first + count]
    loss = nn.functional.cross_entropy(module(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def trained(module: nn.Module, steps: int = 30, rate: float = 0.03) -> nn.Module:
    """A module after a few steps, in evaluation mode."""
    optimizer = torch.optim.Adam([each for each in module.parameters() if each.requires_grad], rate)
    module.train()
    for index in range(steps):
        step(module, optimizer, 50 * index % 1000)
    return module.eval()
