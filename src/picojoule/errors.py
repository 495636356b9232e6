"""The error tree: every error a user's input can cause.

    PicojouleError                 one clear line: the thing, the layer or key, what to do
    ├── InputError                 bad input of any kind; the command line exits with 2
    │   ├── FileError              a file that is missing, unreadable, malformed or of another version
    │   │   └── InUseError         a folder that another job is at work in
    │   ├── FormatError            a format text that names no format, or a value a format cannot encode
    │   ├── CaptureError           a model that cannot be captured
    │   ├── PlanError              a plan that does not fit the network
    │   ├── DataError              samples or labels that cannot be used
    │   └── PlatformError          a platform that is malformed, or has no figure for what is asked
    └── UnreachableFloorError      no plan within the allowed bits holds the floor; exit code 3

An internal fault raises Python's own exceptions, never one of these.
"""

from typing import Any


class PicojouleError(Exception):
    """Base of every error that picojoule raises on purpose."""


class InputError(PicojouleError):
    """Something the user gave cannot be used."""


class FileError(InputError):
    """A file is missing, unreadable, malformed or of another version."""


class InUseError(FileError):
    """Another job is at work in a folder."""


class FormatError(InputError):
    """A text names no format, or a value has no code in the format."""


class CaptureError(InputError):
    """A model cannot be captured as a network."""


class PlanError(InputError):
    """A plan does not fit the network it is used with."""


class DataError(InputError):
    """Samples or labels cannot be used."""


class PlatformError(InputError):
    """A platform is malformed, or has no figure for what is asked of it."""


def check_type(what: str, value: object, kind: type, remedy: str) -> None:
    """Refuse an argument of another type than it is for, where the two are easily taken for each other.

    Raises:
        InputError: it is of another type.
    """
    if not isinstance(value, kind):
        raise InputError(f"{what} is of type {type(value).__name__}, expected {kind.__name__}; {remedy}")


class UnreachableFloorError(PicojouleError):
    """No plan within the allowed bits holds the floor; `result` carries the best that was found."""

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result
