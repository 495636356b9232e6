"""Both ways that a kernel can go, so that the same test takes either."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import torch
from torch import Tensor

from picojoule.kernels import compiled

PATHS = ("plain", "compiled")


@contextmanager
def taking(path: str) -> Iterator[None]:
    """Kernels go the plain path, or the compiled one however few numbers there are, wherever it can serve."""
    if path == "plain":
        with (
            mock.patch.object(compiled, "run", return_value=None),
            mock.patch.object(compiled, "at_once", return_value=False),
            mock.patch.object(compiled, "over_blocks", return_value=False),
        ):
            yield
    else:
        with mock.patch.object(compiled, "ENOUGH", 0):
            yield


def bits(x: Tensor) -> Tensor:
    """The bits of each number, which tell -0 from 0 and one NaN from another."""
    return x.contiguous().view(torch.int32 if x.dtype == torch.float32 else torch.int64)
