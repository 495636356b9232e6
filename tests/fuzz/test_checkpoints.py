"""Checkpoints made wrong: no code of theirs runs, and a model gets all of its weights or keeps its own."""

import io
import pickle
import pickletools
import random
import warnings
import zipfile
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save as save_tensors
from tests.fuzz.mutations import damaged, examples, mutated, refused
from torch import nn

from picojoule.models import load_checkpoint

KINDS = ("zip", "legacy", "safetensors")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to write one example after the other to."""
    return tmp_path_factory.mktemp("checkpoints")


def build(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


@cache
def content(kind: str) -> bytes:
    """The same weights in each form."""
    weights = build(1).state_dict()
    if kind == "safetensors":
        return save_tensors(weights)
    stream = io.BytesIO()
    torch.save({"state_dict": weights, "epoch": 3}, stream, _use_new_zipfile_serialization=kind == "zip")
    return stream.getvalue()


def rezipped(records: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A torch file with some of its records replaced."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content("zip"))) as old, zipfile.ZipFile(stream, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, records.get(name.split("/", 1)[1], old.read(name)))
    return stream.getvalue()


def pickled() -> bytes:
    """The pickle in a torch file."""
    with zipfile.ZipFile(io.BytesIO(content("zip"))) as archive:
        return next(archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))


def loaded(path: Path) -> bool:
    """Whether a file is taken as weights; where it is not, the model keeps its own."""
    model, own = build(2), build(2).state_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        taken = refused(lambda: load_checkpoint(model, path) or True)
    if taken is None:
        assert all(torch.equal(tensor, own[name]) for name, tensor in model.state_dict().items())
    assert all(tensor.shape == own[name].shape for name, tensor in model.state_dict().items())
    return taken is not None


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_themselves(place: Path, kind: str) -> None:
    path = place / f"whole.{kind}"
    path.write_bytes(content(kind))
    assert loaded(path)
    path.write_bytes(rezipped({}))
    assert kind != "zip" or loaded(path)


@pytest.mark.parametrize("kind", KINDS)
@examples(100)
@given(chance=st.randoms(use_true_random=False))
def test_bytes(place: Path, kind: str, chance: random.Random) -> None:
    path = place / f"damaged.{kind}"
    path.write_bytes(damaged(chance, content(kind)))
    loaded(path)


@examples(100)
@given(chance=st.randoms(use_true_random=False))
def test_a_header_of_safetensors(place: Path, chance: random.Random) -> None:
    whole = content("safetensors")
    size = int.from_bytes(whole[:8], "little")
    header = mutated(chance, whole[8 : 8 + size])
    path = place / "header.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + whole[8 + size :])
    loaded(path)


def called(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def programs(witness: Path) -> dict[str, bytes]:
    """Pickles that make a file when Python's own pickle loads them, each by another of its operations."""
    code = text(f"open({str(witness)!r}, 'w').close()")
    short = b"\x8c" + bytes([len(code) - 5]) + code[5:]
    return {
        "REDUCE": b"\x80\x02" + called("builtins", "exec") + code + b"\x85R.",
        "REDUCE of Python 2": b"\x80\x02" + called("__builtin__", "eval") + code + b"\x85R.",
        "STACK_GLOBAL": b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93" + short + b"\x85R.",
        "INST": b"(" + code + b"ibuiltins\nexec\n.",
        "OBJ": b"(" + called("builtins", "exec") + code + b"o.",
        "in a table": b"\x80\x02}" + text("0.weight") + called("builtins", "exec") + code + b"\x85Rs.",
    }


@pytest.mark.parametrize("suffix", ["pt", "pth", "pkl", "bin", "safetensors"])
@pytest.mark.parametrize("form", ["zip", "bare", "legacy"])
def test_no_program_runs(tmp_path: Path, form: str, suffix: str) -> None:
    witness = tmp_path / "witness"
    for program in programs(witness).values():
        path = tmp_path / f"weights.{suffix}"
        legacy = content("legacy")
        whole = {
            "zip": rezipped({"data.pkl": program}),
            "bare": program,
            "legacy": legacy[:200] + program + legacy[200:],
        }
        path.write_bytes(whole[form])
        assert not loaded(path)
        assert not witness.exists()


def test_the_programs_are_live(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    for program in programs(witness).values():
        pickle.loads(program)
        assert witness.exists()
        witness.unlink()


@pytest.mark.parametrize("form", ["zip", "bare"])
@examples(150)
@given(chance=st.randoms(use_true_random=False))
def test_a_pickle_of_other_operations(place: Path, form: str, chance: random.Random) -> None:
    """A real pickle with operations removed, doubled, swapped, and those of programs put in."""
    witness = place / "witness"
    pieces = _operations(pickled())
    others = [each for program in programs(witness).values() for each in _operations(program)]
    others += [
        called("builtins", "bytearray"),
        called("_codecs", "encode"),
        b"\x8a\x05\x00\xe8vH\x17",
        b"\x85" * 200,
        b"\x86",
    ]
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        place_ = chance.randrange(len(pieces))
        match chance.choice(("remove", "double", "swap", "put", "put")):
            case "remove":
                pieces[place_] = b""
            case "double":
                pieces[place_] *= chance.choice((2, 3, 1000))
            case "swap":
                other = chance.randrange(len(pieces))
                pieces[place_], pieces[other] = pieces[other], pieces[place_]
            case "put":
                pieces.insert(place_, chance.choice(others))
    program = b"".join(pieces)
    path = place / "weights.pt"
    path.write_bytes(rezipped({"data.pkl": program}) if form == "zip" else program)
    loaded(path)
    assert not witness.exists()


def _operations(program: bytes) -> list[bytes]:
    starts = [start for _, _, start in pickletools.genops(program) if start is not None]
    return [program[a:b] for a, b in zip(starts, [*starts[1:], len(program)], strict=True)]


def test_a_compressed_file_is_refused(place: Path) -> None:
    path = place / "compressed.pt"
    path.write_bytes(rezipped({"data/0": bytes(100_000)}, zipfile.ZIP_DEFLATED))
    assert not loaded(path)
