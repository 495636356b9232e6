"""Data files made wrong: archives with objects in them, headers that claim what is not there, damaged bytes."""

import gzip
import io
import pickle
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.mutations import damaged, examples, refused

from picojoule import data
from picojoule.data import Loaded


class Payload:
    """Pickled, it makes a file when it is loaded."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.witness)!r}, 'w').close()",)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to write one example after the other to."""
    return tmp_path_factory.mktemp("data")


def read(spec: str) -> None:
    """What is taken is sound."""
    loaded = refused(lambda: data.load(spec))
    if isinstance(loaded, Loaded):
        for samples in (loaded.held_out, *([] if loaded.train is None else [loaded.train])):
            assert bool(samples.x.isfinite().all())
            assert len(samples) == len(samples.y) > 0


def archive(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=True, **arrays)
    return stream.getvalue()


def npy(descr: str, shape: str, body: bytes = b"") -> bytes:
    """An array whose header says what it likes."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def zipped(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name, content in members.items():
            made.writestr(f"{name}.npy", content)
    return stream.getvalue()


def test_objects_in_an_archive_do_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    objects = np.array([Payload(witness)], dtype=object)
    for arrays in ({"x": objects, "y": np.zeros(1)}, {"x": np.zeros((1, 2)), "y": objects}):
        (tmp_path / "a.npz").write_bytes(archive(**arrays))
        read(f"{tmp_path}/a.npz")
    for content in (pickle.dumps(Payload(witness)), zipped(x=pickle.dumps(Payload(witness)))):
        (tmp_path / "a.npz").write_bytes(content)
        read(f"{tmp_path}/a.npz")
    assert not witness.exists()


@examples(100)
@given(chance=st.randoms(use_true_random=False))
def test_an_archive(place: Path, chance: random.Random) -> None:
    kinds = (np.float32, np.float64, np.uint8, np.int64, np.float16, np.longdouble, np.complex64, bool, "U3", "M8[s]")
    shape = tuple(chance.choice((0, 1, 2, 3)) for _ in range(chance.choice((0, 1, 2, 3))))
    arrays: dict[str, Any] = {"x": np.ones((3, 2), np.float32), "y": np.array([0, 1, 1])}
    arrays[chance.choice(("x", "y", "x_train", "y_train", "z"))] = np.ones(shape).astype(chance.choice(kinds))
    content = archive(**arrays)
    (place / "a.npz").write_bytes(damaged(chance, content) if chance.random() < 0.7 else content)
    read(f"{place}/a.npz")


DESCRS = (
    "'<f4'",
    "'>f8'",
    "'|O'",
    "'<U9'",
    "[('a', '<f4')]",
    "'<M8[s]'",
    "'|V8'",
    "'f4'*9",
    "__import__('os')",
    "None",
)
SHAPES = (
    "(3, 2)",
    "(10**15,)",
    "(1000000000000,)",
    "(-1,)",
    "(2.5,)",
    "()",
    "(0,)",
    "[3]",
    "(" * 500,
    "(4611686018427387904, 4)",
)


@examples(100)
@given(st.sampled_from(DESCRS), st.sampled_from(SHAPES), st.binary(max_size=24))
def test_a_header_of_an_archive(place: Path, descr: str, shape: str, body: bytes) -> None:
    (place / "a.npz").write_bytes(zipped(x=npy(descr, shape, body), y=npy("'<i8'", "(3,)", bytes(24))))
    read(f"{place}/a.npz")


@examples(150)
@given(chance=st.randoms(use_true_random=False))
def test_an_idx_folder(place: Path, chance: random.Random) -> None:
    images = struct.pack(">4I", 0x803, 4, 3, 3) + bytes(range(36))
    labels = struct.pack(">2I", 0x801, 4) + bytes((0, 1, 2, 1))
    if chance.random() < 0.5:
        sizes = [chance.choice((0, 1, 4, 2**16, 2**31, 2**32 - 1)) for _ in range(3)]
        images = struct.pack(">4I", 0x803, *sizes) + images[16:]
    else:
        images, labels = damaged(chance, images), chance.choice((labels, damaged(chance, labels)))
    ending = chance.choice(("", ".gz"))
    for path in place.glob("t10k-*"):
        path.unlink()
    for name, content in (("images-idx3", images), ("labels-idx1", labels)):
        packed = gzip.compress(content, 1) if ending else content
        packed = damaged(chance, packed) if ending and chance.random() < 0.3 else packed
        (place / f"t10k-{name}-ubyte{ending}").write_bytes(packed)
    read(f"idx:{place}")


@examples(60)
@given(chance=st.randoms(use_true_random=False))
def test_a_cifar_folder(place: Path, chance: random.Random) -> None:
    record = b"\x03" + bytes(3072)
    batch = record * chance.choice((1, 2))
    batch = chance.choice((batch, damaged(chance, batch), pickle.dumps({"data": batch}), b""))
    (place / "test_batch.bin").write_bytes(batch)
    read(f"cifar10:{place}")
