"""The journal: what is written stays written, whoever else writes and however the writer ends."""

import itertools
import os
import re
import shutil
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lives import Life, dying

from picojoule.errors import FileError
from picojoule.evaluate import Accuracy, Evaluator, Floor, Tally, Verdict
from picojoule.plan import Plan
from picojoule.search import Journal, JournaledEvaluator, OutOfTimeError


def whole(correct: float, total: int) -> Tally:
    """All samples seen, and what is not right was lost."""
    return Tally(total, total, correct, total - correct, 0)


def test_find_gives_what_was_added(tmp_path: Path) -> None:
    with Journal(tmp_path / "new" / "folder" / "journal.sqlite") as journal:
        assert journal.find("c", "p") == []
        journal.add("c", "p", [whole(970, 1000)], 2.0)
        journal.add("c", "q", [whole(12.125, 20)], 4.0)
        journal.add("d", "p", [Tally(9, 4, 2.5, 1.25, 0.5)], 100.0)
        assert journal.find("c", "p") == [whole(970, 1000)]
        assert journal.find("c", "q") == [whole(12.125, 20)]
        assert journal.find("d", "p") == [Tally(9, 4, 2.5, 1.25, 0.5)]
        assert journal.find("d", "q") == []
        assert journal.count() == 3
    with Journal(tmp_path / "new" / "folder" / "journal.sqlite") as journal:
        assert journal.find("c", "q") == [whole(12.125, 20)]
        assert journal.set_aside is None


def grown(*seen: int) -> list[Tally]:
    """The tally of a plan that is wrong on the first three of 50 samples."""
    return [Tally(50, each, each - 3, 3, 0) for each in seen]


def test_of_one_plan_it_keeps_how_the_tally_grew() -> None:
    """What saw more samples replaces what saw fewer, and nothing else does."""
    with Journal() as journal:
        for tallies, kept in (
            (grown(10, 20), grown(10, 20)),
            (grown(10), grown(10, 20)),
            (grown(10, 20, 30), grown(10, 20, 30)),
            (grown(5, 15, 25), grown(10, 20, 30)),
        ):
            journal.add("c", "p", tallies, 0.0)
            assert journal.find("c", "p") == kept
        assert journal.count() == 1


def test_measurements(tmp_path: Path) -> None:
    """Bytes under a name, of which the first stay, apart from evaluations."""
    with Journal(tmp_path / "j") as journal:
        assert journal.recall("c", "slack") is None
        journal.keep("c", "slack", bytes(range(256)))
        journal.keep("c", "slack", b"later")
        journal.keep("c", "nothing", b"")
        journal.keep("d", "slack", b"another's")
        assert journal.count() == 0
    with Journal(tmp_path / "j") as journal:
        assert journal.recall("c", "slack") == bytes(range(256))
        assert journal.recall("c", "nothing") == b""
        assert journal.recall("d", "slack") == b"another's"
        assert journal.recall("d", "nothing") is None


@pytest.mark.parametrize(
    "change", ["content = x'00'", "content = 'noise'", "name = 'b'", "context = 'd'", "checksum = 0"]
)
def test_a_measurement_that_was_never_made_is_not_trusted(tmp_path: Path, change: str) -> None:
    with Journal(tmp_path / "j") as journal:
        journal.keep("c", "a", b"noise")
        journal.add("c", "p", [whole(1, 2)], 0.0)
    with closing(sqlite3.connect(tmp_path / "j")) as connection:
        connection.execute(f"UPDATE measurements SET {change}")
        connection.commit()
    with Journal(tmp_path / "j") as journal:
        assert journal.set_aside == tmp_path / "j.corrupt-1"
        assert (journal.count(), journal.recall("c", "a")) == (0, None)


def test_what_was_written_first_stays(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        journal.add("c", "p", [whole(1, 2)], 0.0)
        journal.add("c", "p", [whole(2, 2)], 0.0)
        assert journal.find("c", "p") == [whole(1, 2)]
        assert journal.count() == 1


def test_two_connections_see_each_others_rows_at_once(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as one, Journal(tmp_path / "j") as other:
        for index in range(20):
            writer, reader = (one, other) if index % 2 else (other, one)
            writer.add("c", str(index), [whole(index, 100)], 0.0)
            assert reader.find("c", str(index)) == [whole(index, 100)]


@pytest.mark.parametrize("attempt", range(5))
def test_many_open_and_write_a_new_journal_at_once(tmp_path: Path, attempt: int) -> None:
    threads, rows = 8, 25
    barrier = threading.Barrier(threads)
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            barrier.wait()
            with Journal(tmp_path / "j") as journal:
                assert journal.set_aside is None
                for row in range(rows):
                    journal.add("c", f"{writer} {row}", [whole(row, rows)], 0.0)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=write, args=(writer,)) for writer in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    with Journal(tmp_path / "j") as journal:
        assert journal.count() == threads * rows


@pytest.mark.parametrize("rows", [0, 1, 20, 200])
def test_a_writer_killed_at_any_moment_loses_no_row(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "j"

    def write() -> None:
        journal = Journal(path)
        for row in itertools.count():
            journal.add("c", str(row), [whole(row % 100, 100)], 0.0)
            os.write(1, f"{row} ".encode())

    with Life(write, tmp_path) as life:
        while len(life.out.split()) <= rows:
            time.sleep(0.001)
        life.signal(signal.SIGKILL)
        assert life.wait() == -signal.SIGKILL
    told = len(life.out.split())
    with Journal(path) as journal:
        assert journal.set_aside is None
        assert all(journal.find("c", str(row)) == [whole(row % 100, 100)] for row in range(told))
        assert told <= journal.count() <= told + 1  # a row may be written and not yet told
        journal.add("c", "after", [whole(1, 1)], 0.0)
        assert journal.find("c", "after") == [whole(1, 1)]


def test_killed_at_any_line_of_opening_and_writing(tmp_path: Path) -> None:
    def write() -> None:
        with Journal(tmp_path / "run" / "j") as journal:
            journal.add("c", "p", [whole(1, 2)], 0.0)

    counts = []
    for line in itertools.count():
        code = Life(dying(write, line, "search/journal.py"), tmp_path).wait()
        with Journal(tmp_path / "run" / "j") as journal:
            assert journal.set_aside is None
            assert journal.find("c", "p") in ([], [whole(1, 2)])
            counts.append(journal.count())
        if code == 0:
            break
        shutil.rmtree(tmp_path / "run")
    assert counts == sorted(counts)
    assert set(counts) == {0, 1}


@pytest.mark.parametrize("content", [b"not a journal at all" * 50, bytes(range(256)) * 32], ids=["text", "bytes"])
def test_a_file_that_is_no_journal_is_set_aside_and_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)
    (tmp_path / "journal.sqlite.corrupt-1").write_bytes(b"of an earlier time")
    with Journal(path) as journal:
        assert journal.set_aside == tmp_path / "journal.sqlite.corrupt-2"
        assert journal.set_aside.read_bytes() == content
        assert journal.count() == 0
        journal.add("c", "p", [whole(1, 2)], 0.0)
    with Journal(path) as journal:
        assert journal.set_aside is None
        assert journal.find("c", "p") == [whole(1, 2)]
    assert (tmp_path / "journal.sqlite.corrupt-1").read_bytes() == b"of an earlier time"


def test_an_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    (tmp_path / "j").touch()
    with Journal(tmp_path / "j") as journal:
        assert (journal.set_aside, journal.count()) == (None, 0)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A journal of 200 rows, in several pages."""
    path = tmp_path_factory.mktemp("written") / "j"
    with Journal(path) as journal:
        for row in range(200):
            journal.add("c" * 64, f"a plan of some length {row}", [whole(1, 2)], 0.0)
    content = path.read_bytes()
    assert len(content) > 4 * 4096
    return content


@pytest.mark.parametrize("kept", [99, 100, 4096, 5000, 3 * 4096])
def test_a_truncated_journal_is_set_aside(tmp_path: Path, written: bytes, kept: int) -> None:
    path = tmp_path / "j"
    path.write_bytes(written[:kept])
    with Journal(path) as journal:
        assert journal.set_aside == tmp_path / "j.corrupt-1"
        assert journal.set_aside.read_bytes() == written[:kept]
        assert journal.count() == 0


def test_a_journal_with_damaged_pages_is_set_aside_or_named(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(written[:4096] + b"\xff" * (len(written) - 4096))
    message = ""
    try:
        with Journal(path) as journal:
            journal.count()
            message = f"set aside as {journal.set_aside}"
    except FileError as error:
        message = str(error)
    assert message in (
        f"set aside as {path}.corrupt-1",
        f"the journal '{path}' cannot be used: database disk image is malformed; "
        "free some space, and the same command goes on",
    )


def true_or_unknown(path: Path) -> str:
    """Open what may have been the journal `written`: kept, lost, set aside or told; nothing untrue is ever found."""
    try:
        journal = Journal(path)
    except FileError as error:
        return str(error)
    with journal:
        found = [tuple(journal.find("c" * 64, f"a plan of some length {row}")) for row in range(200)]
        assert set(found) <= {(whole(1, 2),), ()}
        if journal.set_aside is not None:
            assert journal.count() == 0
            return "set aside"
        return "lost" if () in found else "kept"


def test_a_damaged_byte_anywhere_never_gives_another_accuracy(tmp_path: Path, written: bytes) -> None:
    random = Random(0)
    path = tmp_path / "j"
    seen = Counter[str]()
    for place in (*range(0, 100, 3), *(random.randrange(len(written)) for _ in range(70))):
        damaged = bytearray(written)
        damaged[place] ^= 1 << random.randrange(8)
        for left in tmp_path.iterdir():
            left.unlink()
        path.write_bytes(damaged)
        seen[true_or_unknown(path)] += 1
    assert seen["set aside"] > 40  # many bytes are free space
    assert seen["kept"] > 0


@pytest.mark.parametrize(
    "change",
    ["tallies = zeroblob(32)", "tallies = tallies || tallies", "tallies = x''", "tallies = x'00'", "tallies = 'all'",
     "tallies = 1.5", "total = 0", "total = 'two'", "total = 1.5", "plan = 'another'", "context = 'another'",
     "checksum = 0"],
)  # fmt: skip
def test_a_row_that_was_never_written_is_not_trusted(tmp_path: Path, change: str) -> None:
    path = tmp_path / "j"
    with Journal(path) as journal:
        for row in range(10):
            journal.add("c", str(row), [whole(1, 2)], 0.5)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE evaluations SET {change} WHERE plan = '7'")
        connection.commit()
    with Journal(path) as journal:
        assert journal.set_aside == tmp_path / "j.corrupt-1"
        assert journal.count() == 0


@pytest.mark.parametrize(
    "addition",
    ["CREATE TABLE more (x)", "CREATE VIEW more AS SELECT 1", "CREATE INDEX more ON evaluations (total)",
     "CREATE TRIGGER more AFTER INSERT ON evaluations BEGIN DELETE FROM evaluations; END",
     "ALTER TABLE evaluations ADD COLUMN more"],
)  # fmt: skip
def test_a_journal_with_something_more_in_it_is_set_aside(tmp_path: Path, addition: str) -> None:
    path = tmp_path / "j"
    Journal(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(addition)
        connection.commit()
    with Journal(path) as journal:
        assert journal.set_aside == tmp_path / "j.corrupt-1"


def test_an_older_journal_is_set_aside(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "j")) as connection:
        connection.execute("CREATE TABLE evaluations (context, plan, correct, total, seconds)")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    with Journal(tmp_path / "j") as journal:
        assert journal.set_aside == tmp_path / "j.corrupt-1"


def test_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with Journal(path) as journal:
        journal.add("c", "p", [whole(1, 2)], 0.0)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 4")
    before = path.read_bytes()
    message = f"the journal '{path}' is of version 4; this picojoule writes 3; move it away"
    with pytest.raises(FileError, match=f"^{re.escape(message)}$"):
        Journal(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("content", [b"", bytes(range(256)) * 256, "of another"], ids=["empty", "bytes", "another's"])
def test_what_another_database_left_beside(tmp_path: Path, written: bytes, suffix: str, content: bytes | str) -> None:
    """SQLite's own files of another journal, beside ours or beside none: nothing untrue is found."""
    if isinstance(content, str):
        with Journal(tmp_path / "other") as other:
            for row in range(150):
                other.add("c" * 64, f"a plan of some length {row}", [whole(1, 2)], 0.0)
                other.add("c" * 64, f"some other plan {row}", [whole(2, 2)], 0.0)
            beside = tmp_path / f"other{suffix}"
            content = beside.read_bytes() if beside.exists() else b""
    for name, main in (("ours", written), ("none", b"")):
        path = tmp_path / name / "j"
        path.parent.mkdir()
        if main:
            path.write_bytes(main)
        path.with_name(f"j{suffix}").write_bytes(content)
        assert true_or_unknown(path) in ({"kept", "set aside", "lost"} if main else {"lost", "set aside"})


def test_another_programs_live_database_is_set_aside_with_all_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with closing(sqlite3.connect(path, isolation_level=None)) as theirs:
        theirs.execute("PRAGMA journal_mode = WAL")
        theirs.execute("CREATE TABLE theirs (value TEXT)")
        theirs.execute("INSERT INTO theirs VALUES ('kept')")
        with Journal(path) as journal:
            assert journal.set_aside is not None
            journal.add("c", "p", [whole(1, 2)], 0.0)
        assert {file.name for file in tmp_path.iterdir()} == {"j", *(f"j.corrupt-1{s}" for s in ("", "-wal", "-shm"))}
        with closing(sqlite3.connect(journal.set_aside)) as again:
            assert again.execute("SELECT value FROM theirs").fetchall() == [("kept",)]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "journal.sqlite"
    message = f"cannot open the journal '{path}': File exists; free some space or choose another folder"
    with pytest.raises(FileError, match=f"^{re.escape(message)}$"):
        Journal(path)


def test_a_folder_where_the_journal_should_be(tmp_path: Path) -> None:
    message = f"cannot open the journal '{tmp_path}': Is a directory; free some space or choose another folder"
    with pytest.raises(FileError, match=f"^{re.escape(message)}$"):
        Journal(tmp_path)


def test_a_journal_that_may_not_be_written(tmp_path: Path, ordinary_user: None) -> None:
    """Told when it is opened, before any work, and left as it is."""
    path = tmp_path / "j"
    with Journal(path) as journal:
        journal.add("c", "p", [whole(1, 2)], 0.0)
    before = path.read_bytes()
    path.chmod(0o444)
    message = f"cannot open the journal '{path}': attempt to write a readonly database; free some space or choose"
    with pytest.raises(FileError, match=f"^{re.escape(message)}"):
        Journal(path)
    path.parent.chmod(0o555)
    try:
        with pytest.raises(FileError, match=f"^{re.escape(f'cannot open the journal {str(path)!r}: ')}"):
            Journal(path)
        told = f"cannot open the journal '{path.with_name('k')}': unable to open database file; "
        with pytest.raises(FileError, match=f"^{re.escape(told)}"):
            Journal(path.with_name("k"))
    finally:
        path.parent.chmod(0o755)
    assert path.read_bytes() == before


def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.close()
    message = f"the journal '{tmp_path / 'j'}' cannot be used: Cannot operate on a closed database."
    with pytest.raises(FileError, match=f"^{re.escape(message)}"):
        journal.find("c", "p")


class Counting(Evaluator):
    """Counts what it is asked; one sample is right for each site of the plan."""

    def __init__(self) -> None:
        self.asked: list[Plan] = []

    def tally(self, plan: Plan) -> Tally:
        self.asked.append(plan)
        return whole(len(plan.formats), 10)


PLANS = [Plan.parse(dict.fromkeys("abc"[:count], f"fixed{bits}")) for count in (1, 2, 3) for bits in (4, 8)]


def test_nothing_in_the_journal_is_evaluated_again(tmp_path: Path) -> None:
    inner = Counting()
    with Journal(tmp_path / "j") as journal:
        evaluator = JournaledEvaluator(inner, journal, "context")
        first = [evaluator.accuracy(plan) for plan in PLANS]
        second = [evaluator.accuracy(plan) for plan in PLANS]
        assert journal.count() == len(PLANS)
    assert first == second == [Accuracy(len(plan.formats), 10) for plan in PLANS]
    assert inner.asked == PLANS
    with Journal(tmp_path / "j") as journal:
        again = JournaledEvaluator(inner, journal, "context")
        assert [again.accuracy(plan) for plan in PLANS] == first
        assert again.judge(PLANS[4], Floor(0.5, Accuracy(6, 10))) == Verdict(True, whole(3, 10))
        assert len(inner.asked) == len(PLANS)
        other = JournaledEvaluator(inner, journal, "other context")
        assert other.accuracy(PLANS[0]) == first[0]
        assert len(inner.asked) == len(PLANS) + 1


class InTens(Evaluator):
    """Of 100 samples the float network is right on all, a plan on all but as many as its first site has bits, the
    first ones; they are seen ten at a time. It counts what is run."""

    def __init__(self) -> None:
        self.ran: list[Plan] = []

    def tally(self, plan: Plan) -> Tally:
        *_, tally = self.tallies(plan)
        return tally

    def tallies(self, plan: Plan) -> Iterator[Tally]:
        wrong = next(iter(plan.formats.values())).bits
        for seen in range(10, 101, 10):
            self.ran.append(plan)
            yield Tally(100, seen, seen - wrong, wrong, 0)


def floor(keep: float) -> Floor:
    return Floor(keep, Accuracy(100, 100))


def test_a_verdict_answers_for_the_floors_that_it_decides_and_no_other() -> None:
    """All of it on one plan, which is wrong on four samples: what is seen of it is what decides, whatever is known."""
    inner, (plan, *_) = InTens(), PLANS
    heard: list[bool] = []
    with Journal() as journal:
        evaluator = JournaledEvaluator(inner, journal, "c", listener=heard.append)
        for keep, holds, seen, worked in (
            (0.5, True, 60, True),
            (0.5, True, 60, False),
            (0.3, True, 40, False),
            (0.97, False, 10, False),  # of the first ten too many were wrong
            (0.8, True, 90, True),
            (0.7, True, 80, False),
            (0.5, True, 60, False),
            (0.96, True, 100, True),
            (0.95, True, 100, False),
        ):
            tally = Tally(100, seen, seen - 4, 4, 0)
            assert evaluator.judge(plan, floor(keep)) == Verdict(holds, tally), keep
            assert heard.pop() == worked, keep
        assert [tally.seen for tally in journal.find("c", str(plan))] == list(range(10, 101, 10))
        assert evaluator.tally(plan).seen == 100
    assert (heard, len(inner.ran)) == ([False], 6 + 9 + 10)


@given(st.lists(st.sampled_from(["judge 0.3", "judge 0.8", "judge 0.97", "tally"])))
def test_what_was_asked_before_does_not_matter(questions: list[str]) -> None:
    """Only what has to run for it does: each answer is that of an evaluator that was asked nothing else."""

    def ask(evaluator: Evaluator, question: str) -> Verdict | Tally:
        what, _, about = question.partition(" ")
        if what == "judge":
            return evaluator.judge(PLANS[0], floor(float(about)))
        return evaluator.tally(PLANS[0])

    with Journal() as journal:
        evaluator = JournaledEvaluator(InTens(), journal, "c")
        for question in questions:
            assert ask(evaluator, question) == ask(JournaledEvaluator(InTens(), Journal(), "c"), question)


def test_a_tally_is_of_all_samples_whatever_a_verdict_saw() -> None:
    inner, (plan, *_) = InTens(), PLANS
    with Journal() as journal:
        evaluator = JournaledEvaluator(inner, journal, "c")
        assert evaluator.judge(plan, floor(0.5)).tally.seen == 60
        assert evaluator.tally(plan) == Tally(100, 100, 96, 4, 0)
        assert evaluator.accuracy(plan) == Accuracy(96, 100)
        assert len(inner.ran) == 6 + 10


def test_its_listener_hears_what_was_worked_out() -> None:
    heard: list[bool] = []
    with Journal() as journal:
        evaluator = JournaledEvaluator(Counting(), journal, "c", listener=heard.append)
        for plan in (PLANS[0], PLANS[0], PLANS[2]):
            evaluator.accuracy(plan)
        evaluator.judge(PLANS[0], floor(0.5))
        evaluator.judge(PLANS[3], floor(0.5))
    assert heard == [True, False, True, False, True]


def test_once_stopped_nothing_is_begun_and_what_is_known_is_still_given() -> None:
    inner, over = InTens(), [False]
    with Journal() as journal:
        evaluator = JournaledEvaluator(inner, journal, "c", stopped=lambda: over[0])
        known = evaluator.judge(PLANS[0], floor(0.5))
        over[0] = True
        assert evaluator.judge(PLANS[0], floor(0.5)) == known
        for plan, keep in ((PLANS[0], 0.9), (PLANS[1], 0.5)):
            with pytest.raises(OutOfTimeError):
                evaluator.judge(plan, floor(keep))
        with pytest.raises(OutOfTimeError):
            evaluator.accuracy(PLANS[0])
        assert len(inner.ran) == 6
        over[0] = False
        assert evaluator.accuracy(PLANS[0]) == Accuracy(96, 100)


def test_an_evaluation_that_fails_is_not_written_down() -> None:
    class Failing(Evaluator):
        def tally(self, plan: Plan) -> Tally:
            raise RuntimeError("out of memory")

    with Journal() as journal:
        evaluator = JournaledEvaluator(Failing(), journal, "c")
        for ask in (evaluator.accuracy, lambda plan: evaluator.judge(plan, floor(0.5))):
            with pytest.raises(RuntimeError, match="out of memory"):
                ask(PLANS[0])
        assert journal.count() == 0


def test_another_programs_database_is_set_aside_untouched(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (value TEXT)")
        other.execute("INSERT INTO theirs VALUES ('kept')")
    other.close()
    with Journal(path) as journal:
        assert journal.set_aside is not None
        journal.add("c", "p", [whole(1, 2)], 0.1)
        assert journal.find("c", "p") == [whole(1, 2)]
    with sqlite3.connect(journal.set_aside) as kept:
        assert kept.execute("SELECT value FROM theirs").fetchall() == [("kept",)]
    kept.close()
