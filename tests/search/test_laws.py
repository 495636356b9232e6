"""Every strategy at hand keeps the laws of `Strategy`."""

from tests.contracts.strategies import StrategyLaws


class TestEveryStrategy(StrategyLaws):
    """The laws as they stand."""
