import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picojoule.data import load
from picojoule.errors import DataError

X, Y = np.full((4, 1, 2, 2), 51, np.uint8), np.array([0, 1, 2, 1])


def saved(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "set.npz", **arrays)
    return str(folder / "set.npz")


def test_bytes_are_scaled_and_floats_are_not(tmp_path: Path) -> None:
    assert load(saved(tmp_path, x=X, y=Y)).held_out.x[0, 0, 0, 0].item() == pytest.approx(0.2)
    assert load(saved(tmp_path, x=X.astype(float), y=Y)).held_out.x[0, 0, 0, 0].item() == 51


def test_training_samples_are_optional(tmp_path: Path) -> None:
    assert load(saved(tmp_path, x=X, y=Y)).train is None
    train = load(saved(tmp_path, x=X, y=Y, x_train=X[:3], y_train=Y[:3], note=np.array([{}]))).train
    assert train is not None
    assert len(train) == 3


def refused(path: str) -> str | None:
    """What loading says against the file, or None where it is taken."""
    try:
        load(path)
    except DataError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": X, "y": Y}, "has no array 'x'; it has 'images', 'y'"),
        ({"x": X, "y": Y, "x_train": X}, "has no array 'y_train'; it has 'x', 'y', 'x_train'"),
        ({"x": np.array([{}, {}, {}, {}]), "y": Y}, "holds Python objects; store plain numeric arrays"),
        ({"x": X, "y": Y[:3]}, ", arrays 'x' and 'y': data has 4 samples but 3 labels"),
        ({"x": np.full((4, 1), np.nan), "y": Y}, "data has NaN or Inf in 4 of 4 samples (first: sample 0)"),
        ({}, "has no array 'x'; it has none"),
    ],
)
def test_archives_that_cannot_be_used(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(DataError, match=re.escape(f"file '{path}'") + ".*" + re.escape(message)):
        load(path)


def test_files_that_are_no_archives(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    with pytest.raises(DataError, match=r"cannot read '.*set.npz': No such file or directory"):
        load(str(path))
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(DataError, match=r"cannot read '.*folder.npz': Is a directory"):
        load(str(tmp_path / "folder.npz"))
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"set.npz' is not a numpy archive; write one with numpy.savez"):
        load(str(path))


def test_a_damaged_archive_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    path = Path(saved(tmp_path, x=X, y=Y))
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        refusal = refused(str(path))
        assert refusal is None or "set.npz'" in refusal
