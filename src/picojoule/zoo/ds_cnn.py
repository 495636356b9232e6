"""DS-CNN, published for keyword spotting on 49 frames of 10 MFCC features: depthwise separable convolutions.

Source: Y. Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers", arXiv 1711.07128, 2017.
"""

from torch import Tensor, nn


class DsCnn(nn.Module):
    """`[n, *shape]` to `[n, classes]`; every convolution is followed by BatchNorm and ReLU.

    `widths` is the one number of channels: 64 in the published size S.
    """

    def __init__(self, shape: tuple[int, int, int], widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        channels, rows, columns = shape
        (width,) = widths
        # TensorFlow's SAME is 4 rows above and 5 below; the windows of this one reach 5 above and 4 below.
        self.stem = _convolution(channels, width, (10, 4), stride=2, padding=(5, 1))
        self.blocks = nn.Sequential(*(_separable(width) for _ in range(4)))
        self.pool = nn.AvgPool2d((rows // 2 + 1, columns // 2))
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x))
        logits: Tensor = self.fc(self.pool(x).flatten(1))
        return logits


def _separable(channels: int) -> nn.Sequential:
    """A 3x3 convolution within each channel, then a 1x1 convolution across them."""
    depthwise = _convolution(channels, channels, (3, 3), padding=(1, 1), groups=channels)
    return nn.Sequential(*depthwise, *_convolution(channels, channels, (1, 1)))


def _convolution(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    groups: int = 1,
) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())
