"""Ranges: a value, broadcast as formats take it, and a file that is read strictly and written the same."""

import copy
import json
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picojoule.calibration import Range, Ranges
from picojoule.errors import FileError

quietly = settings(max_examples=200)
DOCUMENT = (
    b'{"picojoule": "ranges", "version": 2, "input_shape": [1, 28, 28], "sites": '
    b'{"a.inputs": {"exponents": [3], "signed": false}, "a.weights": {"exponents": [-1, 96, -96], "signed": true, '
    b'"shift": [0.5, -1e-20, 0.0]}, "b.weights": {"exponents": [-2], "signed": true, "members": [-1.0, 0.0, 0.75]}}}'
)
READ = Ranges(
    {
        "a.inputs": Range((3,), False),
        "a.weights": Range((-1, 96, -96), True, (0.5, -1e-20, 0.0)),
        "b.weights": Range((-2,), True, members=(-1.0, 0.0, 0.75)),
    },
    (1, 28, 28),
)

SHIFT = "{0}: 'a.weights': key 'shift' must be finite numbers, one for each output channel"
MEMBERS = "{0}: 'b.weights': key 'members' must be up to 256 numbers from -1 to 1, ascending, with one exponent"

exponents = st.lists(st.integers(-96, 96), min_size=1, max_size=4).map(tuple)
shifts = st.lists(st.floats(-1e150, 1e150), max_size=4).map(tuple)
names = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6)
tables = st.lists(st.floats(-1, 1), max_size=9, unique=True).map(sorted).map(tuple)
sites = st.one_of(
    st.builds(Range, exponents, st.booleans(), shifts),
    st.builds(Range, st.tuples(st.integers(-96, 96)), st.booleans(), shifts, tables),
)
many_ranges = st.builds(
    Ranges,
    st.dictionaries(names, sites, max_size=4),
    st.lists(st.integers(1, 9), max_size=3).map(tuple),
)


def test_equal_ranges_hash_alike_in_any_order() -> None:
    other = Ranges(dict(reversed(READ.sites.items())), READ.input_shape)
    assert other == READ
    assert hash(other) == hash(READ)
    assert Ranges(READ.sites, (1, 28)) != READ
    assert dict(READ.sites) != READ


def test_copies_are_equal() -> None:
    assert pickle.loads(pickle.dumps(READ)) == copy.deepcopy(READ) == copy.copy(READ) == READ


def test_what_they_were_made_from_may_change() -> None:
    source = {"a": Range((1,), True)}
    ranges = Ranges(source, (1,))
    source.clear()
    assert ranges.sites["a"] == Range((1,), True)


@quietly
@given(many_ranges)
def test_any_ranges_round_trip_byte_for_byte(ranges: Ranges) -> None:
    content = ranges.to_json().encode()
    again = Ranges.from_json(content)
    assert again == ranges
    assert again.to_json().encode() == content


def test_a_saved_file_is_the_text(tmp_path: Path) -> None:
    READ.save(tmp_path / "ranges.json")
    assert (tmp_path / "ranges.json").read_text() == READ.to_json()
    assert Ranges.load(tmp_path / "ranges.json") == Ranges.from_json(DOCUMENT) == READ


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[3]", "[]", "{0}: 'a.inputs': key 'exponents' must be whole numbers from -96 to 96"),
        ("[3]", "[97]", "{0}: 'a.inputs': key 'exponents' must be whole numbers from -96 to 96"),
        ("[3]", "[-97]", "{0}: 'a.inputs': key 'exponents' must be whole numbers from -96 to 96"),
        ("[3]", "[3.0]", "{0}: 'a.inputs': key 'exponents' must be whole numbers from -96 to 96"),
        ("[3]", "[true]", "{0}: 'a.inputs': key 'exponents' must be whole numbers from -96 to 96"),
        ("[3]", "3", "{0}: 'a.inputs': key 'exponents' is 3, expected a list"),
        ("false", "0", "{0}: 'a.inputs': key 'signed' is 0, expected true or false"),
        (', "signed": false', "", "{0}: 'a.inputs': key 'signed' is missing (true or false)"),
        ('"signed": false', '"signed": false, "bits": 1', "{0}: 'a.inputs': unknown key 'bits'"),
        ('"signed": false', '"signed": false, "signed": true', "{0} is not a valid ranges: duplicate key 'signed'"),
        ("[0.5, -1e-20, 0.0]", "[]", SHIFT),
        ("[0.5, ", "[1e151, ", SHIFT),
        ("[0.5, ", "[true, ", SHIFT),
        ("[0.5, ", '["1", ', SHIFT),
        ("[0.5, -1e-20, 0.0]", "0.5", "{0}: 'a.weights': key 'shift' is 0.5, expected a list"),
        ("[-1.0, 0.0, 0.75]", "[0.0, -1.0, 0.75]", MEMBERS),
        ("[-1.0, 0.0, 0.75]", "[0.0, 0.0, 0.75]", MEMBERS),
        ("[-1.0, 0.0, 0.75]", "[-1.5, 0.0, 0.75]", MEMBERS),
        ("[-1.0, 0.0, 0.75]", "[-1.0, true]", MEMBERS),
        ("[-1.0, 0.0, 0.75]", '["-1", 0.0]', MEMBERS),
        ("[-1.0, 0.0, 0.75]", str([k / 512 for k in range(257)]), MEMBERS),
        ("[-2]", "[-2, -3]", MEMBERS),
        ("[-1.0, 0.0, 0.75]", "0.5", "{0}: 'b.weights': key 'members' is 0.5, expected a list"),
        ("[-1.0, 0.0, 0.75]", "[NaN]", "{0} is not a valid ranges: NaN is not a JSON number"),
        ('"a.weights"', '"a.inputs"', "{0} is not a valid ranges: duplicate key 'a.inputs'"),
        ("[1, 28, 28]", "[1, 0]", "{0}: key 'input_shape' is [1, 0], expected sizes such as [1, 28, 28]"),
        ("[1, 28, 28]", "[1.5]", "{0}: key 'input_shape' is [1.5], expected sizes such as [1, 28, 28]"),
        ("[1, 28, 28]", "[8192, 8193]", "{0}: key 'input_shape' is [8192, 8193], expected sizes such as [1, 28, 28]"),
        ("[1, 28, 28]", '"28"', "{0}: key 'input_shape' is '28', expected a list"),
        ('"input_shape": [1, 28, 28], ', "", "{0}: key 'input_shape' is missing (a list)"),
        ('"version": 2', '"version": 2, "more": 1', "{0}: unknown key 'more'"),
        ('"version": 2', '"version": 0', "{0}: version 0 of a ranges is not known; this picojoule reads 2"),
        ('"ranges"', '"plan"', "{0} is not a ranges: its key 'picojoule' says 'plan', expected 'ranges'"),
        ('{"exponents": [3], "signed": false}', "3", "{0}: 'a.inputs': expected a table, found int"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    path.write_text(DOCUMENT.decode().replace(old, new, 1))
    with pytest.raises(FileError, match=f"^{re.escape(message.format(repr(str(path))))}$"):
        Ranges.load(path)


@quietly
@given(st.binary(max_size=60))
def test_bytes_of_any_kind_are_refused(content: bytes) -> None:
    with pytest.raises(FileError, match=r"^ranges is not a "):
        Ranges.from_json(content)


def test_the_text_is_plain() -> None:
    table = json.loads(READ.to_json())
    assert list(table) == ["picojoule", "version", "input_shape", "sites"]
    assert table["sites"]["a.inputs"] == {"exponents": [3], "signed": False}
    assert table["sites"]["b.weights"] == {"exponents": [-2], "signed": True, "members": [-1.0, 0.0, 0.75]}
    assert table["sites"]["a.weights"] == {"exponents": [-1, 96, -96], "signed": True, "shift": [0.5, -1e-20, 0.0]}
