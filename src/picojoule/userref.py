"""The user's own code, named by a text: `module:name` or `path.py:name`, for models, data and metrics.

Running it is the user's wish; what goes wrong in it is reported with the user's line, not with a traceback of ours.
"""

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import cast

from picojoule.errors import InputError, PicojouleError

_OURS = (f"{Path(__file__).parent}{os.sep}", "<frozen importlib", str(importlib.__file__))


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
    module = _import_file(Path(place), reference) if place.endswith(".py") else _import_module(place, reference)
    value: object = module
    for part in name.split("."):
        if not hasattr(value, part):
            raise InputError(f"'{place}' has no '{name}'; it has {_callables(module)}")
        value = getattr(value, part)
    if not callable(value):
        raise InputError(f"'{reference}' is a {type(value).__name__}, not a function")
    return cast(Callable[..., object], value)


def call(reference: str, *arguments: object) -> object:
    """Resolve `reference` and call it.

    Raises:
        InputError: as `resolve`, or the call raised.
    """
    function = resolve(reference)
    with _blaming(reference):
        return function(*arguments)


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
        said = " ".join(str(error).split())
        raise InputError(f"'{reference}' raised {type(error).__name__}{_line(error)}: {said}") from error


def _line(error: BaseException) -> str:
    """Where in the user's code: the deepest line of the file that was entered first; empty where that is unknown."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" at line {error.lineno} of '{error.filename}'"
    frames = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(_OURS)]
    lines = [frame.lineno for frame in frames if frame.filename == frames[0].filename]
    return f" at line {lines[-1]} of '{frames[0].filename}'" if frames else ""


def _callables(module: ModuleType) -> str:
    own = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
    return ", ".join(f"'{name}'" for name in own[:8]) + (", ..." if len(own) > 8 else "") or "no functions"
