"""What is trained: grids, and points, costs and trials as plain data; and which points are still to be trained."""

import json
import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.explore import made

from picojoule import zoo
from picojoule.errors import FileError, InputError
from picojoule.evaluate import Accuracy
from picojoule.explore import Cost, Point, Trial, grid, undone
from picojoule.explore.trial import MOST_DEATHS, STATES
from picojoule.files import Fields


def again(table: dict[str, Any]) -> Fields:
    """What a document would hold of a table."""
    return Fields(json.loads(json.dumps(table, allow_nan=False)), "study.json")


class TestGrid:
    def test_is_every_combination_once_in_the_order_given(self) -> None:
        points = grid(["lenet5", "ds-cnn"], [8, 4, 8], [1, 0.5], seeds=[1, 0, 1])
        names = ["lenet5", "lenet5-x0.5", "ds-cnn", "ds-cnn-x0.5"]
        assert points == tuple(Point(*each) for each in product(names, [8, 4], [1, 0]))

    def test_another_name_of_the_same_network_is_no_other_network(self) -> None:
        points = grid(["lenet5", "lenet5-x2", "lenet5-x1.0", "lenet5-x0.50"], [4], ["0.5", 1, 1.0, 0.5])
        names = ["lenet5-x0.5", "lenet5", "lenet5-x2", "lenet5-x0.25"]
        assert sorted(each.network for each in points) == sorted(names)

    def test_widths_and_depths_are_those_of_the_zoo(self) -> None:
        points = grid(["qnn-1x64-2x64-1x128"], [1], [0.25, 2], [1, 3])
        assert [each.network for each in points] == [
            zoo.scaled("qnn-1x64-2x64-1x128", width, depth) for width, depth in product([0.25, 2], [1, 3])
        ]

    def test_a_network_of_the_users_own_is_taken_as_it_is(self) -> None:
        points = grid(["nets.py:small", "lenet5"], [2, 32], widths=[1.0], seeds=[7])
        assert [str(each) for each in points] == [
            "nets.py-small-2bit-seed7", "nets.py-small-32bit-seed7", "lenet5-2bit-seed7", "lenet5-32bit-seed7",
        ]  # fmt: skip

    def test_generators_are_read_once(self) -> None:
        points = grid(iter(["lenet5", "ds-cnn"]), iter([1, 2]), iter([1, 0.5]), iter([1]), iter([0, 1]))
        assert len(points) == 16

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            *[({"bits": [each]}, f"bits {each!r} cannot be trained at; give 1 to 16, or 32 for floating point")
              for each in (0, -1, 17, 31, 33, 4.0, "4", True, None)],
            *[({"seeds": [each]}, f"seed {each!r} cannot be used; give a whole number from 0 to 4294967295")
              for each in (-1, 2**32, 0.0, "0", None)],
            *[({"widths": [each]}, f"width {each} cannot be had; give one above 0, up to 16")
              for each in (0, -1, 17, float("nan"), float("inf"), "", "wide", "1/0")],
            *[({"depths": [each]}, f"depth {each} cannot be had; give a whole number of at least 1")
              for each in (0, -1, 1.5)],
            ({"depths": [2]}, "network 'lenet5' has one depth; only those of the family qnn-NxF-NxF-NxF have others"),
            ({"networks": ["lenet6"]}, "network 'lenet6' is not known; give one of lenet5, "),
            *[({key: []}, "the grid is empty; give at least one network, width, depth, bit count and seed")
              for key in ("networks", "bits", "widths", "depths", "seeds")],
            ({"networks": ["n.py:f"], "widths": [1, 2]}, "network 'n.py:f' is your own and has one width and depth; "),
            ({"networks": ["n.py:f"], "depths": [2]}, "network 'n.py:f' is your own and has one width and depth; "),
            ({"networks": ["a/b.py:f", "a-b.py:f"]}, "networks 'a/b.py:f' and 'a-b.py:f' would share a folder; rename"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_swept(self, options: dict[str, Any], said: str) -> None:
        given: dict[str, Any] = {"networks": ["lenet5"], "bits": [4], **options}
        with pytest.raises(InputError, match=f"^{re.escape(said)}"):
            grid(**given)

    @made.quietly
    @given(
        st.lists(st.sampled_from(["lenet5", "ds-cnn-x0.3", "a.py:f", "a.b:f"]), min_size=1, max_size=3),
        st.lists(st.sampled_from([1, 2, 16, 32]), min_size=1, max_size=3),
        st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=3),
    )
    def test_no_two_points_share_a_folder(self, networks: list[str], bits: list[int], seeds: list[int]) -> None:
        points = grid(networks, bits, seeds=seeds)
        assert len({str(each) for each in points}) == len(set(points)) == len(points)
        assert {(each.network, each.bits, each.seed) for each in points} == set(product(networks, bits, seeds))


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("lenet5-x0.3333", "lenet5-x0.3333-1bit-seed0"),
        ("../nets/my_net.py:build", "..-nets-my-net.py-build-1bit-seed0"),
        ("~/größe.py:f", "--größe.py-f-1bit-seed0"),
        ("a\\b\0c\n", "a-b-c--1bit-seed0"),
        ("..", "..-1bit-seed0"),
    ],
)
def test_the_name_of_a_point_is_that_of_one_folder(network: str, name: str) -> None:
    assert str(Point(network, 1)) == name


class TestPlainData:
    @made.quietly
    @given(made.points)
    def test_points(self, point: Point) -> None:
        assert Point.from_table(again(point.to_table())) == point

    @made.quietly
    @given(made.costs)
    def test_costs(self, cost: Cost) -> None:
        assert Cost.from_table(again(cost.to_table())) == cost

    @made.quietly
    @given(made.trials())
    def test_trials(self, trial: Trial) -> None:
        assert Trial.from_table(again(trial.to_table())) == trial

    POINT = Point("lenet5", 32, 2**32 - 1).to_table()
    COST = Cost(1, 2, 3, {"moons2017": 4.5, "envision": None}).to_table()
    TRIAL = Trial(
        3, Point("lenet5", 1), "complete", ((2.5, 0.25),), Accuracy(1, 2), Accuracy(0, 2), 1.5, "", "host:1"
    ).to_table()

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("network", 5, "key 'network' is 5, expected a text"),
            ("bits", 0, "key 'bits' is 0, expected a whole number from 1 to 32"),
            ("bits", 4.0, "key 'bits' is 4.0, expected a whole number from 1 to 32"),
            ("seed", None, "key 'seed' is None, expected a whole number"),
            ("width", 1, "unknown key 'width'"),
        ],
    )
    def test_malformed_points(self, key: str, value: Any, said: str) -> None:
        self.refuses(Point.from_table, {**self.POINT, key: value}, said)

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("macs", -1, "key 'macs' is -1, expected a whole number from 0"),
            ("ram_bytes", 0.5, "key 'ram_bytes' is 0.5, expected a whole number from 0"),
            ("energy_pj", [1], "key 'energy_pj' is [1], expected a table"),
            *[("energy_pj", {"abacus": each}, f"'energy_pj': key 'abacus' is {each!r}, expected a finite number")
              for each in (0, -1.0, "1", True, float("nan"), float("inf"), 1e300)],
            ("seconds", 1, "unknown key 'seconds'"),
        ],
    )  # fmt: skip
    def test_malformed_costs(self, key: str, value: Any, said: str) -> None:
        self.refuses(Cost.from_table, {**self.COST, key: value}, said)

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("number", -1, "key 'number' is -1, expected a whole number from 0"),
            ("state", "done", "key 'state' is 'done', expected one of 'complete', 'pruned', "),
            ("point", {}, "'point': key 'network' is missing"),
            ("searched", None, "a complete trial has accuracies"),
            ("reported", None, "a complete trial has accuracies"),
            ("searched", {"correct": 3, "total": 2}, "'searched': key 'correct' is 3, expected a finite number from 0"),
            ("reported", {"correct": 0, "total": 0}, "'reported': key 'total' is 0, expected a whole number from 1"),
            *[("curve", [each], "key 'curve' is no list of pairs [loss, accuracy]")
              for each in ([], [1.0], [1.0, 0.5, 0.5], {"loss": 1.0, "accuracy": 0.5}, 1.0, "ab", None)],
            ("curve", [[1.0, 1.5]], "'curve': key 'accuracy' is 1.5, expected a finite number from 0 to 1"),
            ("curve", [[float("nan"), 0.5]], "'curve': key 'loss' is nan, expected a finite number"),
            ("curve", {}, "key 'curve' is {}, expected a list"),
            ("seconds", -1, "key 'seconds' is -1, expected a finite number of at least 0"),
            ("why", None, "key 'why' is None, expected a text"),
            ("loss", 1, "unknown key 'loss'"),
        ],
    )  # fmt: skip
    def test_malformed_trials(self, key: str, value: Any, said: str) -> None:
        self.refuses(Trial.from_table, {**self.TRIAL, key: value}, said)

    @pytest.mark.parametrize("kind", [Point, Cost, Trial])
    def test_no_key_may_be_missing(self, kind: Any) -> None:
        whole: dict[str, Any] = {Point: self.POINT, Cost: self.COST, Trial: self.TRIAL}[kind]
        for key in whole:
            self.refuses(kind.from_table, {each: whole[each] for each in whole if each != key}, f"key '{key}' is miss")

    def refuses(self, read: Callable[[Fields], object], table: dict[str, Any], said: str) -> None:
        with pytest.raises(FileError, match=f"^study.json: {re.escape(said)}"):
            read(Fields(table, "study.json"))


class TestUndone:
    @made.quietly
    @given(st.lists(made.points, max_size=6), st.lists(st.tuples(made.points, st.sampled_from(STATES)), max_size=12))
    def test_is_what_no_trial_has_and_none_ended(self, points: list[Point], each: list[tuple[Point, str]]) -> None:
        trials = [Trial(number, point, state) for number, (point, state) in enumerate(each)]

        def to_do(point: Point) -> bool:
            states = [trial.state for trial in trials if trial.point == point]
            return set(states) <= {"died", "stopped"} and states.count("died") < 3

        assert undone(points, trials) == tuple(point for point in points if to_do(point))
        assert undone(points, reversed(trials)) == undone(points, trials)

    def test_a_point_is_given_up_by_its_last_death(self) -> None:
        point, other = Point("lenet5", 4), Point("lenet5", 8)
        trials = [Trial(number, point, "died") for number in range(MOST_DEATHS)]
        assert undone([point, other], trials[1:]) == (point, other)
        assert undone([point, other], trials) == (other,)

    def test_a_death_after_an_epoch_more_does_not_count(self) -> None:
        point = Point("lenet5", 4)
        further = [Trial(number, point, "died", ((1.0, 0.5),) * (number + 1)) for number in range(2 * MOST_DEATHS)]
        assert undone([point], further) == (point,)
        stuck = [Trial(len(further) + number, point, "died", further[-1].curve) for number in range(MOST_DEATHS)]
        assert undone([point], further + stuck) == ()
