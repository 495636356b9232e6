"""Small reference networks as plain torch modules, untrained: `lenet5`, `lenet-300-100`, `resnet20`, `ds-cnn`, `qnn-…`.

Each at any width, `resnet20-x0.5`, and for inputs and classes of any number. None normalises its inputs: that is the
data's part.
"""

from picojoule.zoo.zoo import classes, create, example, names, scaled

__all__ = ["classes", "create", "example", "names", "scaled"]
