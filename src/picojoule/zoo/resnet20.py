"""ResNet-20 for CIFAR-10: nine basic blocks of 16, 32 and 64 channels, shortcuts without weights (option A).

Source: K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2. The parameters bear the
names of the checkpoints in common use.
"""

from torch import Tensor, nn
from torch.nn.functional import pad


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; where the channels double, every second pixel is taken."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride = outputs // inputs
        self.margin = (outputs - inputs) // 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=self.stride, padding=1, bias=False)
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
        """The block's input at the shape of its output: strided, and zero channels on either side."""
        if self.stride == 1:
            return x
        return pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.margin, self.margin))


class ResNet20(nn.Module):
    """`[n, 3, 32, 32]` to `[n, 10]`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = nn.Sequential(*(BasicBlock(16, 16) for _ in range(3)))
        self.layer2 = nn.Sequential(BasicBlock(16, 32), BasicBlock(32, 32), BasicBlock(32, 32))
        self.layer3 = nn.Sequential(BasicBlock(32, 64), BasicBlock(64, 64), BasicBlock(64, 64))
        self.pool = nn.AvgPool2d(8)
        self.linear = nn.Linear(64, 10)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(self.pool(x).flatten(1))
        return logits
