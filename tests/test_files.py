"""The project's own files: whole or not at all, and read strictly."""

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picojoule import files
from picojoule.errors import FileError, PlatformError

quietly = settings(max_examples=200, deadline=None, derandomize=True, database=None)
OLD = b"the old file"
BEGINS = '{"picojoule": "thing"'


class TestWriting:
    @pytest.fixture
    def target(self, tmp_path: Path) -> Path:
        target = tmp_path / "plan.json"
        target.write_bytes(OLD)
        return target

    def left(self, target: Path) -> dict[str, bytes]:
        """Every file of the folder."""
        return {path.name: path.read_bytes() for path in target.parent.iterdir()}

    def test_it_replaces_the_file_and_makes_folders(self, target: Path) -> None:
        files.write_bytes(target, b"new")
        assert self.left(target) == {"plan.json": b"new"}
        assert target.stat().st_mode & 0o777 == 0o644
        files.write_bytes(target.parent / "a" / "b" / "c.json", b"deep")
        assert (target.parent / "a" / "b" / "c.json").read_bytes() == b"deep"

    @pytest.mark.parametrize("step", ["Path.write_bytes", "os.fsync", "Path.replace", "Path.chmod"])
    def test_a_failure_at_any_step_leaves_the_old_file_alone(
        self, step: str, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        owner, name = step.split(".")
        monkeypatch.setattr({"Path": Path, "os": os}[owner], name, fails)
        expected = f"cannot write '{target}': No space left on device; free some space or choose another folder"
        with pytest.raises(FileError, match=f"^{re.escape(expected)}$"):
            files.write_bytes(target, b"new")
        monkeypatch.undo()
        assert self.left(target) == {"plan.json": OLD}

    @pytest.mark.parametrize("error", [ValueError("half-way"), KeyboardInterrupt("half-way")])
    def test_a_writer_that_stops_half_way_leaves_the_old_file_alone(self, error: BaseException, target: Path) -> None:
        def stops() -> None:
            with files.replacing(target) as beside:
                beside.write_bytes(b"ne")
                assert target.read_bytes() == OLD
                raise error

        with pytest.raises(type(error), match=r"^half-way$"):
            stops()
        assert self.left(target) == {"plan.json": OLD}

    def test_a_folder_that_is_a_file(self, target: Path) -> None:
        expected = f"cannot write '{target / 'new.json'}': File exists; choose another folder"
        with pytest.raises(FileError, match=f"^{re.escape(expected)}$"):
            files.write_bytes(target / "new.json", b"new")
        deeper = f"cannot write '{target / 'a' / 'new.json'}': Not a directory; choose another folder"
        with pytest.raises(FileError, match=f"^{re.escape(deeper)}$"):
            files.write_bytes(target / "a" / "new.json", b"new")
        assert self.left(target) == {"plan.json": OLD}

    def test_a_target_that_is_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "plan.json").mkdir()
        expected = f"cannot write '{tmp_path / 'plan.json'}': Is a directory; "
        with pytest.raises(FileError, match=f"^{re.escape(expected)}"):
            files.write_bytes(tmp_path / "plan.json", b"new")
        assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


class TestReading:
    def test_what_cannot_be_read(self, tmp_path: Path) -> None:
        for path, why in ((tmp_path / "no.json", "No such file or directory"), (tmp_path, "Is a directory")):
            with pytest.raises(FileError, match=f"^{re.escape(f'cannot read {str(path)!r}: {why}')}$"):
                files.read_bytes(path)

    @quietly
    @given(
        st.dictionaries(
            st.text(st.characters(exclude_categories=("Cs",)), max_size=5).filter(
                lambda key: key not in ("picojoule", "version")
            ),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers(-(2**70), 2**70)
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
                lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner),
                max_leaves=8,
            ),
            max_size=4,
        )
    )
    def test_a_document_round_trips_byte_for_byte(self, body: dict[str, Any]) -> None:
        text = files.dump("thing", 3, body)
        assert files.parse(text, "thing", 3, "it") == body
        assert files.parse(text.encode(), "thing", 3, "it") == body
        assert files.dump("thing", 3, files.parse(text, "thing", 3, "it")) == text
        assert text.endswith("}\n")
        assert list(json.loads(text))[:2] == ["picojoule", "version"]

    def test_lists_of_numbers_stand_in_one_line(self) -> None:
        text = files.dump("thing", 1, {"exponents": [1, -2, 3], "costs": [[0.5, 1e-30], []], "names": ["[\n1,\n2\n]"]})
        assert '"exponents": [1, -2, 3]' in text
        assert "[0.5, 1e-30]" in text
        assert files.parse(text, "thing", 1, "it")["names"] == ["[\n1,\n2\n]"]

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_what_is_not_finite_is_never_written(self, value: float) -> None:
        with pytest.raises(ValueError, match=r"^Out of range float values are not JSON compliant"):
            files.dump("thing", 1, {"x": value})

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", " is not a valid thing: Expecting value: line 1 column 1 (char 0)"),
            ("[]", " is not a thing: expected a JSON object, found list"),
            ("3", " is not a thing: expected a JSON object, found int"),
            ('{"picojoule": "plan", "version": 3}', " is not a thing: its key 'picojoule' says 'plan'"),
            ('{"version": 3}', " is not a thing: its key 'picojoule' says None"),
            (BEGINS + "}", ": version None of a thing is not known; this picojoule reads 3"),
            (BEGINS + ', "version": "3"}', ": version '3' of a thing is not known; this picojoule reads 3"),
            (BEGINS + ', "version": 3.0}', ": version 3.0 of a thing is not known; this picojoule reads 3"),
            (BEGINS + ', "version": 3, "a": [{"b": 1, "c": 2, "b": 1}]}', " is not a valid thing: duplicate key 'b'"),
            (BEGINS + ', "version": 3, "a": -Infinity}', " is not a valid thing: -Infinity is not a JSON number"),
        ],
    )
    def test_documents_that_are_refused(self, text: str, message: str) -> None:
        with pytest.raises(FileError, match=f"^it{re.escape(message)}$"):
            files.parse(text, "thing", 3, "it")

    @pytest.mark.parametrize("half", ['"\\ud800"', '"\\udfff"'])
    def test_half_a_surrogate_pair_is_refused(self, half: str) -> None:
        for text in (f'{{"a": {half}}}', f"{{{half}: 1}}"):
            with pytest.raises(FileError, match=r"^it is not a valid thing: 'utf-8' codec can't encode character"):
                files.parse(text, "thing", 3, "it")
        whole = files.parse('{"picojoule": "thing", "version": 3, "a": "\\ud83d\\ude00"}', "thing", 3, "it")
        assert whole == {"a": "😀"}

    def test_toml(self) -> None:
        assert files.parse_toml("a = 1\n[b]\nc = 'µ'\n".encode(), "it") == {"a": 1, "b": {"c": "µ"}}
        for text, message in (
            (b"a = 1\na = 2\n", "it is not valid TOML: Cannot overwrite a value"),
            (b"a = \n", "it is not valid TOML: Invalid value"),
            (b"\xff", "it is not valid TOML: 'utf-8' codec can't decode byte 0xff"),
            (b"a = " + b"[" * 100_000, "it is not valid TOML: "),
        ):
            with pytest.raises(FileError, match=f"^{re.escape(message)}"):
                files.parse_toml(text, "it")


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

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e301, 10**400])
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
