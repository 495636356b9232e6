"""Codebooks: the exponent and the numbers that a site's values are clustered to.

Zero stays zero where it counts: if more than one value in k is zero, as after a rectifier, one of the k numbers is zero
and the others are fitted to the rest, so that a machine that skips zeros skips as many as before.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from picojoule.calibration.kmeans.fitting import fit
from picojoule.calibration.observers import covering
from picojoule.formats import Lut


class Codebook(NamedTuple):
    """The exponent, and the numbers on its unit scale, ascending."""

    exponent: int
    members: tuple[float, ...]


def codebook(values: Tensor, format: Lut, signed: bool) -> Codebook:
    """The codebook of a format for values of any shape.

    There are fewer numbers than there is room for where values have fewer, or two become one in the table's 16 bits.

    Raises:
        DataError: there are no values, or some are NaN or Inf.
    """
    zeros = int((values == 0).sum())
    if zeros * format.count > values.numel() and zeros < values.numel():
        rest = fit(values[values != 0], format.count - 1)
        centroids = torch.cat([rest, rest.new_zeros(1)]).sort().values
    else:
        centroids = fit(values, format.count)
    exponent = covering(float(centroids.abs().amax()))
    return Codebook(exponent, format.entries(centroids * 2.0**-exponent, signed))
