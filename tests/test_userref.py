import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from picojoule.errors import DataError, InputError
from picojoule.userref import call, check_takes, resolve

CODE = """
import sibling

SEVEN = 7

class Nets:
    @staticmethod
    def small(width=1):
        return sibling.VALUE * width

def fails():
    return helper()

def helper():
    raise ValueError("two\\n  lines")

def leaves():
    raise SystemExit("bye")

def ours():
    from picojoule.errors import DataError
    raise DataError("as it is")

def deep():
    import json
    return json.loads("{")
"""


@pytest.fixture
def code(tmp_path: Path) -> Iterator[Path]:
    """A file of the user's with a sibling, which is gone from `sys.modules` afterwards."""
    (tmp_path / "sibling.py").write_text("VALUE = 3\n")
    (tmp_path / "random.py").write_text(CODE)
    yield tmp_path / "random.py"
    sys.modules.pop("sibling", None)


def test_a_file_with_siblings_and_a_dotted_name(code: Path) -> None:
    before = list(sys.path)
    assert call(f"{code}:Nets.small", 2) == 6
    assert sys.path == before


def test_a_file_is_imported_once_and_hides_no_module(code: Path) -> None:
    import random

    assert resolve(f"{code}:Nets") is resolve(f"{code}:Nets")
    assert sys.modules["random"] is random


def test_modules_come_from_the_path_and_the_working_folder(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("os.path:basename", "a/b") == "b"
    monkeypatch.chdir(code.parent)
    (code.parent / "picojoule_user_nets.py").write_text("def two():\n    return 2\n")
    assert call("picojoule_user_nets:two") == 2


@pytest.mark.parametrize("reference", ["", "lenet", ":f", "nets.py:", "nets.py"])
def test_a_text_of_another_form(reference: str) -> None:
    with pytest.raises(InputError, match=f"'{reference}' names no function; give module:name or path.py:name"):
        resolve(reference)


@pytest.mark.parametrize("name", ["no_such_module", "no_such.module", "os.no_such", ".relative", "a..b"])
def test_no_such_module(name: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"'{name}:f': there is no module '{name}'")):
        resolve(f"{name}:f")


def test_no_such_file_or_attribute(code: Path) -> None:
    with pytest.raises(InputError, match=r"nets.py:f': there is no file '.*nets.py'"):
        resolve(f"{code.parent / 'nets.py'}:f")
    with pytest.raises(InputError, match=r"'.*' has no 'large'; it has 'Nets', 'fails', 'helper'"):
        resolve(f"{code}:large")
    with pytest.raises(InputError, match=r"'.*' has no 'Nets.large'"):
        resolve(f"{code}:Nets.large")
    with pytest.raises(InputError, match=r"sibling.py' has no 'f'; it has no functions"):
        resolve(f"{code.parent / 'sibling.py'}:f")
    with pytest.raises(InputError, match=r"random.py:SEVEN' is of type int, not a function"):
        resolve(f"{code}:SEVEN")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fails", "raised ValueError at line 15 of '{}': two lines"),
        ("leaves", "raised SystemExit at line 18 of '{}': bye"),
        ("deep", "raised JSONDecodeError at line 26 of '{}': Expecting"),
    ],
)
def test_a_call_that_raises_names_the_users_line(name: str, message: str, code: Path) -> None:
    with pytest.raises(InputError, match=re.escape(f"'{code}:{name}' {message.format(code)}")):
        call(f"{code}:{name}")


@pytest.mark.parametrize("name", ["deeper", "long"])
def test_the_line_is_the_deepest_of_the_users_own_files(name: str, code: Path) -> None:
    (code.parent / "sibling.py").write_text(
        "import json\nVALUE = 3\ndef deeper():\n    json.loads('{')\ndef long():\n    raise ValueError('x' * 999)\n"
    )
    (code.parent / "top.py").write_text(f"import sibling\ndef f():\n    sibling.{name}()\n")
    with pytest.raises(InputError) as caught:
        call(f"{code.parent / 'top.py'}:f")
    assert f" at line {4 if name == 'deeper' else 6} of '{code.parent / 'sibling.py'}': " in str(caught.value)
    assert len(str(caught.value)) < 700


def test_an_error_without_words(code: Path) -> None:
    (code.parent / "mute.py").write_text("def f():\n    raise MemoryError\n")
    with pytest.raises(InputError, match=r"mute.py:f' raised MemoryError at line 2 of '[^']*mute.py'$"):
        call(f"{code.parent / 'mute.py'}:f")


def test_what_a_function_takes_is_checked_before_it_is_called(code: Path) -> None:
    told = "cannot be used: missing a required argument: 'b'; give a function of 1 arguments"
    (code.parent / "two.py").write_text("def f(a, b):\n    raise KeyError\n")
    with pytest.raises(InputError, match=re.escape(told)):
        call(f"{code.parent / 'two.py'}:f", 1)
    with pytest.raises(InputError, match=r"'os:getcwd' cannot be used: .*; give a function of 1 arguments"):
        call("os:getcwd", 1)
    check_takes(print, "print", 7)
    check_takes(min, "hides what it takes", 7)


def test_a_tilde_is_the_home(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(code.parent))
    assert call("~/random.py:Nets.small") == 3
    with pytest.raises(InputError, match=r"there is no file '~nobody-of-that-name/a.py'"):
        resolve("~nobody-of-that-name/a.py:f")


def test_our_own_errors_pass(code: Path) -> None:
    with pytest.raises(DataError, match=r"^as it is$"):
        call(f"{code}:ours")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n1 / 0\n", "raised ZeroDivisionError at line 2 of "),
        ("def f(:\n", "raised SyntaxError at line 1 of "),
        ("\nimport no_such_module\n", "raised ModuleNotFoundError at line 2 of "),
    ],
)
def test_an_import_that_raises_names_the_line_and_leaves_no_trace(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    for _ in range(2):
        with pytest.raises(InputError, match=re.escape(f"'{path}:f' {message}'{path}'")):
            resolve(f"{path}:f")
    path.write_text("def f():\n    return 1\n")
    assert call(f"{path}:f") == 1


def test_a_module_that_misses_another_is_not_taken_for_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "picojoule_user_half.py").write_text("import no_such_module\n")
    with pytest.raises(InputError, match=r"raised ModuleNotFoundError at line 1 of '.*half.py'"):
        resolve("picojoule_user_half:f")
