"""Every format at hand keeps the laws of `Format`, by torch's operations and by compiled loops."""

from collections.abc import Iterator

import pytest
from tests.contracts.formats import FormatLaws
from tests.kernels.paths import PATHS, taking


@pytest.fixture(params=PATHS, autouse=True, scope="module")
def path(request: pytest.FixtureRequest) -> Iterator[None]:
    with taking(request.param):
        yield


class TestEveryFormat(FormatLaws):
    """The laws as they stand."""
