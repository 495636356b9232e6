"""The project's own files: whole or not at all, and read strictly."""

import errno
import io
import itertools
import json
import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from tests.lives import Life, dying

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

    def test_what_a_killed_writer_left_goes_with_the_next_writing(self, target: Path, tmp_path: Path) -> None:
        def dies() -> None:
            with files.replacing(target) as beside:
                beside.write_bytes(b"ha")
                os.kill(os.getpid(), signal.SIGKILL)

        assert [Life(dies, tmp_path.parent).wait() for _ in range(3)] == [-signal.SIGKILL] * 3
        (part,) = (path for path in target.parent.iterdir() if path != target)
        assert part.read_bytes() == b"ha"
        others = {".plan.json.swp": b"an editor's", ".plan.json.old.part.": b"", f".ranges.json.{part.suffix}": b""}
        for name, content in others.items():
            target.with_name(name).write_bytes(content)
        files.write_bytes(target, b"new")
        assert self.left(target) == {"plan.json": b"new", **others}

    def test_what_a_live_writer_is_at_stays(self, target: Path) -> None:
        with files.replacing(target) as one:
            one.write_bytes(b"one")
            with files.replacing(target) as other:
                other.write_bytes(b"other")
            assert self.left(target) == {"plan.json": b"other", one.name: b"one"}
        assert self.left(target) == {"plan.json": b"one"}

    def test_many_at_once(self, target: Path) -> None:
        """Whatever is swept away in between, every writing succeeds, and the file is always whole."""
        contents = [bytes([k]) * 5000 for k in range(8)]

        def write(content: bytes) -> None:
            for _ in range(25):
                files.write_bytes(target, content)
                assert files.read_bytes(target) in contents

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(write, contents))
        assert [path.name for path in target.parent.iterdir()] == ["plan.json"]

    def test_without_locks(self, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "fcntl", None)
        with files.claimed(target.parent), files.claimed(target.parent):
            files.write_bytes(target, b"new")
        assert self.left(target) == {"plan.json": b"new"}


class TestWritingTogether:
    OLD: ClassVar = {"a": b"old", "last": b"old"}
    NEW: ClassVar = {"a": b"new", "last": b"new"}

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "folder"
        self.write(folder, self.OLD)
        return folder

    def write(self, folder: Path, contents: dict[str, bytes]) -> None:
        files.write_together({folder / name: content for name, content in contents.items()})

    def left(self, folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".part"}

    def test_all_are_written(self, folder: Path) -> None:
        assert self.left(folder) == self.OLD
        self.write(folder, self.NEW)
        assert self.left(folder) == self.NEW

    @pytest.mark.slow
    def test_killed_at_any_line(self, folder: Path, tmp_path: Path) -> None:
        """The last file never stands among others of another writing, and the next writing leaves nothing behind."""
        seen = []
        for line in itertools.count():
            if Life(dying(lambda: self.write(folder, self.NEW), line, "picojoule/files.py"), tmp_path).wait() == 0:
                break
            seen.append(self.left(folder))
            self.write(folder, self.OLD)
            assert {path.name for path in folder.iterdir()} == {*self.OLD}
        kinds = {"old": seen.count(self.OLD), "new": seen.count(self.NEW), "unfinished": 0}
        kinds["unfinished"] = sum("last" not in left for left in seen)
        assert sum(kinds.values()) == len(seen)
        assert min(kinds.values()) > 1

    @pytest.mark.parametrize("name", ["a", "last"])
    def test_a_target_that_cannot_be_replaced(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()
        kept = {path.name for path in folder.iterdir()}
        told = f"cannot write '{folder / name}': Is a directory; choose another folder"
        with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
            self.write(folder, self.NEW)
        assert {path.name for path in folder.iterdir()} == kept

    @pytest.mark.parametrize("failing", [0, 1])
    def test_a_disk_that_fills_up_changes_nothing(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, failing: int
    ) -> None:
        calls, plainly = itertools.count(), os.fsync

        def fsync(handle: int) -> None:
            if next(calls) == failing:
                raise OSError(errno.ENOSPC, "No space left on device")
            plainly(handle)

        monkeypatch.setattr(os, "fsync", fsync)
        told = f"cannot write '{folder / [*self.NEW][failing]}': No space left on device; free some space or choose"
        with pytest.raises(FileError, match=f"^{re.escape(told)}"):
            self.write(folder, self.NEW)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == self.OLD


class TestClaiming:
    def test_one_at_a_time(self, tmp_path: Path) -> None:
        folder = tmp_path / "a" / "b"
        told = f"another job is at work in '{folder}'; wait until it ends, or choose another folder"
        for _ in range(2):
            with files.claimed(folder), pytest.raises(FileError, match=f"^{re.escape(told)}$"), files.claimed(folder):
                pass
        with files.claimed(folder), files.claimed(tmp_path / "a"):
            assert list(folder.iterdir()) == []

    def test_a_claim_ends_with_its_process(self, tmp_path: Path) -> None:
        def work() -> None:
            with files.claimed(tmp_path / "run"):
                os.write(1, b"claimed")
                time.sleep(60)

        with Life(work, tmp_path) as life:
            while not life.out:
                time.sleep(0.01)
            with pytest.raises(FileError, match="another job is at work"), files.claimed(tmp_path / "run"):
                pass
            life.signal(signal.SIGKILL)
            assert life.wait() == -signal.SIGKILL
        with files.claimed(tmp_path / "run"):
            pass

    def test_what_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "run").write_text("mine")
        for place in ("run", "run/deeper"):
            told = f"cannot use the folder '{tmp_path / place}': '{tmp_path / 'run'}' is a file; choose another folder"
            with pytest.raises(FileError, match=f"^{re.escape(told)}$"), files.claimed(tmp_path / place):
                pass
        assert (tmp_path / "run").read_text() == "mine"

    def test_a_place_is_checked_and_not_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        files.check_place(tmp_path / "a" / "b")
        monkeypatch.chdir(tmp_path)
        files.check_place(Path("c/d"))
        with pytest.raises(FileError, match=r"': File name too long; choose another folder$"):
            files.check_place(tmp_path / ("x" * 300))
        monkeypatch.setattr(os, "access", lambda place, mode: False)  # as for one who is not root
        with pytest.raises(FileError, match=f"': '{tmp_path}' cannot be written; choose another folder$"):
            files.check_place(tmp_path / "a")
        assert list(tmp_path.iterdir()) == []


class TestReading:
    def test_what_cannot_be_read(self, tmp_path: Path) -> None:
        for path, why in ((tmp_path / "no.json", "No such file or directory"), (tmp_path, "Is a directory")):
            with pytest.raises(FileError, match=f"^{re.escape(f'cannot read {str(path)!r}: {why}')}$"):
                files.read_bytes(path)

    @quietly
    @given(
        st.dictionaries(
            st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=5).filter(
                lambda key: key not in ("picojoule", "version")
            ),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers(-(2**70), 2**70)
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=5),
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
            (
                '{"picojoule": "plan", "version": 3}',
                " is not a thing: its key 'picojoule' says 'plan', expected 'thing'",
            ),
            ('{"version": 3}', " is not a thing: its key 'picojoule' says None, expected 'thing'"),
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

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"a": "\\u001b[2J"}', "'\\x1b[2J' holds a control character"),
            ('{"a\\u0000": 1}', "'a\\x00' holds a control character"),
            ('[["\x7f"]]', "'\\x7f' holds a control character"),
            ('{"a": 1e999}', "Out of range float values are not JSON compliant"),
            (f'{{"a": {"9" * 400}}}', "a number has more digits than any 64-bit float"),
            (f'{{"a": {"9" * 5000}}}', "Exceeds the limit (4300 digits) for integer string conversion"),
            ("[" * 65 + "]" * 65, "its tables are nested too deep"),
            ('{"a": ' * 64 + "1" + "}" * 64, "its tables are nested too deep"),
            ("[" * 100_000, "its tables are nested too deep"),
            (" " * (2**26 + 1), "it is larger than 64 MiB"),
        ],
        ids=range(10),
    )
    def test_what_could_not_be_written_or_shown(self, text: str, message: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            files.loads(text)

    def test_what_is_just_within_bounds(self) -> None:
        for value in ("[" * 64 + "]" * 64, '["a\\tb\\nc\\r"]', str(2**1024 - 1)):
            assert files.loads(value) == files.loads(value.encode()) == json.loads(value)

    def test_the_last_of_many_keys_twice(self) -> None:
        keys = [*map(str, range(200_000)), "17"]
        with pytest.raises(ValueError, match=r"^duplicate key '17'$"):
            files.loads("{" + ", ".join(f'"{key}": 0' for key in keys) + "}")

    def test_a_header_of_safetensors(self) -> None:
        content = save({"a": torch.zeros(2)}, {"b": "c"})
        assert files.header(io.BytesIO(content))["__metadata__"] == {"b": "c"}
        for wrong in (b"", content[:20], b"\xff" * 8 + b"{}", (12).to_bytes(8, "little") + b'{"a":1,"a":1}'):
            with pytest.raises(ValueError, match=r"Expecting|ends within its header|duplicate key"):
                files.header(io.BytesIO(wrong))

    @pytest.mark.parametrize("kind", ["pipe", "device"])
    def test_what_may_never_end(self, kind: str, tmp_path: Path) -> None:
        path = tmp_path / "plan.json"
        os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
        with pytest.raises(FileError, match=f"^{re.escape(f'cannot read {str(path)!r}: it is no regular file')}$"):
            files.read_bytes(path)

    def test_toml(self) -> None:
        assert files.parse_toml("a = 1\n[b]\nc = 'µ'\n".encode(), "it") == {"a": 1, "b": {"c": "µ"}}
        for text, message in (
            (b"a = 1\na = 2\n", "it is not valid TOML: Cannot overwrite a value (at line 2, column 6): 'a = 2'"),
            (b"b = 1\r\n\ta =\r\n", "it is not valid TOML: Invalid value (at line 2, column 5): 'a ='"),
            (b"a", "it is not valid TOML: Expected '=' after a key in a key/value pair (at end of document)"),
            (b"\xff", "it is not valid TOML: 'utf-8' codec can't decode byte 0xff"),
            (b"a = " + b"[" * 100_000, "it is not valid TOML: "),
            (b"a." * 100_000 + b"b = 1", "it is not valid TOML: a line has too many dots"),
            (b"a = '" + b"x" * 2**18 + b"'", "it is not valid TOML: it is larger than 256 KiB"),
            (b'a = "\\u001b"', "it is not valid TOML: '\\x1b' holds a control character"),
            (b"a = 0x" + b"f" * 5000, "it is not valid TOML: a number has more digits than any 64-bit float"),
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
