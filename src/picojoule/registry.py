"""How a plug-in family finds its members: every module of its room, then the entry points of other packages.

A room that holds a family (formats, data sources, strategies) calls `members(room, base, group)` once. A new member
is one file in the room with one class that is not abstract; a third party names its class under the entry-point group.
"""

import importlib
import inspect
import pkgutil
from importlib.metadata import entry_points
from typing import TypeVar

from picojoule.errors import InputError

T = TypeVar("T")


def members(room: str, base: type[T], group: str) -> tuple[type[T], ...]:
    """Every concrete subclass of `base` defined in the package `room`, or named under the entry-point `group`.

    In the order of module names, then of entry points.

    Raises:
        InputError: an entry point cannot be loaded, or names something that is no concrete subclass of `base`.
    """
    package = importlib.import_module(room)
    found: list[type[T]] = []
    for module_info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{room}.{module_info.name}")
        found += [
            value
            for value in vars(module).values()
            if inspect.isclass(value)
            and issubclass(value, base)
            and not inspect.isabstract(value)
            and value.__module__ == module.__name__
        ]
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        try:
            member = entry.load()
        except Exception as error:
            raise InputError(
                f"entry point '{entry.name}' of the group '{group}' cannot be loaded from '{entry.value}' "
                f"({type(error).__name__}: {error}); update or remove the package that names it"
            ) from error
        if not (inspect.isclass(member) and issubclass(member, base) and not inspect.isabstract(member)):
            raise InputError(
                f"entry point '{entry.name}' of the group '{group}' is '{entry.value}', which is no {base.__name__}; "
                "update or remove the package that names it"
            )
        found.append(member)
    return tuple(found)
