"""How a search goes about it: what the user asked for, checked, and what was left open settled."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from picojoule.calibration import OBSERVERS, Settings
from picojoule.errors import FormatError, InputError
from picojoule.evaluate import check_confidence
from picojoule.formats import parse
from picojoule.jobs.setup import range_settings
from picojoule.plan import Limits
from picojoule.search import FAMILIES, strategies

TUNED = "output"
"""The observer that takes, of the exponents about the one of least squared error, what disturbs the output least."""
POINT = "point"
"""The confidence of floors that are decided by the count alone."""


@dataclass(frozen=True)
class Ways:
    """How a search goes about it, with everything settled that the user left open.

    `tuned` says that exponents are chosen by the output; `ranges` are then those that it starts from.
    """

    strategy: str
    confidence: float | None
    ranges: Settings
    tuned: bool
    bits: tuple[int, int]
    limits: Limits
    families: tuple[str, ...]
    inputs: tuple[str, ...] = ()

    @classmethod
    def settled(
        cls,
        *,
        strategy: str = "descent",
        confidence: float | str | None = None,
        rescale: str = "layer",
        observer: str | None = None,
        prepare: str | None = None,
        signed: str = "auto",
        bits: tuple[int, int] = (1, 16),
        max_weight_bytes: int | None = None,
        max_ram_bytes: int | None = None,
        formats: str = "fixed",
        inputs: str | None = None,
    ) -> "Ways":
        """The ways asked for, the others as `search` has them; None takes what the strategy usually takes.

        Raises:
            InputError: one of them is not known, or they do not go together.
        """
        if strategy not in tuple(strategies()):  # a tuple, which takes what cannot be hashed
            raise InputError(f"strategy '{strategy}' is not known; choose one of {', '.join(strategies())}")
        usual, weighs = strategies()[strategy].defaults, strategies()[strategy].weighs
        if observer is None:
            observer = "mse" if usual.observer == TUNED and rescale == "network" else usual.observer
        if observer not in (known := (*OBSERVERS, TUNED)):
            raise InputError(f"observer '{observer}' is not known; choose one of {', '.join(known)}")
        tuned = observer == TUNED
        ranges = range_settings("mse" if tuned else observer, rescale, signed, prepare or usual.prepare)
        if tuned and rescale == "network":
            raise InputError(
                f"observer '{TUNED}' gives each site exponents of its own; choose another with rescale 'network'"
            )
        limits = Limits(max_weight_bytes, max_ram_bytes)
        if limits and not weighs:
            raise InputError(f"strategy '{strategy}' keeps no limits of bytes; choose descent, or give no limit")
        sure = usual.confidence if confidence is None else _confidence(confidence)
        others = () if inputs is None else _families(inputs, "inputs")
        return cls(strategy, sure, ranges, tuned, _bits(bits), limits, _families(formats), others)

    def described(self) -> dict[str, Any]:
        """The ways as results state them."""
        limits = {f"max_{name}": limit for name, limit in vars(self.limits).items() if limit is not None}
        return {
            "strategy": self.strategy,
            "confidence": self.confidence,
            "rescale": self.ranges.granularity,
            "observer": TUNED if self.tuned else self.ranges.observer,
            "prepare": self.ranges.prepare,
            "signed": self.ranges.signed,
            "bits": list(self.bits),
            "formats": ",".join(self.families),
            **({"inputs": ",".join(self.inputs)} if self.inputs else {}),
            **limits,
        }


def _confidence(given: float | str) -> float | None:
    if given == POINT:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise InputError(f"confidence {given!r} is not understood; give a number such as 0.95, or '{POINT}'")
    check_confidence(float(given))
    return float(given)


def _bits(bits: tuple[int, int]) -> tuple[int, int]:
    if not (isinstance(bits, tuple | list) and len(bits) == 2 and all(isinstance(each, int) for each in bits)):
        raise InputError(f"bits {bits} cannot be searched; give the least and the most bits, such as (1, 16)")
    low, high = bits
    if not 1 <= low <= high <= 16:
        raise InputError(f"bits {low}:{high} cannot be searched; give the least and the most bits within 1:16")
    return low, high


def _families(formats: str, what: str = "formats") -> tuple[str, ...]:
    if not isinstance(formats, str) or not formats:
        raise InputError(f"{what} {formats!r} cannot be searched; give families such as {','.join(FAMILIES)}")
    asked = formats.split(",")
    for index, family in enumerate(asked):
        if family not in FAMILIES and not _is_format(family):
            near = get_close_matches(family, FAMILIES, 1)
            hint = f"; nearest is {near[0]}" if near else ""
            raise InputError(
                f"family of formats '{family}' is not known; choose of {', '.join(FAMILIES)}, or a format{hint}"
            )
        if family in asked[:index]:
            raise InputError(f"family of formats '{family}' is given twice; give it once")
    return (*(family for family in FAMILIES if family in asked), *(each for each in asked if each not in FAMILIES))


def _is_format(text: str) -> bool:
    try:
        return parse(text).rounds
    except FormatError:
        return False
