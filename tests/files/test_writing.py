"""Files are written whole or not at all, and a folder is held by one job."""

import errno
import itertools
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
from tests.lives import Life, dying

from picojoule import files
from picojoule.errors import FileError

OLD = b"the old file"


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
        monkeypatch.setattr(files.writing, "fcntl", None)
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
            if (
                Life(dying(lambda: self.write(folder, self.NEW), line, "picojoule/files/writing.py"), tmp_path).wait()
                == 0
            ):
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
