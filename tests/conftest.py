"""Fixtures for every room: the real data and trained networks that stand beside the repository, where they do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import settings
from tests import needs

if TYPE_CHECKING:
    from tests.explore.server import Server

# One thread: with more, tiny networks wait for each other at every step, 14 times longer on a busy machine.
torch.set_num_threads(1)

# The same examples each time; how long one takes says nothing on a machine that others use too.
settings.register_profile("picojoule", deadline=None, derandomize=True, database=None)
settings.load_profile("picojoule")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data and trained models. Absent, the test is skipped, or fails if all tests are required."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "unpack.py").is_file():
        reason = "needs ../shared/data (real data and trained models)"
        needs.absent(reason)
    return folder


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """The folder with `mnist/*.gz` and `cifar10/cifar-10-batches-bin/*.bin`, laid out once per session (10 s)."""
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run([sys.executable, str(shared_data / "unpack.py"), str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator["Server"]:
    """One PostgreSQL server for all tests. Absent, they are skipped, or fail if all tests are required."""
    from tests.explore.server import Server

    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        reason = "needs PostgreSQL (Debian: apt install postgresql)"
        needs.absent(reason)
    server = Server(found[-1].parent)
    yield server
    server.remove()


@pytest.fixture
def ordinary_user(tmp_path: Path) -> Iterator[None]:
    """For a while nobody's permissions, in a `tmp_path` of one's own: root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    above = [folder for folder in tmp_path.parents if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001]
    modes = {folder: folder.stat().st_mode for folder in above}
    for folder in above:
        folder.chmod(0o711)
    os.chown(tmp_path, 65534, 65534)
    os.seteuid(65534)
    yield
    os.seteuid(0)
    for folder, mode in modes.items():
        folder.chmod(mode)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden files anew instead of comparing with them")
