"""Which metric a job scores with, and a name for it that says all that its scores depend on: journals rest on it."""

import hashlib
from collections.abc import Mapping
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, cast

import numpy as np
from torch import Tensor

from picojoule.errors import InputError
from picojoule.evaluate import METRICS, Metric
from picojoule.userref import call, resolve

_PLAIN = (type(None), type(...), bool, int, float, complex, str, bytes)


def choose(metric: str | Metric) -> tuple[Metric, str]:
    """The metric and its name; a user's own is named with a hash of its code and of what it holds.

    Raises:
        InputError: no such metric; when it is called, that the user's function of a file or module raised.
    """
    if isinstance(metric, str) and metric in METRICS:
        return METRICS[metric], metric
    if isinstance(metric, str) and ":" in metric:
        return cast(Metric, partial(call, metric)), _name(cast(Metric, resolve(metric)))
    if not callable(metric):
        raise InputError(f"metric {metric!r} is not known; give one of {', '.join(METRICS)}, or path.py:function")
    return metric, _name(metric)


def _name(metric: Metric) -> str:
    function: Any = metric
    while isinstance(function, partial):
        function = function.func
    home = getattr(function, "__module__", "")
    label = getattr(function, "__qualname__", type(metric).__name__)
    return f"{label} {hashlib.sha256(_content(metric, home, ()).encode()).hexdigest()[:12]}"


def _content(value: Any, home: str, within: tuple[int, ...]) -> str:
    """A text of what `value` does: the same in every process, another one where it may do something else.

    Functions and classes of the module `home` are told by their code and all it refers to, others by their names.
    """
    if isinstance(value, _PLAIN):
        return repr(value)
    if id(value) in within:
        return "itself"
    within = (*within, id(value))

    def each(*values: Any) -> str:
        return f"({', '.join(_content(each, home, within) for each in values)})"

    if isinstance(value, list | tuple):
        return each(*value)
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(each(member) for member in value))}}}"
    if isinstance(value, Mapping):
        return each(*value.items())
    if isinstance(value, Tensor | np.ndarray):
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        return f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
    if isinstance(value, CodeType):
        return each(value.co_code, value.co_names, value.co_varnames, value.co_consts)
    if isinstance(value, partial):
        return each(value.func, value.args, value.keywords)
    if isinstance(value, MethodType):
        return each(value.__func__, value.__self__)
    if isinstance(value, FunctionType) and value.__module__ == home:
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        named = {name: value.__globals__[name] for name in _names(value.__code__) if name in value.__globals__}
        return each(value.__code__, value.__defaults__, value.__kwdefaults__, cells, named)
    if isinstance(value, type) and value.__module__ == home:
        return each(value.__bases__, [member for member in vars(value).values() if isinstance(member, FunctionType)])
    if isinstance(value, ModuleType):
        return value.__name__
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return each(type(value), getattr(value, "__dict__", ""))


def _names(code: CodeType) -> list[str]:
    """The names that a function's code, and that of functions within it, may look up, in order."""
    inner = [name for const in code.co_consts if isinstance(const, CodeType) for name in _names(const)]
    return [*code.co_names, *inner]
