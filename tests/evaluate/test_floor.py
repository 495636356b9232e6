"""Floors decided without rounding error, the paired test against a search for its maximum, and decisions made early."""

import re
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from picojoule.errors import FileError, InputError
from picojoule.evaluate import Accuracy, Floor, Tally, check_confidence, check_keep
from picojoule.files import Fields


@pytest.mark.parametrize(
    ("keep", "reference", "least"),
    [
        (0.99, 1000, 990),  # 0.99 * 1000 is 990.0 in floats too, but
        (0.07, 100, 7),  # 0.07 * 100 is 7.000000000000001
        (0.55, 100, 55),  # 0.55 * 100 is 55.00000000000001
        (0.57, 100, 57),  # 0.57 * 100 is 56.99999999999999
        (0.1, 10, 1),
        (0.1, 30, 3),
        (0.7, 10, 7),
        (0.7, 30, 21),
        (0.29, 100, 29),
        (1.0, 981, 981),
        (1, 981, 981),
        (0.95, 999, 950),  # 949.05
        (0.9, 1, 1),
        (1e-9, 10, 1),
    ],
)
def test_floors_are_exact(keep: float, reference: int, least: int) -> None:
    floor = Floor(keep, Accuracy(reference, 1000))
    assert floor.holds(Accuracy(least, 1000))
    assert not floor.holds(Accuracy(least - 1, 1000))


@given(st.integers(1, 10**4), st.integers(0, 10**4), st.integers(0, 10**4))
def test_a_floor_of_four_decimals_is_whole_number_arithmetic(keep: int, reference: int, correct: int) -> None:
    floor = Floor(keep / 10**4, Accuracy(reference, 10**4))
    assert floor.holds(Accuracy(correct, 10**4)) == (correct * 10**4 >= keep * reference)
    assert floor.needed == Fraction(keep * reference, 10**4)


@pytest.mark.parametrize("keep", [0, 0.0, -0.1, 1.0001, 99, float("nan"), float("inf")])
def test_a_keep_that_is_no_relative_accuracy(keep: float) -> None:
    message = (
        f"keep {keep:g} is not a relative accuracy: give a number above 0 and at most 1, such as 0.99 for 99 % of the "
        "float network's accuracy"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        check_keep(keep)
    with pytest.raises(InputError, match=re.escape(message)):
        Floor(keep, Accuracy(1, 1))


@pytest.mark.parametrize("confidence", [0.49, 1, 1.0, -1, float("nan"), 95])
def test_a_confidence_that_is_none(confidence: float) -> None:
    message = f"confidence {confidence:g} cannot be used; give a number from 0.5 and below 1, such as 0.95"
    with pytest.raises(InputError, match=re.escape(message)):
        check_confidence(confidence)
    with pytest.raises(InputError, match=re.escape(message)):
        Floor(0.99, Accuracy(1, 1), confidence)


def paired(total: int, both: float, lost: float, gained: float) -> Tally:
    return Tally(total, total, both + gained, lost, gained)


def by_search(both: int, lost: int, gained: int, keep: float) -> float:
    """The statistic of matched pairs, with the likeliest probabilities under the floor found by root finding.

    Lagrange's conditions give each probability as its count over a linear function of the multiplier; the multiplier
    is where the floor holds exactly.
    """

    def probabilities(m: float) -> tuple[float, float, float]:
        return both / (1 + m * (1 - keep)), lost / (1 - m * keep), gained / (1 + m)

    def above(m: float) -> float:
        a, b, c = probabilities(m)
        return (1 - keep) * a - keep * b + c

    m = brentq(above, 0, (1 - 1e-12) / keep, xtol=1e-15)
    a, b, c = probabilities(m)
    variance = (1 - keep) ** 2 * a + keep**2 * b + c
    return float(((1 - keep) * both - keep * lost + gained) / variance**0.5)


@given(st.integers(1, 2000), st.integers(1, 40), st.integers(0, 40), st.sampled_from([0.5, 0.9, 0.99, 0.999]))
def test_the_statistic_is_that_of_the_likeliest_probabilities(both: int, lost: int, gained: int, keep: float) -> None:
    floor = Floor(keep, Accuracy(both + lost, 3000), 0.95)
    if (1 - keep) * both + gained - keep * lost > 1e-9:
        assert floor.z(paired(3000, both, lost, gained)) == pytest.approx(by_search(both, lost, gained, keep), rel=1e-6)
    else:
        assert floor.z(paired(3000, both, lost, gained)) <= 0


@pytest.mark.parametrize(("both", "needed"), [(267, False), (268, True)])
def test_a_plan_that_loses_nothing_needs_samples_all_the_same(both: int, needed: bool) -> None:
    """Nothing lost is proof of 99 % once z^2 k / (1 - k) samples are right: 267.9."""
    assert Floor(0.99, Accuracy(both, both), 0.95).holds(paired(both, both, 0, 0)) == needed


def test_cases_on_the_edge() -> None:
    assert not Floor(0.9, Accuracy(0, 100), 0.95).holds(paired(100, 0, 0, 0))  # never right: nothing is proved
    assert Floor(0.9, Accuracy(0, 100)).holds(paired(100, 0, 0, 0))
    assert Floor(1.0, Accuracy(900, 1000), 0.95).holds(paired(1000, 900, 0, 0))  # what loses none keeps all
    assert not Floor(1.0, Accuracy(900, 1000), 0.95).holds(paired(1000, 899, 1, 0))
    assert not Floor(1.0, Accuracy(900, 1000), 0.95).holds(paired(1000, 899, 1, 1))  # equal is not better
    assert not Floor(0.9999, Accuracy(900, 1000), 0.95).holds(paired(1000, 900, 0, 0))  # too few to prove that
    assert Floor(1.0, Accuracy(900, 1000), 0.95).holds(paired(1000, 900, 0, 3))
    assert not Floor(1.0, Accuracy(900, 1000), 0.95).holds(paired(1000, 890, 10, 12))  # better, but by chance
    assert Floor(0.9, Accuracy(0, 100), 0.95).holds(paired(100, 0, 0, 3))
    with pytest.raises(TypeError, match="decided on a tally"):
        Floor(0.9, Accuracy(90, 100), 0.95).holds(Accuracy(90, 100))


def test_more_confidence_asks_for_more() -> None:
    tally = paired(1000, 950, 4, 1)
    held = [Floor(0.99, Accuracy(954, 1000), level).holds(tally) for level in (None, 0.5, 0.8, 0.95, 0.999)]
    assert held == [True, True, True, True, False]


@cache
def accepted(keep: float, total: int, both: int, lost: int, gained: int) -> bool:
    return Floor(keep, Accuracy(both + lost, total), 0.95).holds(paired(total, both, lost, gained))


@pytest.mark.parametrize("total", [200, 1000, 5000])
@pytest.mark.parametrize("right", [0.99, 0.9, 0.7])
@pytest.mark.parametrize("keep", [0.99, 0.95])
@pytest.mark.parametrize("gained", [0.0, 0.01])
def test_a_plan_just_on_the_floor_is_accepted_one_time_in_twenty(
    total: int, right: float, keep: float, gained: float
) -> None:
    """Drawn from networks that keep exactly the floor; the test is approximate, hence 6.5 %."""
    both = keep * right - gained
    shares = [both, right - both, gained, 1 - right - gained]
    drawn = np.random.RandomState(0).multinomial(total, shares, size=4000)
    wrong = np.mean([accepted(keep, total, int(a), int(b), int(c)) for a, b, c, _ in drawn])
    assert wrong <= 0.065
    if total * (1 - keep) * right > 20:  # enough samples for the test not to be over-cautious
        assert wrong >= 0.03


@given(
    st.sampled_from([0.5, 0.8, 0.95, 0.99, 0.999, 1.0]),
    st.sampled_from([None, 0.5, 0.95, 0.9999]),
    st.integers(0, 400),
    st.integers(0, 100),
    st.integers(0, 100),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_what_is_gained_or_not_lost_never_breaks_a_floor(
    keep: float, confidence: float | None, right: int, wrong: int, lost: int, less: float, more: float
) -> None:
    lost, total = min(lost, right), right + wrong
    floor = Floor(keep, Accuracy(right, max(1, total)), confidence)

    def holds(lost: float, gained: float) -> bool:
        return floor.holds(paired(max(1, total), right - lost, lost, gained))

    for gained in (0, wrong // 3, wrong):
        better = [(lost * less, gained), (lost, gained + (wrong - gained) * more)]
        assert not holds(lost, gained) or all(holds(*each) for each in better)


SCORES = {
    "right or wrong": st.sampled_from([0.0, 1.0]),
    "in parts": st.integers(0, 2**32).map(lambda part: part / 2**32),
}


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("confidence", [None, 0.6, 0.95])
@settings(max_examples=150)
@given(data=st.data())
def test_an_early_decision_is_the_late_one(kind: str, confidence: float | None, data: st.DataObject) -> None:
    """Whatever the scores, the floor, the order and the chunks: once certain, it stays what it is to the end."""
    size = data.draw(st.integers(1, 60))
    draw = st.lists(SCORES[kind], min_size=size, max_size=size)
    ours, theirs = (torch.tensor(data.draw(draw), dtype=torch.float64) for _ in range(2))
    if data.draw(st.booleans()):
        ours = torch.where(torch.tensor(data.draw(st.lists(st.booleans(), min_size=size, max_size=size))), ours, theirs)
    order = torch.tensor(data.draw(st.permutations(range(size))))
    floor = Floor(
        data.draw(st.sampled_from([0.3, 0.5, 0.9, 0.99, 1.0])), Accuracy(float(theirs.sum()), size), confidence
    )
    expected = floor.holds(Tally(size, 0, 0, 0, 0).and_also(theirs, ours))
    tally, decisions = Tally(size, 0, 0, 0, 0), []
    for chunk in order.split(data.draw(st.integers(1, 7))):
        tally = tally.and_also(theirs[chunk], ours[chunk])
        assert tally.low <= float(ours.sum()) <= tally.high
        decisions.append(floor.decide(tally))
    assert set(decisions) <= {None, expected}
    assert decisions[-1] == expected
    assert tally == Tally(size, 0, 0, 0, 0).and_also(theirs, ours)  # sums are exact, whatever the order


def test_a_decision_falls_as_soon_as_it_can() -> None:
    floor = Floor(0.9, Accuracy(100, 100))
    assert floor.decide(Tally(100, 89, 89, 0, 0)) is None
    assert floor.decide(Tally(100, 90, 90, 0, 0)) is True
    assert floor.decide(Tally(100, 10, 0, 10, 0)) is None
    assert floor.decide(Tally(100, 11, 0, 11, 0)) is False


def test_to_keep_all_is_decided_at_the_first_sample_lost_or_the_last() -> None:
    """With a confidence; what is gained may outweigh it later."""
    floor = Floor(1.0, Accuracy(100, 100), 0.95)
    assert floor.decide(Tally(100, 99, 99, 0, 0)) is None
    assert floor.decide(Tally(100, 100, 100, 0, 0)) is True
    assert floor.decide(Tally(100, 1, 0, 1, 0)) is False  # all are right in float, so that none can be gained
    assert Floor(1.0, Accuracy(90, 100), 0.95).decide(Tally(100, 1, 0, 1, 0)) is None
    assert Floor(1.0, Accuracy(90, 100), 0.95).decide(Tally(100, 90, 90, 0, 0)) is True


def test_a_tally_tells_what_was_seen() -> None:
    tally = Tally(100, 20, 12, 8, 0)
    assert (tally.low, tally.high) == (12, 92)
    assert Tally(100, 100, 12, 88, 0).accuracy == Accuracy(12, 100)
    with pytest.raises(AssertionError):
        _ = tally.accuracy


def test_tallies_round_trip() -> None:
    for tally in (Tally(100, 20, 12.5, 7.25, 0.25), Tally(1, 0, 0.0, 0.0, 0.0), Tally(3, 3, 3.0, 0.0, 3.0)):
        assert Tally.from_table(Fields(tally.to_table(), "file")) == tally


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"total": 0}, "key 'total' is 0, expected a whole number from 1 to 9223372036854775807"),
        ({"seen": 101}, "key 'seen' is 101, expected a whole number from 0 to 100"),
        ({"correct": 21}, "key 'correct' is 21, expected a finite number from 0 to 20"),
        ({"lost": -1}, "key 'lost' is -1, expected a finite number from 0 to 20"),
        ({"gained": 20.5}, "key 'gained' is 20.5, expected a finite number from 0 to 20"),
        ({"gained": 13}, "keys 'correct', 'lost' and 'gained' do not fit together"),
        ({"lost": 9}, "keys 'correct', 'lost' and 'gained' do not fit together"),
        ({"more": 1}, "unknown key 'more'"),
    ],
    ids=str,
)
def test_tables_that_are_no_tally(change: dict[str, float], told: str) -> None:
    table = {**Tally(100, 20, 12, 8, 0).to_table(), **change}
    with pytest.raises(FileError, match=re.escape(told)):
        Tally.from_table(Fields(table, "file"))


def test_the_normal_distribution_of_the_library_is_scipys() -> None:
    tally = paired(1000, 950, 5, 1)
    floor = Floor(0.99, Accuracy(955, 1000), 0.95)
    level = float(norm.cdf(floor.z(tally)))
    assert Floor(0.99, Accuracy(955, 1000), level - 1e-6).holds(tally)
    assert not Floor(0.99, Accuracy(955, 1000), level + 1e-6).holds(tally)
