"""What a person or a log sees of a job: lines now and then, a bar on a terminal, remarks in any case."""

import contextlib
import io
import sys
import threading
import time

import pytest

from picojoule.cli import screen
from picojoule.jobs.progress import Progress

AT = Progress("keep 0.99", 12, 80, 190.0, "conv1.weights fixed7")
REMARK = Progress("the journal was damaged", remark=True)


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Stream(io.StringIO):
    """Standard error, on a terminal or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


class TestLog:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    def test_a_stage_is_told_once_and_then_every_half_minute(
        self, clock: Clock, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log = screen.Log(clock)
        for second in range(65):
            clock.now = 1000.0 + second
            log.listen(Progress("keep 0.99", second, 65, 65.0 - second))
            log.look()
        assert capsys.readouterr().err.splitlines() == [
            "[0.0 s] keep 0.99: 0/65 evaluations, about 1 min left",
            "[30.0 s] keep 0.99: 30/65 evaluations, about 35 s left",
            "[1 min 00 s] keep 0.99: 60/65 evaluations, about 5 s left",
        ]

    def test_a_stage_that_is_over_before_a_look_is_not_told(
        self, clock: Clock, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log = screen.Log(clock)
        log.look()
        log.listen(Progress("reading"))
        log.listen(Progress("capturing"))
        log.look()
        clock.now += 10
        log.look()
        log.listen(Progress("calibrating", 0, 1))
        log.look()
        assert capsys.readouterr().err == "[0.0 s] capturing\n[10.0 s] calibrating\n"

    @pytest.mark.parametrize(
        ("event", "line"),
        [
            (AT, "keep 0.99: 12/80 evaluations, about 3 min left, conv1.weights fixed7"),
            (Progress("training", 2, 15, unit="epochs"), "training: 2/15 epochs"),
            (Progress("float network", 0, 1, 42.0), "float network: about 40 s left"),
            (Progress("capturing"), "capturing"),
        ],
    )
    def test_a_line(self, clock: Clock, capsys: pytest.CaptureFixture[str], event: Progress, line: str) -> None:
        log = screen.Log(clock)
        log.listen(event)
        log.look()
        assert capsys.readouterr().err == f"[0.0 s] {line}\n"

    def test_a_remark_is_said_at_once_and_is_no_stage(self, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
        log = screen.Log(clock)
        log.listen(AT)
        log.look()
        log.listen(REMARK)
        assert capsys.readouterr().err.splitlines()[1:] == ["the journal was damaged"]
        log.look()
        assert capsys.readouterr().err == ""


class TestProgress:
    def test_quiet_leaves_remarks_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        with screen.progress(quiet=True) as listener:
            listener(AT)
            listener(REMARK)
        assert capsys.readouterr() == ("", "the journal was damaged\n")

    def test_what_is_over_at_once_leaves_no_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        with screen.progress() as listener:
            listener(AT)
            listener(REMARK)
        assert capsys.readouterr() == ("", "the journal was damaged\n")

    def test_a_job_that_tells_nothing_more_is_still_looked_at(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(screen, "PAUSE", 0.01)
        found = ""
        with screen.progress() as listener:
            listener(Progress("capturing the network"))
            while not found:
                time.sleep(0.01)
                found = capsys.readouterr().err
        assert found.endswith("] capturing the network\n")

    @pytest.mark.parametrize("terminal", [False, True])
    def test_it_is_seen_where_others_code_is_kept_from_speaking(
        self, monkeypatch: pytest.MonkeyPatch, terminal: bool
    ) -> None:
        stream = Stream(terminal)
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(screen, "PAUSE", 0.01)
        with screen.progress() as listener, contextlib.redirect_stderr(io.StringIO()) as elsewhere:
            listener(Progress("capturing the network"))
            while "capturing the network" not in stream.getvalue():
                time.sleep(0.01)
        assert elsewhere.getvalue() == ""

    def test_it_ends_with_an_error_of_the_job(self) -> None:
        def fail() -> None:
            with screen.progress() as listener:
                listener(AT)
                raise KeyError

        before = threading.active_count()
        with pytest.raises(KeyError):
            fail()
        assert threading.active_count() <= before

    def test_a_terminal_has_a_bar(self, monkeypatch: pytest.MonkeyPatch) -> None:
        terminal = Stream(terminal=True)
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.setenv("TERM", "xterm")
        with screen.progress() as listener:
            listener(Progress("capturing the network"))
            listener(REMARK)
            listener(AT)
        drawn = terminal.getvalue()
        assert "the journal was damaged\n" in drawn
        for part in ("keep 0.99", "12/80 evaluations", "about 3 min left", "conv1.weights fixed7"):
            assert part in drawn
