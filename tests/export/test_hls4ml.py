"""hls4ml's own emulation of the QONNX file, as the benchmark runs it; where hls4ml and a C++ compiler are at hand."""

import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from picojoule.verify.engines import interpreter

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
NETWORKS = ("dense, 4 bits", "convolutions, 4 bits, padded", "mixed, one layer binary", "binary throughout, dense",
            "binary throughout, convolutions")  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("hls4ml") is None, reason="needs hls4ml; benchmarks/hls4ml_import.py installs it"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler"),
]


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_the_programs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = import_module("hls4ml_import")
    program, x = benchmark.case(*benchmark.NETWORKS[name])
    found, wanted = benchmark.imported(program, x, as_it_is=False), interpreter(program)(x)
    assert found.shape == wanted.shape
    assert (found != wanted).sum() == 0
