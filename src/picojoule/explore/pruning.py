"""When a training is given up before its end."""

from collections.abc import Iterable, Sequence
from statistics import median

FROM, LEAST = 0.5, 3
"""The share of the epochs that every training gets, and how many others there must be to be judged by."""


def hopeless(
    curve: Sequence[tuple[float, float]], epochs: int, cheaper: Iterable[Sequence[tuple[float, float]]]
) -> bool:
    """Whether a training is behind the median of cheaper ones at the same epoch, and so on no front at the end.

    `curve` is its loss and accuracy by epoch so far, of `epochs` in all; `cheaper` are those of trainings at the same
    bits whose networks cost no more. Only these tell: a small network is behind a large one all along, and may still
    be the best for its energy. A tie with the median goes on. After the median rule of D. Golovin et al., Google
    Vizier, KDD 2017, section 3.2.1, with accuracies at one epoch in place of running means.

    >>> cheap = [[(1.0, 0.5), (0.5, 0.8)]] * 3
    >>> hopeless([(1.2, 0.4), (0.9, 0.6)], 4, cheap), hopeless([(1.2, 0.4)], 4, cheap)
    (True, False)
    """
    done = len(curve)
    if done < FROM * epochs or done >= epochs:
        return False
    others = [other[done - 1][1] for other in cheaper if len(other) >= done]
    return len(others) >= LEAST and curve[-1][1] < median(others)
