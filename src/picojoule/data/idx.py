"""IDX folders, the form MNIST and Fashion-MNIST are published in: two files of images, two of labels, maybe gzipped.

An IDX file is a big-endian header (a magic number 0x0000 08 dd for dd dimensions of bytes, then each dimension as
32 bits) and the bytes themselves. Source: Y. LeCun, C. Cortes, C. Burges, the MNIST database.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO, ClassVar

import numpy as np
import numpy.typing as npt

from picojoule.data.samples import Loaded, Samples, as_samples
from picojoule.data.source import DataSource
from picojoule.errors import DataError

_DEFLATE_AT_MOST = 1032  # bytes that one byte of gzip can stand for; a header that claims more is wrong
_CHUNK = 2**20


class Idx(DataSource):
    """`t10k-…` held out and, where they are there, `train-…` to train on; `x` in [0, 1] as `[n, 1, height, width]`."""

    name: ClassVar[str] = "idx"
    usage: ClassVar[str] = "idx:DIR"
    summary: ClassVar[str] = "a folder of MNIST's form: train-images-idx3-ubyte, ... (.gz or plain)"

    @classmethod
    def load(cls, argument: str) -> Loaded:
        """Read the folder `argument`.

        Raises:
            DataError: a file is missing, malformed, or does not match its companion.
        """
        folder = Path(argument)
        if not folder.is_dir():
            raise DataError(f"data 'idx:{argument}': there is no folder '{argument}'")
        held_out = _samples(folder, "t10k")
        if held_out is None:
            raise DataError(f"folder '{folder}' has no 't10k-images-idx3-ubyte' or 't10k-images-idx3-ubyte.gz'")
        return Loaded(_samples(folder, "train"), held_out)


def read_idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """The bytes of one IDX file as an array of so many dimensions: 3 for images `[n, height, width]`, 1 for labels.

    Raises:
        DataError: unreadable, another magic number, no elements, or a size other than the header's.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return _parse(stream, dimensions, path)
    except (EOFError, zlib.error) as error:
        raise DataError(f"file '{path}' is broken: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror or error}") from error


def _parse(stream: IO[bytes] | gzip.GzipFile, dimensions: int, path: Path) -> npt.NDArray[np.uint8]:
    expected = 0x0800 + dimensions
    header = stream.read(4 + 4 * dimensions)
    magic = int.from_bytes(header[:4])
    if len(header) >= 4 and magic != expected:
        raise DataError(f"file '{path}' has the magic number 0x{magic:08x}, expected 0x{expected:08x}")
    if len(header) < 4 + 4 * dimensions:
        raise DataError(f"file '{path}' ends within its header, after {len(header)} bytes")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    declared = math.prod(shape)
    size = path.stat().st_size
    if path.suffix != ".gz" and declared != size - len(header):
        raise DataError(f"file '{path}' declares {_by(shape)} bytes but holds {size - len(header)}")
    if declared == 0 or declared > size * _DEFLATE_AT_MOST:
        raise DataError(f"file '{path}' declares {_by(shape)} bytes, which its {size} bytes cannot hold")
    content = _read_at_most(stream, declared + 1)
    if len(content) != declared:
        held = "more" if len(content) > declared else str(len(content))
        raise DataError(f"file '{path}' declares {_by(shape)} bytes but holds {held}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_at_most(stream: IO[bytes] | gzip.GzipFile, limit: int) -> bytearray:
    """Up to `limit` bytes, piece by piece: memory follows what is there, not what a header promises."""
    content = bytearray()
    while len(content) < limit and (piece := stream.read(min(_CHUNK, limit - len(content)))):
        content += piece
    return content


def _samples(folder: Path, part: str) -> Samples | None:
    image_file, label_file = _find(folder, f"{part}-images", 3), _find(folder, f"{part}-labels", 1)
    if image_file is None and label_file is None:
        return None
    if image_file is None or label_file is None:
        present, missing = ("labels", "images") if image_file is None else ("images", "labels")
        raise DataError(f"folder '{folder}' has {part}-{present} but no {part}-{missing}")
    images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
    if len(images) != len(labels):
        raise DataError(f"'{image_file}' has {len(images)} images but '{label_file}' has {len(labels)} labels")
    return as_samples(images[:, None], labels)


def _find(folder: Path, stem: str, dimensions: int) -> Path | None:
    """The file, plain before gzipped; some copies of MNIST have a dot where the original has a dash."""
    names = [f"{stem}{mark}idx{dimensions}-ubyte{ending}" for ending in ("", ".gz") for mark in "-."]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
