"""Bad input on the command line: one line on standard error that names the thing, exit code 2, no traceback."""

import re
import shlex
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli import refusals
from tests.cli.conftest import Run

import picojoule as pj
from picojoule import files
from picojoule.explore import study
from picojoule.search import journal


def fits(line: str, message: str) -> bool:
    """Whether a line is a message, in which `...` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, message.split("..."))), line) is not None


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of things that cannot be used."""
    folder = tmp_path_factory.mktemp("odd")
    refusals.write(folder)
    return folder


@pytest.fixture
def there(run: Run, odd: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command in that folder, which must then be as it was, but for the journals and studies that had begun."""
    monkeypatch.chdir(odd)
    before = {path: path.stat() for path in odd.rglob("*")}
    yield run
    shutil.rmtree(odd / "__pycache__", ignore_errors=True)
    for left in [path for path in odd.rglob("*") if path.is_file() and path not in before]:
        assert left.name.startswith(("journal.sqlite", "study.sqlite"))
        left.unlink()
    shutil.rmtree(odd / "runs", ignore_errors=True)
    assert {path: (was.st_size, was.st_mtime_ns) for path, was in before.items() if path.is_file()} == {
        path: (path.stat().st_size, path.stat().st_mtime_ns) for path in before if path.is_file()
    }


CASES = refusals.cases()
USAGE = CASES.pop("Usage")


@pytest.mark.parametrize(
    ("command", "message"), [case for cases in CASES.values() for case in cases], ids=lambda text: text[:60]
)
def test_what_cannot_be_used(there: Run, command: str, message: str) -> None:
    done = there(*shlex.split(command))
    assert (done.code, done.out) == (2, "")
    *progress, line = done.err.splitlines()
    assert fits(line, f"picojoule: {message}")
    assert all(re.match(r"\[\d", each) for each in progress)


@pytest.mark.parametrize(("command", "message"), USAGE, ids=lambda text: text[:60])
def test_what_is_no_command(there: Run, command: str, message: str) -> None:
    done = there(*shlex.split(command))
    assert (done.code, done.out) == (2, "")
    assert fits(done.err.splitlines()[-1], message)
    assert len(done.err.splitlines()) <= 4


def test_without_what_onnx_needs(there: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("picojoule.models.onnx.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert there("search", "old.onnx", "--data", "few.npz").refused() == refusals.NO_ONNX


def test_help(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    assert all(verb in done.out for verb in ("search", "demo", "inspect", "energy", "report", "formats", "platforms"))
    assert run("search", "--help").code == 0


class TestRunFolders:
    """What `report` says of a folder that is no longer a run, and a search of one that another holds."""

    @pytest.mark.parametrize(("tamper", "message"), refusals.TAMPERED, ids=[each[1][:60] for each in refusals.TAMPERED])
    def test_tampered(
        self, run: Run, folder: Path, tmp_path: Path, tamper: Callable[[Path], object], message: str
    ) -> None:
        shutil.copytree(folder, tmp_path / "run")
        tamper(tmp_path / "run")
        assert fits(run("report", "run").refused(), message)

    def test_settings_are_whatever_they_are(self, run: Run, folder: Path, tmp_path: Path) -> None:
        shutil.copytree(folder, tmp_path / "run")
        refusals.edited(lambda d: d["settings"].update(samples=3, model=["a"]))(tmp_path / "run")
        done = run("report", "run")
        assert done.code == 0
        assert done.out.startswith("['a'] on ")

    def test_held_by_another_search(self, run: Run, model: str, data: str, tmp_path: Path) -> None:
        with files.claimed(tmp_path / "run"):
            done = run("search", model, "--data", data, "--out", "run", "--json")
        assert fits(done.refused(), refusals.CLAIMED)

    def test_a_full_disk(self, run: Run, model: str, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def cramped(path: Path | None) -> sqlite3.Connection:
            connection = opened(path)
            connection.execute("PRAGMA max_page_count = 1")  # no page more than there are
            return connection

        opened = journal._open
        monkeypatch.setattr(journal, "_open", cramped)
        assert fits(run("search", model, "--data", data, "--out", "run", "--json").refused(), refusals.FULL)

    EXPLORE = ("explore", "lenet-300-100", "--width", "0.05", "--recipe", "short", "--bits", "4", "--json", "--data")

    def test_a_study_that_does_not_answer(self, run: Run, odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: object, **__: object) -> None:
            raise OSError("no route to host")

        monkeypatch.setattr(study, "PATIENCE", 0.0)
        monkeypatch.setattr("optuna.storages.RDBStorage.get_all_trials", away)
        assert fits(run(*self.EXPLORE, odd / "both.npz").refused(), refusals.GONE)

    def test_without_what_a_sweep_needs(self, run: Run, odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "optuna", None)
        assert run(*self.EXPLORE, odd / "both.npz").refused() == refusals.WITHOUT

    def test_a_page_replaces_nothing_of_the_users(self, run: Run, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.html").write_text("mine")
        assert fits(run("report", folder, "--out", "mine.html").refused(), refusals.TAKEN)
        assert (tmp_path / "mine.html").read_text() == "mine"


def test_an_output_that_is_full(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run("formats").refused() == refusals.UNHEARD
        monkeypatch.undo()


def test_nothing_that_is_named_can_speak_to_the_terminal(run: Run) -> None:
    refused = run("formats", "\x1b[31mred\n\u202e").refused()
    assert refused.startswith(r"format '\x1b[31mred\n\u202e' is not known; known are ")


class TestOddNames:
    """Layers and files may be called anything that can be printed."""

    CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.ModuleDict({"b c": nn.Linear(64, 20)})
        self.add_module("a/b c", nn.Linear(20, 20))
        self.add_module("ü[*]?~", nn.Linear(20, 10))

    def forward(self, x):
        return getattr(self, "ü[*]?~")(getattr(self, "a/b c")(self.a["b c"](x.flatten(1))))
"""

    def test_names(self, run: Run, data: str, tmp_path: Path) -> None:
        (tmp_path / "mein größtes").mkdir()
        (tmp_path / "mein größtes" / "netz [1].py").write_text(self.CODE)
        done = run(
            "search", "mein größtes/netz [1].py:Net", "--data", data, "--keep", "0.1", "--bits", "8", "--out", "läufe"
        )
        assert done.code == 0
        result = pj.load(tmp_path / "läufe")
        assert [layer.name for layer in result.captured.layers] == ["a.b c", "a/b c", "ü[*]?~"]
        assert all(name in run("report", "läufe").out for name in ("a.b c", "a/b c", "ü[*]?~"))
        (tmp_path / "plan.json").write_text(result.plan.to_json())
        options = ("--data", data, "--plan", "plan.json")
        assert run("energy", "mein größtes/netz [1].py:Net", *options).code == 0

    def test_the_home_folder(self, run: Run, home: Path, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(home))
        assert run("inspect", "~/net.py:trained", "--data", "~/few.npz").code == 0
