"""How the tests of this folder make files wrong: documents by their structure, any file by its bytes.

This folder is the one exception to tests that mirror the source tree: what a stranger's file may not do is one promise
(docs/security.md), kept by many rooms, and every reader is held to it in the same way. Each test begins with a file
that real code wrote. `PICOJOULE_FUZZ=20 pytest tests/fuzz` tries twenty times as many examples, new ones every time.
"""

import copy
import json
import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings

from picojoule.errors import PicojouleError

T = TypeVar("T")
_TIMES = int(os.environ.get("PICOJOULE_FUZZ", "1"))
_DEEP = "a place for what is nested deep"
_EXTREMES: tuple[Any, ...] = (
    None, True, False, 0, -0.0, 1, -1, 2, 3, 17, 97, 2**31, 2**40, 2**63 - 1, -(2**63), 2**63, 2**64, 10**400, 0.5,
    5e-324, 1e-200, 1e150, 1.7e308, float("nan"), float("inf"), float("-inf"), "", " ", "x", "*", "[", "float32",
    "fixed8", "binary", "a.weights", "\0", "\x1b[2J", "\r", "\n", "\ud800", "é", "\u202e", "a" * 5000, [], {}, [[]],
    {"": {}}, _DEEP,
)  # fmt: skip
_LONG_NUMBER = "9" * 5000


def examples(count: int) -> settings:
    """So many examples, times the environment's factor; the same ones each time where it is not given."""
    return settings(
        max_examples=count * _TIMES,
        derandomize=_TIMES == 1,
        # `within` is in its place: a deadline fails on a busy machine
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )


def refused(read: Callable[[], T], seconds: float = 20) -> T | None:
    """What `read` gives, or None where it refuses with an error of ours. Any other error, and a hang, goes on."""
    try:
        with _within(seconds):
            return read()
    except PicojouleError:
        return None


def mutated(chance: random.Random, document: bytes) -> bytes:
    """A JSON document with one to three places of its tree changed, then perhaps its text."""
    tree = json.loads(document)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        tree = _changed(chance, tree)
    text = json.dumps(tree, ensure_ascii=chance.random() < 0.9, indent=chance.choice((None, 2)))
    depth = chance.choice((10, 70, 500, 100_000))
    text = text.replace(json.dumps(_DEEP), "[" * depth + "]" * depth)
    if chance.random() < 0.1:
        text = _twice(chance, text)
    if chance.random() < 0.05:
        text = re.sub(r"\d+", _LONG_NUMBER, text, count=1)
    return text.encode("utf-8", "surrogatepass")


def damaged(chance: random.Random, content: bytes) -> bytes:
    """A file with bytes flipped, removed, put in, copied elsewhere, or cut off."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        place, length = chance.randrange(len(changed) + 1), chance.choice((1, 1, 4, 16, 200))
        other = chance.randrange(len(content) + 1)
        put = chance.choice((b"", content[other : other + length], chance.randbytes(length), b"\xff" * length))
        kept = chance.choice((0, len(put), len(put), length))
        changed[place : place + kept] = put
        if chance.random() < 0.1:
            del changed[chance.randrange(len(changed) + 1) :]
    return bytes(changed)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every path into a tree of lists and tables, but the empty one."""
    if path:
        yield path
    for key, item in enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ():
        yield from places(item, (*path, key))


def holder(tree: Any, path: tuple[Any, ...]) -> Any:
    """The list or table that holds what a path leads to."""
    for key in path[:-1]:
        tree = tree[key]
    return tree


def _changed(chance: random.Random, tree: Any) -> Any:
    """A copy of a tree with one place deleted, renamed, doubled, replaced by an extreme or by what stands elsewhere."""
    tree = copy.deepcopy(tree)
    paths = list(places(tree))
    if not paths:
        return chance.choice(_EXTREMES)
    path = chance.choice(paths)
    inside, key = holder(tree, path), path[-1]
    match chance.choice(("delete", "rename", "double", "extreme", "extreme", "extreme", "elsewhere", "nudge")):
        case "delete":
            del inside[key]
        case "rename" if isinstance(inside, dict):
            inside[chance.choice((f"{key}x", "", str(key).upper(), "more"))] = inside.pop(key)
        case "double" if isinstance(inside, list):
            inside.insert(key, copy.deepcopy(inside[key]))
        case "elsewhere":
            other = chance.choice(paths)
            inside[key] = copy.deepcopy(holder(tree, other)[other[-1]])
        case "nudge" if isinstance(inside[key], int | float):
            inside[key] = chance.choice((inside[key] + 1, -inside[key], inside[key] * 1000, str(inside[key])))
        case _:
            inside[key] = chance.choice(_EXTREMES)
    return tree


def _twice(chance: random.Random, text: str) -> str:
    """The text with one key and its plain value written twice."""
    pairs = list(re.finditer(r'"[^"\\]*": (?:"[^"\\]*"|[-\d.e+]+|true|false|null|\[\]|\{\})', text))
    if not pairs:
        return text
    pair = chance.choice(pairs)
    return f"{text[: pair.start()]}{pair[0]}, {text[pair.start() :]}"


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Fail what takes longer."""

    def late(*_: object) -> None:
        raise AssertionError(f"it takes more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
