"""Each complaint of a table names its file and its key."""

import re
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from picojoule import files
from picojoule.errors import FileError, PlatformError


class TestFields:
    TABLE: ClassVar = {"i": 8, "f": 0.5, "t": "text", "b": True, "l": [1], "d": {"x": 1}, "n": None, "long": "z" * 99}

    @pytest.mark.parametrize(
        ("ask", "message"),
        [
            (lambda f: f.integer("no"), "key 'no' is missing (a whole number)"),
            (lambda f: f.integer("f"), "key 'f' is 0.5, expected a whole number"),
            (lambda f: f.integer("b"), "key 'b' is True, expected a whole number"),
            (lambda f: f.integer("i", 1, 7), "key 'i' is 8, expected a whole number from 1 to 7"),
            (lambda f: f.integer("i", 9, 16), "key 'i' is 8, expected a whole number from 9 to 16"),
            (lambda f: f.integer("long"), f"key 'long' is '{'z' * 56}..., expected a whole number"),
            (lambda f: f.number("t"), "key 't' is 'text', expected a finite number"),
            (lambda f: f.number("b"), "key 'b' is True, expected a finite number"),
            (lambda f: f.number("f", 1), "key 'f' is 0.5, expected a finite number of at least 1"),
            (lambda f: f.number("f", high=0.25), "key 'f' is 0.5, expected a finite number of at most 0.25"),
            (lambda f: f.number("f", 1, 2), "key 'f' is 0.5, expected a finite number from 1 to 2"),
            (lambda f: f.text("i"), "key 'i' is 8, expected a text"),
            (lambda f: f.text("t", ("a", "b")), "key 't' is 'text', expected one of 'a', 'b'"),
            (lambda f: f.boolean("i"), "key 'i' is 8, expected true or false"),
            (lambda f: f.items("d"), "key 'd' is {'x': 1}, expected a list"),
            (lambda f: f.table("l"), "key 'l' is [1], expected a table"),
            (lambda f: f.table("d").integer("y"), "'d': key 'y' is missing (a whole number)"),
            (lambda f: f.table("d").finish(), "'d': unknown key 'x'"),
            (lambda f: f.table("n"), "key 'n' is None, expected a table"),
            (lambda f: f.fail("no good"), "no good"),
        ],
    )
    def test_each_complaint_names_file_and_key(self, ask: Callable[[files.Fields], Any], message: str) -> None:
        for error in (FileError, PlatformError):
            with pytest.raises(error, match=f"^{re.escape('a.toml: ' + message)}$"):
                ask(files.Fields(self.TABLE, "a.toml", error))

    @pytest.mark.parametrize(
        "value", [float("nan"), float("inf"), float("-inf"), 1.1e150, -1e151, 0.9e-150, 5e-324, 10**400]
    )
    def test_numbers_that_are_too_large(self, value: float) -> None:
        with pytest.raises(FileError, match=r"^a: key 'x' is .*, expected a finite number$"):
            files.Fields({"x": value}, "a").number("x")

    @pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
    def test_whole_numbers_of_more_than_64_bits(self, value: int) -> None:
        with pytest.raises(FileError, match=rf"^a: key 'x' is {value}, expected a whole number$"):
            files.Fields({"x": value}, "a").integer("x")

    def test_what_is_right_is_given(self) -> None:
        fields = files.Fields(self.TABLE, "a")
        assert fields.integer("i", 8, 8) == 8
        assert fields.number("f") == 0.5
        assert fields.text("t") == "text"
        assert fields.boolean("b") is True
        assert fields.items("l") == [1]
        assert fields.table("d").rest() == {"x": 1}
        assert "n" in fields
        assert "i" not in fields
        assert type(files.Fields({"x": 3}, "a").number("x")) is float
        assert fields.rest() == {"n": None, "long": "z" * 99}
        fields.finish()

    def test_each_key_is_given_once_and_all_must_be_asked_for(self) -> None:
        fields = files.Fields({"a": 1, "b": 2, "c": 3}, "it")
        fields.integer("b")
        with pytest.raises(FileError, match=r"^it: key 'b' is missing \(a whole number\)$"):
            fields.integer("b")
        with pytest.raises(FileError, match=r"^it: unknown key 'a', 'c'$"):
            fields.finish()

    def test_the_table_that_was_given_is_left_alone(self) -> None:
        table = {"a": 1}
        files.Fields(table, "it").integer("a")
        assert table == {"a": 1}

    def test_what_is_no_table(self) -> None:
        with pytest.raises(PlatformError, match=r"^it: expected a table, found list$"):
            files.Fields([1], "it", PlatformError)
