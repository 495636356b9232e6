"""How a run was asked for, from its settings: its title, the facts to state, and the command that makes it again.

Settings are kept in a result as they were given, and may come from a stranger's file: nothing here relies on them.
"""

import shlex
from collections.abc import Mapping
from typing import Any

from picojoule.energy import Platform, platforms
from picojoule.errors import PicojouleError
from picojoule.plan import LIMITED
from picojoule.report import trained

_OPTIONS = (
    "strategy", "confidence", "rescale", "observer", "prepare", "signed", "bits", "formats", "inputs",
    "max_weight_bytes", "max_ram_bytes", "metric", "seed", "device",
)  # fmt: skip
"""What `search` takes by the same name on the command line and in Python. All are told: defaults may change."""


def title(settings: Mapping[str, Any]) -> str:
    """`lenet5 on mnist5k`."""
    return " on ".join(str(settings[key]) for key in ("model", "data") if settings.get(key)) or "network"


def facts(settings: Mapping[str, Any]) -> list[list[str]]:
    """What is worth stating beside a result, as pairs of label and text."""
    samples = settings.get("samples")
    sizes = samples if isinstance(samples, Mapping) else {}
    found = {
        **(trained.facts(settings) if trained.is_training(settings) else _searched(settings)),
        "samples": ", ".join(f"{name} {size}" for name, size in sizes.items()),
        "metric": settings.get("metric"),
        "seed": settings.get("seed"),
        "checkpoint": settings.get("checkpoint"),
        "platform": settings.get("platform"),
    }
    return [[label, str(value)] for label, value in found.items() if value not in (None, "")]


def _searched(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth stating of a search, by label."""
    return {
        "strategy": settings.get("strategy"),
        "confidence": settings.get("confidence") or "point estimates",
        "ranges": f"{settings.get('rescale')}, observer {settings.get('observer')}, signed {settings.get('signed')}",
        "prepared": settings.get("prepare"),
        "limits": ", ".join(f"{settings[name]} bytes of {what}" for name, what in LIMITED.items() if name in settings),
        "bits": ":".join(map(str, _list(settings.get("bits")))),
        "formats": settings.get("formats"),
        "of inputs": settings.get("inputs"),
        "clusters": trained.retold(settings).strip(),
    }


def shell(settings: Mapping[str, Any], out: str) -> str | None:
    """The command that makes the run again; None where it was asked for in Python with objects of its own."""
    if settings.get("job") == "demo":
        return shlex.join(["picojoule", "demo", "--seed", str(settings.get("seed")), "--out", out])
    if trained.is_training(settings) or trained.is_clustering(settings):
        return trained.shell(settings, _platform(settings), out)
    if not settings.get("model") or not settings.get("data"):
        return None
    words = ["picojoule", "search", str(settings["model"]), "--data", str(settings["data"])]
    for option in ("checkpoint", "mean", "std", "resize"):
        if settings.get(option) is not None:
            words += [f"--{option}", str(settings[option])]
    words += ["--keep", *map(str, _list(settings.get("keep")))]
    for option, value in _options(settings).items():
        words += [f"--{option.replace('_', '-')}", ":".join(map(str, _list(value))) if option == "bits" else str(value)]
    words += ["--platform", _platform(settings), "--out", out]
    return shlex.join(words)


def python(settings: Mapping[str, Any], out: str) -> str:
    """The call that makes the run again, with the user's own model and data."""
    if trained.is_training(settings) or trained.is_clustering(settings):
        return trained.python(settings, _platform(settings), out)
    given = {"keep": _list(settings.get("keep")), **_options(settings)}
    if "bits" in given:
        given["bits"] = tuple(_list(given["bits"]))
    given |= {"platform": _platform(settings), "out": out}
    return f"pj.search(model, data, {', '.join(f'{name}={value!r}' for name, value in given.items())})"


def own_platform(settings: Mapping[str, Any]) -> Platform | None:
    """The platform that a search weighed energies on, whose whole text its settings keep; None where they do not."""
    try:
        return Platform.parse(str(settings.get("platform_toml", "")), "the result's platform")
    except PicojouleError:
        return None  # settings are kept as they are, whatever they are


def _options(settings: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: settings[name] for name in _OPTIONS if name in settings}
    return known | ({"confidence": "point"} if known.get("confidence", "") is None else {})


def _platform(settings: Mapping[str, Any]) -> str:
    """A bundled platform's name, or the file to write the result's `platform_toml` to."""
    name = str(settings.get("platform"))
    bundled = name in platforms() and Platform.load(name).text == settings.get("platform_toml")
    return name if bundled else f"{name}.toml"


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
