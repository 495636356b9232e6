"""ResNet-20 on CIFAR-10, with the layer names of the published checkpoints. To use it:

    picojoule search examples/resnet20_cifar10.py:resnet20 --checkpoint resnet20-12fca82f.th \
        --data cifar10:cifar10 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
"""

from torch import nn

from picojoule import zoo


def resnet20() -> nn.Module:
    """The network, untrained; the checkpoint brings the weights."""
    return zoo.create("resnet20")
