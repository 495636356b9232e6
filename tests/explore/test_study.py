"""The laws of a study: each point is enqueued once, claimed by one and ended once, whoever dies or goes away."""

import os
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import psycopg
import pytest
import sqlalchemy
from tests.explore.server import Server
from tests.lives import Life

from picojoule.errors import FileError, InputError
from picojoule.evaluate import Accuracy
from picojoule.explore import Point, Study, Trial, study
from picojoule.explore.trial import MOST_DEATHS

FACTS = {"data": "digits", "recipe": "short"}
POINTS = tuple(Point("lenet5", bits) for bits in (1, 2, 4, 8))
RIGHT = Accuracy(9.0, 10)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Where a new study may be."""
    return str(tmp_path / "study.sqlite")


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, file: str) -> str:
    """Where a new study may be, in either database; for what they do in ways of their own."""
    if request.param == "sqlite":
        return file
    server: Server = request.getfixturevalue("postgresql")
    return server.new(re.sub(r"\W", "-", request.node.name))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is dead a second after its last sign."""
    monkeypatch.setattr(study, "GRACE", 1)


def opened(place: str, **facts: str) -> Study:
    return Study.open(place, {**FACTS, **facts})


def states(found: Study) -> list[tuple[int, str]]:
    return [(trial.point.bits, trial.state) for trial in found.trials()]


def twin(found: Study, point: Point) -> None:
    """What another worker that enqueues the same point at the same moment adds."""
    found._storage.create_new_trial(
        found._id,
        optuna.trial.create_trial(state=optuna.trial.TrialState.WAITING, user_attrs={"point": point.to_table()}),
    )


def silent_for_long(found: Study, number: int) -> None:
    """Have the heartbeat of a trial an hour old, and it be found dead."""
    id = found._storage.get_trial_id_from_study_id_trial_number(found._id, number)
    update = sqlalchemy.text("UPDATE trial_heartbeats SET heartbeat = '2020-01-01 00:00:00' WHERE trial_id = :id")
    with found._storage.engine.begin() as connection:
        assert connection.execute(update, {"id": id}).rowcount == 1


def claimed(found: Study, number: int) -> study.Claim:
    """The claim of a running trial, as its own worker has it."""
    id = found._storage.get_trial_id_from_study_id_trial_number(found._id, number)
    return study.Claim(number, found.trials()[number].point, id)


def eventually(holds: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def fails(place: str) -> bool:
    """Whether a server lets nobody in there."""
    try:
        psycopg.connect(place).close()
    except psycopg.OperationalError:
        return True
    return False


class TestEnqueueing:
    def test_each_point_once_and_in_order(self, file: str) -> None:
        ours = opened(file)
        ours.enqueue(POINTS[1:3])
        opened(file).enqueue(POINTS)
        ours.enqueue(POINTS)
        assert states(ours) == [(2, "waiting"), (4, "waiting"), (1, "waiting"), (8, "waiting")]
        assert [trial.number for trial in ours.trials()] == [0, 1, 2, 3]

    def test_what_ended_is_not_enqueued_anew(self, file: str) -> None:
        ours = opened(file)
        ours.enqueue(POINTS)
        for state in ("pruned", "failed", "died", "stopped"):
            claim = ours.claim(POINTS)
            assert claim is not None
            ours.end(claim, state, "so it is", 2.0)
        ours.enqueue(POINTS)
        assert states(ours) == [
            (1, "pruned"),
            (2, "failed"),
            (4, "died"),
            (8, "stopped"),
            (4, "waiting"),
            (8, "waiting"),
        ]
        assert ours.trials()[1] == Trial(
            1, POINTS[1], "failed", seconds=2.0, why="so it is", worker=f"{os.uname().nodename}:{os.getpid()}"
        )


class TestClaiming:
    def test_the_first_of_the_points(self, place: str) -> None:
        ours, others = opened(place), opened(place)
        ours.enqueue(POINTS)
        claims = [each.claim(POINTS[1:]) for each in (ours, others, ours, others)]
        assert [claim and claim.point.bits for claim in claims] == [2, 4, 8, None]
        assert states(ours) == [(1, "waiting"), (2, "running"), (4, "running"), (8, "running")]

    def test_a_claim_that_another_was_quicker_with(self, place: str) -> None:
        ours = opened(place)
        ours.enqueue(POINTS[:1])
        [seen] = ours.trials()
        assert opened(place).claim(POINTS) is not None
        assert ours._claimed(seen) is None
        ours.end(claimed(ours, 0), "pruned", "")
        assert ours._claimed(seen) is None

    def test_processes_that_start_at_the_same_moment(self, place: str, tmp_path: Path) -> None:
        """They make the tables, the study and the same trials against each other, and claim each point once."""
        points = tuple(Point("lenet5", bits, seed) for bits in (1, 2) for seed in range(3))
        begin = time.time() + 0.3

        def work() -> None:
            time.sleep(max(0.0, begin - time.time()))
            ours = opened(place)
            ours.enqueue(points)
            while claim := ours.claim(points):
                os.write(1, f"{claim.point}\n".encode())

        folders = [tmp_path / str(number) for number in range(4)]
        for folder in folders:
            folder.mkdir()
        lives = [Life(work, folder) for folder in folders]
        assert [(life.wait(), life.err) for life in lives] == [(0, "")] * 4
        assert sorted("".join(life.out for life in lives).split()) == sorted(map(str, points))
        assert sorted(trial.point for trial in opened(place).trials()) == sorted(points)


class TestTwins:
    """Two workers have enqueued the same point at once: trials 0 and 1."""

    @pytest.fixture
    def ours(self, file: str) -> Study:
        made = opened(file)
        for _ in range(2):
            twin(made, POINTS[0])
        return made

    def test_the_lower_number_is_the_points(self, ours: Study) -> None:
        assert [trial.number for trial in ours.trials()] == [0]
        claim = ours.claim(POINTS)
        assert claim is not None
        assert claim.number == 0
        assert ours.claim(POINTS) is None
        ours.complete(claim, 1.0, RIGHT, RIGHT, 1.0)
        assert ours.claim(POINTS) is None
        ours.enqueue(POINTS[:1])
        assert states(ours) == [(1, "complete")]

    @pytest.mark.parametrize("state", ["stopped", "died"])
    def test_the_other_takes_its_place_when_it_is_undone(self, ours: Study, state: str) -> None:
        claim = ours.claim(POINTS)
        assert claim is not None
        ours.end(claim, state, "")
        ours.enqueue(POINTS[:1])
        assert [(trial.number, trial.state) for trial in ours.trials()] == [(0, state), (1, "waiting")]
        again = ours.claim(POINTS)
        assert again is not None
        assert again.number == 1

    def test_the_other_is_no_further_try_of_what_was_given_up(self, ours: Study) -> None:
        for _ in range(MOST_DEATHS + 1):
            twin(ours, POINTS[0])
        for _ in range(MOST_DEATHS):
            claim = ours.claim(POINTS)
            assert claim is not None
            ours.end(claim, "died", "")
        assert ours.claim(POINTS) is None
        assert states(ours) == [(1, "died")] * MOST_DEATHS


class TestDying:
    def test_a_worker_that_gives_no_sign(self, place: str) -> None:
        ours = opened(place)
        ours.enqueue(POINTS[:2])
        claim = ours.claim(POINTS)
        assert claim is not None
        assert states(ours) == [(1, "running"), (2, "waiting")]
        silent_for_long(ours, claim.number)
        ours.enqueue(POINTS[:2])
        assert states(ours) == [(1, "died"), (2, "waiting"), (1, "waiting")]
        assert ours.trials()[0].why == "its worker died"

    def test_heartbeats_keep_it_alive(self, place: str, hasty: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(study, "BEAT", 0.2)
        ours, other = opened(place), opened(place)
        ours.enqueue(POINTS[:1])
        claim = ours.claim(POINTS)
        assert claim is not None
        with ours.held(claim):
            time.sleep(2.5)
            assert states(other) == [(1, "running")]
        eventually(lambda: states(other) == [(1, "died")])

    def test_a_zone_of_ones_own_does_not_make_others_dead(
        self, postgresql: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place = postgresql.new("zones")
        monkeypatch.setenv("PGTZ", "Asia/Tokyo")
        early = opened(place)
        early.enqueue(POINTS[:1])
        assert early.claim(POINTS) is not None
        monkeypatch.setenv("PGTZ", "America/Los_Angeles")
        assert states(opened(place)) == states(early) == [(1, "running")]

    def test_given_up_after_some_deaths(self, file: str) -> None:
        ours = opened(file)
        for number in range(MOST_DEATHS):
            ours.enqueue(POINTS[:1])
            claim = ours.claim(POINTS)
            assert claim is not None
            assert claim.number == number
            silent_for_long(ours, number)
        ours.enqueue(POINTS[:1])
        assert ours.claim(POINTS) is None
        assert states(ours) == [(1, "died")] * MOST_DEATHS

    def test_one_taken_for_dead_changes_nothing(self, place: str) -> None:
        """A laptop that slept: what its worker says late is dropped, and it hears that its trial is another's."""
        asleep, awake = opened(place), opened(place)
        asleep.enqueue(POINTS[:1])
        first = asleep.claim(POINTS)
        assert first is not None
        assert asleep.report(first, [(1.0, 0.5)])
        silent_for_long(asleep, 0)
        awake.enqueue(POINTS[:1])
        second = awake.claim(POINTS)
        assert second is not None
        assert not asleep.report(first, [(1.0, 0.5), (0.5, 0.6)])
        asleep.complete(first, 1.0, Accuracy(1.0, 10), RIGHT, 1.0)
        asleep.end(first, "failed", "")
        asleep.stop(first)
        assert awake.report(second, [(1.0, 0.5), (0.5, 0.6)])
        awake.complete(second, 1.0, RIGHT, RIGHT, 2.0)
        assert states(asleep) == [(1, "died"), (1, "complete")]
        assert [trial.curve for trial in awake.trials()] == [((1.0, 0.5),), ((1.0, 0.5), (0.5, 0.6))]
        assert awake.trials()[1].searched == RIGHT

    def test_a_death_between_a_result_and_its_state(self, tmp_path: Path) -> None:
        """The state alone says what came of a trial: it is written for one worker at a time."""
        ours = opened(str(tmp_path / "study.sqlite"))
        ours.enqueue(POINTS[:1])
        claim = ours.claim(POINTS)
        assert claim is not None
        ours._note(claim, "outcome", {"searched": RIGHT.to_table(), "reported": RIGHT.to_table(), "seconds": 1.0})
        silent_for_long(ours, 0)
        [trial] = ours.trials()
        assert (trial.state, trial.searched, trial.seconds) == ("died", None, 0.0)


class TestAStorageThatDoesNotAnswer:
    """It fails a few times, as when it is restarted, or for good."""

    @pytest.fixture
    def ours(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
        self.heard: list[str] = []
        self.slept: list[float] = []
        monkeypatch.setattr(study, "PATIENCE", 20.0)
        made = Study.open(tmp_path / "study.sqlite", FACTS, self.heard.append)
        made.enqueue(POINTS)
        self.clock = 0.0

        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.clock += seconds

        monkeypatch.setattr(study.time, "sleep", sleep)
        monkeypatch.setattr(study.time, "monotonic", lambda: self.clock)
        return made

    def failing(self, ours: Study, monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> None:
        """Have a method of the storage fail first, after it has done its work: the answer is lost."""
        method, left = getattr(ours._storage, name), [times]

        def fail(*arguments: Any, **more: Any) -> Any:
            answer = method(*arguments, **more)
            if left[0]:
                left[0] -= 1
                raise optuna.exceptions.StorageInternalError("during the commit") from OSError("the server closed")
            return answer

        monkeypatch.setattr(ours._storage, name, fail)

    def test_is_asked_again(self, ours: Study, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing(ours, monkeypatch, "get_all_trials", 3)
        assert len(ours.trials()) == 4
        assert self.slept == [0.5, 1.0, 2.0]
        assert self.heard == [f"study '{ours.place}' does not answer; asking again for 20 s"]

    def test_and_given_up(self, ours: Study, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing(ours, monkeypatch, "get_all_trials", 1000)
        told = (
            f"study '{ours.place}' does not answer: the server closed; what is trained is kept, "
            "and the same command goes on once it does"
        )
        with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
            ours.trials()
        assert 15 <= sum(self.slept) <= 20
        self.slept.clear()
        with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
            ours.trials()
        assert self.slept == []

    def test_a_trial_that_is_stopped_does_not_wait(self, ours: Study, monkeypatch: pytest.MonkeyPatch) -> None:
        claim = ours.claim(POINTS)
        assert claim is not None
        self.failing(ours, monkeypatch, "set_trial_user_attr", 1000)
        ours.stop(claim)
        assert self.slept == self.heard == []
        assert states(ours)[0] == (1, "running")

    def test_lost_answers_make_nothing_twice(self, ours: Study, monkeypatch: pytest.MonkeyPatch) -> None:
        point = Point("lenet5", 16)
        self.failing(ours, monkeypatch, "create_new_trial", 1)
        ours.enqueue([point])
        assert len(ours.trials()) == 5
        self.failing(ours, monkeypatch, "set_trial_state_values", 1)
        claim = ours.claim([point])
        assert claim is None  # nobody's, until it is found dead
        silent_for_long(ours, 4)
        ours.enqueue([point])
        claim = ours.claim([point])
        assert claim is not None
        self.failing(ours, monkeypatch, "set_trial_state_values", 1)
        ours.complete(claim, 1.0, RIGHT, RIGHT, 1.0)
        assert [trial.state for trial in ours.trials() if trial.point == point] == ["died", "complete"]

    def test_whose_tables_are_gone(self, ours: Study) -> None:
        with ours._storage.engine.begin() as connection:
            connection.execute(sqlalchemy.text("DELETE FROM studies"))
        with pytest.raises(FileError, match="does not answer: 'Record does not exist"):
            ours.trials()


class TestOpening:
    @pytest.fixture(autouse=True)
    def _quickly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(study, "OPENINGS", 2)

    def refused(self, place: object, why: str, kind: type[InputError] = FileError, **facts: str) -> None:
        began = time.monotonic()
        with pytest.raises(kind, match=f"^{why}$") as raised:
            opened(str(place), **facts)
        assert type(raised.value) is kind
        assert "\n" not in str(raised.value)
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize("name", ["a?b#c%20d", "a{b}", "ünï", "a b/c/d"])
    def test_a_file_of_any_name(self, tmp_path: Path, name: str) -> None:
        opened(str(tmp_path / name)).enqueue(POINTS)
        assert (tmp_path / name).is_file()
        assert len(opened(str(tmp_path / name)).trials()) == 4

    def test_other_facts(self, file: str) -> None:
        opened(file)
        shown = re.escape(opened(file).place)
        for facts in ({"data": "mnist"}, {"recipe": "long"}, {"data": "mnist", "recipe": "long"}):
            self.refused(file, f"study '{shown}' is of another {' and '.join(facts)}; choose .* for this one", **facts)

    def test_others_facts_at_the_same_moment(self, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who makes the study says what it is of; the others wait for that, and say it themselves only in the end."""
        monkeypatch.setattr(study, "OPENINGS", 100)
        address = study.Address.of(file)
        first = study.connected(address, 1, 1)
        directions = [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]
        id = first.create_new_study(directions, study.NAME)
        late = threading.Timer(0.5, first.set_study_user_attr, (id, study.FACTS, {"version": 1, "data": "first"}))
        late.start()
        self.refused(file, ".* is of another data and recipe; .*")
        late.join()

    def test_one_that_was_left_half_made(self, file: str) -> None:
        directions = [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]
        study.connected(study.Address.of(file), 1, 1).create_new_study(directions, study.NAME)
        assert opened(file).trials() == opened(file).trials() == ()

    def test_another_version(self, tmp_path: Path) -> None:
        path = tmp_path / "study.sqlite"
        opened(str(path))
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE study_user_attributes SET value_json = '{\"version\": 2}'")
        self.refused(path, f"study '{path}' is of version 2; this picojoule reads 1")
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("UPDATE study_user_attributes SET value_json = '7'")
        self.refused(path, f"study '{path}' is none of picojoule's; choose another place")

    def test_another_schema(self, place: str) -> None:
        engine = opened(place)._storage.engine
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = 'v99'"))
        self.refused(place, "study '.*' cannot be used: The runtime optuna version .* compatible with .*")

    def test_a_study_of_others(self, file: str) -> None:
        storage = study.connected(study.Address.of(file), 1, 1)
        storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], study.NAME)
        self.refused(file, "study '.*' is none of picojoule's; choose another place")
        assert storage.get_study_user_attrs(1) == {}

    def test_beside_studies_of_others(self, file: str) -> None:
        study.connected(study.Address.of(file), 1, 1).create_new_study([optuna.study.StudyDirection.MINIMIZE], "mine")
        opened(file).enqueue(POINTS)
        assert len(opened(file).trials()) == 4

    def test_other_tables(self, tmp_path: Path) -> None:
        path = tmp_path / "study.sqlite"
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE studies (name TEXT)")
        self.refused(path, f"cannot open study '{path}': table studies has no column named .*; check the place, .*")

    def test_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "study.sqlite"
        path.write_text("no database at all, and long enough to be read as one" * 10)
        self.refused(path, f"cannot open study '{path}': file is not a database; check the place, or choose another")
        self.refused(tmp_path, f"cannot open study '{tmp_path}': unable to open database file; check the place, .*")
        below = path / "study.sqlite"
        self.refused(below, f"cannot open study '{below}': (File exists|Not a directory); choose another place")

    @pytest.mark.usefixtures("ordinary_user")
    def test_no_permission(self, tmp_path: Path) -> None:
        folder = tmp_path / "closed"
        folder.mkdir(0o500)
        new = folder / "study.sqlite"
        self.refused(new, f"cannot open study '{new}': unable to open database file; check the place, .*")
        below = folder / "a" / "study.sqlite"
        self.refused(below, f"cannot open study '{below}': Permission denied; choose another place")
        path = tmp_path / "study.sqlite"
        opened(str(path))
        path.chmod(0o400)
        self.refused(path, f"cannot open study '{path}': attempt to write a readonly database; check the place, .*")

    def test_no_server(self) -> None:
        place = "postgresql://me:secret@127.0.0.1:1/db"
        self.refused(place, "cannot open study 'postgresql://me@127.0.0.1:1/db': .*Connection refused; check .*")

    def test_no_such_database_or_user(self, postgresql: Server) -> None:
        there = postgresql.url("nothing")
        self.refused(there, f"cannot open study '{there}': .*database \"nothing\" does not exist; check the place, .*")
        there = f"postgresql://nobody@127.0.0.1:{postgresql.port}/postgres"
        self.refused(there, f"cannot open study '{there}': .*role \"nobody\" does not exist; check the place, .*")

    def test_a_wrong_password(self, postgresql: Server) -> None:
        with psycopg.connect(postgresql.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
        rules = postgresql.folder / "data" / "pg_hba.conf"
        plain = rules.read_text()
        rules.write_text(f"host all locked 127.0.0.1/32 scram-sha-256\n{plain}")
        try:
            postgresql.signal(signal.SIGHUP)
            shown = f"postgresql://locked@127.0.0.1:{postgresql.port}/postgres"
            wrong = shown.replace("locked@", "locked:wr%40ng@")
            why = f"cannot open study '{shown}': .*password authentication failed for user \"locked\"; check .*"
            eventually(lambda: fails(wrong))
            self.refused(wrong, why)
        finally:
            rules.write_text(plain)
            postgresql.signal(signal.SIGHUP)

    @pytest.mark.parametrize(
        ("place", "why"),
        [
            (
                "mysql://me:secret@host/db",
                "study 'mysql://...' is of no kind that is known; give a file, or postgres.*",
            ),
            ("postgresql://me:secret@host:port/db", "study 'postgresql://...' cannot be read; write postgresql://.*"),
            ("postgresql://me:sec@ret@host/db", "study 'postgresql://...' cannot be read; write .* %40 for an @ in .*"),
        ],
    )
    def test_no_url(self, place: str, why: str) -> None:
        self.refused(place, why, InputError)

    @pytest.mark.parametrize(
        ("place", "shown"),
        [
            ("postgresql://me:s:cr{e}t@host:5/db", "postgresql://me@host:5/db"),
            ("postgresql://host/db?user=me&password=secret", "postgresql://host/db"),
            ("postgres://me:secret@[::1]/db", "postgres://me@[::1]/db"),
            ("a:b@c", "a:b@c"),
        ],
    )
    def test_passwords_are_not_shown(self, place: str, shown: str) -> None:
        assert study.Address.of(place).shown == shown
