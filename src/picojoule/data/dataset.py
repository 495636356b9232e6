"""Samples from Python: torch Datasets, arrays, and the user's own function that returns any of them.

`as_loaded` is the one way in for the Python face; the command line reaches the same through `module:callable`.
"""

import os
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from picojoule.data.samples import Loaded, Samples, as_samples
from picojoule.data.source import DataSource, load
from picojoule.errors import DataError, PicojouleError
from picojoule.userref import call, told


class Python(DataSource):
    """What the user's function returns when called without arguments: anything that `as_loaded` takes but a text."""

    name: ClassVar[str] = "python"
    usage: ClassVar[str] = "MODULE:CALLABLE or PATH.py:CALLABLE"
    summary: ClassVar[str] = "a function of yours that returns a torch Dataset, or a pair (train, held-out) of them"

    @classmethod
    def load(cls, argument: str) -> Loaded:
        """Import and call the function that `argument` names.

        Raises:
            DataError: it returned something else, or samples that cannot be used.
            InputError: it cannot be imported, or raised.
        """
        made = call(argument)
        try:
            return _from_object(made)
        except DataError as error:
            raise DataError(f"data '{argument}': {error}") from error


def as_loaded(data: object) -> Loaded:
    """Whatever the user has, as data: `Loaded`, `Samples`, a Dataset, a pair `(train, held_out)` of Samples or
    Datasets, a pair `(x, y)` of arrays or tensors, or the text or path of a source. One set alone is held out.

    Raises:
        DataError: anything else, or samples that cannot be used.
    """
    if isinstance(data, str | os.PathLike):
        return load(os.fspath(data))
    return _from_object(data)


def from_dataset(dataset: Dataset[Any]) -> Samples:
    """The pairs `(x, y)` of a torch Dataset, stacked: `x` by the rules of `as_samples`, `y` a whole number each.

    Raises:
        DataError: no pairs, shapes that differ, a sample whose reading raised.
    """
    inputs: list[Tensor] = []
    labels: list[int] = []
    for index, item in enumerate(_items(dataset)):
        x, y = _pair(item, index)
        if inputs and (x.shape, x.dtype) != (inputs[0].shape, inputs[0].dtype):
            raise DataError(
                f"dataset has x of {x.dtype} {tuple(x.shape)} at sample {index}, "
                f"and {inputs[0].dtype} {tuple(inputs[0].shape)} at sample 0; all must agree"
            )
        inputs.append(x)
        labels.append(y)
    if not inputs:
        raise DataError("dataset is empty")
    return as_samples(torch.stack(inputs), torch.tensor(labels))


def _from_object(data: object) -> Loaded:
    if isinstance(data, Loaded):
        return data
    if isinstance(data, Samples | Dataset):
        return Loaded(None, _set(data))
    if isinstance(data, tuple | list) and len(data) == 2:
        first, second = data
        if isinstance(first, Samples | Dataset) and isinstance(second, Samples | Dataset):
            return Loaded(_set(first), _set(second))
        if isinstance(first, Tensor | np.ndarray) and isinstance(second, Tensor | np.ndarray):
            return Loaded(None, as_samples(first, second))
    raise DataError(
        f"data cannot be made of {_kind(data)}; give a torch Dataset, a pair (train, held_out) of Datasets, "
        "a pair (x, y) of arrays, or a text such as 'idx:DIR'"
    )


def _set(data: "Samples | Dataset[Any]") -> Samples:
    return data if isinstance(data, Samples) else from_dataset(data)


def _items(dataset: Dataset[Any]) -> Iterator[Any]:
    """Every item in turn; by index where there is a length, since a Dataset need not raise IndexError at its end."""
    count = 0
    try:
        if hasattr(dataset, "__len__"):
            for count in range(len(dataset)):
                yield dataset[count]
        elif isinstance(dataset, Iterable):
            for item in dataset:
                yield item
                count += 1
        else:
            raise DataError(f"dataset {type(dataset).__name__} has neither a length nor an iterator")
    except PicojouleError:
        raise
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise DataError(f"dataset cannot give sample {count}: {told(error)}") from error


def _pair(item: object, index: int) -> tuple[Tensor, int]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise DataError(f"dataset has {_kind(item)} at sample {index}, expected a pair (x, y)")
    try:
        x, y = torch.as_tensor(item[0]), torch.as_tensor(item[1])
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"dataset has {_kind(item)} at sample {index}, which is not of numbers: {error}") from error
    if y.numel() != 1 or y.is_floating_point() or y.is_complex():
        raise DataError(f"dataset has y of {y.dtype} {tuple(y.shape)} at sample {index}, expected one whole number")
    return x, int(y)


def _kind(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} ({', '.join(type(each).__name__ for each in value[:4])})"
    return type(value).__name__
