"""Which network, at how many bits, needs least energy: the trials of a sweep, the study they share, and their front."""

from picojoule.explore.exploration import Candidate, Exploration, Iso
from picojoule.explore.pruning import hopeless
from picojoule.explore.study import Claim, Study
from picojoule.explore.trial import Cost, Point, Trial, grid, undone

__all__ = [
    "Candidate",
    "Claim",
    "Cost",
    "Exploration",
    "Iso",
    "Point",
    "Study",
    "Trial",
    "grid",
    "hopeless",
    "undone",
]
