"""The user's own code, named by a text: `module:name` or `path.py:name`, for models, data and metrics.

Running it is the user's wish; what goes wrong in it is reported with the user's line, not with a traceback of ours.
"""

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import cast

from picojoule.errors import InputError, PicojouleError

_LIBRARIES = tuple(
    f"{folder}{os.sep}"
    for folder in (Path(__file__).parent, *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")))
)
_LONGEST = 300
"""Characters that are told of a message of the user's code."""


def resolve(reference: str) -> Callable[..., object]:
    """Import what `module:name` or `path.py:name` names; `name` may be dotted (`Nets.small`).

    While a file is imported its folder is on `sys.path`, so that its siblings import; for a module, the working folder
    is. A file is imported once per process, so that two references into it share its classes.

    Raises:
        InputError: no such form, file, module or attribute; not callable; the user's code raised.
    """
    place, _, name = reference.rpartition(":")
    if not place or not name:
        raise InputError(f"'{reference}' names no function; give module:name or path.py:name")
    path = Path(os.path.expanduser(place))  # noqa: PTH111 (Path.expanduser raises where there is no such home)
    module = _import_file(path, reference) if place.endswith(".py") else _import_module(place, reference)
    value: object = module
    for part in name.split("."):
        if not hasattr(value, part):
            raise InputError(f"'{place}' has no '{name}'; it has {_callables(module)}")
        value = getattr(value, part)
    if not callable(value):
        raise InputError(f"'{reference}' is of type {type(value).__name__}, not a function")
    return cast(Callable[..., object], value)


def call(reference: str, *arguments: object) -> object:
    """Resolve `reference` and call it.

    Raises:
        InputError: as `resolve`, it takes other arguments, or the call raised.
    """
    function = resolve(reference)
    check_takes(function, reference, len(arguments))
    with _blaming(reference):
        return function(*arguments)


def check_takes(function: Callable[..., object], name: str, count: int) -> None:
    """Refuse a function that cannot be called with so many arguments; one that hides what it takes passes.

    Raises:
        InputError: it takes other arguments.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of a built-in function
        return
    try:
        signature.bind(*[None] * count)
    except TypeError as error:
        raise InputError(f"'{name}' cannot be used: {error}; give a function of {count or 'no'} arguments") from error


def told(error: BaseException) -> str:
    """What the user's code raised, and where in it: `ValueError at line 5 of 'net.py': no good`."""
    said = " ".join((error.msg if isinstance(error, SyntaxError) else str(error)).split())
    said = said if len(said) <= _LONGEST else f"{said[:_LONGEST]}..."
    return f"{type(error).__name__}{_line(error)}" + (f": {said}" if said else "")


def is_library(file: str) -> bool:
    """Whether a traceback's file is Python's, an installed package's or ours, and not the user's."""
    return file.startswith(("<frozen ", "<string>", "<eval_with_key>", *_LIBRARIES))


def _import_file(path: Path, reference: str) -> ModuleType:
    if not path.is_file():
        raise InputError(f"'{reference}': there is no file '{path}'")
    where = path.resolve()
    # A name of its own: a user's `random.py` must not stand in for Python's.
    name = f"_picojoule_user_{where.stem}_{hashlib.sha256(str(where).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, where)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        with _blaming(reference), _on_path(where.parent):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_module(name: str, reference: str) -> ModuleType:
    try:
        with _blaming(reference), _on_path(Path.cwd()):
            return importlib.import_module(name)
    except InputError as error:
        cause = error.__cause__
        absent = isinstance(cause, ModuleNotFoundError) and cause.name and f"{name}.".startswith(f"{cause.name}.")
        if absent or (isinstance(cause, TypeError | ValueError) and not _line(cause)):
            raise InputError(f"'{reference}': there is no module '{name}'") from cause
        raise


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        if str(folder) in sys.path:
            sys.path.remove(str(folder))


@contextmanager
def _blaming(reference: str) -> Iterator[None]:
    """Turn what the user's code raises into one line; our own errors pass, and so does an interrupt."""
    try:
        yield
    except PicojouleError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"'{reference}' raised {told(error)}") from error


def _line(error: BaseException) -> str:
    """Where: the deepest line of the user's own code; empty where that is unknown."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" at line {error.lineno} of '{error.filename}'"
    frames = [frame for frame in extract_tb(error.__traceback__) if not is_library(frame.filename)]
    return f" at line {frames[-1].lineno} of '{frames[-1].filename}'" if frames else ""


def _callables(module: ModuleType) -> str:
    """The names that can be given; those that the module itself defines, where there are any."""
    found = {name: value for name, value in vars(module).items() if callable(value) and not name.startswith("_")}
    own = [name for name, value in found.items() if getattr(value, "__module__", "") == module.__name__] or list(found)
    return ", ".join(f"'{name}'" for name in own[:8]) + (", ..." if len(own) > 8 else "") or "no functions"
