"""The one error that says an engine is not at hand, for whatever lies beneath an engine."""


class AbsentError(Exception):
    """What an engine needs is not installed."""
