import re
from pathlib import Path

import numpy as np
import pytest

from picojoule.data import load, sources
from picojoule.errors import DataError


def test_every_source_states_itself_once() -> None:
    found = sources()
    assert {"digits", "mnist5k", "cifar10", "python", "idx", "npz"} <= set(found)
    for name, source in found.items():
        assert source.name == name
        assert source.usage
        assert source.summary


@pytest.mark.parametrize("spec", ["", "nothing", "idx", "idx:", "digits:more", "npz:a", ":f", "digits "])
def test_a_text_that_is_no_data_lists_the_usages(spec: str) -> None:
    usages = ", ".join(source.usage for source in sources().values())
    assert "cifar10:DIR" in usages
    with pytest.raises(DataError, match=re.escape(f"data '{spec}' is not known; give one of {usages}")):
        load(spec)


def test_a_tilde_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    np.savez(tmp_path / "a.npz", x=np.zeros((1, 1), np.float32), y=np.zeros(1, int))
    assert len(load("~/a.npz").held_out) == 1
    with pytest.raises(DataError, match=f"data 'idx:{tmp_path}/nowhere': there is no folder"):
        load("idx:~/nowhere")


def test_known_names_go_before_endings(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data 'idx:.*a.npz': there is no folder"):
        load(f"idx:{tmp_path / 'a.npz'}")
    np.savez(tmp_path / "a:b.npz", x=np.zeros((1, 1), np.float32), y=np.zeros(1, int))
    assert len(load(str(tmp_path / "a:b.npz")).held_out) == 1
