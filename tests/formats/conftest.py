"""The two ways in which formats round, for classes of tests."""

from collections.abc import Iterator

import pytest
from tests.kernels.paths import taking


@pytest.fixture(scope="class")
def plain() -> Iterator[None]:
    with taking("plain"):
        yield


@pytest.fixture(scope="class")
def compiled() -> Iterator[None]:
    with taking("compiled"):
        yield
