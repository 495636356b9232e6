"""Fixtures for every room: the real data and trained networks that stand beside the repository, where they do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

# One thread: with more, tiny networks wait for each other at every step, 14 times longer on a busy machine.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data and trained models. Absent, the test is skipped, or fails if all tests are required."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "unpack.py").is_file():
        reason = "needs ../shared/data (real data and trained models)"
        if os.environ.get("PICOJOULE_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """The folder with `mnist/*.gz` and `cifar10/cifar-10-batches-bin/*.bin`, laid out once per session (10 s)."""
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run([sys.executable, str(shared_data / "unpack.py"), str(folder)], check=True)
    return folder


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden files anew instead of comparing with them")
