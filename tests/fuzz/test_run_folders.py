"""Run folders made wrong: refused in one line, or shown whole; and never changed by looking at them."""

import hashlib
import io
import json
import os
import random
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.fuzz.mutations import damaged, examples, mutated, refused
from tests.jobs.small import digits, network

import picojoule
from picojoule.calibration import Ranges
from picojoule.cli.main import run
from picojoule.data import Splits
from picojoule.errors import PicojouleError
from picojoule.network import Network
from picojoule.plan import Plan
from picojoule.report import tables
from picojoule.report.document import document
from picojoule.report.page import page
from picojoule.search import Result, non_dominated


def searched(folder: Path, **settings: object) -> Result:
    held_out = digits().held_out
    splits = Splits(digits().held_out.first(60), held_out.take(range(60, 160)), held_out.take(range(160, 260)))
    asked = {"keep": (0.95, 0.8), "bits": (3, 5), **settings}
    return picojoule.search(network(), None, splits=splits, out=folder, **asked)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that nobody touches."""
    folder = tmp_path_factory.mktemp("fuzz") / "run"
    searched(folder)
    return folder


@pytest.fixture
def place(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where examples put their copies, one after the other."""
    return tmp_path_factory.mktemp("examples") / "run"


def copied(folder: Path, place: Path, **changed: bytes) -> Path:
    """A copy of a run folder with some of its files changed; `weights` stands for what the result vouches for."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    for name, content in changed.items():
        (place / f"{name}.{'safetensors' if name == 'weights' else 'json'}").write_bytes(content)
    return place


def state(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


def shown(result: Result) -> None:
    """Use all that a result holds, as the terminal, the page and a script do."""
    again = result.to_json()
    assert result.front == non_dominated((*result.points, *result.baselines.values()))
    Console(file=io.StringIO(), width=200).print(tables.result(result))
    assert "</html>" in page(document({"run": result}))
    assert repr(result)
    for point in result.points:
        assert point.keep is not None
        assert result.at(point.keep).plan
    if sum(node.count for node in result.captured.nodes) < 2**20:
        refused(lambda: result.network(torch.zeros(2, *result.captured.input_shape)))
    assert result.to_json() == again


def looked_at(folder: Path) -> None:
    before = state(folder)
    result = refused(lambda: Result.load(folder))
    if result is not None:
        shown(result)
        result.save(folder.parent / "again")
        assert Result.load(folder.parent / "again").to_json() == result.to_json()
    for read in (lambda: Plan.load(folder / "plan.json"), lambda: Ranges.load(folder / "ranges.json")):
        refused(read)
    assert state(folder) == before


@examples(120)
@given(chance=st.randoms(use_true_random=False))
def test_a_result(folder: Path, place: Path, chance: random.Random) -> None:
    content = (folder / "result.json").read_bytes()
    change: Callable[[random.Random, bytes], bytes] = damaged if chance.random() < 0.1 else mutated
    looked_at(copied(folder, place, result=change(chance, content)))


@examples(60)
@given(chance=st.randoms(use_true_random=False))
def test_settings(folder: Path, place: Path, chance: random.Random) -> None:
    """Settings are kept as they are, whatever they are: nothing that shows them may rely on them."""
    table = json.loads((folder / "result.json").read_bytes())
    settings = mutated(chance, json.dumps(table["settings"]).encode())
    text = json.dumps({**table, "settings": "here"}).replace('"here"', settings.decode("utf-8", "replace"))
    looked_at(copied(folder, place, result=text.encode()))


@examples(60)
@given(chance=st.randoms(use_true_random=False))
def test_weights_that_the_result_vouches_for(folder: Path, place: Path, chance: random.Random) -> None:
    content = (folder / "weights.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    if chance.random() < 0.3:
        content = damaged(chance, content)
    else:
        header = json.loads(content[8 : 8 + size])
        graph = mutated(chance, header["__metadata__"]["picojoule.network"].encode()).decode("utf-8", "replace")
        header["__metadata__"]["picojoule.network"] = graph
        text = json.dumps(header).encode()
        content = len(text).to_bytes(8, "little") + text + content[8 + size :]
    table = json.loads((folder / "result.json").read_bytes())
    table["weights_sha256"] = hashlib.sha256(content).hexdigest()
    looked_at(copied(folder, place, weights=content, result=json.dumps(table).encode()))


@examples(40)
@given(chance=st.randoms(use_true_random=False))
def test_files_that_are_missing_swapped_or_something_else(folder: Path, place: Path, chance: random.Random) -> None:
    copied(folder, place)
    names = sorted(path.name for path in place.iterdir())
    for _ in range(chance.choice((1, 1, 2, 3))):
        target, other = (place / chance.choice(names) for _ in range(2))
        content = other.read_bytes() if other.is_file() else b""
        kind = chance.choice(("missing", "swapped", "empty", "folder", "pipe", "link", "loop", "endless", "binary"))
        if target.is_dir():
            continue
        target.unlink(missing_ok=True)
        match kind:
            case "swapped":
                target.write_bytes(content)
            case "empty":
                target.write_bytes(b"")
            case "folder":
                target.mkdir()
            case "pipe":
                os.mkfifo(target)
            case "link":
                target.symlink_to(other.name)
            case "loop":
                target.symlink_to(target.name)
            case "endless":
                target.symlink_to("/dev/zero")
            case "binary":
                target.write_bytes(chance.randbytes(100))
    before = {path.name: path.lstat().st_mtime_ns for path in place.iterdir()}
    result = refused(lambda: Result.load(place))
    if result is not None:
        shown(result)
    for name in ("plan.json", "ranges.json"):
        refused(lambda name=name: (Plan if name == "plan.json" else Ranges).load(place / name))  # type: ignore[misc]
    refused(lambda: Network.load(place / "weights.safetensors"))
    assert {path.name: path.lstat().st_mtime_ns for path in place.iterdir()} == before


@examples(40)
@given(chance=st.randoms(use_true_random=False))
def test_the_command_says_one_line(folder: Path, place: Path, chance: random.Random) -> None:
    copied(folder, place, result=mutated(chance, (folder / "result.json").read_bytes()))
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            run(["report", str(place), "--out", str(place.parent / "page.html")])
        except SystemExit as ended:
            code = ended.code or 0
    assert code in (0, 2)
    said = err.getvalue()
    assert said.count("\n") == (code == 2)
    assert said.startswith("picojoule: ") == (code == 2)
    assert "\x1b" not in said + out.getvalue()
    if code == 2:
        assert out.getvalue() == ""


@examples(12)
@given(chance=st.randoms(use_true_random=False))
def test_a_journal(folder: Path, place: Path, chance: random.Random) -> None:
    """The search that a damaged journal is of goes on, or begins anew, and ends in the same result."""
    copied(folder, place)
    journal = place / "journal.sqlite"
    journal.write_bytes(damaged(chance, journal.read_bytes()))
    (place / "result.json").unlink()
    try:
        searched(place)
    except PicojouleError:
        return
    assert (place / "result.json").read_bytes() == (folder / "result.json").read_bytes()


def test_the_folder_itself(folder: Path) -> None:
    looked_at(folder)
