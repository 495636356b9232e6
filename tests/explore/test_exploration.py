"""What follows from a study: fronts, cheapest networks and ratios by brute force over every pair, and its document."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.explore import made

from picojoule.errors import FileError
from picojoule.evaluate import Accuracy
from picojoule.explore import Candidate, Cost, Exploration, Point, Trial
from picojoule.explore.exploration import FILE

Key = tuple[str, int]
BITS = (None, 1, 4, 8, 32)


def exactly(found: Exploration) -> dict[Key, Fraction]:
    """Each network and bit count with a complete trial, and its mean accuracy on the search split, not rounded."""
    right: dict[Key, list[Fraction]] = {}
    for trial in found.trials:
        if trial.state == "complete" and trial.searched is not None:
            of = right.setdefault((trial.point.network, trial.point.bits), [])
            of.append(Fraction(trial.searched.correct) / trial.searched.total)
    return {key: sum(each, Fraction(0)) / len(each) for key, each in right.items()}


def priced(found: Exploration, platform: str, bits: int | None) -> dict[Key, tuple[float, Fraction]]:
    """Energy and accuracy of each that has both."""
    figures = ((key, found.costs[key].energy_pj.get(platform), mean) for key, mean in exactly(found).items())
    return {key: (pj, mean) for key, pj, mean in figures if pj is not None and bits in (None, key[1])}


def front(found: Exploration, platform: str, bits: int | None) -> list[Key]:
    """Those that no other dominates; of equals the first by bits and name."""
    figures = priced(found, platform, bits)

    def beaten(key: Key) -> bool:
        pj, accuracy = figures[key]
        return any(
            other_pj <= pj
            and other_accuracy >= accuracy
            and ((other_pj, other_accuracy) != (pj, accuracy) or other[::-1] < key[::-1])
            for other, (other_pj, other_accuracy) in figures.items()
            if other != key
        )

    return sorted((key for key in figures if not beaten(key)), key=lambda key: figures[key][0])


def cheapest(found: Exploration, platform: str, bits: int, accuracy: Fraction) -> Key | None:
    """The least energy of all that are at least so accurate; of equals the most accurate, then the first by name."""
    figures = priced(found, platform, bits)
    enough = [(pj, -mean, key) for key, (pj, mean) in figures.items() if mean >= accuracy]
    return min(enough)[2] if enough else None


def key(candidate: Candidate | None) -> Key | None:
    return None if candidate is None else (candidate.network, candidate.bits)


def study(*networks: tuple[str, int, float | None, list[int]]) -> Exploration:
    """A study of networks at bits that cost some pJ, with how many of 1000 each of its seeds had right."""
    costs = {(name, bits): Cost(1, 1, 1, {"abacus": pj}) for name, bits, pj, _ in networks}
    trials = [
        Trial(0, Point(name, bits, seed), "complete", (), Accuracy(correct, 1000), Accuracy(correct - 1, 1000))
        for name, bits, _, rights in networks
        for seed, correct in enumerate(rights)
    ]
    numbered = tuple(replace(trial, number=number) for number, trial in enumerate(trials))
    return Exploration({"platform": "abacus"}, costs, numbered)


class TestByBruteForce:
    @made.quietly
    @given(made.results())
    def test_candidates(self, found: Exploration) -> None:
        assert [key(each) for each in found.candidates] == sorted(exactly(found))
        for each in found.candidates:
            assert each.cost == found.costs[each.network, each.bits]
            assert {trial.state for trial in each.trials} == {"complete"}
            assert {(trial.point.network, trial.point.bits) for trial in each.trials} == {key(each)}
            seeds = [(trial.point.seed, trial.number) for trial in each.trials]
            assert seeds == sorted(seeds)
        assert sum(len(each.trials) for each in found.candidates) == sum(
            each.state == "complete" for each in found.trials
        )
        assert found.bits == tuple(sorted({bits for _, bits in exactly(found)}))

    @made.quietly
    @given(made.results())
    def test_means_are_exact(self, found: Exploration) -> None:
        for each in found.candidates:
            assert each.searched == float(exactly(found)[each.network, each.bits])
            reported = [trial.reported for trial in each.trials if trial.reported is not None]
            assert each.reported == pytest.approx(sum(accuracy.value for accuracy in reported) / len(reported))

    @made.quietly
    @given(made.results(), st.sampled_from(BITS))
    def test_front(self, found: Exploration, bits: int | None) -> None:
        assert [key(each) for each in found.front("abacus", bits)] == front(found, "abacus", bits)

    @made.quietly
    @given(made.results(), st.sampled_from(BITS[1:]), st.integers(0, 12))
    def test_cheapest(self, found: Exploration, bits: int, correct: int) -> None:
        level = Fraction(correct, 12)
        assert key(found.cheapest("abacus", bits, float(level))) == cheapest(found, "abacus", bits, level)

    @made.quietly
    @given(made.results())
    def test_at_equal_accuracy(self, found: Exploration) -> None:
        exact = exactly(found)
        levels = [exact[each] for each in front(found, "abacus", 8)]
        assert [each.accuracy for each in found.iso("abacus")] == [float(level) for level in levels]
        for iso, level in zip(found.iso("abacus"), levels, strict=True):
            assert {bits: key(each) for bits, each in iso.by_bits.items()} == {
                bits: cheapest(found, "abacus", bits, level) for bits in {bits for _, bits in exact}
            }

    @made.quietly
    @given(made.results(), st.sampled_from(BITS[1:]))
    def test_ratios(self, found: Exploration, bits: int) -> None:
        exact, expected = exactly(found), []
        for reference in front(found, "abacus", 8):
            ours = cheapest(found, "abacus", bits, exact[reference])
            if ours is not None:
                pair = [found.costs[each].energy_pj["abacus"] for each in (reference, ours)]
                expected.append((pair[0] or 0) / (pair[1] or 0))
        assert list(found.ratios("abacus", bits)) == expected

    @made.quietly
    @given(made.results())
    def test_8_bits_take_what_8_bits_take(self, found: Exploration) -> None:
        assert set(found.ratios("abacus", 8)) <= {1.0}
        assert len(found.ratios("abacus", 8)) == len(found.iso("abacus"))


class TestOrder:
    @made.quietly
    @given(made.results(), st.randoms(use_true_random=False))
    def test_decides_nothing(self, found: Exploration, chance: random.Random) -> None:
        """Neither that in which trials ended nor that in which costs were told."""
        costs = dict(chance.sample(sorted(found.costs.items()), len(found.costs)))
        shuffled = Exploration(found.settings, costs, tuple(chance.sample(found.trials, len(found.trials))))
        assert shuffled.to_json() == found.to_json()
        assert shuffled.candidates == found.candidates
        assert [each.searched for each in shuffled.candidates] == [each.searched for each in found.candidates]
        assert shuffled.front("abacus") == found.front("abacus")
        assert shuffled.iso("abacus") == found.iso("abacus")

    def test_does_not_round(self) -> None:
        """As floats, 0.1 + 0.7 + 0.8 is not 0.8 + 0.7 + 0.1."""
        means = set()
        for order in permutations([100, 700, 800]):
            (candidate,) = study(("a", 4, 1.0, [*order])).candidates
            means.add(candidate.searched)
        assert means == {1600 / 3000}


class TestTies:
    def test_seeds_that_are_right_as_often_are_equal(self) -> None:
        """By the means of the shares, 0.97 and 0.98 would not be twice 0.975; three times 0.1 would be above 0.1."""
        found = study(("a", 8, 2.0, [975, 975]), ("b", 4, 1.0, [970, 980]), ("c", 2, 0.5, [970, 979]))
        assert key(found.cheapest("abacus", 4, found.iso("abacus")[0].accuracy)) == ("b", 4)
        assert found.ratios("abacus", 4) == (2.0,)
        assert found.ratios("abacus", 2) == ()
        assert [key(each) for each in study(("a", 4, 1.0, [100]), ("b", 4, 2.0, [100] * 3)).front("abacus")] == [
            ("a", 4)
        ]

    def test_of_equals_the_first_by_bits_and_name_is_taken(self) -> None:
        found = study(*((name, bits, 1.0, [900]) for name in "ba" for bits in (8, 4)))
        assert [key(each) for each in found.front("abacus")] == [("a", 4)]
        assert [key(each) for each in found.front("abacus", 8)] == [("a", 8)]
        found = study(("a", 8, 1.0, [900]), ("b", 4, 1.0, [900]))
        assert [key(each) for each in found.front("abacus")] == [("b", 4)]

    def test_of_equal_energy_the_more_accurate(self) -> None:
        found = study(("a", 8, 1.0, [900]), ("b", 8, 1.0, [901]))
        assert [key(each) for each in found.front("abacus")] == [("b", 8)]

    def test_of_equal_accuracy_the_cheaper(self) -> None:
        found = study(("a", 8, 1.5, [900]), ("b", 8, 1.0, [900]))
        assert [key(each) for each in found.front("abacus")] == [("b", 8)]


class TestWithout:
    def test_a_figure(self) -> None:
        found = study(("a", 32, None, [999]), ("a", 8, 2.0, [900]), ("a", 4, 1.0, [900]))
        assert found.bits == (4, 8, 32)
        assert [key(each) for each in found.front("abacus")] == [("a", 4)]
        assert found.front("abacus", 32) == ()
        assert found.cheapest("abacus", 32, 0.0) is None
        assert found.ratios("abacus", 32) == ()
        assert found.front("envision") == ()
        assert found.iso("envision") == ()

    def test_8_bits(self) -> None:
        found = study(("a", 4, 1.0, [900]))
        assert found.iso("abacus") == ()
        assert found.ratios("abacus", 4) == found.ratios("abacus", 8) == ()

    def test_trials(self) -> None:
        found = Exploration({}, {}, ())
        assert (found.candidates, found.bits, found.platforms, found.front("abacus")) == ((), (), (), ())
        assert Exploration.parse(found.to_json(), "study.json") == found

    def test_any_that_is_complete(self) -> None:
        trial = Trial(0, Point("a", 4), "pruned", ((1.0, 0.5),), Accuracy(1, 2), Accuracy(1, 2))
        assert Exploration({}, {("a", 4): Cost(1, 1, 1, {"abacus": 1.0})}, (trial,)).candidates == ()


def test_platforms_are_those_with_a_figure_and_one_comes_first() -> None:
    costs = {("a", bits): Cost(1, 1, 1, {"z": 1.0, "y": None, "b": None if bits == 32 else 2.0}) for bits in (4, 32)}
    assert Exploration({"platform": "z"}, costs, ()).platforms == ("z", "b")
    assert Exploration({"platform": "y"}, costs, ()).platforms == ("b", "z")
    assert Exploration({}, costs, ()).platforms == ("b", "z")


class TestDocument:
    @made.quietly
    @given(made.explorations())
    def test_comes_back(self, found: Exploration) -> None:
        text = found.to_json()
        read = Exploration.parse(text, "study.json")
        assert read.to_json() == text
        assert Exploration.parse(text.encode(), "study.json") == read
        assert (read.settings, read.costs) == (found.settings, found.costs)
        assert sorted(read.trials, key=lambda each: each.number) == [*found.trials]
        assert read.candidates == found.candidates

    def test_lies_in_a_folder(self, tmp_path: Path) -> None:
        found = study(("a", 8, 2.0, [975, 980]))
        (tmp_path / FILE).write_text(found.to_json())
        assert Exploration.load(tmp_path) == Exploration.load(str(tmp_path)) == found
        (tmp_path / FILE).write_text("{}")
        with pytest.raises(FileError, match=f"^'{re.escape(str(tmp_path))}/study.json' is not a study"):
            Exploration.load(tmp_path)
        with pytest.raises(FileError, match=r"study.json': No such file or directory$"):
            Exploration.load(tmp_path / "none")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda d: d.update(version=2), ": version 2 of a study is not known; this picojoule reads 1"),
            (lambda d: d.update(picojoule="plan"), " is not a study: its key 'picojoule' says 'plan'"),
            (lambda d: d.update(front=[]), ": unknown key 'front'"),
            (lambda d: d["costs"][0].update(seconds=1), ": 'costs': unknown key 'seconds'"),
            (lambda d: d["trials"][0].update(seed=1), ": 'trials': unknown key 'seed'"),
            (lambda d: d.pop("settings"), ": key 'settings' is missing"),
            (lambda d: d.pop("costs"), ": key 'costs' is missing"),
            (lambda d: d.pop("trials"), ": key 'trials' is missing"),
            (lambda d: d["costs"].append(d["costs"][0]), ": 'costs': network 'a' at 8 bits stands twice"),
            (lambda d: d["costs"].pop(0), ": trial 0 is of 'a-8bit-seed0', which has no cost"),
            (lambda d: d["trials"][1].update(number=0), ": trial 0 stands twice"),
            (lambda d: d["trials"][0].update(searched=None), ": 'trials': a complete trial has accuracies"),
            (lambda d: d["trials"].append([]), ": 'trials': expected a table, found list"),
            (lambda d: d["trials"][0].update(seconds=float("nan")), " is not a valid study: NaN is not a JSON number"),
            (lambda d: d["trials"][0].update(why="\x1b[2J"), r" is not a valid study: '\x1b[2J' holds a control"),
        ],
    )
    def test_malformed(self, change: Callable[[Any], object], said: str) -> None:
        document = json.loads(study(("a", 8, 2.0, [975, 980]), ("b", 4, None, [])).to_json())
        change(document)
        with pytest.raises(FileError, match=f"^study.json{re.escape(said)}"):
            Exploration.parse(json.dumps(document), "study.json")
