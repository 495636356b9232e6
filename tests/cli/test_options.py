"""How the texts of options are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picojoule.cli.main import spread
from picojoule.cli.options import bits, duration
from picojoule.errors import InputError

numbers = st.floats(0, 2, allow_nan=False).map(lambda value: f"{value:.4f}") | st.sampled_from(["1", "0", ".9", "1."])
others = st.text(max_size=6).filter(
    lambda text: not text.replace(".", "", 1).isdigit() and text.partition("=")[0] != "--keep"
)


@given(st.lists(st.lists(numbers, min_size=1, max_size=4) | others, max_size=6))
def test_spread_repeats_keep_and_changes_nothing_else(parts: list[list[str] | str]) -> None:
    """A list stands for `--keep` and its numbers, a text for any other argument."""
    written, expected = list[str](), list[str]()
    for part in parts:
        written += [part] if isinstance(part, str) else ["--keep", *part]
        expected += [part] if isinstance(part, str) else [each for value in part for each in ("--keep", value)]
    assert spread(written) == expected
    assert spread(expected) == expected  # spreading twice is spreading once


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["--keep=1.0", "0.9"], ["--keep", "1.0", "--keep", "0.9"]),
        (["--keep=x", "0.9"], ["--keep", "x", "--keep", "0.9"]),
        (["--keep", "0.9,0.8", "net.py"], ["--keep", "0.9,0.8", "net.py"]),
        (["--keep", "-0.5"], ["--keep", "-0.5"]),
        (["--keep"], ["--keep"]),
        (["--keeper", "1", "2"], ["--keeper", "1", "2"]),
        (["a", "1", "--bits", "1"], ["a", "1", "--bits", "1"]),
        ([], []),
    ],
)
def test_spread(written: list[str], expected: list[str]) -> None:
    given = list(written)
    assert spread(given) == expected
    assert given == written


@pytest.mark.parametrize(
    ("text", "expected"), [("1:16", (1, 16)), ("8", (8, 8)), (" 2 : 4 ", (2, 4)), ("0:20", (0, 20))]
)
def test_bits(text: str, expected: tuple[int, int]) -> None:
    assert bits(text) == expected


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("0.5m", 30), ("0", 0), ("1e2", 100)]
)
def test_duration(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@given(st.text(max_size=5))
def test_durations_are_seconds_or_refused(text: str) -> None:
    told = ""
    try:
        seconds = duration(text)
    except InputError as error:
        seconds, told = 0.0, str(error)
    assert told in ("", f"--time-budget '{text}' is not understood; give a time such as 90s, 10m or 2h")
    assert seconds is not None
    assert 0 <= seconds < float("inf")


def test_no_duration() -> None:
    assert duration(None) is None
