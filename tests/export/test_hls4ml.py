"""hls4ml's own emulation of the QONNX file, as the benchmark runs it."""

from importlib import import_module
from pathlib import Path

import pytest
from tests import needs

from picojoule.verify.engines import interpreter

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
NETWORKS = ("convolutions, 4 bits, padded", "mixed, one layer binary", "binary throughout, dense",
            "binary throughout, convolutions")  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_the_programs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needs.packages("hls4ml")
    needs.programs("g++")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = import_module("hls4ml_import")
    program, x = benchmark.case(*benchmark.NETWORKS[name])
    found, wanted = benchmark.imported(program, x, as_it_is=False), interpreter(program)(x)
    assert found.shape == wanted.shape
    assert (found != wanted).sum() == 0
