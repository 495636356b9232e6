"""Every format at hand keeps the laws of `Format`."""

from tests.contracts.formats import FormatLaws


class TestEveryFormat(FormatLaws):
    """The laws as they stand."""
