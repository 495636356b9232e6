"""A search survives anything: kills, signals, a second search beside it, a reader that leaves. The real command."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import small
from tests.jobs.survive import NOBODY, Home, direct, refused, rows, written
from tests.lives import Life, dying

import picojoule as pj
from picojoule import files
from picojoule.errors import FileError
from picojoule.jobs.progress import Progress

ROOT = Path(__file__).parents[2]
GOES_ON = "picojoule: stopped; the same command goes on from here\n"
IN_USE = "another job is at work in 'run'; wait until it ends, or choose another folder"


@pytest.fixture(scope="module", params=["greedy", "descent"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Where a search ran undisturbed, in the folder `run`."""
    home = Home(tmp_path_factory.mktemp("whole"), request.param)
    assert home.search().wait() == 0
    assert rows(home.folder / "run") == home.calls
    return home


@pytest.fixture
def home(whole: Home, tmp_path: Path) -> Home:
    return Home(tmp_path, whole.strategy)


def ends_as_if_undisturbed(home: Home, whole: Home, known: int) -> None:
    """The same command once more: it repeats nothing that is journaled, and leaves what an undisturbed run leaves."""
    assert home.search().wait() == 0
    assert home.calls == whole.calls - known
    assert written(home.folder / "run") == written(whole.folder / "run")


class TestKilled:
    @pytest.mark.parametrize("evaluation", [1, 9, 60, -1])
    def test_in_an_evaluation(self, home: Home, whole: Home, evaluation: int) -> None:
        evaluation = evaluation % whole.calls or whole.calls
        assert home.search(AT=f"{evaluation}:SIGKILL").wait() == -signal.SIGKILL
        assert home.calls == evaluation
        assert not (home.folder / "run" / "result.json").exists()
        assert rows(home.folder / "run") == evaluation - 1
        ends_as_if_undisturbed(home, whole, evaluation - 1)

    def test_again_and_again(self, home: Home, whole: Home) -> None:
        for life in range(1, 4):
            assert home.search(AT="5:SIGKILL").wait() == -signal.SIGKILL
            assert rows(home.folder / "run") == 4 * life  # each life loses the one it was at
        ends_as_if_undisturbed(home, whole, 12)

    @pytest.mark.slow
    @pytest.mark.parametrize("strategy", ["greedy", "descent"])
    def test_at_random_moments(self, strategy: str) -> None:
        """The short version of a benchmark that kills a hundred."""
        benchmark = [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "2", "1", strategy]
        done = subprocess.run(benchmark, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        kills = re.match(r"(\d+) kills \((\d+) calibration, .* over 2 runs", done.stdout)
        assert kills is not None
        assert int(kills[1]) >= 4
        assert "with nothing left beside: 2 of 2\nrepeated though journaled: 0;" in done.stdout

    def test_while_it_replaces_another_result(self, tmp_path: Path) -> None:
        """Whenever it dies, the folder holds the old result, or the new one, or says that it is not finished."""
        options: dict[str, Any] = {"model": small.network(), "data": small.few(), "bits": (7, 8)}
        old, new = pj.search(**options, keep=0.5, out=tmp_path / "run"), pj.search(**options, keep=0.4)
        assert not (tmp_path / "run" / "journal.sqlite-wal").exists()
        told = f"the run in '{tmp_path / 'run'}' is not finished; the same command goes on from its journal"
        found, code, line = [], -signal.SIGKILL, 0
        while code == -signal.SIGKILL:
            old.save(tmp_path / "run")
            life = dying(
                lambda: new.save(tmp_path / "run"), line, "search/result/result.py", "picojoule/files/writing.py"
            )
            code, line = Life(life, tmp_path).wait(), line + 17
            if not (tmp_path / "run" / "result.json").exists():
                with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
                    pj.load(tmp_path / "run")
                found.append("unfinished")
                continue
            loaded = pj.load(tmp_path / "run")
            assert pj.Plan.load(tmp_path / "run" / "plan.json") == loaded.plan
            assert pj.Ranges.load(tmp_path / "run" / "ranges.json") == loaded.ranges
            found.append({old.to_json(): "old", new.to_json(): "new"}[loaded.to_json()])
        assert [*dict.fromkeys(found)] == ["old", "unfinished", "new"]
        old.save(tmp_path / "run")
        assert {path.name for path in (tmp_path / "run").iterdir()} == small.FILES


class TestTwoAtOnce:
    def test_the_second_says_so_and_stops(self, home: Home, whole: Home) -> None:
        with home.search(AT="5:wait") as first:
            while home.calls < 5:
                time.sleep(0.01)
            before = rows(home.folder / "run")
            assert refused(home.start(*"search net.py:trained --data few.npz --out run".split())) == IN_USE
            assert rows(home.folder / "run") == before == 4
            (home.folder / "go").touch()
            assert first.wait() == 0
        assert home.calls == whole.calls
        assert written(home.folder / "run") == written(whole.folder / "run")

    def test_a_killed_one_is_in_nobodys_way(self, home: Home, whole: Home) -> None:
        with home.search(AT="5:wait") as first:
            while home.calls < 5:
                time.sleep(0.01)
            first.signal(signal.SIGKILL)
            assert first.wait() == -signal.SIGKILL
        ends_as_if_undisturbed(home, whole, 4)

    def test_one_after_the_other_with_other_settings(self, home: Home, whole: Home) -> None:
        """The last one has the folder whole, the first one's evaluations are still known."""
        shutil.copytree(whole.folder / "run", home.folder / "run")
        other = ("--out", "run", "--rescale", "channel")
        assert home.search(*other).wait() == 0
        with_other = written(home.folder / "run")
        assert all(with_other[name] != written(whole.folder / "run")[name] for name in ("result.json", "ranges.json"))
        assert pj.load(home.folder / "run").settings["rescale"] == "channel"
        shutil.rmtree(home.folder / "run")
        assert home.search(*other).wait() == 0
        assert written(home.folder / "run") == with_other


class TestStopped:
    def test_before_there_is_anything_to_save(self, home: Home, whole: Home) -> None:
        life = home.search(AT="1:SIGTERM")
        assert (life.wait(), life.out) == (130, "")
        assert life.err.endswith(GOES_ON)
        assert "Traceback" not in life.err
        assert {path.name for path in (home.folder / "run").iterdir()} == {"journal.sqlite"}
        ends_as_if_undisturbed(home, whole, 0)

    @pytest.mark.parametrize(("evaluation", "name"), [(2, "SIGINT"), (9, "SIGTERM"), (60, "SIGINT"), (-1, "SIGINT")])
    def test_with_the_best_so_far(self, home: Home, whole: Home, evaluation: int, name: str) -> None:
        life = home.search(AT=f"{evaluation % whole.calls or whole.calls}:{name}")
        assert (life.wait(), life.out) == (130, "")
        assert life.err.endswith(GOES_ON)
        assert "stopping; the best so far is saved first (Ctrl-C once more ends at once)\n" in life.err
        assert {path.name for path in (home.folder / "run").iterdir()} == small.FILES
        saved = pj.load(home.folder / "run")
        assert saved.holds
        assert [point.keep for point in saved.points] == [1.0, 0.9]
        assert any(point.stopped for point in saved.points) == (evaluation > 0)
        known = rows(home.folder / "run")
        assert home.search().wait() == 0
        assert home.calls == rows(home.folder / "run") - known
        assert written(home.folder / "run") == written(whole.folder / "run")

    def test_twice(self, home: Home, whole: Home) -> None:
        life = home.search(AT="9:SIGINT 10:SIGINT")
        assert life.wait() == 130
        assert life.err.endswith(GOES_ON)
        assert "Traceback" not in life.err
        assert home.calls == 10
        ends_as_if_undisturbed(home, whole, 8)

    def test_while_it_saves(self, home: Home, whole: Home) -> None:
        """Saving is begun anew, and finished."""
        folder = home.folder / "run"
        network, data = small.network(), small.few()

        def work(line: int) -> None:
            plainly, once = files.write_together, iter([line])

            def saving(contents: dict[Path, bytes]) -> None:
                for at in once:
                    dying(lambda: plainly(contents), at, "picojoule/files/writing.py", by=signal.SIGINT)()
                plainly(contents)

            files.write_together = saving  # type: ignore[assignment]
            pj.search(network, data, keep=0.5, bits=(7, 8), out=folder)

        for line in (0, 50, 100, 150):
            shutil.copytree(whole.folder / "run", folder)
            life = Life(partial(work, line), home.folder)
            assert life.wait() == 1
            assert life.err.endswith("KeyboardInterrupt\n")  # Python's callers see it as it is
            assert pj.load(folder).settings["keep"] == [0.5]
            assert {path.name for path in folder.iterdir()} == small.FILES
            shutil.rmtree(folder)

    def test_while_torch_is_imported(self, tmp_path: Path) -> None:
        if not Path("/proc/self/maps").exists():
            pytest.skip("sees by /proc how far the command has come")
        command = [sys.executable, "-m", "picojoule_command", "formats"]
        for name in (signal.SIGINT, signal.SIGTERM):
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            ) as process:  # fmt: skip
                while "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text():
                    time.sleep(0.001)
                process.send_signal(name)
                out, err = process.communicate(timeout=60)
            assert (process.returncode, out, err) == (130, "", "")

    def test_without_a_folder_it_ends_at_once(self) -> None:
        heard: list[str] = []

        def listen(event: Progress) -> None:
            heard.append(event.stage)
            if heard.count("keep 0.5") == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            pj.search(small.network(), small.few(), keep=0.5, bits=(7, 8), listener=listen)
        assert heard[-1] == "keep 0.5"


class TestToldOnStandardError:
    def test_a_damaged_journal(self, home: Home, whole: Home) -> None:
        """The document of --json is all that is printed, and what must be known is said beside it."""
        (home.folder / "run").mkdir()
        (home.folder / "run" / "journal.sqlite").write_bytes(bytes(range(256)) * 16)
        life = home.search("--out", "run", "--json")
        assert life.wait() == 0
        assert life.out == (whole.folder / "run" / "result.json").read_text()
        assert life.err == "the journal was damaged; it is set aside as 'run/journal.sqlite.corrupt-1'\n"

    def test_a_floor_out_of_reach(self, home: Home) -> None:
        """The best is saved, what blocks is named, and so is the nearest floor, which holds when it is asked for."""
        options = ("--out", "run", "--json", "--bits", "1:2")
        command = ("search", "net.py:trained", "--data", "few.npz", *options, "--keep")
        life = home.start(*command, "1.0")
        assert life.wait() == 3
        document = json.loads(life.out)
        assert not document["points"][0]["holds"]
        blockers = document["points"][0]["blockers"]
        told = re.fullmatch(
            r"picojoule: keep 1 is out of reach: the best .* keeps (0\.\d+); in the way: (.*)\n", life.err
        )
        assert told is not None
        assert told[2].split(", ") == blockers != []
        assert pj.load(home.folder / "run").to_json() == life.out
        again = home.start(*command, told[1])
        assert (again.wait(), again.err) == (0, "")


class TestOutput:
    """What is done does not depend on who listens."""

    def test_a_reader_that_leaves(self, home: Home, whole: Home) -> None:
        for arguments in (["report", "run"], ["report", "run", "--json"], ["formats"]):
            shutil.copytree(whole.folder / "run", home.folder / "run", dirs_exist_ok=True)
            life = home.start(*arguments, before=lambda: direct(NOBODY, 1))
            assert (life.wait(), life.err) == (0, "")

    def test_a_result_that_nobody_reads_is_saved(self, home: Home, whole: Home) -> None:
        """Neither tables nor progress."""
        assert home.search(before=lambda: direct(NOBODY, 1, 2)).wait() == 0
        assert written(home.folder / "run") == written(whole.folder / "run")

    def test_ctrl_c_that_ends_the_reader_too(self, home: Home) -> None:
        """As in `picojoule search ... 2>&1 | tee log`: the best so far is saved all the same."""
        assert home.search(before=lambda: direct(NOBODY, 1, 2), AT="9:SIGINT").wait() == 130
        assert pj.load(home.folder / "run").holds

    def test_a_full_disk(self, home: Home, whole: Home) -> None:
        life = home.search(before=lambda: direct("/dev/full", 1))
        assert refused(life) == "cannot write the output: No space left on device"
        assert written(home.folder / "run") == written(whole.folder / "run")

    @pytest.mark.parametrize(
        ("path", "ended"),
        [(NOBODY, (0, "")), ("/dev/full", (2, "picojoule: cannot write the output: No space left on device\n"))],
    )
    def test_in_a_process_of_its_own(self, path: str, ended: tuple[int, str]) -> None:
        """To the very end, where Python writes out what is left."""
        done = subprocess.run(
            [sys.executable, "-m", "picojoule_command", "formats"],
            preexec_fn=lambda: direct(path, 1), stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == ended
