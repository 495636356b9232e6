"""LeNet-5 on 32x32 digits, with the layer names of a published checkpoint for MNIST. To use it:

picojoule search examples/lenet5_mnist.py:lenet5 --checkpoint lenet5-mnist.pth --data idx:mnist --resize 32
"""

from collections import OrderedDict

from torch import Tensor, nn


class LeNet5(nn.Module):
    """`[n, 1, 32, 32]` to `[n, 10]`; three convolutions, the last of which sees all of its input at once."""

    def __init__(self) -> None:
        super().__init__()
        self.convnet = nn.Sequential(
            OrderedDict(
                c1=nn.Conv2d(1, 6, 5),
                relu1=nn.ReLU(),
                s2=nn.MaxPool2d(2),
                c3=nn.Conv2d(6, 16, 5),
                relu3=nn.ReLU(),
                s4=nn.MaxPool2d(2),
                c5=nn.Conv2d(16, 120, 5),
                relu5=nn.ReLU(),
            )
        )
        self.fc = nn.Sequential(OrderedDict(f6=nn.Linear(120, 84), relu6=nn.ReLU(), f7=nn.Linear(84, 10)))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.convnet(x).flatten(1))
        return logits


def lenet5() -> nn.Module:
    """The network, untrained; the checkpoint brings the weights."""
    return LeNet5()
