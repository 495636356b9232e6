"""The family of data sources, and the one text (DATA on the command line) that names any of them.

A new source is one file in this room with one `DataSource`; a third party names its class under the entry-point group
`picojoule.data`. Modules of large packages are imported when a source is loaded, not before.
"""

import abc
import os
from functools import cache
from typing import ClassVar

from picojoule.data.samples import Loaded
from picojoule.errors import DataError
from picojoule.registry import members


class DataSource(abc.ABC):
    """A place that samples come from. `usage` is its text: its `name`, `name:ARGUMENT`, or a form of its own.

    Laws: the same argument gives the same samples; nothing is downloaded; bad input is a `DataError`.
    """

    name: ClassVar[str]
    usage: ClassVar[str]
    summary: ClassVar[str]
    suffix: ClassVar[str] = ""
    """How a text of its own form ends, such as `.npz`; the whole text is then the argument."""

    @classmethod
    @abc.abstractmethod
    def load(cls, argument: str) -> Loaded:
        """Read the samples; `argument` is what follows `name:`, the whole text for a form of its own, else empty.

        Raises:
            DataError: what is there cannot be used.
        """


@cache
def sources() -> dict[str, type[DataSource]]:
    """Every data source, by name."""
    found = members("picojoule.data", DataSource, "picojoule.data")  # type: ignore[type-abstract]  # asked for as a base
    return {source.name: source for source in found}


def load(spec: str) -> Loaded:
    """Read the data that `spec` names: `digits`, `idx:DIR`, `cifar10:DIR`, `PATH.npz`, `module:callable`, ...

    A known name goes before the forms without one: `idx:a.npz` is a folder called `a.npz`.

    Raises:
        DataError: the text names no source (every usage is listed), or what it names cannot be used.
        InputError: the user's own code cannot be imported, or raised.
    """
    known = sources()
    name, _, argument = spec.partition(":")
    source = known.get(name)
    if source and source.usage == spec:
        return source.load("")
    if source and argument and source.usage.startswith(f"{name}:"):
        return source.load(os.path.expanduser(argument))  # noqa: PTH111 (Path.expanduser raises without such a home)
    for each in known.values():
        if each.suffix and spec.endswith(each.suffix):
            return each.load(os.path.expanduser(spec))  # noqa: PTH111
    if name and argument and not source:
        return known["python"].load(spec)
    usages = ", ".join(each.usage for each in known.values())
    raise DataError(f"data '{spec}' is not known; give one of {usages}")
