"""The family `qnn-{n}x{F}-{n}x{F}-{n}x{F}`, published for CIFAR-10: three blocks of n convolutions with F filters.

Source: B. Moons et al., "Minimum Energy Quantized Neural Networks", arXiv 1711.00215, 2017.
"""

import re
from itertools import pairwise

from torch import Tensor, nn

from picojoule.errors import InputError

_BLOCK = r"([1-9]\d?)x([1-9]\d{0,3})"
_NAME = re.compile(rf"qnn-{_BLOCK}-{_BLOCK}-{_BLOCK}", re.ASCII)


class Qnn(nn.Module):
    """`[n, *shape]` to `[n, classes]`. No layer has a bias, BatchNorm has.

    `depths` are the convolutions in each block, `widths` their filters.

    >>> Qnn((3, 32, 32), (8, 8, 16), 10, depths=(1, 2, 1)).dense
    Linear(in_features=256, out_features=10, bias=False)
    """

    def __init__(
        self, shape: tuple[int, int, int], widths: tuple[int, ...], classes: int, depths: tuple[int, ...]
    ) -> None:
        super().__init__()
        channels, *sides = shape
        rows, columns = (side // 2 ** len(depths) for side in sides)
        ends = pairwise((channels, *widths))
        self.blocks = nn.Sequential(*(_block(depth, *both) for depth, both in zip(depths, ends, strict=True)))
        self.dense = nn.Linear(rows * columns * widths[-1], classes, bias=False)
        self.norm = nn.BatchNorm1d(classes, eps=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.norm(self.dense(self.blocks(x).flatten(1)))
        return logits


def blocks(name: str) -> tuple[tuple[int, int], ...] | None:
    """The (depth, filters) of each block that `name` states; None where it is no name of this family.

    >>> blocks("qnn-1x64-1x64-1x64")
    ((1, 64), (1, 64), (1, 64))

    Raises:
        InputError: more than 16 convolutions in a block, or more than 4096 filters.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    depths, filters = [int(text) for text in match.groups()[::2]], [int(text) for text in match.groups()[1::2]]
    if max(depths) > 16 or max(filters) > 4096:
        raise InputError(f"network '{name}' is too large; a block has at most 16 convolutions of at most 4096 filters")
    return tuple(zip(depths, filters, strict=True))


def _block(depth: int, inputs: int, outputs: int) -> nn.Sequential:
    """`depth` times convolution, BatchNorm and ReLU, then a 2x2 maximum."""
    layers: list[nn.Module] = []
    for index in range(depth):
        layers += [
            nn.Conv2d(outputs if index else inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-4),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers, nn.MaxPool2d(2))
