"""A sweep as a whole: its trials and costs, and what follows from them, whatever the order in which trials ended."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from math import fsum
from pathlib import Path
from typing import Any

from picojoule import files
from picojoule.evaluate import Accuracy
from picojoule.explore.trial import FLOAT_BITS, Cost, Point, Trial
from picojoule.files import Fields

VERSION = 1
FILE = "study.json"
REFERENCE_BITS = 8
"""The bit count that the others are held against."""


@dataclass(frozen=True)
class Candidate:
    """A network at a bit count, its complete trials taken together: one per seed, in the order of the seeds."""

    network: str
    bits: int
    cost: Cost
    trials: tuple[Trial, ...]

    @property
    def searched(self) -> float:
        """The mean accuracy on the search split, by which candidates are chosen."""
        return _mean([trial.searched for trial in self.trials])

    @property
    def reported(self) -> float:
        """The mean accuracy on the report split, by which nothing is chosen."""
        return _mean([trial.reported for trial in self.trials])


@dataclass(frozen=True)
class Iso:
    """At an accuracy, the cheapest network of each bit count that is at least as accurate; None where none is."""

    accuracy: float
    by_bits: Mapping[int, Candidate | None]

    def saves(self, bits: int, platform: str) -> float | None:
        """The 8-bit energy over that of a bit count: above 1 it saves. None where it has no network so accurate."""
        ours, reference = self.by_bits.get(bits), self.by_bits.get(REFERENCE_BITS)
        return None if ours is None or reference is None else _pj(reference, platform) / _pj(ours, platform)


@dataclass(frozen=True)
class Exploration:
    """The trials of a study and what their networks cost. `settings` say how they were trained, and on which data."""

    settings: Mapping[str, Any]
    costs: Mapping[tuple[str, int], Cost]
    trials: tuple[Trial, ...]

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms with a figure for anything, the one that was explored on first."""
        named = {name for cost in self.costs.values() for name, pj in cost.energy_pj.items() if pj is not None}
        first = str(self.settings.get("platform", ""))
        return tuple(sorted(named, key=lambda name: (name != first, name)))

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every network and bit count with a complete trial, by name and bits."""
        done = sorted((each for each in self.trials if each.state == "complete"), key=_order)
        grouped = groupby(done, key=lambda each: (each.point.network, each.point.bits))
        return tuple(Candidate(*key, self.costs[key], tuple(group)) for key, group in grouped)

    @property
    def bits(self) -> tuple[int, ...]:
        """The bit counts of the candidates, ascending."""
        return tuple(sorted({each.bits for each in self.candidates}))

    def front(self, platform: str, bits: int | None = None) -> tuple[Candidate, ...]:
        """The candidates that none beats in both energy and accuracy, from the least energy up, of all bits or of one.

        Of equals in both the first by bits and name is taken.
        """
        if (platform, bits) not in self._fronts:
            priced = [
                (pj, -each.searched, each.bits, each.network, each)
                for each in self.candidates
                if bits in (None, each.bits) and (pj := each.cost.energy_pj.get(platform)) is not None
            ]
            best: list[Candidate] = []
            for *_, each in sorted(priced, key=lambda known: known[:-1]):
                if not best or each.searched > best[-1].searched:
                    best.append(each)
            self._fronts[platform, bits] = tuple(best)
        return self._fronts[platform, bits]

    @cached_property
    def _fronts(self) -> dict[tuple[str, int | None], tuple[Candidate, ...]]:
        """The fronts that were asked for: each accuracy of each platform asks for that of every bit count."""
        return {}

    def cheapest(self, platform: str, bits: int, accuracy: float) -> Candidate | None:
        """The cheapest candidate of a bit count that is at least so accurate; None where there is none."""
        return next((each for each in self.front(platform, bits) if each.searched >= accuracy), None)

    def iso(self, platform: str) -> tuple[Iso, ...]:
        """At each accuracy on the 8-bit front, the cheapest network of every bit count.

        The levels are the 8-bit networks' own, so that 8 bits is never charged for an accuracy between two of its
        networks, and every other count is.
        """
        levels = [each.searched for each in self.front(platform, REFERENCE_BITS)]
        return tuple(Iso(level, {bits: self.cheapest(platform, bits, level) for bits in self.bits}) for level in levels)

    def ratios(self, platform: str, bits: int) -> tuple[float, ...]:
        """The 8-bit energy over that of a bit count at each accuracy of `iso` that it reaches: above 1 it saves."""
        found = (level.saves(bits, platform) for level in self.iso(platform))
        return tuple(saves for saves in found if saves is not None)

    def to_json(self) -> str:
        """The summary of the study as a document; it is the same whatever the order in which trials ended."""
        costs = [{"network": network, "bits": bits, **cost.to_table()}
                 for (network, bits), cost in sorted(self.costs.items())]  # fmt: skip
        trials = [trial.to_table() for trial in sorted(self.trials, key=_order)]
        return files.dump("study", VERSION, {"settings": dict(self.settings), "costs": costs, "trials": trials})

    @classmethod
    def parse(cls, text: str | bytes, origin: str) -> "Exploration":
        """The exploration that `to_json` gave.

        Raises:
            FileError: another kind or version, a key unknown or missing, or a trial without its cost.
        """
        fields = Fields(files.parse(text, "study", VERSION, origin), origin)
        settings = fields.table("settings").rest()
        costs = {}
        for table in fields.items("costs"):
            each = Fields(table, f"{origin}: 'costs'")
            key = each.text("network"), each.integer("bits", 1, FLOAT_BITS)
            if key in costs:
                each.fail(f"network '{key[0]}' at {key[1]} bits stands twice")
            costs[key] = Cost.from_table(each)
        read = (Trial.from_table(Fields(table, f"{origin}: 'trials'")) for table in fields.items("trials"))
        trials = tuple(sorted(read, key=_order))
        for number, count in Counter(trial.number for trial in trials).items():
            if count > 1:
                fields.fail(f"trial {number} stands twice")
        for trial in trials:
            if (trial.point.network, trial.point.bits) not in costs:
                fields.fail(f"trial {trial.number} is of '{trial.point}', which has no cost")
        fields.finish()
        return cls(settings, costs, trials)

    @classmethod
    def load(cls, folder: Path | str) -> "Exploration":
        """The exploration that was saved to a folder.

        Raises:
            FileError: it cannot be read.
        """
        path = Path(folder) / FILE
        return cls.parse(files.read_bytes(path), f"'{path}'")


def _order(trial: Trial) -> tuple[Point, int]:
    return trial.point, trial.number


def _mean(accuracies: Sequence[Accuracy | None]) -> float:
    """Of as many samples each; taken of the counts, so that candidates that are right as often are equal to the bit."""
    found = [each for each in accuracies if each is not None]
    return fsum(each.correct for each in found) / sum(each.total for each in found)


def _pj(candidate: Candidate, platform: str) -> float:
    energy = candidate.cost.energy_pj[platform]
    assert energy is not None
    return energy
