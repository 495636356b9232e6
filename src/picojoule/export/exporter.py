"""The family of exporters: from a program to the files of one target.

A new target is one file in this room with one `Exporter`; a third party names its class under the entry-point group
`picojoule.export`. Modules of large packages are imported when something is exported, not before.
"""

import abc
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import ClassVar

from picojoule import files
from picojoule.errors import InputError
from picojoule.integer import Program
from picojoule.registry import members


class Exporter(abc.ABC):
    """A target.

    Laws: the same program gives the same bytes; what the target would not compute exactly is refused before anything is
    written, by the name of the layer.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    @classmethod
    @abc.abstractmethod
    def files(cls, program: Program) -> Mapping[str, bytes]:
        """The files of a program, by name.

        Raises:
            InputError: the target cannot compute it exactly, or a package that this needs is not installed.
        """

    @classmethod
    def write(cls, program: Program, folder: Path) -> tuple[Path, ...]:
        """Write the files to a folder, all or none; returns where they are.

        Raises:
            InputError: as `files`.
            FileError: the folder cannot be written.
        """
        contents = {folder / name: content for name, content in cls.files(program).items()}
        files.write_together(contents)
        return tuple(contents)


@cache
def exporters() -> dict[str, type[Exporter]]:
    """Every exporter, by name."""
    found = members("picojoule.export", Exporter, "picojoule.export")  # type: ignore[type-abstract]  # as a base
    return {each.name: each for each in found}


def exporter(name: str) -> type[Exporter]:
    """The exporter of that name.

    Raises:
        InputError: there is none.
    """
    if name not in exporters():
        raise InputError(f"target '{name}' is not known; give one of {', '.join(exporters())}")
    return exporters()[name]
