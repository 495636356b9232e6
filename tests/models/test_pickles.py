"""Torch files looked at before they are loaded; whole attacks stand in tests/fuzz."""

import io
import pickle
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from picojoule.models.pickles import check_torch_file


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        {},
        {"a": torch.zeros(2, 3), "b": torch.zeros(2, dtype=torch.bool)},
        OrderedDict(a=torch.nn.Parameter(torch.zeros(2))),
        {
            "model": {"a": torch.zeros(1)},
            "epochs": (1, (2, (3.5, None))),
            "names": [f"layer{k}" for k in range(20_000)],
        },
    ],
    ids=["empty", "tensors", "parameters", "more"],
)
def test_what_torch_writes_passes(tmp_path: Path, zipped: bool, content: Any) -> None:
    path = tmp_path / "w.pt"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    check_torch_file(path)


def rewritten(path: Path, program: bytes, method: int = zipfile.ZIP_STORED, before: bytes = b"") -> None:
    """A torch file whose pickle is another."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("w/data.pkl", program)
        archive.writestr("w/version", "3\n")
    path.write_bytes(before + stream.getvalue())


NESTED: Any = ()
for _ in range(200):
    NESTED = (NESTED,)
WIDE: Any = ()
for _ in range(14):
    WIDE = (WIDE, WIDE)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (pickle.dumps(bytearray(5), 2), "it calls __builtin__ bytearray"),
        (pickle.dumps(b"12345", 2), "it calls _codecs encode"),
        (pickle.dumps(NESTED, 2), "it nests tuples too deep"),
        (pickle.dumps(WIDE, 2), "it nests tuples too deep"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_what_makes_much_out_of_little(tmp_path: Path, zipped: bool, program: bytes, message: str) -> None:
    path = tmp_path / "w.pt"
    rewritten(path, program) if zipped else path.write_bytes(program)
    with pytest.raises(pickle.UnpicklingError, match=f"^{re.escape(message)}$"):
        check_torch_file(path)


def test_compressed_records(tmp_path: Path) -> None:
    rewritten(tmp_path / "w.pt", pickle.dumps("a" * 10_000, 2), zipfile.ZIP_DEFLATED)
    with pytest.raises(pickle.UnpicklingError, match=r"^it is compressed, or claims more than it holds$"):
        check_torch_file(tmp_path / "w.pt")


def test_a_second_archive_before_the_first(tmp_path: Path) -> None:
    rewritten(tmp_path / "w.pt", pickle.dumps({}, 2), before=b"PK\3\4 another archive, which torch would find")
    with pytest.raises(pickle.UnpicklingError, match=r"^it does not begin with its first record$"):
        check_torch_file(tmp_path / "w.pt")


@pytest.mark.parametrize(
    "content", [b"", b"PK\3\4", b"\x80\x02", b"\x80\x02t.", b"\x80\x02q\0.", b"\x80\x02h\0.", b"\xff"]
)
def test_what_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    if content:
        with pytest.raises((ValueError, LookupError, zipfile.BadZipFile)):
            check_torch_file(tmp_path / "w.pt")
    else:
        check_torch_file(tmp_path / "w.pt")
