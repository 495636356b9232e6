"""When a training is given up: the rule in other words, and its laws."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.explore.made import quietly

from picojoule.explore import hopeless
from picojoule.explore.pruning import FROM, LEAST

shares = st.sampled_from((0.0, 0.1, 0.25, 0.5, 0.75, 1.0)) | st.floats(0, 1)
curves = st.lists(st.tuples(st.floats(0, 9), shares), max_size=8)
others = st.lists(curves, max_size=7)
epochs = st.integers(1, 8)

Curve = list[tuple[float, float]]


def even(accuracy: float, length: int) -> Curve:
    return [(1.0, accuracy)] * length


@quietly
@given(curves, epochs, others)
def test_the_rule(curve: Curve, epochs: int, cheaper: list[Curve]) -> None:
    """More than half of at least three are better at this epoch, or the two in the middle are on the whole."""
    done = len(curve)
    at = sorted(other[done - 1][1] for other in cheaper if 0 < done <= len(other))
    middle = (at[(len(at) - 1) // 2] + at[len(at) // 2]) / 2 if at else 0.0
    judged = epochs <= 2 * done < 2 * epochs and len(at) >= 3
    assert hopeless(curve, epochs, cheaper) == (judged and curve[-1][1] < middle)


@quietly
@given(curves, epochs, others, st.randoms(use_true_random=False), st.floats(0, 9))
def test_neither_order_nor_loss_nor_the_past_matter(
    curve: Curve, epochs: int, cheaper: list[Curve], chance: random.Random, loss: float
) -> None:
    told = hopeless(curve, epochs, cheaper)
    assert hopeless(curve, epochs, iter(chance.sample(cheaper, len(cheaper)))) == told
    assert hopeless([(loss, accuracy) for _, accuracy in curve], epochs, cheaper) == told
    assert hopeless([(0.0, 0.5) for _ in curve[:-1]] + curve[-1:], epochs, cheaper) == told


@quietly
@given(curves.filter(len), epochs, others, shares)
def test_who_is_better_is_not_given_up_sooner(curve: Curve, epochs: int, cheaper: list[Curve], more: float) -> None:
    better = [*curve[:-1], (curve[-1][0], max(more, curve[-1][1]))]
    assert hopeless(better, epochs, cheaper) <= hopeless(curve, epochs, cheaper)


@quietly
@given(epochs, st.integers(0, 8), others)
def test_the_best_and_the_ended_go_on(epochs: int, done: int, cheaper: list[Curve]) -> None:
    assert not hopeless(even(1.0, done), epochs, cheaper)
    assert not hopeless(even(0.0, epochs), epochs, cheaper)


@pytest.mark.parametrize(
    ("done", "epochs", "given_up"),
    [(1, 4, False), (2, 4, True), (3, 4, True), (4, 4, False), (2, 5, False), (3, 5, True), (0, 1, False),
     (1, 1, False), (1, 2, True), (0, 4, False)],
)  # fmt: skip
def test_every_training_gets_half_its_epochs(done: int, epochs: int, given_up: bool) -> None:
    assert hopeless(even(0.1, done), epochs, [even(0.2, epochs)] * LEAST) == given_up
    assert FROM == 0.5


def test_three_are_needed_that_came_as_far() -> None:
    assert not hopeless(even(0.1, 2), 4, [even(0.9, 4)] * 2)
    assert not hopeless(even(0.1, 2), 4, [*[even(0.9, 4)] * 2, *[even(0.9, 1)] * 5])
    assert hopeless(even(0.1, 2), 4, [*[even(0.9, 4)] * 2, even(0.9, 2)])


def test_a_tie_goes_on() -> None:
    assert not hopeless(even(0.5, 2), 4, [even(each, 4) for each in (0.4, 0.5, 0.9)])
    assert hopeless(even(0.499, 2), 4, [even(each, 4) for each in (0.4, 0.5, 0.9)])
