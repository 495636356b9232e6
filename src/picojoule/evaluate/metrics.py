"""Metrics: from a batch of outputs and targets to one score per sample, 0 to 1.

`top1` and `top5` are built in; any function of the same form serves (`package.module:metric` or `path.py:metric` on the
command line).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from picojoule.errors import DataError, InputError

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
