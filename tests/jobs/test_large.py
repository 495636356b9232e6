"""A network of 64 layers and 5 million weights with 50 000 samples, by the benchmark that measures it, cut short."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "large.py"


@pytest.mark.slow
def test_memory_stays_below_four_gigabytes() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--held-out", "600", "--time-budget", "1"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "50000 samples as npz, 5.09M parameters" in done.stdout
    assert "64 layers, 128 sites" in done.stdout
    gigabytes = float(re.findall(r"peak memory (.*) GB", done.stdout)[0])
    assert 0.7 < gigabytes < 4  # the samples alone have 0.6
