"""Labelled samples, what a source gives of them, and the three disjoint splits that keep an accuracy floor honest.

Whatever a source reads, it ends here: `x` as float32 and finite, `y` as whole numbers, one label per sample. Everything
above may rely on that without looking again.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from picojoule.errors import DataError


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs with their labels: `x` float32 `[n, ...]`, finite; `y` int64 `[n]`, from 0 up. The tensors are not copied.

    Raises:
        DataError: another type or shape, no samples, NaN or Inf in `x`, a negative label, lengths that differ.
    """

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        _check_types(self.x, self.y)
        _check_shapes(self.x, self.y)
        _check_finite(self.x)
        negative = self.y < 0
        if negative.any():
            first = int(negative.nonzero()[0, 0])
            raise DataError(f"data has the label {int(self.y[first])} at sample {first}; labels count from 0")

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample: `(1, 28, 28)` for MNIST."""
        return tuple(self.x.shape[1:])

    @property
    def classes(self) -> int:
        """The largest label plus one."""
        return int(self.y.max()) + 1

    def take(self, indices: Tensor | Sequence[int]) -> "Samples":
        """The samples at `indices`, in that order; none is an error, as everywhere."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return Samples(self.x[chosen], self.y[chosen])

    def first(self, count: int) -> "Samples":
        """The first `count` samples, or all of them where there are fewer."""
        return Samples(self.x[: max(count, 0)], self.y[: max(count, 0)])

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Each `size` samples in turn as `(x, y)`; the last batch may be smaller.

        Raises:
            DataError: `size` is below 1.
        """
        if size < 1:
            raise DataError(f"a batch of {size} samples is not possible; give at least 1")
        starts = range(0, len(self), size)
        return ((self.x[start : start + size], self.y[start : start + size]) for start in starts)

    def digest(self) -> str:
        """The SHA-256 of type, shape and bytes of `x` and `y`, in hex: the same samples, the same text."""
        content = hashlib.sha256()
        for tensor in (self.x, self.y):
            content.update(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
            content.update(tensor.detach().cpu().contiguous().numpy().data)
        return content.hexdigest()


@dataclass(frozen=True, eq=False)
class Loaded:
    """What a source gives: `train` to calibrate or train on, where it has one, and `held_out`, never trained on.

    Raises:
        DataError: the samples of the two have different shapes.
    """

    train: Samples | None
    held_out: Samples

    def __post_init__(self) -> None:
        if self.train is not None and self.train.shape != self.held_out.shape:
            raise DataError(
                f"data has training samples of shape {self.train.shape} and held-out samples of shape "
                f"{self.held_out.shape}; they must agree"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.held_out.shape

    @property
    def classes(self) -> int:
        """The largest label of all samples plus one."""
        return max(part.classes for part in (self.train, self.held_out) if part is not None)


@dataclass(frozen=True, eq=False)
class Splits:
    """Three disjoint splits: ranges come from `calibration`, the floor is decided on `search`, and `report` states
    the accuracy on samples that no decision ever looked at.

    Raises:
        DataError: the samples of the three have different shapes.
    """

    calibration: Samples
    search: Samples
    report: Samples

    def __post_init__(self) -> None:
        shapes = [part.shape for part in (self.calibration, self.search, self.report)]
        if len(set(shapes)) > 1:
            raise DataError(f"the splits have samples of shapes {', '.join(map(str, shapes))}; they must agree")

    def digest(self) -> str:
        """The SHA-256 over the three splits' digests, in hex."""
        parts = (self.calibration.digest(), self.search.digest(), self.report.digest())
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def split(
    loaded: Loaded,
    seed: int = 0,
    calibration: int | None = None,
    search: int | None = None,
    report: int | None = None,
) -> Splits:
    """Cut the data into three disjoint splits, shuffled by `seed`; the same seed always gives the same splits.

    With training samples: `calibration` of them (512, or all where there are fewer), and the held-out ones are halved
    into search and report. Without: the held-out samples are cut 10 % (at most 512), 45 %, 45 %. A count given for
    search or report alone leaves the rest to the other.

    Raises:
        DataError: a split would be empty, or the counts exceed what is there.
    """
    order = permutation(len(loaded.held_out), seed)
    if loaded.train is None:
        pool, pool_order, share = loaded.held_out, order, math.ceil(len(order) / 10)
    else:
        pool, pool_order, share = loaded.train, permutation(len(loaded.train), seed), len(loaded.train)
    calibrating = min(512, share) if calibration is None else calibration
    rest = order[max(calibrating, 0) :] if loaded.train is None else order
    if search is None:
        search = len(rest) // 2 if report is None else len(rest) - report
    if report is None:
        report = len(rest) - search
    if loaded.train is None:
        _check_cut(len(order), calibration=calibrating, search=search, report=report)
    else:
        _check_cut(len(pool), calibration=calibrating)
        _check_cut(len(order), search=search, report=report)
    return Splits(
        pool.take(pool_order[:calibrating]),
        loaded.held_out.take(rest[:search]),
        loaded.held_out.take(rest[search : search + report]),
    )


def permutation(count: int, seed: int) -> Tensor:
    """The numbers 0 to `count` - 1 in the order that `seed` gives, int64 `[count]`.

    numpy's RandomState, because its stream is frozen by promise: the splits behind a stored result outlive upgrades.

    Raises:
        DataError: `seed` is not from 0 to 2^32 - 1.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise DataError(f"seed {seed!r} cannot be used; give a whole number from 0 to {2**32 - 1}")
    return torch.from_numpy(np.random.RandomState(seed).permutation(count).astype(np.int64))


def as_samples(x: object, y: object) -> Samples:
    """Samples of two arrays or tensors, on any device: uint8 `x` is divided by 255, floats are taken as they are.

    A value too large for float32 becomes Inf, which `Samples` refuses.

    Raises:
        DataError: `x` is neither uint8 nor floating point, `y` is not of whole numbers, or `Samples` refuses them.
    """
    inputs, labels = _tensor(x, "x"), _tensor(y, "y")
    if inputs.dtype == torch.uint8:
        inputs = inputs.to(torch.float32).div_(255)
    elif not inputs.is_floating_point():
        raise DataError(f"data has x of {inputs.dtype}; give floats, or uint8 (which is divided by 255)")
    if labels.is_floating_point() or labels.is_complex():
        raise DataError(f"data has y of {labels.dtype}; labels are whole numbers: give integers")
    return Samples(inputs.to(torch.float32), labels.to(torch.int64))


def _tensor(value: object, name: str) -> Tensor:
    if isinstance(value, Tensor):
        if not _is_dense(value):
            raise DataError(f"data has {name} that is sparse, nested or without values; give a dense tensor")
        return value.detach().cpu()
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise DataError(f"data has {name} of {array.dtype}; give numbers")
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=False)
    # torch takes neither foreign byte orders, nor negative strides, nor memory it must not write.
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def _is_dense(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not (tensor.is_nested or tensor.is_meta)


def _check_types(x: Tensor, y: Tensor) -> None:
    for name, value, dtype in (("x", x, torch.float32), ("y", y, torch.int64)):
        if not isinstance(value, Tensor):
            raise DataError(f"data has {name} of {type(value).__name__}; expected a tensor of {dtype}")
        if value.dtype != dtype or not _is_dense(value) or value.device.type != "cpu":
            raise DataError(
                f"data has {name} of {value.dtype} on '{value.device}'; expected a dense tensor of {dtype} on 'cpu'"
            )


def _check_shapes(x: Tensor, y: Tensor) -> None:
    if x.ndim < 2 or y.ndim != 1:
        raise DataError(
            f"data has x of shape {tuple(x.shape)} and y of shape {tuple(y.shape)}; "
            "give x of [n, ...] and y of [n], one class number for each sample"
        )
    if len(x) != len(y):
        raise DataError(f"data has {len(x)} samples but {len(y)} labels; give one label for each sample")
    if x.numel() == 0:
        raise DataError(f"data is empty: x has shape {tuple(x.shape)}")


def _check_finite(x: Tensor) -> None:
    # The extremes are NaN or Inf exactly where any value is, and finding them needs no second tensor of this size.
    low, high = torch.aminmax(x)
    if low.isfinite() and high.isfinite():
        return
    bad = ~x.isfinite().reshape(len(x), -1).all(dim=1)
    first = int(bad.nonzero()[0, 0])
    raise DataError(
        f"data has NaN or Inf in {int(bad.sum())} of {len(x)} samples (first: sample {first}); "
        "mend them, or scale what float32 cannot hold"
    )


def _check_cut(available: int, **parts: int) -> None:
    if min(parts.values()) < 1 or sum(parts.values()) > available:
        cut = ", ".join(f"{max(count, 0)} for {name}" for name, count in parts.items())
        raise DataError(f"{available} samples cannot be cut into {cut}; each split needs at least 1")
