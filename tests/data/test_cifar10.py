from pathlib import Path

import pytest

from picojoule.data import load
from picojoule.errors import DataError


def record(label: int, value: int) -> bytes:
    """One record whose red plane is `value` and whose other planes are black."""
    return bytes([label]) + bytes([value]) * 1024 + bytes(2048)


def test_planes_are_red_green_blue(tmp_path: Path) -> None:
    (tmp_path / "test_batch.bin").write_bytes(record(3, 255) + record(9, 0))
    loaded = load(f"cifar10:{tmp_path}")
    assert loaded.train is None
    assert (loaded.held_out.shape, loaded.held_out.y.tolist()) == ((3, 32, 32), [3, 9])
    assert loaded.held_out.x[0].mean(dim=(1, 2)).tolist() == [1, 0, 0]


def test_batches_follow_their_numbers_in_the_inner_folder(tmp_path: Path) -> None:
    inner = tmp_path / "cifar-10-batches-bin"
    inner.mkdir()
    for number in (10, 2, 1):
        (inner / f"data_batch_{number}.bin").write_bytes(record(number % 10, 0))
    (inner / "test_batch.bin").write_bytes(record(5, 0))
    train = load(f"cifar10:{tmp_path}").train
    assert train is not None
    assert train.y.tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (record(0, 0) + record(10, 0), "test_batch.bin' has the label 10 in record 1; labels are 0 to 9"),
        (record(0, 0)[:-1], "test_batch.bin' has 3072 bytes, expected whole records of 3073"),
        (b"", "test_batch.bin' has 0 bytes, expected whole records of 3073"),
    ],
)
def test_malformed_batches_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "test_batch.bin").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(f"cifar10:{tmp_path}")


def test_no_test_batch(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"folder '.*' has no 'test_batch.bin'"):
        load(f"cifar10:{tmp_path}")


@pytest.mark.slow
def test_cifar10_itself(unpacked: Path) -> None:
    loaded = load(f"cifar10:{unpacked / 'cifar10'}")
    assert loaded.train is not None
    assert (len(loaded.train), len(loaded.held_out)) == (50_000, 1_000)
    means = loaded.train.x.mean(dim=(0, 2, 3)).tolist()
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)
