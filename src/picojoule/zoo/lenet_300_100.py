"""LeNet-300-100: 28x28 digits, three dense layers and nothing else.

Source: Y. LeCun et al., "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 86(11), 1998.
"""

from torch import Tensor, nn


class LeNet300(nn.Module):
    """`[n, 1, 28, 28]` to `[n, 10]`."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(28 * 28, 300)
        self.fc2 = nn.Linear(300, 100)
        self.fc3 = nn.Linear(100, 10)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.fc1(x.flatten(1)))
        x = self.relu(self.fc2(x))
        logits: Tensor = self.fc3(x)
        return logits
