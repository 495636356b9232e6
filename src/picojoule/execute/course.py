"""What each value of a network depends on at a plan, and so which values a plan has in common with those before it."""

from collections.abc import Mapping
from typing import NamedTuple

from picojoule.execute.steps import Step, Steps
from picojoule.network import ops
from picojoule.quantize import Choice

Key = tuple[int, ...]
"""A step's number, and those of the choices at the sites that its value depends on."""

_REMEMBERED = 1 << 18
"""Keys that are known to have been asked for; a key takes the room of a number."""


class Stop(NamedTuple):
    """A step as one plan takes it: the keys of its value before and after quantisation, and which are worth keeping."""

    step: Step
    raw: Key
    key: Key
    keep_raw: bool
    keep: bool


class Courses:
    """Tells for each plan in turn what to keep: a value that is asked for a second time, if it was quantised or if a
    step reads it that goes another way this time. What only moves elements is not worth it, nor is the input."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps.steps
        self._readers = _readers(steps.steps)
        self._numbers: dict[tuple[str, Choice], int] = {}
        self._asked: dict[int, None] = {}  # hashes: two keys with the same would only be kept too early

    def number(self, site: str, choice: Choice) -> int:
        """The number that a choice at a site goes by."""
        return self._numbers.setdefault((site, choice), len(self._numbers))

    def take(self, choices: Mapping[str, Choice]) -> tuple[Stop, ...]:
        """The steps at a plan's choices; what it asks for is remembered."""
        numbers = {site: self.number(site, choice) for site, choice in choices.items()}
        raw = {s.name: (index, *(numbers[site] for site in s.upstream)) for index, s in enumerate(self._steps)}
        key = {s.name: raw[s.name] if s.site is None else (*raw[s.name], numbers[s.site]) for s in self._steps}
        starts_anew = {name for name in raw if hash(raw[name]) not in self._asked}
        ends_anew = {name for name in key if hash(key[name]) not in self._asked}
        stops = []
        for step in self._steps:
            name, at_hand = step.name, step.node.op == "input" or step.short in ops.VIEW
            read_anew = not starts_anew.isdisjoint(self._readers[name])
            keep = not at_hand and name not in ends_anew and (step.site is not None or read_anew)
            keep_raw = not at_hand and name in ends_anew and name not in starts_anew
            stops.append(Stop(step, raw[name], key[name], keep_raw, keep))
        self._remember((*raw.values(), *key.values()))
        return tuple(stops)

    def _remember(self, keys: tuple[Key, ...]) -> None:
        self._asked |= dict.fromkeys(map(hash, keys))
        for asked in list(self._asked)[: max(0, len(self._asked) - _REMEMBERED)]:
            del self._asked[asked]


def _readers(steps: tuple[Step, ...]) -> dict[str, set[str]]:
    """The steps that read each step's value, also through such as only move it."""
    readers: dict[str, set[str]] = {step.name: set() for step in steps}
    for step in reversed(steps):
        for name in step.reads:
            readers[name] |= readers[step.name] if step.short in ops.VIEW else {step.name}
    return readers
