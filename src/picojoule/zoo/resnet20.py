"""ResNet-20, published for CIFAR-10: nine basic blocks in three stages, shortcuts without weights (option A).

Source: K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2. The parameters bear the
names of the checkpoints in common use.
"""

from torch import Tensor, nn
from torch.nn.functional import pad


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, which takes every `stride`-th pixel."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        before = (outputs - inputs) // 2
        self.margins = (before, outputs - inputs - before)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        total: Tensor = self.relu(y + self.shortcut(x))
        return total

    def shortcut(self, x: Tensor) -> Tensor:
        """The block's input at the shape of its output: strided, and with zero channels on either side."""
        if self.stride == 1:
            return x
        return pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.margins))


class ResNet20(nn.Module):
    """`[n, *shape]` to `[n, classes]`. `widths` are the channels of each stage: 16, 32, 64."""

    def __init__(self, shape: tuple[int, int, int], widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        channels, rows, columns = shape
        first, second, third = widths
        self.conv1 = nn.Conv2d(channels, first, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.relu = nn.ReLU()
        self.layer1 = _stage(first, first, stride=1)
        self.layer2 = _stage(first, second, stride=2)
        self.layer3 = _stage(second, third, stride=2)
        self.pool = nn.AvgPool2d((-(-rows // 4), -(-columns // 4)))  # what two strides of 2 leave, rounded up
        self.linear = nn.Linear(third, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(self.pool(x).flatten(1))
        return logits


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    rest = (BasicBlock(outputs, outputs) for _ in range(2))
    return nn.Sequential(BasicBlock(inputs, outputs, stride), *rest)
