"""CIFAR-10's binary folder: records of one label byte and the red, green and blue planes of a 32x32 image.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009, binary version.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from picojoule.data.samples import Loaded, Samples, as_samples
from picojoule.data.source import DataSource
from picojoule.errors import DataError
from picojoule.files import read_bytes

_RECORD = 1 + 3 * 32 * 32


class Cifar10(DataSource):
    """`test_batch.bin` held out and, where they are there, `data_batch_*.bin` to train on, in the order of their
    numbers; `x` in [0, 1] as `[n, 3, 32, 32]`."""

    name: ClassVar[str] = "cifar10"
    usage: ClassVar[str] = "cifar10:DIR"
    summary: ClassVar[str] = "CIFAR-10's binary version: data_batch_*.bin, test_batch.bin"

    @classmethod
    def load(cls, argument: str) -> Loaded:
        """Read the folder `argument`, or `cifar-10-batches-bin` in it.

        Raises:
            DataError: no test batch, a file that is not of whole records, a label above 9.
            FileError: a file cannot be read.
        """
        inner = Path(argument) / "cifar-10-batches-bin"
        folder = inner if inner.is_dir() else Path(argument)
        test = folder / "test_batch.bin"
        if not test.is_file():
            raise DataError(f"data 'cifar10:{argument}': folder '{folder}' has no 'test_batch.bin'")
        # By length first, so that a tenth batch comes after the ninth.
        batches = sorted(folder.glob("data_batch_*.bin"), key=lambda path: (len(path.name), path.name))
        return Loaded(_samples(batches) if batches else None, _samples([test]))


def _samples(paths: list[Path]) -> Samples:
    records = np.concatenate([_records(path) for path in paths])
    return as_samples(records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0])


def _records(path: Path) -> npt.NDArray[np.uint8]:
    content = read_bytes(path)
    if not content or len(content) % _RECORD:
        raise DataError(f"file '{path}' has {len(content)} bytes, expected whole records of {_RECORD}")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    wrong = np.flatnonzero(records[:, 0] > 9)
    if len(wrong):
        raise DataError(f"file '{path}' has the label {records[wrong[0], 0]} in record {wrong[0]}; labels are 0 to 9")
    return records
