"""What a network expects of its inputs before the first layer: a size, then a mean and a standard deviation."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from picojoule.data.samples import Loaded, Samples
from picojoule.errors import DataError


@dataclass(frozen=True)
class Prepare:
    """Resize to `resize` x `resize` pixels (bilinear between pixel centres, no anti-aliasing), then `(x - mean) / std`.

    One mean or standard deviation is for all channels, else one for each. What is None is left out.

    Raises:
        DataError: a mean that is not finite, a standard deviation that is not finite and above 0, a size below 1.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize: int | None = None

    def __post_init__(self) -> None:
        for value in self.mean or ():
            if not math.isfinite(value):
                raise DataError(f"mean {value} cannot be used; give a finite number")
        for value in self.std or ():
            if not (math.isfinite(value) and value > 0):
                raise DataError(f"std {value} cannot be used; give a finite number above 0")
        if self.resize is not None and self.resize < 1:
            raise DataError(f"resize to {self.resize} pixels is not possible; give at least 1")

    def apply(self, loaded: Loaded) -> Loaded:
        """Both sets, prepared.

        Raises:
            DataError: as `apply_to`.
        """
        train = None if loaded.train is None else self.apply_to(loaded.train)
        return Loaded(train, self.apply_to(loaded.held_out))

    def apply_to(self, samples: Samples) -> Samples:
        """The samples, prepared; the given ones stay as they are.

        Raises:
            DataError: samples to resize that are not images `[n, channels, height, width]`, another number of channels
                than of means or standard deviations, or values that float32 cannot hold.
        """
        x = self._resized(samples)
        if self.mean is not None:
            x = x - _per_channel("mean", self.mean, x)
        if self.std is not None:
            x = x / _per_channel("std", self.std, x)
        if not x.isfinite().all():
            raise DataError("data becomes NaN or Inf by its mean and std; give others")
        return Samples(x, samples.y)

    def _resized(self, samples: Samples) -> Tensor:
        if self.resize is None:
            return samples.x
        if len(samples.shape) != 3:
            raise DataError(f"samples of shape {samples.shape} cannot be resized; images are (channels, height, width)")
        if samples.shape[1:] == (self.resize, self.resize):
            return samples.x
        try:
            return interpolate(samples.x, (self.resize, self.resize), mode="bilinear", align_corners=False)
        except (RuntimeError, MemoryError) as error:
            raise DataError(f"resize to {self.resize} pixels needs more memory than there is; give fewer") from error


def _per_channel(name: str, values: tuple[float, ...], x: Tensor) -> Tensor:
    """The values as a tensor that broadcasts over `x` `[n, channels, ...]`."""
    if len(values) == 1:
        return torch.tensor(values[0], dtype=x.dtype)
    channels = x.shape[1] if x.ndim > 1 else 1
    if len(values) != channels:
        raise DataError(
            f"{name} has {len(values)} values, but the samples have {channels} channels; "
            f"give one for all{f', or {channels}' if channels > 1 else ''}"
        )
    return torch.tensor(values, dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 2))
