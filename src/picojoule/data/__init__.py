"""Where samples come from: named sets, `.npz`, IDX and CIFAR-10 folders, any torch Dataset; and the three splits.

A source gives `Loaded` (a set to train on, where it has one, and a held-out one); `split` cuts it into calibration,
search and report.
"""

from picojoule.data.dataset import as_loaded, from_dataset
from picojoule.data.prepare import Prepare
from picojoule.data.samples import Loaded, Samples, Splits, as_samples, split
from picojoule.data.source import DataSource, load, sources

__all__ = [
    "DataSource",
    "Loaded",
    "Prepare",
    "Samples",
    "Splits",
    "as_loaded",
    "as_samples",
    "from_dataset",
    "load",
    "sources",
    "split",
]
