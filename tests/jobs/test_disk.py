"""Folders that cannot be written, and disks that are full from the start or fill up on the way. The real command."""

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import needs
from tests.jobs.survive import Home, refused, rows, written

import picojoule as pj


@pytest.fixture
def disk(home: Home) -> Iterator[Path]:
    """A small disk of its own in the user's folder, where this user may mount one."""
    place = home.folder / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        reason = f"needs a small disk, and may not mount one: {mounted.stderr.strip()}"
        needs.absent(reason)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Where a search ran undisturbed, in the folder `disk/run`."""
    home = Home(tmp_path_factory.mktemp("whole"))
    assert home.search("--out", "disk/run").wait() == 0
    return home


@pytest.fixture
def home(whole: Home, tmp_path: Path) -> Home:
    return Home(tmp_path)


class TestFullDisk:
    def test_from_the_start(self, home: Home, whole: Home, disk: Path) -> None:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(shutil.disk_usage(disk).free))
        for left in (0, 8 * 4096):  # for nothing, for a folder, for files of the journal
            os.truncate(ballast, ballast.stat().st_size - left)
            told = refused(home.search("--out", "disk/run"))
            assert "free some space" in told
            assert "disk/run" in told
        assert not list(disk.glob("run/*.json"))
        ballast.unlink()
        assert home.search("--out", "disk/run").wait() == 0
        assert written(disk / "run") == written(whole.folder / "disk" / "run")

    @pytest.mark.parametrize(("evaluation", "left"), [(1, 0), (6, 8 * 4096), (-1, 16 * 4096)])
    def test_on_the_way(self, home: Home, whole: Home, disk: Path, evaluation: int, left: int) -> None:
        """The journal is intact; with space, the same command repeats nothing that was written down."""
        at = f"{evaluation % whole.calls or whole.calls}:fill"
        told = refused(home.search("--out", "disk/run", AT=at, DISK=disk, LEFT=left))
        assert "free some space" in told
        assert "disk/run" in told
        assert {path.name.partition("-")[0] for path in (disk / "run").iterdir()} == {"journal.sqlite"}
        known = rows(disk / "run")
        assert known >= home.calls - 1
        (disk / "ballast").unlink()
        assert home.search("--out", "disk/run").wait() == 0
        assert home.calls == whole.calls - known
        assert written(disk / "run") == written(whole.folder / "disk" / "run")

    def test_an_older_result_stays_whole(self, home: Home, whole: Home, disk: Path) -> None:
        shutil.copytree(whole.folder / "disk" / "run", disk / "run")
        other = ("--out", "disk/run", "--rescale", "channel")
        told = refused(home.search(*other, AT="1:fill", DISK=disk, LEFT=40 * 4096))
        reason = "No space left on device; free some space or choose another folder"
        assert re.fullmatch(rf"cannot write 'disk/run/[a-z]+\.[a-z]+': {reason}", told)
        assert written(disk / "run") == written(whole.folder / "disk" / "run")
        (disk / "ballast").unlink()
        assert home.search(*other).wait() == 0
        assert home.calls == 0
        assert pj.load(disk / "run").settings["rescale"] == "channel"


def test_a_disk_for_reading_only(home: Home, disk: Path) -> None:
    (disk / "run").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for folder in ("disk/run", "disk/new/run"):
        told = refused(home.search("--out", folder))
        assert told.startswith(f"cannot use the folder '{folder}': ")
        assert told.endswith("; choose another folder")
        assert home.calls == 0


@pytest.mark.parametrize("size", [1000, 90_000])
def test_files_that_may_not_grow(home: Home, whole: Home, size: int) -> None:
    """As on a full disk, where none can be mounted."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    told = refused(home.search("--out", "disk/run", before=limited))
    assert "free some space" in told
    known = rows(home.folder / "disk" / "run") if size > 1000 else 0
    assert home.search("--out", "disk/run").wait() == 0
    assert home.calls == whole.calls - known
    assert written(home.folder / "disk" / "run") == written(whole.folder / "disk" / "run")
