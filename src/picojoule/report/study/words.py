"""What a sweep says of itself: its title, the facts and remarks worth stating, and the command that goes on with it.

Settings are kept in a study as they were given, and may come from a stranger's file: nothing here relies on them.
"""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from picojoule.energy import Platform, platforms
from picojoule.errors import PicojouleError
from picojoule.explore import Exploration, Trial, undone

NAMED = 3
"""So many trials are named in a remark."""


def title(found: Exploration) -> str:
    """`lenet5, lenet-300-100 on idx:mnist`."""
    networks = found.settings.get("networks")
    named = ", ".join(map(str, networks)) if isinstance(networks, list) else ""
    return " on ".join(str(each) for each in (named, found.settings.get("data")) if each) or "networks"


def bits(count: int) -> str:
    """`1 bit`, `4 bits`."""
    return f"{count} bit{'s' * (count != 1)}"


def states(found: Exploration) -> str:
    """`40 complete, 2 failed`, by the name of the state; empty where there are no trials."""
    counts = Counter(trial.state for trial in found.trials)
    return ", ".join(f"{counts[state]} {state}" for state in sorted(counts))


def facts(found: Exploration) -> list[list[str]]:
    """What is worth stating beside the result, as pairs of label and text."""
    settings = found.settings
    samples = settings.get("samples")
    told = {
        "recipe": settings.get("recipe"),
        "epochs": settings.get("epochs"),
        "activation": settings.get("activation"),
        "samples": ", ".join(f"{name} {size}" for name, size in samples.items())
        if isinstance(samples, Mapping)
        else "",
        "explored on": settings.get("platform"),
        "study": settings.get("study"),
        "trials": states(found),
    }
    return [[label, str(value)] for label, value in told.items() if value not in (None, "")]


def remarks(found: Exploration) -> list[str]:
    """What must be known of the trials: which failed, which were left and are or are not trained again, what waits."""
    named: dict[str, list[Trial]] = {}
    for trial in sorted(found.trials, key=lambda each: (each.point, each.number)):
        named.setdefault(trial.state, []).append(trial)
    left = {trial.point for state in ("died", "stopped") for trial in named.get(state, ())}
    again = set(undone(sorted(left), sorted(found.trials, key=lambda each: each.number)))
    done = {trial.point for trial in found.trials if trial.state not in ("died", "stopped")}
    told = [
        (named.get("failed", ()), "failed, and would fail again"),
        (sorted(left - again - done), "given up: the workers died of it each time"),
        (sorted(again), "left by a worker that died or was stopped; the same command goes on with it"),
        (named.get("running", ()), "still running when this was written"),
        (named.get("waiting", ()), "waiting to be trained; the same command goes on with it"),
    ]
    return [f"{_listed(getattr(each, 'point', each) for each in some)}: {what}." for some, what in told if some]


def shell(found: Exploration, out: str) -> str | None:
    """The command that goes on with the study; None where it was asked for in Python with objects of its own."""
    settings = found.settings
    networks, data = settings.get("networks"), settings.get("data")
    if not isinstance(networks, list) or not data:
        return None
    words = ["picojoule", "explore", *map(str, networks), "--data", str(data)]
    for option in ("bits", "width", "depth", "seed"):
        if isinstance(values := settings.get(option), list):
            words += [f"--{option}", *map(str, values)]
    for option in ("recipe", "epochs", "activation", "platform", "study", "mean", "std", "resize"):
        if settings.get(option) is not None:
            words += [f"--{option}", str(settings[option])]
    if settings.get("below_pj") is not None:
        words += ["--below", f"{settings['below_pj']}pJ"]
    return shlex.join([*words, "--out", out])


def platform_title(found: Exploration, name: str) -> str:
    """What a platform calls itself; empty where that is not known."""
    text = found.settings.get("platform_toml") if name == found.settings.get("platform") else None
    try:
        if isinstance(text, str):
            return Platform.parse(text, "the platform").title
        return Platform.load(name).title if name in platforms() else ""
    except PicojouleError:
        return ""


def _listed(points: Iterable[Any]) -> str:
    """`a, b, c and 4 more`."""
    names = list(dict.fromkeys(map(str, points)))
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
