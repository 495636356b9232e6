import gzip
import re
import struct
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from picojoule.data import load
from picojoule.data.idx import read_idx
from picojoule.errors import DataError

IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
LABELS = np.array([0, 1, 2, 1], np.uint8)


def idx(array: npt.NDArray[np.uint8]) -> bytes:
    """The format, once more, as its description states it."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def lay_out(folder: Path, part: str = "t10k", images: bytes = idx(IMAGES), labels: bytes = idx(LABELS)) -> None:
    (folder / f"{part}-images-idx3-ubyte").write_bytes(images)
    (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))


def refused(path: Path) -> str | None:
    """What reading says against the file, or None where it is taken."""
    try:
        assert read_idx(path, 3).ndim == 3
    except DataError as error:
        return str(error)
    return None


def test_a_folder_gives_scaled_images(tmp_path: Path) -> None:
    lay_out(tmp_path)
    loaded = load(f"idx:{tmp_path}")
    assert loaded.train is None
    assert loaded.held_out.shape == (1, 3, 2)
    assert loaded.held_out.x[3, 0, 2, 1].item() == np.float32(23) / np.float32(255)
    assert loaded.held_out.y.tolist() == [0, 1, 2, 1]


def test_training_files_and_dotted_names(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (tmp_path / "train-images.idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES[:2])))
    (tmp_path / "train-labels.idx1-ubyte").write_bytes(idx(LABELS[:2]))
    train = load(f"idx:{tmp_path}").train
    assert train is not None
    assert len(train) == 2


@given(arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6)), st.booleans())
def test_what_is_written_is_read(array: npt.NDArray[np.uint8], zipped: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("a.gz" if zipped else "a")
        path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
        np.testing.assert_array_equal(read_idx(path, 3), array)


@given(
    st.booleans(),
    st.integers(0, 60),
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 255)), max_size=3),
    st.data(),
)
def test_a_damaged_file_is_refused_or_still_valid(
    zipped: bool, length: int, changes: list[tuple[int, int]], data: st.DataObject
) -> None:
    content = bytearray(gzip.compress(idx(IMAGES)) if zipped else idx(IMAGES))
    for place, value in changes:
        content[place % len(content)] = value
    content = content[:length] + data.draw(st.binary(max_size=4))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("a.gz" if zipped else "a")
        path.write_bytes(content)
        refusal = refused(path)
        assert refusal is None or (str(path) in refusal and "\n" not in refusal)


HUGE = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(24)


@pytest.mark.parametrize(
    ("content", "zipped", "message"),
    [
        (idx(IMAGES)[:-1], False, "declares 4x3x2 bytes but holds 23"),
        (idx(IMAGES) + b"\0", False, "declares 4x3x2 bytes but holds 25"),
        (idx(IMAGES)[:-1], True, "declares 4x3x2 bytes but holds 23"),
        (idx(IMAGES) + b"\0", True, "declares 4x3x2 bytes but holds more"),
        (idx(IMAGES)[:9], False, "ends within its header, after 9 bytes"),
        (b"", False, "ends within its header, after 0 bytes"),
        (idx(LABELS), False, "has the magic number 0x00000801, expected 0x00000803"),
        (idx(IMAGES[:0]), False, "declares 0x3x2 bytes, which its 16 bytes cannot hold"),
        (HUGE, False, "declares 4294967295x4294967295x4294967295 bytes but holds 24"),
        (HUGE, True, "declares 4294967295x4294967295x4294967295 bytes, which its"),
    ],
)
def test_sizes_are_checked_before_anything_is_read(content: bytes, zipped: bool, message: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.gz" if zipped else "a")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(DataError, match=re.escape(f"file '{path}' {message}")):
        read_idx(path, 3)


def test_broken_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(idx(IMAGES))[:-5])
    with pytest.raises(DataError, match=rf"file '{path}' is broken: Compressed file ended"):
        read_idx(path, 3)
    path.write_bytes(idx(IMAGES))
    with pytest.raises(DataError, match=rf"cannot read '{path}': Not a gzipped file"):
        read_idx(path, 3)


def test_a_folder_must_be_complete(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder '.*nowhere'"):
        load(f"idx:{tmp_path / 'nowhere'}")
    with pytest.raises(DataError, match=r"has no 't10k-images-idx3-ubyte'"):
        load(f"idx:{tmp_path}")
    lay_out(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    with pytest.raises(DataError, match="has train-labels but no train-images"):
        load(f"idx:{tmp_path}")


def test_images_and_labels_must_agree(tmp_path: Path) -> None:
    lay_out(tmp_path, labels=idx(LABELS[:3]))
    with pytest.raises(DataError, match=r"-ubyte' has 4 images but '.*-ubyte.gz' has 3 labels"):
        load(f"idx:{tmp_path}")


@pytest.mark.slow
def test_mnist_itself(unpacked: Path) -> None:
    loaded = load(f"idx:{unpacked / 'mnist'}")
    assert loaded.train is not None
    assert (len(loaded.train), len(loaded.held_out), loaded.train.shape) == (60_000, 10_000, (1, 28, 28))
    assert loaded.held_out.y[:5].tolist() == [7, 2, 1, 0, 4]
    assert loaded.train.x.mean().item() == pytest.approx(0.1307, abs=1e-4)
