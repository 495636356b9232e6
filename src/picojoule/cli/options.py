"""The options that several verbs share, and how their texts are read."""

import re
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from picojoule.data import Loaded, Prepare, load
from picojoule.errors import InputError

T = TypeVar("T", int, float)

_PICOJOULES = {"p": 1.0, "n": 1e3, "u": 1e6, "µ": 1e6, "m": 1e9}

Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="package.module:callable, path.py:callable, path.onnx, or one of the zoo."),
]
Data = Annotated[
    str,
    typer.Option("--data", metavar="DATA", help="mnist5k, digits, idx:DIR, cifar10:DIR, FILE.npz, module:callable."),
]
Checkpoint = Annotated[
    Path | None, typer.Option("--checkpoint", help="Weights: safetensors, or a torch file of weights only.")
]
Mean = Annotated[str | None, typer.Option("--mean", metavar="M[,M...]", help="Subtracted from the data, by channel.")]
Std = Annotated[str | None, typer.Option("--std", metavar="S[,S...]", help="Divides the data, by channel.")]
Resize = Annotated[int | None, typer.Option("--resize", metavar="PIXELS", help="Resize images to a square.")]
PlatformName = Annotated[str, typer.Option("--platform", metavar="NAME|FILE.toml", help="What energy is priced on.")]
Rescale = Annotated[str, typer.Option("--rescale", metavar="network|layer|channel", help="What shares one exponent.")]
ObserverName = Annotated[
    str, typer.Option("--observer", metavar="max|percentile|mse", help="How exponents are chosen.")
]
Signed = Annotated[str, typer.Option("--signed", metavar="auto|always", help="auto: unsigned where never negative.")]
Seed = Annotated[
    int,
    typer.Option("--seed", min=0, max=2**32 - 1, help="Shuffles the splits; the same seed gives the same result."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def load_data(spec: str, mean: str | None, std: str | None, resize: int | None) -> Loaded:
    """The data that DATA names, prepared.

    Raises:
        InputError: it cannot be loaded or prepared.
    """
    return Prepare(_numbers("--mean", mean), _numbers("--std", std), resize).apply(load(spec))


def bits(text: str) -> tuple[int, int]:
    """`1:16` as (1, 16), `8` as (8, 8).

    Raises:
        InputError: neither form.
    """
    low, colon, high = text.partition(":")
    try:
        return int(low), int(high if colon else low)
    except ValueError:
        raise InputError(f"--bits '{text}' is not understood; give the least and the most bits, such as 1:16") from None


def duration(text: str | None) -> float | None:
    """`90`, `90s`, `10m` or `2h` in seconds.

    Raises:
        InputError: none of these forms.
    """
    if text is None:
        return None
    scale = {"s": 1, "m": 60, "h": 3600}.get(text[-1:])
    try:
        seconds = float(text[:-1]) * scale if scale else float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise InputError(f"--time-budget '{text}' is not understood; give a time such as 90s, 10m or 2h")
    return seconds


def confidence(text: str | None) -> float | str | None:
    """`0.95` as a number; other texts, such as `point`, are left to the job."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def size(option: str, text: str | None) -> int | None:
    """`4096`, `64k` or `2M` in bytes, a k being 1024.

    Raises:
        InputError: none of these forms.
    """
    if text is None:
        return None
    scale = {"k": 1 << 10, "m": 1 << 20}.get(text[-1:].lower(), 1)
    digits = text[:-1] if scale > 1 else text
    if not (digits.isascii() and digits.isdigit()):
        raise InputError(f"{option} '{text}' is not understood; give bytes, such as 4096, 64k or 2M")
    return int(digits) * scale


def energy(text: str | None) -> float | None:
    """`400nJ`, `1.5uJ` or `900 pJ` in pJ.

    Raises:
        InputError: none of these forms.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([\d.]+) ?([pnuµm])J", text)
    try:
        pj = float(found[1]) * _PICOJOULES[found[2]] if found else 0.0
    except ValueError:
        pj = 0.0
    if not 0 < pj < float("inf"):
        raise InputError(f"--below '{text}' is not understood; give an energy such as 400nJ or 1.5uJ")
    return pj


def numbers(option: str, texts: list[str], kind: type[T]) -> list[T]:
    """Numbers that were given one by one or with commas between.

    Raises:
        InputError: one of them is no number of that kind.
    """
    try:
        return [kind(part) for text in texts for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} '{' '.join(texts)}' is not understood; give numbers such as 1 2 4") from None


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} '{text}' is not understood; give numbers with commas between") from None
