"""Metrics: from a batch of outputs and targets to one score per sample, 0 to 1.

`top1` and `top5` are built in; any function of the same form serves (`package.module:metric` or `path.py:metric` on the
command line).
"""

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import cast

import torch
from torch import Tensor

from picojoule.errors import DataError, InputError
from picojoule.userref import call, check_takes, resolve

Metric = Callable[[Tensor, Tensor], Tensor]


def top1(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 where the largest output is the target's; of equal outputs the first counts, an output with NaN is wrong.

    >>> top1(torch.tensor([[0.1, 0.9], [0.5, 0.5]]), torch.tensor([1, 1]))
    tensor([1., 0.], dtype=torch.float64)
    """
    return top(outputs, targets, 1)


def top5(outputs: Tensor, targets: Tensor) -> Tensor:
    """1 where the target is among the five largest outputs; otherwise as `top1`."""
    return top(outputs, targets, 5)


def top(outputs: Tensor, targets: Tensor, k: int) -> Tensor:
    """1 where fewer than k outputs beat the target's. outputs [n, classes], targets [n] → float64 [n].

    An equal output beats the target's where it stands before it, so that the answer never depends on sorting.
    """
    own = outputs.gather(1, targets.unsqueeze(1))
    before = torch.arange(outputs.shape[1], device=outputs.device) < targets.unsqueeze(1)
    beaten = ((outputs > own) | ((outputs == own) & before)).sum(dim=1)
    return ((beaten < k) & ~outputs.isnan().any(dim=1)).double()


METRICS: Mapping[str, Metric] = {"top1": top1, "top5": top5}


def chosen(metric: str | Metric) -> tuple[Metric, str, str]:
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


def check_labels(outputs: tuple[int, ...], targets: Tensor) -> None:
    """Refuse outputs that are not one row of classes, and labels outside them, for the built-in metrics.

    Raises:
        InputError: the network's output is not [n, classes].
        DataError: a label has no output.
    """
    if len(outputs) != 1:
        shape = ", ".join(map(str, ("n", *outputs)))
        raise InputError(
            f"the network's output has shape [{shape}]; top1 and top5 need [n, classes]: give another --metric"
        )
    wrong = targets[(targets < 0) | (targets >= outputs[0])]
    if len(wrong):
        raise DataError(
            f"the data has the label {int(wrong[0])}, outside 0..{outputs[0] - 1}, the classes of the network's "
            f"{outputs[0]} outputs"
        )


def check_scores(scores: Tensor, samples: int) -> Tensor:
    """A user metric's scores as float64 [n], rounded to multiples of 2^-32, so that sums are exact in any order.

    Raises:
        InputError: it gave something other than one finite score from 0 to 1 per sample.
    """
    if not isinstance(scores, Tensor) or scores.shape != (samples,) or scores.is_complex():
        given = list(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise InputError(
            f"the metric gave {given} for {samples} samples; it must give a tensor of one real score for each"
        )
    scores = scores.detach().double().cpu()
    if not bool(((scores >= 0) & (scores <= 1)).all()):
        raise InputError("the metric gave a score that is not between 0 and 1")
    return (scores * 2.0**32).round_().div_(2.0**32)


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
