"""Small networks whose graphs differ in all that a fast run must respect. Each takes images [2, 8, 8] and is seeded."""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (its customary name)

from picojoule.network import Network, capture


class Residual(nn.Module):
    """Two blocks, the second with a shortcut of strided slices and padding; one value is read three times."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.b, self.c = nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        x = (self.a(x) + x).relu()
        x = (self.c(self.b(x).relu()) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))).relu()
        out: Tensor = self.fc(x.mean((2, 3)))
        return out


class Branches(nn.Module):
    """Branches of pooling and convolutions, put together channel by channel; a depthwise layer; a shared one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 3, 1), nn.Conv2d(4, 4, 3, groups=4)
        self.twice, self.fc = nn.Conv2d(7, 7, 1), nn.Linear(7 * 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 1)
        x = torch.cat([F.max_pool2d(self.left(x), (2, 2)), F.avg_pool2d(F.pad(self.right(x), (1, 1, 1, 1)), 2)], 1)
        x = self.twice(self.twice(x).clamp(min=0))
        out: Tensor = self.fc(x.flatten(1))
        return out


class PreActivation(nn.Module):
    """The shortcut carries what is not quantised, and a value is taken apart and rearranged."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.fc = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        raw = self.stem(x)
        raw = raw + self.a(torch.sigmoid(raw))
        raw = raw + self.b(F.relu(raw))
        one, two = raw.chunk(2, dim=1)
        mixed = F.max_pool2d(F.relu(torch.stack([one, two], 2).view(x.shape[0], 4, 8, 8)), 4, 4, ceil_mode=True)
        out: Tensor = self.fc(mixed.permute(0, 2, 3, 1).reshape(x.shape[0], -1).repeat(1, 2))
        return out


class Normed(nn.Module):
    """A value is divided by another's norm, which few bits make zero; then layers over one dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3, padding="same")
        self.line, self.fc = nn.Conv1d(4, 3, 3), nn.Linear(3 * 34, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = F.relu(self.conv(x)) / x.norm(dim=1, keepdim=True)
        x = F.leaky_relu(self.line(x.flatten(2)))
        out: Tensor = self.fc(x.flatten(1))
        return out


class Dense(nn.Module):
    """No image at all: layers over the last dimension of rows."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 6), nn.Linear(96, 5)

    def forward(self, x: Tensor) -> Tensor:
        rows: Tensor = self.a(x.reshape(-1, 8)).relu()
        out: Tensor = self.b(rows.view(x.shape[0], 96))
        return out


GRAPHS = {graph.__name__: graph for graph in (Residual, Branches, PreActivation, Normed, Dense)}


@cache
def network(name: str) -> Network:
    """The network of that name, captured."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return capture(GRAPHS[name]().eval(), torch.zeros(1, 2, 8, 8))


def images(count: int, seed: int = 0) -> Tensor:
    """So many random images."""
    return torch.randn(count, 2, 8, 8, generator=torch.Generator().manual_seed(seed))
