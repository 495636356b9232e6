"""Wheel and source distribution, built here: nothing missing, nothing strange, the same bytes from the same tree.

Only building and looking: `make dist-check` installs both into fresh environments.
"""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PINNED = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().lower().replace("_", "-").splitlines()
    if "==" in line
)


def build(root: Path, target: str, folder: Path) -> Path:
    """One file, by the back end that a front end would call, in a process of its own: it reads the current folder."""
    call = f"import hatchling.build as b, sys; print(b.build_{target}(sys.argv[1]))"
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    done = subprocess.run(
        [sys.executable, "-c", call, str(folder)], cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    return folder / done.stdout.splitlines()[-1]


def files(folder: Path) -> Iterator[str]:
    """What lies in a folder, by its path from the root, without what running the code leaves."""
    for path in folder.rglob("*"):
        if path.is_file() and not {"__pycache__", ".mypy_cache"} & set(path.parts):
            yield path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(opened.read(name).decode())


def test_the_wheel_holds_the_package_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        held = {name for name in opened.namelist() if ".dist-info/" not in name}
    assert held == {name.removeprefix("src/") for name in files(ROOT / "src")}
    assert {"picojoule/py.typed", "picojoule_command.py", "picojoule/energy/platforms/moons2017.toml"} <= held


def test_the_source_distribution_holds_what_builds_and_tests_it(source: Path) -> None:
    with tarfile.open(source) as opened:
        held = {member.name.partition("/")[2] for member in opened.getmembers()}
    for folder in ("src", "tests", "docs", "examples", "benchmarks"):
        assert {name for name in held if name.startswith(f"{folder}/")} == set(files(ROOT / folder))
    assert {name for name in held if "/" not in name} == {
        *(".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "PKG-INFO", "README.md"),
        *("constraints.txt", "pyproject.toml"),
    }


def test_the_same_wheel_comes_from_the_source_distribution(wheel: Path, source: Path, tmp_path: Path) -> None:
    with tarfile.open(source) as opened:
        opened.extractall(tmp_path, filter="data")
    (root,) = tmp_path.iterdir()
    for path in root.rglob("*"):
        os.utime(path, (0, 0))  # another day, another machine
    assert build(root, "wheel", tmp_path).read_bytes() == wheel.read_bytes()
    assert build(root, "sdist", tmp_path).read_bytes() == source.read_bytes()


def test_the_description_leads_nowhere_that_an_index_has_not(metadata: Message) -> None:
    text = metadata.get_payload()
    assert isinstance(text, str)
    assert text.startswith("# picojoule\n")
    assert len(text) > 3000
    assert re.findall(r"\]\((?!http)", text) == []
    assert metadata["Description-Content-Type"] == "text/markdown"


def test_the_metadata_say_what_is_offered(metadata: Message) -> None:
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_all("Provides-Extra") == ["demo", "dev", "docs", "explore", "onnx"]
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def test_what_is_tested_lies_within_what_is_allowed(metadata: Message) -> None:
    """Every package that is asked for by name has its version in `constraints.txt`, and that is one it may have."""
    for wanted in map(Requirement, metadata.get_all("Requires-Dist", [])):
        assert wanted.specifier.contains(PINNED[wanted.name.lower()]), wanted
