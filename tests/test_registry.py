"""Plug-ins: every module of a room, then the entry points of other packages."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from picojoule import formats
from picojoule.errors import FormatError, InputError
from picojoule.formats import Fixed, Format
from picojoule.registry import members

ROOM = {
    "__init__.py": "",
    "base.py": "import abc\nclass Base(abc.ABC):\n    @abc.abstractmethod\n    def go(self): ...\n",
    "b_second.py": "from {room}.base import Base\nclass Second(Base):\n    def go(self): ...\n",
    "a_first.py": (
        "from {room}.base import Base\nfrom {room}.b_second import Second\n"
        "class Half(Base):\n    pass\nclass First(Base):\n    def go(self): ...\nclass Stranger: ...\nvalue = First()\n"
    ),
}
FORMAT = """
from picojoule.formats import Fixed
class Ours(Fixed):
    examples = ("ours",)
    @classmethod
    def match(cls, text):
        return cls(4) if text == "ours" else None
    def __str__(self):
        return "ours"
not_a_class = 3
"""


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with a base class and modules beside it, for one test."""
    name = "a_room_of_plug_ins"
    (tmp_path / name).mkdir()
    for file, text in ROOM.items():
        (tmp_path / name / file).write_text(text.format(room=name))
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch, entries: str) -> None:
    """Install a distribution with these entry points, and its module `a_strangers_format`, for one test."""
    information = folder / "stranger-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(entries)
    (folder / "a_strangers_format.py").write_text(FORMAT)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "a_strangers_format", raising=False)


@pytest.fixture
def fresh() -> Iterator[None]:
    """What is known of formats is forgotten before and after."""
    for found in (formats.classes, formats.parse):
        found.cache_clear()
    yield
    for found in (formats.classes, formats.parse):
        found.cache_clear()


def test_every_concrete_class_of_a_room_is_found_once_where_it_is_defined(room: str) -> None:
    base = __import__(f"{room}.base", fromlist=["Base"]).Base
    assert [member.__name__ for member in members(room, base, "no.such.group")] == ["First", "Second"]


@pytest.mark.usefixtures("fresh")
def test_entry_points_come_after_the_rooms_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, monkeypatch, "[picojoule.formats]\nours = a_strangers_format:Ours\n")
    assert [each.__name__ for each in formats.classes()] == [
        "Block", "Fixed", "Float32", "Lut", "Minifloat", "Normal", "Binary", "Ternary", "Ours",
    ]  # fmt: skip
    assert str(formats.parse("ours")) == "ours"
    assert formats.parse("fixed4") == Fixed(4)
    with pytest.raises(FormatError, match=r"known are e2m1/32:e8m0, .*, fixed1\.\.fixed16, .*ours$"):
        formats.parse("theirs")


def test_entry_points_of_other_groups_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, monkeypatch, "[picojoule.export]\nours = a_strangers_format:Ours\n")
    found = members("picojoule.formats", Format, "picojoule.formats")  # type: ignore[type-abstract]
    assert "Ours" not in [member.__name__ for member in found]


@pytest.mark.parametrize("value", ["a_strangers_format:not_a_class", "pathlib:Path", "picojoule.formats:Format"])
def test_an_entry_point_that_is_no_member_is_refused(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, monkeypatch, f"[picojoule.formats]\nours = {value}\n")
    expected = f"entry point 'ours' of the group 'picojoule.formats' is '{value}', which is no Format; update or remove"
    with pytest.raises(InputError, match=f"^{re.escape(expected)}"):
        members("picojoule.formats", Format, "picojoule.formats")  # type: ignore[type-abstract]
