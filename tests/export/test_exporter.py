"""The laws of exporters, over every one there is; and the exported bytes of a small network stay the same."""

import hashlib
from importlib import import_module
from pathlib import Path

import pytest
from tests import needs
from tests.export import engines
from tests.golden.test_golden import result

from picojoule.errors import FileError, InputError
from picojoule.export import exporters
from picojoule.export.exporter import exporter
from picojoule.verify import lowered

GOLDEN = Path(__file__).parent / "golden.txt"
LIMITED = ("onnx", "qonnx")
"""Targets that compute in float32."""

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


@pytest.fixture(params=exporters())
def target(request: pytest.FixtureRequest) -> str:
    if request.param in LIMITED:
        needs.packages("onnx")
    name: str = request.param
    return name


def test_it_has_a_name_and_a_line(target: str) -> None:
    found = exporter(target)
    assert found.name == target
    assert found.summary
    assert "\n" not in found.summary


@pytest.mark.parametrize("seed", [0, 4])
def test_the_same_program_gives_the_same_bytes(target: str, seed: int) -> None:
    one, two = (exporter(target).files(engines.random_program(seed)) for _ in range(2))
    assert one == two
    assert all(content for content in one.values())


def test_files_land_together(target: str, tmp_path: Path) -> None:
    program = engines.random_program(0)
    paths = exporter(target).write(program, tmp_path / "new" / "folder")
    assert {path.name: path.read_bytes() for path in paths} == exporter(target).files(program)
    assert {path.parent for path in paths} == {tmp_path / "new" / "folder"}
    assert len([*(tmp_path / "new" / "folder").iterdir()]) == len(paths)


def test_a_folder_that_cannot_be_written(target: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(FileError, match="cannot write"):
        exporter(target).write(engines.random_program(0), tmp_path / "file" / "folder")
    assert (tmp_path / "file").read_bytes() == b"mine"


@pytest.mark.parametrize("name", LIMITED)
def test_what_is_not_exact_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    needs.packages("onnx")
    sums = (
        "has sums of up to 34 bits, and engines for ONNX compute in float32, which is exact up to 24; give that layer "
        "fewer bits, or export to another target"
    )
    program, told = {
        "onnx": (
            engines.dense([[1]], [0], 0, 2**17 - 1),
            "'input' has codes of 17 bits, and ONNX rounds to at most 16",
        ),
        "qonnx": (engines.convolution([2**15 - 1] * 8, -(2**15), 2**15 - 1), f"'conv' {sums}"),
    }[name]
    exporter(name).write(engines.random_program(0), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=f"^{told}$"):
        exporter(name).write(program, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", LIMITED)
def test_without_the_package_it_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for writer in ("graph", "model", "dialects.qdq", "dialects.quant"):
        monkeypatch.setitem(import_module("sys").modules, f"picojoule.export.writers.{writer}", None)
    with pytest.raises(InputError, match=rf"^target '{name}' needs the package onnx; install picojoule\[onnx\]$"):
        exporter(name).files(engines.random_program(0))


def test_unknown_targets() -> None:
    with pytest.raises(InputError, match=rf"^target 'tflite' is not known; give one of {', '.join(exporters())}$"):
        exporter("tflite")


def test_golden(request: pytest.FixtureRequest) -> None:
    needs.packages("onnx")
    program = lowered(result())
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for target in exporters().values()
        for name, content in target.files(program).items()
    ]
    if request.config.getoption("--golden"):
        GOLDEN.write_text("".join(lines))
    assert "".join(lines) == GOLDEN.read_text()
