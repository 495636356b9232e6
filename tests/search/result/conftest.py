"""A searched result, and its folder."""

from pathlib import Path

import pytest
from tests.search.result.searches import searched

from picojoule import Result


@pytest.fixture(scope="package")
def found() -> Result:
    return searched(keep=(0.99, 0.8))


@pytest.fixture(scope="package")
def folder(found: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    found.save(folder)
    return folder
