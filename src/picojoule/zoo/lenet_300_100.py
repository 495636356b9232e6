"""LeNet-300-100: three dense layers and nothing else, published for 28x28 digits.

Source: Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 86(11), 1998.
"""

from math import prod

from torch import Tensor, nn


class LeNet300(nn.Module):
    """`[n, *shape]` to `[n, classes]`. `widths` are the outputs of the first two layers: 300, 100."""

    def __init__(self, shape: tuple[int, int, int], widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        first, second = widths
        self.fc1 = nn.Linear(prod(shape), first)
        self.fc2 = nn.Linear(first, second)
        self.fc3 = nn.Linear(second, classes)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.fc1(x.flatten(1)))
        x = self.relu(self.fc2(x))
        logits: Tensor = self.fc3(x)
        return logits
