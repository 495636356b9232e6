"""Which metric a job scores with, and how a journal knows it again."""

import hashlib
import inspect
import os
import sys
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import cast

from picojoule.errors import InputError
from picojoule.evaluate import METRICS, Metric
from picojoule.userref import call, check_takes, resolve


def choose(metric: str | Metric) -> tuple[Metric, str, str]:
    """The metric, its name for people, and its identity for journals.

    A plain function of a file is identified by all of the user's own code that is loaded, since it may call any of it.
    What a closure, a partial or an object holds cannot be known again in another process: accuracies by such a metric
    are journaled, but no later run finds them.

    Raises:
        InputError: no such metric, or one that does not take outputs and targets; when it is called, that the user's
            function of a file or module raised.
    """
    if isinstance(metric, str) and metric in METRICS:
        return METRICS[metric], metric, metric
    if isinstance(metric, str) and ":" in metric:
        function, name, scored = resolve(metric), metric, cast(Metric, partial(call, metric))
    elif callable(metric):
        function, name, scored = metric, getattr(metric, "__qualname__", type(metric).__name__), metric
    else:
        raise InputError(f"metric {metric!r} is not known; give one of {', '.join(METRICS)}, or path.py:function")
    check_takes(function, name, 2)
    return scored, name, _identity(function)


def _identity(metric: object) -> str:
    known = os.urandom(16)
    if isinstance(metric, FunctionType) and not metric.__closure__:
        source = Path(inspect.getsourcefile(metric) or "")
        if source.is_file():
            held = (metric.__qualname__, metric.__defaults__, metric.__kwdefaults__)
            known = repr(held).encode() + source.read_bytes() + _users_code()
    return hashlib.sha256(known).hexdigest()


def _users_code() -> bytes:
    """The source of every loaded module that neither Python, nor an installed package, nor picojoule brought."""
    installed = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[1]))
    files = {str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())}
    own = [Path(file) for file in sorted(files) if file.endswith(".py") and not file.startswith(installed)]
    return b"".join(file.read_bytes() for file in own if file.is_file())
