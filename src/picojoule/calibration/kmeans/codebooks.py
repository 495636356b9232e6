"""Codebooks: the exponent and the numbers that a site's values are clustered to.

Zero stays zero where it counts: if more than one value in k is zero, as after a rectifier, the number nearest to zero
is zero and the others are fitted beside it, so that a machine that skips zeros skips as many as before.
"""

from typing import NamedTuple

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
    centroids = fit(values, format.count, zero=zeros * format.count > values.numel())
    exponent = covering(float(centroids.abs().amax()))
    return Codebook(exponent, format.entries(centroids * 2.0**-exponent, signed))
