"""The study that workers share: trials in an Optuna storage, SQLite on one machine, PostgreSQL between machines.

A point is enqueued once and claimed by one worker, and its claim ends with the worker's heartbeat. Two workers may
enqueue the same point at the same moment: a waiting trial counts only where none before it has the point.
"""

import os
import random
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from picojoule.errors import FileError
from picojoule.evaluate import Accuracy
from picojoule.explore.storage import Address, connected, finished, first_line, is_unreachable, reason, trouble
from picojoule.explore.trial import Point, Trial, undone
from picojoule.files import Fields

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial, TrialState

T = TypeVar("T")

VERSION = 1
NAME, FACTS = "picojoule", "picojoule"
"""Of the study in its storage, and of the attribute that says what it is a study of."""
BEAT, GRACE = 15, 90
"""Seconds between heartbeats, and after the last one until a worker is taken for dead."""
PATIENCE = 60.0
"""Seconds that a storage which does not answer is asked again."""
OPENINGS = 8
"""Tries to open a study: workers that start together get in each other's way as they make its tables."""


@dataclass(frozen=True)
class Claim:
    """A trial that this worker alone is at."""

    number: int
    point: Point
    id: int


class Study:
    """A study in its storage. Any of its methods may wait for a storage that does not answer, and then raise FileError;
    what is trained is in the trials' folders all the same.
    """

    def __init__(self, place: str, storage: "RDBStorage", id: int, remark: Callable[[str], None]) -> None:
        self.place = place
        self._storage, self._id, self._remark = storage, id, remark
        self._patience = PATIENCE
        self._worker = f"{socket.gethostname()}:{os.getpid()}"

    @classmethod
    def open(
        cls, place: str | Path, facts: Mapping[str, str], remark: Callable[[str], None] = lambda _: None
    ) -> "Study":
        """The study at a place, a file or a URL such as `postgresql://user@host/name`; it is made where it is missing.

        `facts` tell it from others, as texts: all its trials have them in common. `remark` hears of what goes wrong
        for a while.

        Raises:
            InputError: Optuna or the database's driver is not installed, or the URL is none.
            FileError: it cannot be reached, is no study of picojoule's, of another version, or of other facts.
        """
        address = Address.of(str(place))
        try:
            storage, id, found = _opened(address, facts)
        except RuntimeError as error:  # Optuna's own tables are of another version
            raise FileError(f"study '{address.shown}' cannot be used: {first_line(error)}") from error
        except trouble() as error:
            told = f"cannot open study '{address.shown}': {reason(error)}; check the place, or choose another"
            raise FileError(told) from error
        _check_facts(found, facts, address.shown)
        return cls(address.shown, storage, id, remark)

    def enqueue(self, points: Sequence[Point]) -> None:
        """Have these points trained, those first that come first, but for those that are or were."""
        from optuna.trial import TrialState, create_trial

        for point in undone(points, self.trials()):
            waiting = create_trial(state=TrialState.WAITING, user_attrs={"point": point.to_table()})
            self._kept(lambda waiting=waiting: self._storage.create_new_trial(self._id, waiting))  # type: ignore[misc]

    def claim(self, points: Collection[Point]) -> Claim | None:
        """The first trial of these points that waits, now this worker's; None where none does."""
        for trial in self.trials():
            if trial.state == "waiting" and trial.point in points and (claim := self._claimed(trial)):
                return claim
        return None

    def _claimed(self, trial: Trial) -> Claim | None:
        """A waiting trial as this worker's; None where another was quicker."""
        from optuna.trial import TrialState

        id = self._kept(lambda: self._storage.get_trial_id_from_study_id_trial_number(self._id, trial.number))
        # The heartbeat comes first: a trial that has none when its worker dies would be taken for alive for ever.
        self._kept(lambda: self._storage.record_heartbeat(id))
        claim = Claim(trial.number, trial.point, id)
        if not self._set(claim, TrialState.RUNNING):
            return None
        self._note(claim, "worker", self._worker)
        return claim

    @contextmanager
    def held(self, claim: Claim) -> Iterator[None]:
        """Keep a claim alive while something is done about it."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(BEAT):
                with suppress(Exception):  # the trial's own thread finds out what is wrong
                    self._storage.record_heartbeat(claim.id)
            self._storage.remove_session()

        beating = threading.Thread(target=beat, daemon=True)
        beating.start()
        try:
            yield
        finally:
            over.set()
            beating.join(BEAT)

    def report(self, claim: Claim, curve: Sequence[tuple[float, float]]) -> bool:
        """Say how far a claimed trial is. False where it is this worker's no more: another one took it for dead."""
        return self._note(claim, "curve", [list(epoch) for epoch in curve])

    def complete(self, claim: Claim, energy_pj: float, searched: Accuracy, reported: Accuracy, seconds: float) -> None:
        """A claimed trial is trained, and came to this; that is dropped where it is this worker's no more."""
        from optuna.trial import TrialState

        outcome = {"searched": searched.to_table(), "reported": reported.to_table(), "seconds": seconds}
        self._note(claim, "outcome", outcome)
        self._set(claim, TrialState.COMPLETE, (searched.value, energy_pj))

    def end(self, claim: Claim, state: str, why: str, seconds: float = 0.0) -> None:
        """A claimed trial ends as `pruned`, `failed`, `died` or `stopped`."""
        from optuna.trial import TrialState

        printable = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in why)
        self._note(claim, "ended", {"state": state, "why": printable, "seconds": seconds})
        self._set(claim, TrialState.PRUNED if state == "pruned" else TrialState.FAIL)

    def stop(self, claim: Claim, seconds: float = 0.0) -> None:
        """A claimed trial is left where it is, for the next worker to go on with.

        A storage that does not answer is not waited for, now or later: the trial is found dead in time.
        """
        self._patience = 0.0
        with suppress(FileError):
            self.end(claim, "stopped", "", seconds)

    def trials(self) -> tuple[Trial, ...]:
        """All trials by number; those whose worker gave no sign for long have died by now."""
        from optuna.trial import TrialState

        for id in self._kept(lambda: self._storage._get_stale_trial_ids(self._id)):
            with suppress(*finished()):
                self._kept(lambda id=id: self._storage.set_trial_state_values(id, TrialState.FAIL))  # type: ignore[misc]
        found = self._kept(lambda: self._storage.get_all_trials(self._id, deepcopy=False))
        return _without_twins(_trial(each, self.place) for each in found)

    def _note(self, claim: Claim, key: str, value: Any) -> bool:
        """Say something of a trial; False where it has ended already."""
        with suppress(*finished()):
            self._kept(lambda: self._storage.set_trial_user_attr(claim.id, key, value))
            return True
        return False

    def _set(self, claim: Claim, state: "TrialState", values: Sequence[float] | None = None) -> bool:
        """Bring a trial into a state; False where it has ended already, or is claimed where it is to be."""
        with suppress(*finished()):
            return self._kept(lambda: self._storage.set_trial_state_values(claim.id, state, values))
        return False

    def _kept(self, ask: Callable[[], T]) -> T:
        """What the storage answers, asked again for a while where it does not."""
        began, pause = time.monotonic(), 0.5
        while True:
            try:
                return ask()
            except trouble() as error:
                self._storage.remove_session()
                if time.monotonic() - began + pause > self._patience:
                    self._patience = 0.0
                    raise FileError(
                        f"study '{self.place}' does not answer: {reason(error)}; what is trained is kept, "
                        "and the same command goes on once it does"
                    ) from error
                if pause == 0.5:
                    self._remark(f"study '{self.place}' does not answer; asking again for {self._patience:.0f} s")
                time.sleep(pause)
                pause = min(2 * pause, 10.0)


def _opened(address: Address, facts: Mapping[str, str]) -> tuple["RDBStorage", int, Any]:
    """The storage, the study's number in it, and what it is a study of."""
    for left in reversed(range(OPENINGS)):
        try:
            storage = connected(address, BEAT, GRACE)
            id, found = _joined(storage, facts, left == 0)
            if found is not None:
                return storage, id, found
        except trouble() as error:
            if left == 0 or is_unreachable(error):
                raise
        time.sleep(random.uniform(0.05, 0.3))
    raise AssertionError


def _joined(storage: "RDBStorage", facts: Mapping[str, str], last: bool) -> tuple[int, Any]:
    """The study, and the facts that whoever made it says; None as long as those are missing.

    The last time they are said here: that worker is gone.
    """
    from optuna.exceptions import DuplicatedStudyError
    from optuna.study import StudyDirection

    directions = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
    tells = last
    with suppress(DuplicatedStudyError):
        storage.create_new_study(directions, NAME)
        tells = True
    id = storage.get_study_id_from_name(NAME)
    if storage.get_study_directions(id) != directions:
        return id, "another's"
    if tells and FACTS not in storage.get_study_user_attrs(id):
        storage.set_study_user_attr(id, FACTS, {"version": VERSION, **facts})
    return id, storage.get_study_user_attrs(id).get(FACTS)


def _check_facts(found: Any, facts: Mapping[str, str], place: str) -> None:
    """Refuse a study of something else.

    Raises:
        FileError: it is.
    """
    if not isinstance(found, dict) or "version" not in found:
        raise FileError(f"study '{place}' is none of picojoule's; choose another place")
    if found["version"] != VERSION:
        raise FileError(f"study '{place}' is of version {found['version']}; this picojoule reads {VERSION}")
    if others := [name for name in facts if found.get(name) != facts[name]]:
        raise FileError(f"study '{place}' is of another {' and '.join(others)}; choose another place for this one")


def _trial(frozen: "FrozenTrial", place: str) -> Trial:
    """An Optuna trial as ours. Only a state is written for one worker alone, so that says which notes count."""
    noted, state = frozen.user_attrs, frozen.state.name.lower()
    outcome: dict[str, Any] = {"state": state}
    if state == "complete":
        outcome |= noted.get("outcome", {})
    elif state in ("fail", "pruned"):
        outcome = noted.get("ended", {"state": "died", "why": "its worker died"})
    table = {
        "number": frozen.number, "point": noted.get("point"), "curve": noted.get("curve", []), "searched": None,
        "reported": None, "seconds": 0.0, "why": "", "worker": noted.get("worker", ""), **outcome,
    }  # fmt: skip
    return Trial.from_table(Fields(table, f"study '{place}', trial {frozen.number}"))


def _without_twins(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """The trials but for those that wait although one before has the same point: it counts once that one is undone."""
    before = defaultdict[Point, list[Trial]](list)
    for trial in trials:
        if trial.state != "waiting" or undone([trial.point], before[trial.point]):
            before[trial.point].append(trial)
    return tuple(sorted((trial for each in before.values() for trial in each), key=lambda trial: trial.number))
