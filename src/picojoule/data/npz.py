"""numpy archives: `x` and `y`, and where there are samples to train on, `x_train` and `y_train`."""

import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from picojoule.data.samples import Loaded, Samples, as_samples
from picojoule.data.source import DataSource
from picojoule.errors import DataError

_WANTED = ("x", "y", "x_train", "y_train")


class Npz(DataSource):
    """`x` `[n, ...]` of floats, taken as they are, or of uint8, divided by 255; `y` `[n]` of whole numbers.

    `x` and `y` are held out, `x_train` and `y_train` are to train on; other arrays are not read. Arrays of Python
    objects are refused: reading them would run code from the file.
    """

    name: ClassVar[str] = "npz"
    usage: ClassVar[str] = "PATH.npz"
    summary: ClassVar[str] = "a numpy archive with arrays x, y (and x_train, y_train)"
    suffix: ClassVar[str] = ".npz"

    @classmethod
    def load(cls, argument: str) -> Loaded:
        """Read the archive `argument`.

        Raises:
            DataError: missing, malformed, without `x` or `y`, or with arrays that are no samples.
        """
        path = Path(argument)
        arrays = _read(path)
        trains = "x_train" in arrays or "y_train" in arrays
        held_out = _samples(path, arrays, "x", "y")
        return Loaded(_samples(path, arrays, "x_train", "y_train") if trains else None, held_out)


def _read(path: Path) -> dict[str, npt.NDArray[Any] | None]:
    """The arrays of the archive by name, those that are not ours left unread."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror}") from error
    with file:
        if not zipfile.is_zipfile(file):
            raise DataError(f"file '{path}' is not a numpy archive; write one with numpy.savez")
        file.seek(0)
        try:
            archive = np.load(file, allow_pickle=False)
            return {name: archive[name] if name in _WANTED else None for name in archive.files}
        except Exception as error:  # np.load raises nearly anything on a malformed archive: OSError to SyntaxError
            if "allow_pickle" in str(error):
                raise DataError(f"file '{path}' holds Python objects; store plain numeric arrays") from error
            raise DataError(f"file '{path}' is a broken numpy archive: {error}") from error


def _samples(path: Path, arrays: dict[str, npt.NDArray[Any] | None], x: str, y: str) -> Samples:
    for name in (x, y):
        if name not in arrays:
            found = ", ".join(f"'{each}'" for each in arrays) or "none"
            raise DataError(f"file '{path}' has no array '{name}'; it has {found}")
    try:
        return as_samples(arrays[x], arrays[y])
    except DataError as error:
        raise DataError(f"file '{path}', arrays '{x}' and '{y}': {error}") from error
