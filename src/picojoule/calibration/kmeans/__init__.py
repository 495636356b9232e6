"""k-means in one dimension: the few numbers that stand for many with least squared error.

>>> import torch
>>> from picojoule.calibration import kmeans
>>> kmeans.fit(torch.tensor([0.0, 0.1, 0.9, 1.0, 5.0]), 3)
tensor([0.0500, 0.9500, 5.0000], dtype=torch.float64)
"""

from picojoule.calibration.kmeans.codebooks import Codebook, codebook
from picojoule.calibration.kmeans.fitting import STARTS, fit, inertia

__all__ = ["STARTS", "Codebook", "codebook", "fit", "inertia"]
