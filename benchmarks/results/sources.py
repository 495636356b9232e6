"""The data and the networks that results are measured on: MNIST, CIFAR-10, and two networks that others trained."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from picojoule import data
from picojoule.data import Loaded, Samples
from picojoule.models import load_model

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What the published ResNet-20 takes images by."""
HELD_OUT = 5000


@dataclass(frozen=True)
class Sources:
    """A folder with `mnist/`, `cifar10/`, `lenet5-mnist.pth` and `resnet20-12fca82f.th`."""

    folder: Path

    def mnist(self, side: int | None = None) -> Loaded:
        """60 000 and 10 000 digits, resized where a side is given."""
        return data.Prepare(resize=side).apply(data.load(f"idx:{self.folder / 'mnist'}"))

    def cifar10(self) -> Loaded:
        """50 000 images, and the test images there are, by the published mean and standard deviation."""
        return data.Prepare(MEAN, STD).apply(data.load(f"cifar10:{self.folder / 'cifar10'}"))

    def cifar10_held_out(self) -> Loaded:
        """The first 45 000 training images to train on, and the last 5 000; as bytes over 255."""
        train = data.load(f"cifar10:{self.folder / 'cifar10'}").train
        assert train is not None
        parts = Samples(train.x[:-HELD_OUT], train.y[:-HELD_OUT]), Samples(train.x[-HELD_OUT:], train.y[-HELD_OUT:])
        return Loaded(*parts)

    def given(self, name: str) -> tuple[nn.Module, Loaded]:
        """A network that others trained, `lenet5` or `resnet20`, and the data it takes."""
        if name == "lenet5":
            model = load_model(f"{EXAMPLES / 'lenet5_mnist.py'}:lenet5", self.folder / "lenet5-mnist.pth")
            return model, self.mnist(32)
        model = load_model(f"{EXAMPLES / 'resnet20_cifar10.py'}:resnet20", self.folder / "resnet20-12fca82f.th")
        return model, self.cifar10()
