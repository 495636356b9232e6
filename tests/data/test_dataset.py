import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from picojoule.data import Loaded, Samples, as_loaded, from_dataset, load
from picojoule.errors import DataError, InputError

X, Y = torch.arange(6.0).reshape(3, 2), torch.tensor([0, 2, 1])
SAMPLES, DATASET = Samples(X, Y), TensorDataset(X, Y)


class Items(Dataset[Any]):
    """Any items; beyond the last it raises what no iteration protocol knows."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        if index >= len(self.items) or self.items[index] is None:
            raise RuntimeError("disk on fire")
        return self.items[index]


class Stream(IterableDataset[Any]):
    """No length, no index."""

    def __iter__(self) -> Iterator[Any]:
        yield from zip(X, Y, strict=True)


class Endless(Dataset[Any]):
    """Items by index, but no length."""

    def __getitem__(self, index: int) -> Any:
        return X[0], 0


class Leaving(Dataset[Any]):
    """Its code ends the program."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        raise SystemExit(3)


@pytest.mark.parametrize("dataset", [DATASET, Stream(), Items(*zip(X.numpy(), Y.tolist(), strict=True))])
def test_datasets_are_stacked(dataset: Dataset[Any]) -> None:
    assert from_dataset(dataset).digest() == SAMPLES.digest()


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Items(), "dataset is empty"),
        (Endless(), "dataset Endless has neither a length nor an iterator"),
        (Items((X[0], 0), None), "dataset cannot give sample 1: RuntimeError at line 29 of '"),
        (Leaving(), "dataset cannot give sample 0: SystemExit at line 54 of '"),
        (Items(X[0]), "dataset has Tensor at sample 0, expected a pair (x, y)"),
        (Items((X[0], 0, 1)), "dataset has tuple (Tensor, int, int) at sample 0, expected a pair (x, y)"),
        (Items((X[0], 0), (X[0, :1], 0)), "dataset has x of torch.float32 (1,) at sample 1, and torch.float32 (2,)"),
        (Items((X[0], 0.5)), "dataset has y of torch.float32 () at sample 0, expected one whole number"),
        (Items((X[0], Y)), "dataset has y of torch.int64 (3,) at sample 0, expected one whole number"),
        (Items((object(), 0)), "dataset has tuple (object, int) at sample 0, which is not of numbers"),
        (Items((X[0] / 0, 0)), "data has NaN or Inf in 1 of 1 samples (first: sample 0)"),
    ],
)
def test_datasets_that_cannot_be_used(dataset: Dataset[Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        from_dataset(dataset)


@pytest.mark.parametrize("data", [SAMPLES, DATASET, (X, Y), [X.numpy(), Y.numpy()], (X, Y.numpy())])
def test_one_set_alone_is_held_out(data: object) -> None:
    loaded = as_loaded(data)
    assert loaded.train is None
    assert loaded.held_out.digest() == SAMPLES.digest()


@pytest.mark.parametrize("held_out", [SAMPLES, DATASET])
def test_a_pair_is_to_train_on_and_held_out(held_out: object) -> None:
    loaded = as_loaded((TensorDataset(X[:1], Y[:1]), held_out))
    assert loaded.train is not None
    assert (len(loaded.train), len(loaded.held_out)) == (1, 3)


def test_loaded_and_paths_are_taken_as_they_are(tmp_path: Path) -> None:
    loaded = Loaded(None, SAMPLES)
    assert as_loaded(loaded) is loaded
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    assert as_loaded(tmp_path / "a.npz").held_out.digest() == SAMPLES.digest()


@pytest.mark.parametrize("data", [None, X, (X,), (X, [0, 2, 1]), (X, DATASET)])
def test_anything_else_is_refused(data: object) -> None:
    with pytest.raises(DataError, match=r"data cannot be made of .*; give a torch Dataset"):
        as_loaded(data)


CODE = """
import torch
from torch.utils.data import TensorDataset

def held_out():
    return TensorDataset(torch.ones(4, 2), torch.arange(4))

def both():
    return TensorDataset(torch.ones(5, 2), torch.arange(5)), held_out()

def text():
    return "digits"

def broken():
    return [][0]
"""


def test_the_users_own_function(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    assert len(load(f"{path}:held_out").held_out) == 4
    train = load(f"{path}:both").train
    assert train is not None
    assert len(train) == 5
    with pytest.raises(DataError, match=r"mine.py:text': data cannot be made of str"):
        load(f"{path}:text")
    with pytest.raises(
        InputError, match=r"mine.py:broken' raised IndexError at line 15 of '.*mine.py': list index out"
    ):
        load(f"{path}:broken")
