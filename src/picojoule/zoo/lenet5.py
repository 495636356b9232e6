"""LeNet-5 in its later, rectified form: two convolutions, three dense layers, published for 28x28 digits.

Source: Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 86(11), 1998.
"""

from torch import Tensor, nn


class LeNet5(nn.Module):
    """`[n, *shape]` to `[n, classes]`. `widths` are the outputs of each layer but the last: 6, 16, 120, 84."""

    def __init__(self, shape: tuple[int, int, int], widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        channels, *sides = shape
        first, second, third, fourth = widths
        rows, columns = ((side // 2 - 4) // 2 for side in sides)
        self.conv1 = nn.Conv2d(channels, first, 5, padding=2)
        self.conv2 = nn.Conv2d(first, second, 5)
        self.fc1 = nn.Linear(second * rows * columns, third)
        self.fc2 = nn.Linear(third, fourth)
        self.fc3 = nn.Linear(fourth, classes)
        self.pool = nn.MaxPool2d(2)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        x = x.flatten(1)
        x = self.relu(self.fc1(x))
        x = self.relu(self.fc2(x))
        logits: Tensor = self.fc3(x)
        return logits
