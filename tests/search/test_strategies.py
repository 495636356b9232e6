"""Sweeps against cases worked out by hand and against the one that tries every bit count, on made-up accuracies."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.naive import first_difference, sweep

from picojoule.evaluate import Accuracy, Evaluator, Floor, Tally
from picojoule.files import Fields
from picojoule.formats import parse
from picojoule.network import Network
from picojoule.plan import Plan
from picojoule.search import Decision, Problem, Step, Trial, by_energy, formats_of, ladders_of, strategies
from picojoule.search.descent import Descent
from picojoule.search.greedy import Greedy, boundary
from picojoule.search.uniform import Uniform

SITES = ("a.inputs", "a.weights", "b.inputs", "b.weights")


class Made(Evaluator):
    def __init__(self, function: Callable[..., int]) -> None:
        self.function = function
        self.asked: list[tuple[int, ...]] = []

    def tally(self, plan: Plan) -> Tally:
        self.asked.append(_bits(plan))
        return right(self.function(*_bits(plan)))


def _bits(plan: Plan) -> tuple[int, ...]:
    return tuple(format.bits for format in plan.formats.values())


def right(count: int) -> Tally:
    """So many right of a hundred that the float network has all right."""
    return Tally(100, 100, count, 100 - count, 0)


def problem(function: Callable[..., int], bits: tuple[int, int] = (1, 4)) -> Problem:
    """Two layers; weights are signed and inputs are not."""
    network = cast(Network, SimpleNamespace(sites={site: SimpleNamespace(kind=site[2:]) for site in SITES}))
    signed = {site: site.endswith("weights") for site in SITES}
    return Problem(network, ladders_of(signed, formats_of(("fixed",), bits)), Made(function), lambda plan: 0.0)


def asked(problem: Problem) -> list[tuple[int, ...]]:
    assert isinstance(problem.evaluator, Made)
    return problem.evaluator.asked


def floor(needed: int) -> Floor:
    return Floor(needed / 100, Accuracy(100, 100))


def texts(step: Step) -> list[str]:
    return [str(format) for format in step.plan.formats.values()]


def decision(site: str, format: str, *trials: tuple[str, int]) -> Decision:
    """A decision under a floor of 90."""
    tried = (Trial(parse(text), count >= 90, right(count)) for text, count in trials)
    return Decision(site, parse(format), tuple(tried))


def mixed(rights: dict[str, int]) -> Problem:
    """Fixed point of 4 to 2 bits and three other formats, each with what it takes and how many are then right."""
    costs = {"fixed4": 40, "fixed3": 30, "fixed2": 20, "e4m3": 60, "e2m1": 25, "nf4": 10}
    network = cast(Network, SimpleNamespace(sites={site: SimpleNamespace(kind=site[2:]) for site in SITES}))

    def one(plan: Plan) -> str:
        (format,) = set(plan.formats.values())
        return str(format)

    class Told(Evaluator):
        def tally(self, plan: Plan) -> Tally:
            return right(rights[one(plan)])

    ladders = ladders_of(dict.fromkeys(SITES, True), by_energy(map(parse, costs), lambda format: costs[str(format)]))
    return Problem(network, ladders, Told(), lambda plan: costs[one(plan)])


@pytest.mark.parametrize(
    ("rights", "holds", "found", "tried"),
    [
        # the least energy first, and only what takes less than the bits that held
        (
            {"fixed4": 99, "fixed3": 95, "fixed2": 9, "nf4": 8, "e2m1": 90},
            True,
            "e2m1",
            "fixed4 fixed3 fixed2 nf4 e2m1",
        ),
        ({"fixed4": 99, "fixed3": 95, "fixed2": 9, "nf4": 99}, True, "nf4", "fixed4 fixed3 fixed2 nf4"),
        ({"fixed4": 99, "fixed3": 95, "fixed2": 99, "nf4": 8}, True, "fixed2", "fixed4 fixed3 fixed2 nf4"),
        # all of them where no bits hold
        ({"fixed4": 1, "nf4": 8, "e2m1": 7, "e4m3": 99}, True, "e4m3", "fixed4 nf4 e2m1 e4m3"),
        ({"fixed4": 1, "nf4": 8, "e2m1": 7, "e4m3": 6}, False, "e4m3", "fixed4 nf4 e2m1 e4m3"),
    ],
)
def test_uniform_takes_the_format_of_least_energy_that_holds(
    rights: dict[str, int], holds: bool, found: str, tried: str
) -> None:
    *_, last = Uniform().steps(mixed(rights), floor(90))
    assert (last.holds, set(texts(last))) == (holds, {found})
    if holds:
        assert last.decision == decision("*", found, *((text, rights[text]) for text in tried.split()))


def test_uniform_is_told_by_the_operands_that_have_more_formats() -> None:
    made = mixed({})
    ladders = {site: ladder if site.endswith("weights") else ladder[:1] for site, ladder in made.ladders.items()}
    asked: list[str] = []

    class Told(Evaluator):
        def tally(self, plan: Plan) -> Tally:
            asked.append(str(plan.formats["a.weights"]))
            return right(95 if len(asked) < 3 else 10)

    apart = replace(made, ladders=ladders, evaluator=Told(), cost=lambda plan: float(len(asked)))
    *_, last = Uniform().steps(apart, floor(90))
    assert last.decision is not None
    assert [str(trial.format) for trial in last.decision.trials] == asked
    assert str(last.decision.format) == str(last.plan.formats["b.weights"])
    assert len(set(asked)) > 2
    assert {str(last.plan.formats[site]) for site in SITES if site.endswith("inputs")} == {
        str(made.ladders[SITES[0]][0])
    }


def test_a_ladder_has_each_format_once() -> None:
    """Where binary is asked for beside fixed1, which it stands for on a signed range."""
    found = ladders_of({"a": True, "b": False}, map(parse, ("fixed2", "fixed1", "binary")))
    assert {site: tuple(map(str, ladder)) for site, ladder in found.items()} == {
        "a": ("fixed2", "binary"),
        "b": ("fixed2", "fixed1", "binary"),
    }


def test_uniform_puts_all_formats_on_one_path_by_energy() -> None:
    plans = Uniform().path(mixed({}))
    expected = ["e4m3", "fixed4", "fixed3", "e2m1", "fixed2", "nf4"]
    assert [str(next(iter(plan.formats.values()))) for plan in plans] == expected
    assert Uniform().path(problem(lambda *bits: 100)) == ()


def families(*texts: str, right_at: Callable[[tuple[str, ...]], int]) -> Problem:
    """Two layers whose energy is 10 for each stored bit, and 100 more where a layer's operands are of two families."""

    class Told(Evaluator):
        def tally(self, plan: Plan) -> Tally:
            return right(right_at(tuple(map(str, plan.formats.values()))))

    layers = [SimpleNamespace(inputs=SITES[k], weights=SITES[k + 1]) for k in (0, 2)]
    sites = {site: SimpleNamespace(kind=site[2:]) for site in SITES}
    network = cast(Network, SimpleNamespace(sites=sites, layers=layers))

    def cost(plan: Plan) -> float:
        odd = sum(plan.formats[each.inputs].arithmetic != plan.formats[each.weights].arithmetic for each in layers)
        return 100 * odd + sum(10 * format.stored_bits for format in plan.formats.values())

    order = by_energy(map(parse, texts), lambda format: format.stored_bits)
    return Problem(network, ladders_of(dict.fromkeys(SITES, True), order), Told(), cost)


TEXTS = ("fixed8", "fixed7", "fixed6", "fixed5", "e2m3", "e2m1")


def test_the_sweep_takes_of_other_families_what_costs_less() -> None:
    """A layer's inputs are priced with its weights alike; its weights beside the inputs that were chosen."""
    made = families(*TEXTS, right_at=lambda plan: 95 if set(plan[:2]) <= {"fixed8", "fixed7", "e2m3"} else 10)
    first, ai, aw, *_, last = Greedy().steps(made, floor(90))
    assert texts(first) == ["fixed8"] * 4
    # fixed7 holds and fixed6 does not; of e2m3 and e2m1, which cost less, the latter fails
    expected = (("fixed8", 95), ("fixed7", 95), ("fixed6", 10), ("fixed5", 10), ("e2m1", 10), ("e2m3", 95))
    assert ai.decision == decision("a.inputs", "e2m3", *expected)
    assert aw.decision == decision("a.weights", "e2m3", *expected)
    assert texts(last) == ["e2m3", "e2m3", "e2m1", "e2m1"]


def test_the_sweep_does_not_leave_a_family_for_one_site_alone() -> None:
    """Fixed point at the inputs makes it dear to leave it at the weights, though the format has fewer bits."""
    made = families(*TEXTS, right_at=lambda plan: 95 if plan[0] in ("fixed8", "fixed7") else 10)
    steps = list(Greedy().steps(made, floor(90)))
    assert texts(steps[-1]) == ["fixed7", "fixed5", "e2m1", "e2m1"]


def test_the_sweep_begins_with_another_family_where_the_most_bits_fail() -> None:
    made = families(*TEXTS, right_at=lambda plan: 95 if set(plan) <= {"e2m3", "fixed6"} and "e2m3" in plan else 10)
    steps = list(Greedy().steps(made, floor(90)))
    assert texts(steps[0]) == ["e2m3"] * 4
    assert texts(steps[-1]) == ["e2m3"] * 4
    nothing = families(*TEXTS, right_at=lambda plan: 10)
    assert list(Greedy().steps(nothing, floor(90))) == [Step(nothing.widest(), False, None, 0)]


def test_the_sweep_by_hand() -> None:
    # 90 must stay right. a.inputs alone may lose two bits; then a.weights none, b.inputs one, b.weights none.
    loss = {"ai": (0, 1, 2, 30), "aw": (0, 9, 9, 9), "bi": (0, 8, 9, 9), "bw": (0, 1, 9, 9)}
    made = problem(
        lambda ai, aw, bi, bw: 100 - sum(loss[k][4 - v] for k, v in zip(loss, (ai, aw, bi, bw), strict=True))
    )

    steps = list(Greedy().steps(made, floor(90)))

    assert asked(made) == [
        (4, 4, 4, 4),
        (1, 4, 4, 4),  # 70: fails, and so it goes up
        (2, 4, 4, 4),
        (2, 1, 4, 4),  # 89: fails
        (2, 2, 4, 4),
        (2, 3, 4, 4),
        (2, 4, 1, 4),  # 89: fails
        (2, 4, 2, 4),
        (2, 4, 3, 4),
        (2, 4, 3, 2),  # two below where a.weights ended; 81: fails
        (2, 4, 3, 3),  # 89: fails
    ]
    assert [step.decision for step in steps] == [
        None,
        decision("a.inputs", "fixed2", ("fixed4", 100), ("fixed2", 98), ("fixed1", 70)),
        decision("a.weights", "fixed4", ("fixed4", 98), ("fixed3", 89), ("fixed2", 89), ("binary", 89)),
        decision("b.inputs", "fixed3", ("fixed4", 98), ("fixed3", 90), ("fixed2", 89), ("fixed1", 89)),
        decision("b.weights", "fixed4", ("fixed4", 90), ("fixed3", 89), ("fixed2", 81)),
    ]
    assert texts(steps[-1]) == ["fixed2", "fixed4", "fixed3", "fixed4"]
    assert all(step.holds for step in steps)
    assert [step.remaining for step in steps] == [12, 9, 6, 3, 0]


def test_the_sweep_starts_below_where_the_one_before_of_its_kind_ended() -> None:
    made = problem(lambda ai, aw, bi, bw: 100 if ai >= 5 and bi >= 4 and bw >= 2 else 0, bits=(1, 16))
    steps = list(Greedy().steps(made, floor(90)))
    assert texts(steps[-1]) == ["fixed5", "binary", "fixed4", "fixed2"]
    tried = {site: [bits[place] for bits in asked(made)] for place, site in enumerate(SITES)}
    assert tried["a.inputs"][:6] == [16, 1, 2, 3, 4, 5]
    assert tried["b.inputs"][7:9] == [3, 4]
    assert tried["b.weights"][9:] == [1, 2]


def test_the_sweep_may_pass_over_a_bit_count_that_fails() -> None:
    """Where fewer bits hold again the floor still fails just below; the sweep that tries all stays above."""
    made = problem(lambda ai, *_: 0 if ai == 3 else 100 if ai > 1 else 0)
    steps = list(Greedy().steps(made, floor(50)))
    swept = sweep(made, floor(50))
    assert swept is not None
    assert texts(steps[1])[0] == "fixed2"
    assert swept.plan.formats["a.inputs"] == parse("fixed4")
    assert first_difference(made, floor(50), swept, steps[-1].plan) == "a.inputs"


def test_the_sweep_reaches_one_bit_by_the_ranges_sign() -> None:
    made = problem(lambda *bits: 100)
    steps = list(Greedy().steps(made, floor(100)))
    assert texts(steps[-1]) == ["fixed1", "binary", "fixed1", "binary"]
    assert len(asked(made)) <= Greedy().bound(made) == 13


def test_a_floor_that_fails_at_the_most_bits_ends_the_sweep() -> None:
    made = problem(lambda *bits: 89)
    steps = list(Greedy().steps(made, floor(90)))
    assert steps == [Step(made.widest(), False, None, 0)]
    assert asked(made) == [(4, 4, 4, 4)]


@settings(max_examples=500)
@given(st.lists(st.booleans(), max_size=20), st.integers(0, 25))
def test_a_boundary_is_proven_and_no_rung_tried_twice(fewer: list[bool], start: int) -> None:
    """The last rung or one before a rung that fails, which holds, whatever holds; where that falls once, the only."""
    rungs, tried = [True, *fewer], list[int]()

    def holds(rung: int) -> bool:
        tried.append(rung)
        return rungs[rung]

    found = boundary(holds, len(rungs), start)
    assert rungs[found]
    assert found + 1 == len(rungs) or not rungs[found + 1]
    assert len(set(tried)) == len(tried)
    assert {0, found, min(found + 1, len(rungs) - 1)} <= {0, *tried}
    if rungs == sorted(rungs, reverse=True):
        assert found == sum(rungs) - 1
        assert len(tried) <= 2 + abs(found - min(start, len(rungs) - 1))


LADDERS = st.integers(1, 4).flatmap(lambda low: st.tuples(st.just(low), st.integers(low, 10)))


@settings(max_examples=200)
@given(
    loss=st.lists(st.lists(st.integers(0, 12), min_size=10, max_size=10), min_size=4, max_size=4),
    bits=LADDERS,
    needed=st.integers(50, 101),
)
def test_where_accuracy_falls_with_every_bit_it_is_the_sweep_that_tries_all(
    loss: list[list[int]], bits: tuple[int, int], needed: int
) -> None:
    """The same plan, by evaluations that the other one made too."""
    made = problem(
        lambda *taken: max(0, 100 - sum(sum(each[: bits[1] - b]) for each, b in zip(loss, taken, strict=True))), bits
    )
    steps = list(Greedy().steps(made, floor(min(needed, 100))))
    quick = len(asked(made))
    swept = sweep(made, floor(min(needed, 100)))
    assert swept is not None
    assert steps[-1].plan == swept.plan
    assert len(asked(made)) - quick == swept.evaluations
    for step in steps[1:]:
        assert step.decision is not None
        held = tuple(trial.format for trial in step.decision.trials if trial.holds)
        assert set(held) <= set(swept.held[step.decision.site])
        assert held[-1] == swept.held[step.decision.site][-1]


@settings(max_examples=200)
@given(seed=st.integers(0, 2**31), bits=LADDERS, needed=st.integers(1, 100))
def test_whatever_accuracy_does_each_site_ends_before_a_failure(seed: int, bits: tuple[int, int], needed: int) -> None:
    """Rises and falls at random: the floor holds at each site's bits, fails at one fewer, and none is tried twice."""
    made = problem(lambda *taken: zlib.crc32(repr((seed, taken)).encode()) % 101, bits)
    steps = list(Greedy().steps(made, floor(needed)))
    assert len(set(asked(made))) == len(asked(made)) <= Greedy().bound(made)
    assert steps[0].holds == (made.evaluator.tally(made.widest()).correct >= needed)
    for before, step in pairwise(steps):
        decided = step.decision
        assert decided is not None
        ladder = made.ladders[decided.site]
        tried = [trial.format for trial in decided.trials]
        assert tried == [format for format in ladder if format in tried]
        for trial in decided.trials:
            found = made.evaluator.tally(before.plan.replace(decided.site, trial.format))
            assert (trial.tally, trial.holds) == (found, found.correct >= needed)
        chosen = tried.index(decided.format)
        assert decided.trials[chosen].holds
        if decided.format != ladder[-1]:
            assert tried[chosen + 1] == ladder[ladder.index(decided.format) + 1]
            assert not decided.trials[chosen + 1].holds
    if swept := sweep(made, floor(needed)):
        first_difference(made, floor(needed), swept, steps[-1].plan)


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
    assert list(Uniform().steps(made, floor(90))) == [Step(made.widest(), False, None, 0)]


def test_ladders() -> None:
    made = problem(lambda *bits: 100, bits=(1, 3))
    assert [str(format) for format in made.ladders["a.weights"]] == ["fixed3", "fixed2", "binary"]
    assert [str(format) for format in made.ladders["a.inputs"]] == ["fixed3", "fixed2", "fixed1"]
    assert [str(format) for format in problem(lambda: 0, bits=(2, 3)).ladders["a.weights"]] == ["fixed3", "fixed2"]


def test_formats_stand_by_energy_and_then_by_what_they_store() -> None:
    energies = {"fixed3": 5, "fixed2": 7, "fixed1": 2, "e2m1": 6, "nf4": 5, "nf4/64": 5, "e3m0": 1, "e3m2": 9}
    order = by_energy(map(parse, energies), lambda format: energies[str(format)])
    assert [str(each) for each in order] == ["e3m2", "e2m1", "nf4/64", "nf4", "fixed3", "fixed2", "fixed1", "e3m0"]
    alone = formats_of(("fixed",), (1, 3))
    assert by_energy(alone, lambda format: -format.bits) == alone  # whatever the energy
    found = ladders_of({"w": True, "x": False}, order)
    assert [str(each) for each in found["w"]][-2:] == ["binary", "e3m0"]
    assert [str(each) for each in found["x"]][-2:] == ["fixed1", "e3m0"]


@pytest.mark.parametrize(
    ("asked", "bits", "widest", "narrowest"),
    [
        (("fixed", "float", "nf"), (1, 16), "fixed16", "binary"),
        (("fixed", "float", "nf"), (4, 8), "fixed8", "fixed4"),
        (("float", "nf"), (4, 8), "e4m3/32:e8m0", "e2m1"),
        (("nf",), (4, 4), "nf4/64", "nf4"),
    ],
)
def test_the_most_and_the_fewest_bits(
    asked: tuple[str, ...], bits: tuple[int, int], widest: str, narrowest: str
) -> None:
    """Of several with as many fixed point comes first, then what takes most energy; by storage, not by code."""
    formats = by_energy(formats_of(asked, bits), lambda format: format.stored_bits)
    made = families(right_at=lambda plan: 0)
    made = replace(made, ladders=ladders_of(dict.fromkeys(SITES, True), formats))
    assert set(map(str, made.widest().formats.values())) == {widest}
    assert set(map(str, made.narrowest().formats.values())) == {narrowest}


def test_decisions_round_trip() -> None:
    one = decision("a.inputs", "fixed2", ("fixed4", 100), ("fixed3", 99))
    assert Decision.from_table(Fields(one.to_table(), "file")) == one


def test_the_strategies_by_name() -> None:
    assert strategies()["greedy"] is Greedy
    assert strategies()["uniform"] is Uniform
    assert strategies()["descent"] is Descent


@pytest.mark.parametrize("name", ["descent", "greedy", "uniform"])
def test_summaries_are_for_listings(name: str) -> None:
    assert strategies()[name].summary[0].islower()
    assert not strategies()[name].summary.endswith(".")
