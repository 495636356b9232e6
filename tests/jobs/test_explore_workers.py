"""Workers that share a study, in processes of their own: killed, asleep, stopped, and their database going away."""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.explore.server import Server
from tests.jobs import small
from tests.lives import Life

import picojoule_command
from picojoule.explore import Exploration, Study, study
from picojoule.jobs.exploring import worker
from picojoule.training import Checkpoint

EPOCHS, POINTS = 3, 4
NETWORK = "lenet-300-100-x0.05"
OPTIONS = ("--data", "digits", "--bits", "2", "4", "--seed", "0", "1", "--recipe", "short", "--epochs", EPOCHS)

pytestmark = pytest.mark.slow


class Home:
    """A folder in which workers explore, and a study of theirs. What they train is noted, an epoch to a line."""

    def __init__(self, folder: Path, place: str) -> None:
        self.folder, self.place = folder, place
        self._lives = ExitStack()
        self._count = 0

    def worker(
        self, at: Mapping[int, Callable[[], object]] | None = None, patience: float = 60, grace: int = 60
    ) -> Life:
        """Start one, which does things `at` its own epochs, counted from 1 over all trials, when they are kept."""
        self._count += 1
        own = self.folder / f"worker{self._count}"
        own.mkdir()

        def work() -> None:
            os.chdir(self.folder)
            study.BEAT, study.GRACE, study.PATIENCE = 1, grace, patience
            worker.POLL = 0.2
            Checkpoint.save = noted(Checkpoint.save, at or {})  # type: ignore[method-assign]
            arguments = ("explore", NETWORK, *OPTIONS, "--prune", "none", "--study", self.place, "--out", "sweep")
            sys.argv = ["picojoule", *map(str, arguments)]
            picojoule_command.run()

        return self._lives.enter_context(Life(work, own))

    @property
    def trained(self) -> Counter[str]:
        """How many epochs of each trial were trained by all workers."""
        path = self.folder / "epochs"
        return Counter(path.read_text().split()) if path.exists() else Counter()

    def states(self) -> list[tuple[int, str]]:
        """Number and state of every trial, as one sees them who only looks."""
        place = self.place if "://" in self.place else str(self.folder / self.place)
        storage = study.connected(study.Address.of(place), 1, 60)
        found = Study(place, storage, storage.get_study_id_from_name(study.NAME), print).trials()
        return [(trial.number, trial.state) for trial in found]

    def summary(self) -> Exploration:
        """What the last worker wrote."""
        return Exploration.load(self.folder / "sweep")

    def close(self) -> None:
        """End those workers that are left."""
        self._lives.close()


def noted(save: Callable[[Checkpoint, Path], None], at: Mapping[int, Callable[[], object]]) -> Any:
    """Note the epoch whose checkpoint is kept, and do something before the study hears of it."""
    kept = 0

    def saving(checkpoint: Checkpoint, path: Path) -> None:
        nonlocal kept
        save(checkpoint, path)
        with Path("epochs").open("a") as file:
            file.write(f"{path.parent.name}\n")
        kept += 1
        at.get(kept, bool)()

    return saving


def sends(number: signal.Signals) -> Callable[[], None]:
    """A signal to the process itself."""
    return lambda: os.kill(os.getpid(), number)


def until(holds: Callable[[], object], seconds: float = 120) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def outcome(found: Exploration) -> Any:
    """A summary but for what depends on who trained when."""
    table = json.loads(found.to_json())
    del table["settings"]["study"]
    trials = [each for each in table["trials"] if each["state"] not in ("died", "stopped")]
    return {**table, "trials": [{**each, "number": 0, "seconds": 0, "worker": ""} for each in trials]}


def states(found: Exploration) -> Counter[str]:
    return Counter(trial.state for trial in found.trials)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one worker comes to that nothing happens to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    small.network()  # what is imported here need not be in every process
    Study.open(folder / "imports.sqlite", {})
    home = Home(folder, "study.sqlite")
    assert home.worker().wait(120) == 0
    assert [*home.trained.values()] == [EPOCHS] * POINTS
    return outcome(home.summary())


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    """A home with a new study in either database."""
    if request.param == "sqlite":
        made = Home(tmp_path, "study.sqlite")
    else:
        made = Home(tmp_path, request.getfixturevalue("postgresql").new(tmp_path.name))
    yield made
    made.close()


@pytest.fixture
def remote(postgresql: Server, tmp_path: Path) -> Iterator[Home]:
    """A home whose database may go away."""
    made = Home(tmp_path, postgresql.new(tmp_path.name))
    yield made
    made.close()
    postgresql.start()


def check(home: Home, undisturbed: Any, **others: int) -> None:
    """Every point is complete once, no epoch was trained twice, and the summary is that of an undisturbed worker."""
    found = home.summary()
    assert states(found) == {"complete": POINTS, **others}
    assert len({trial.point for trial in found.trials}) == POINTS
    assert [*home.trained.values()] == [EPOCHS] * POINTS
    assert outcome(found) == undisturbed


def test_one_is_killed(home: Home, undisturbed: Any) -> None:
    killed, other = home.worker({2: sends(signal.SIGKILL)}, grace=12), home.worker(grace=6)
    assert killed.wait(120) == -signal.SIGKILL
    assert other.wait(120) == 0
    check(home, undisturbed, died=1)
    [died] = [trial for trial in home.summary().trials if trial.state == "died"]
    assert len(died.curve) == 1
    assert died.worker.endswith(f":{killed.pid}")
    assert Counter(trial.worker for trial in home.summary().trials if trial.state == "complete").total() == POINTS


def test_one_sleeps_and_is_taken_for_dead(home: Home, undisturbed: Any) -> None:
    """It finds its trial with another, who waits for the folder meanwhile, and lets go at the end of its epoch."""
    asleep = home.worker({2: sends(signal.SIGSTOP)}, grace=8)
    until(lambda: home.trained.total() == 2)
    other = home.worker(grace=8)
    until(lambda: (POINTS, "running") in home.states(), 120)  # the first point's second trial
    asleep.signal(signal.SIGCONT)
    assert (asleep.wait(120), other.wait(120)) == (0, 0)
    check(home, undisturbed, died=1)
    assert "is another worker's now: this one gave no sign for long" in asleep.err


class TestStopping:
    def test_in_training(self, remote: Home, undisturbed: Any) -> None:
        """The next one goes on at once, from the last epoch."""
        stopped = remote.worker({2: sends(signal.SIGINT)})
        assert stopped.wait(120) == 130
        assert stopped.err.endswith("picojoule: stopped; the same command goes on from here\n")
        assert "Traceback" not in stopped.err
        assert remote.worker().wait(120) == 0
        check(remote, undisturbed, stopped=1)

    def test_while_waiting_for_another(self, remote: Home, undisturbed: Any) -> None:
        """One sleeps in its last trial, which the other waits for; woken, it ends as if nothing had been."""
        asleep = remote.worker({2: sends(signal.SIGSTOP)})
        until(lambda: remote.trained.total() == 2)
        other = remote.worker()
        until(lambda: Counter(state for _, state in remote.states()) == {"running": 1, "complete": POINTS - 1})
        other.signal(signal.SIGINT)
        assert other.wait(10) == 130
        assert "Traceback" not in other.err
        asleep.signal(signal.SIGCONT)
        assert asleep.wait(120) == 0
        check(remote, undisturbed)

    def test_while_the_database_is_away(self, remote: Home, postgresql: Server, undisturbed: Any) -> None:
        """The trial cannot be told that it is stopped; it is found dead in time."""
        stopped = remote.worker({2: sends(signal.SIGSTOP)})
        until(lambda: remote.trained.total() == 2)
        postgresql.stop()
        stopped.signal(signal.SIGCONT)
        until(lambda: "does not answer; asking again for 60 s" in stopped.err)
        stopped.signal(signal.SIGINT)
        assert stopped.wait(10) == 130
        assert "Traceback" not in stopped.err
        postgresql.start()
        assert remote.worker(grace=8).wait(120) == 0
        check(remote, undisturbed, died=1)


class TestADatabaseThatGoesAway:
    def test_for_a_while(self, remote: Home, postgresql: Server, undisturbed: Any) -> None:
        lives = [remote.worker({2: sends(signal.SIGSTOP)}), remote.worker({3: sends(signal.SIGSTOP)})]
        until(lambda: remote.trained.total() == 5)
        postgresql.stop(signal.SIGQUIT)
        for life in lives:
            life.signal(signal.SIGCONT)
        until(lambda: all("does not answer; asking again for 60 s" in life.err for life in lives))
        postgresql.start()
        assert [life.wait(120) for life in lives] == [0, 0]
        assert not any("Traceback" in life.err for life in lives)
        check(remote, undisturbed)

    def test_for_good(self, remote: Home, postgresql: Server, undisturbed: Any) -> None:
        lives = [remote.worker({each: sends(signal.SIGSTOP)}, patience=2) for each in (2, EPOCHS + 1)]
        until(lambda: remote.trained.total() == 2 + EPOCHS + 1)
        postgresql.stop()
        for life in lives:
            life.signal(signal.SIGCONT)
        for life in lives:
            assert life.wait(120) == 2
            *_, last = life.err.splitlines()
            assert last.startswith(f"picojoule: study '{remote.place}' does not answer: connection failed: ")
            assert last.endswith("; what is trained is kept, and the same command goes on once it does")
            assert "Traceback" not in life.err
        refused = remote.worker()
        assert refused.wait(30) == 2
        assert refused.err.splitlines()[-1].startswith(f"picojoule: cannot open study '{remote.place}': ")
        postgresql.start()
        assert remote.worker(grace=8).wait(120) == 0
        check(remote, undisturbed, died=2)
