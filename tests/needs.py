"""What a test needs of the machine. Absent, the test is skipped, or fails with PICOJOULE_REQUIRE_ALL=1."""

import os
import shutil
from importlib.util import find_spec
from typing import NoReturn

import pytest


def absent(reason: str) -> NoReturn:
    """End a test, or the import of its module, for want of something."""
    if os.environ.get("PICOJOULE_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


def packages(*names: str) -> None:
    """Go on where all Python packages are installed."""
    for each in names:
        if find_spec(each) is None:
            absent(f"needs the package {each}; install picojoule[dev]")


def programs(*names: str) -> None:
    """Go on where all commands are at hand."""
    for each in names:
        if shutil.which(each) is None:
            absent(f"needs {each}; .ci/run says which package has it")
