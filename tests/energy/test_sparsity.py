"""Fractions of zeros and their file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picojoule.energy import Sparsity
from picojoule.errors import FileError

names = st.text(st.characters(exclude_categories=("Cs", "Cc")))


@given(st.dictionaries(names, st.just(0.0) | st.floats(1e-150, 1)))
def test_round_trip(zeros: dict[str, float]) -> None:
    sparsity = Sparsity(zeros)
    assert Sparsity.from_json(sparsity.to_json(), "s.json") == sparsity
    assert Sparsity.from_json(sparsity.to_json(), "s.json").to_json() == sparsity.to_json()


def test_a_site_that_was_not_measured_has_no_zeros() -> None:
    assert Sparsity({"a.weights": 0.5}).of("b.weights") == 0
    assert Sparsity.none() == Sparsity({})


def test_later_changes_of_the_argument_do_not_matter() -> None:
    zeros = {"a.weights": 0.5}
    sparsity = Sparsity(zeros)
    zeros["a.weights"] = 0.9
    assert sparsity.of("a.weights") == 0.5


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_impossible_fractions(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"fraction of zeros of 'a' is .*, not in \[0, 1\]"):
        Sparsity({"a": fraction})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('"zeros": {"a": 1.5}', "s.json: 'zeros': key 'a' is 1.5, expected a finite number from 0 to 1"),
        ('"zeros": {"a": NaN}', "s.json is not a valid sparsity: NaN is not a JSON number"),
        ('"zeros": {"a": 0, "a": 1}', "s.json is not a valid sparsity: duplicate key 'a'"),
        ('"zeros": {}, "more": 1', "s.json: unknown key 'more'"),
        ('"zero": {}', "s.json: key 'zeros' is missing (a table)"),
        ('"zeros": []', "s.json: key 'zeros' is [], expected a table"),
    ],
)
def test_bad_documents(body: str, message: str) -> None:
    with pytest.raises(FileError) as caught:
        Sparsity.from_json(f'{{"picojoule": "sparsity", "version": 1, {body}}}', "s.json")
    assert str(caught.value) == message


def test_another_version() -> None:
    with pytest.raises(FileError, match="version 2 of a sparsity is not known"):
        Sparsity.from_json('{"picojoule": "sparsity", "version": 2, "zeros": {}}', "s.json")
