"""The two strategies against cases worked out by hand, on accuracies made up for the purpose."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from picojoule.evaluate import Accuracy, Evaluator, Floor
from picojoule.files import Fields
from picojoule.formats import parse
from picojoule.network import Network
from picojoule.plan import Plan
from picojoule.search import Decision, Problem, Step, Trial, fixed_point_ladders, strategies
from picojoule.search.greedy import Greedy
from picojoule.search.uniform import Uniform

SITES = ("a.inputs", "a.weights", "b.inputs", "b.weights")


class Made(Evaluator):
    def __init__(self, function: Callable[..., int]) -> None:
        self.function = function
        self.asked: list[tuple[int, ...]] = []

    def accuracy(self, plan: Plan) -> Accuracy:
        bits = tuple(format.bits for format in plan.formats.values())
        self.asked.append(bits)
        return Accuracy(self.function(*bits), 100)


def problem(function: Callable[..., int], bits: tuple[int, int] = (1, 4)) -> Problem:
    """Two layers; weights are signed and inputs are not."""
    network = cast(Network, SimpleNamespace(sites=dict.fromkeys(SITES)))
    signed = {site: site.endswith("weights") for site in SITES}
    return Problem(network, fixed_point_ladders(signed, bits), Made(function), lambda plan: 0.0)


def asked(problem: Problem) -> list[tuple[int, ...]]:
    assert isinstance(problem.evaluator, Made)
    return problem.evaluator.asked


def floor(needed: int) -> Floor:
    return Floor(1.0, Accuracy(needed, 100))


def texts(step: Step) -> list[str]:
    return [str(format) for format in step.plan.formats.values()]


def decision(site: str, format: str, *trials: tuple[str, int]) -> Decision:
    """A decision under a floor of 90."""
    tried = (Trial(parse(text), Accuracy(right, 100), right >= 90) for text, right in trials)
    return Decision(site, parse(format), tuple(tried))


def test_the_sweep_by_hand() -> None:
    # 90 must stay right. a.inputs alone may lose two bits; then a.weights none, b.inputs one, b.weights none.
    loss = {"ai": (0, 1, 2, 30), "aw": (0, 9, 9, 9), "bi": (0, 8, 9, 9), "bw": (0, 1, 9, 9)}
    made = problem(
        lambda ai, aw, bi, bw: 100 - sum(loss[k][4 - v] for k, v in zip(loss, (ai, aw, bi, bw), strict=True))
    )

    steps = list(Greedy().steps(made, floor(90)))

    assert asked(made) == [
        (4, 4, 4, 4),
        (3, 4, 4, 4),
        (2, 4, 4, 4),
        (1, 4, 4, 4),  # 70: fails
        (2, 3, 4, 4),  # 89: fails
        (2, 4, 3, 4),
        (2, 4, 2, 4),  # 89: fails
        (2, 4, 3, 3),  # 89: fails
    ]
    assert [step.decision for step in steps] == [
        None,
        decision("a.inputs", "fixed2", ("fixed4", 100), ("fixed3", 99), ("fixed2", 98), ("fixed1", 70)),
        decision("a.weights", "fixed4", ("fixed4", 98), ("fixed3", 89)),
        decision("b.inputs", "fixed3", ("fixed4", 98), ("fixed3", 90), ("fixed2", 89)),
        decision("b.weights", "fixed4", ("fixed4", 90), ("fixed3", 89)),
    ]
    assert texts(steps[-1]) == ["fixed2", "fixed4", "fixed3", "fixed4"]
    assert [step.accuracy.correct for step in steps] == [100, 98, 98, 90, 90]
    assert [step.remaining for step in steps] == [12, 9, 6, 3, 0]


def test_the_sweep_stops_at_the_first_failure_though_fewer_bits_would_hold() -> None:
    made = problem(lambda *bits: 0 if 3 in bits else 100)
    last = list(Greedy().steps(made, floor(50)))[-1]
    assert texts(last) == ["fixed4"] * 4
    assert len(asked(made)) == 1 + 4


def test_the_sweep_reaches_one_bit_by_the_ranges_sign() -> None:
    made = problem(lambda *bits: 100)
    steps = list(Greedy().steps(made, floor(100)))
    assert texts(steps[-1]) == ["fixed1", "binary", "fixed1", "binary"]
    assert len(asked(made)) == Greedy().bound(made) == 13


def test_a_floor_that_fails_at_the_most_bits_ends_the_sweep() -> None:
    made = problem(lambda *bits: 89)
    steps = list(Greedy().steps(made, floor(90)))
    assert steps == [Step(made.widest(), Accuracy(89, 100), None, 0)]
    assert asked(made) == [(4, 4, 4, 4)]


def test_one_bit_count_leaves_nothing_to_lower() -> None:
    made = problem(lambda *bits: 100, bits=(4, 4))
    steps = list(Greedy().steps(made, floor(100)))
    assert asked(made) == [(4, 4, 4, 4)]
    assert [step.decision for step in steps[1:]] == [decision(site, "fixed4", ("fixed4", 100)) for site in SITES]
    assert Greedy().bound(made) == 1


def test_uniform_by_hand() -> None:
    made = problem(lambda bits, *_: {4: 100, 3: 95, 2: 90, 1: 10}[bits])
    steps = list(Uniform().steps(made, floor(90)))
    assert asked(made) == [(4,) * 4, (3,) * 4, (2,) * 4, (1,) * 4]
    assert [texts(step)[0] for step in steps] == ["fixed4", "fixed3", "fixed2", "fixed2"]
    assert [step.decision for step in steps[:-1]] == [None] * 3
    trials = (("fixed4", 100), ("fixed3", 95), ("fixed2", 90), ("fixed1", 10))
    assert steps[-1].decision == decision("*", "fixed2", *trials)
    assert [step.remaining for step in steps] == [3, 2, 1, 0]


def test_uniform_stops_at_the_first_failure() -> None:
    made = problem(lambda bits, *_: 0 if bits == 3 else 100)
    last = list(Uniform().steps(made, floor(50)))[-1]
    assert texts(last) == ["fixed4"] * 4
    assert asked(made) == [(4,) * 4, (3,) * 4]


def test_uniform_at_one_bit_is_binary_where_a_range_is_signed() -> None:
    made = problem(lambda *bits: 100)
    assert texts(list(Uniform().steps(made, floor(100)))[-1]) == ["fixed1", "binary", "fixed1", "binary"]


def test_uniform_on_a_floor_that_fails() -> None:
    made = problem(lambda *bits: 89)
    assert list(Uniform().steps(made, floor(90))) == [Step(made.widest(), Accuracy(89, 100), None, 0)]


def test_ladders() -> None:
    made = problem(lambda *bits: 100, bits=(1, 3))
    assert [str(format) for format in made.ladders["a.weights"]] == ["fixed3", "fixed2", "binary"]
    assert [str(format) for format in made.ladders["a.inputs"]] == ["fixed3", "fixed2", "fixed1"]
    assert [str(format) for format in problem(lambda: 0, bits=(2, 3)).ladders["a.weights"]] == ["fixed3", "fixed2"]


def test_decisions_round_trip() -> None:
    one = decision("a.inputs", "fixed2", ("fixed4", 100), ("fixed3", 99))
    assert Decision.from_table(Fields(one.to_table(), "file")) == one


def test_the_strategies_by_name() -> None:
    assert strategies()["greedy"] is Greedy
    assert strategies()["uniform"] is Uniform


@pytest.mark.parametrize("name", ["greedy", "uniform"])
def test_summaries_are_for_listings(name: str) -> None:
    assert strategies()[name].summary[0].islower()
    assert not strategies()[name].summary.endswith(".")
