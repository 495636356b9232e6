"""How a training or a clustering was asked for, from a result's settings: facts, and the command that repeats it."""

import shlex
from collections.abc import Mapping
from typing import Any

from picojoule import units
from picojoule.search import Result
from picojoule.training import Recipe, recipes

_OPTIONS = ("bits", "activation", "epochs", "seed", "device")
"""What `train` takes by the same name on the command line and in Python."""
BEFORE = "not retrained"
"""The baseline of a clustering that is the search's own plan."""
_BASELINES = "the trained weights in other formats, which they were not trained for"


def is_training(settings: Mapping[str, Any]) -> bool:
    """Whether a run was a training."""
    return settings.get("job") == "train"


def is_clustering(settings: Mapping[str, Any]) -> bool:
    """Whether a run was a search of codebooks and the retraining of some."""
    return settings.get("job") == "cluster"


def is_retrained(result: Result) -> bool:
    """Whether the weights of a result's points trained, and tables of numbers with them."""
    return BEFORE in result.baselines or is_training(result.settings)


def headline(settings: Mapping[str, Any]) -> str:
    """`trained at 4 bits by the recipe modern, 40 epochs`."""
    bits = settings.get("bits")
    start = settings.get("from")
    what = f"at {bits} bit{'s' * (bits != 1)}" if bits else f"on from {start}" if start else "at a plan"
    return f"trained {what} by the recipe {settings.get('recipe')}, {settings.get('epochs')} epochs"


def facts(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth stating beside a result, by label."""
    return {
        "trained": headline(settings).removeprefix("trained "),
        "activation": settings.get("activation"),
        "batch norm folded": folded(settings),
        "baselines": None if settings.get("from") else _BASELINES,
    }


def told(settings: Mapping[str, Any]) -> str:
    """What else a reader of its tables must know, as lines that each begin with a line break."""
    fold = folded(settings)
    lines = [f"batch norm folded: accuracy on the search split {fold}"] if fold else []
    if not settings.get("from"):
        lines.append(f"baselines: {_BASELINES}")
    return "".join(f"\n{line}" for line in lines)


def retold(settings: Mapping[str, Any]) -> str:
    """What was retrained after a search, as a line that begins with a line break; empty where nothing was."""
    if not is_clustering(settings):
        return ""
    tried = settings.get("retrained")
    plans = [each for each in tried if isinstance(each, Mapping)] if isinstance(tried, list) else []
    kept = sum(each.get("holds") is True for each in plans)
    return (
        f"\nretrained by the recipe {settings.get('recipe')}, {settings.get('epochs')} epochs: "
        f"{len(plans)} plans, and the floor held at {kept}"
    )


def folded(settings: Mapping[str, Any]) -> str:
    """What folding batch norm did to the accuracy on the search split, before training went on; empty without."""
    fold = settings.get("fold")
    counts = [fold.get(key) for key in ("before", "after")] if isinstance(fold, Mapping) else []
    shares = [_share(each) for each in counts]
    return f"{shares[0]} before, {shares[1]} after, and trained on" if all(shares) and shares else ""


def shell(settings: Mapping[str, Any], platform: str, out: str) -> str | None:
    """The command that makes the training again; None where it was asked for in Python with objects of its own."""
    start, model = settings.get("from"), settings.get("model")
    if not (start or model) or not settings.get("data"):
        return None
    verb = "cluster" if is_clustering(settings) else "train"
    words = ["picojoule", verb, *([] if start else [str(model)]), "--data", str(settings["data"])]
    given = {"from": start, **{option: settings.get(option) for option in ("plan", "checkpoint")}, **_given(settings)}
    given |= {option: settings.get(option) for option in ("mean", "std", "resize")}
    for option, value in given.items():
        shown = [f"--{option}"] if value is True else [f"--{option}", str(value)]
        words += [] if value in (None, False) else shown
    return shlex.join([*words, "--platform", platform, "--out", out])


def python(settings: Mapping[str, Any], platform: str, out: str) -> str:
    """The call that makes the training again, with the user's own model and data."""
    start = settings.get("from")
    given = {**_given(settings), "platform": platform, "out": out}
    if is_clustering(settings):
        return f"pj.cluster(model, data, {', '.join(f'{k}={v!r}' for k, v in given.items())})"
    given |= {"start": start} if start else {}
    return f"pj.train({'None' if start else 'model'}, data, {', '.join(f'{k}={v!r}' for k, v in given.items())})"


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    names = [name for name in _OPTIONS if settings.get(name) is not None]
    options = {"recipe": _recipe(settings), **{name: settings[name] for name in names}}
    if not is_clustering(settings):
        return options
    keeps, confidence = settings.get("keep"), settings.get("confidence")
    return {
        "keep": keeps[0] if isinstance(keeps, list) and keeps else keeps,
        "activations": settings.get("activations") is True,
        "confidence": "point" if confidence is None else confidence,
        **{name: value for name, value in options.items() if name != "bits"},
    }


def _recipe(settings: Mapping[str, Any]) -> str:
    """A bundled recipe's name, or the file to write the result's `recipe_toml` to."""
    name = str(settings.get("recipe"))
    bundled = name in recipes() and Recipe.load(name).text == settings.get("recipe_toml")
    return name if bundled else f"{name}.toml"


def _share(counted: Any) -> str:
    """`97.10 %` of a count of right answers; empty where it is none."""
    if not isinstance(counted, Mapping):
        return ""
    correct, total = counted.get("correct"), counted.get("total")
    if isinstance(correct, int | float) and isinstance(total, int) and total > 0:
        return units.percent(correct / total)
    return ""
