"""Calibration: look at the float network's tensors once, then give the ranges of any plan.

Granularity says how many sites share an exponent. `network` (the note's uniform rescaling) has one exponent for all
weights and one for all inputs; `layer` (layer-wise rescaling, dynamic fixed point) one per site; `channel` one per
output channel of each layer's weights, and one per site of inputs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from picojoule.calibration.correction import shift
from picojoule.calibration.equalize import equalize
from picojoule.calibration.histogram import Histogram, histogram
from picojoule.calibration.kmeans import Codebook, codebook
from picojoule.calibration.observers import OBSERVERS
from picojoule.calibration.ranges import Range, Ranges
from picojoule.calibration.statistics import Statistics, observe
from picojoule.errors import InputError, check_type
from picojoule.formats import Format, Lut
from picojoule.network import Network, capture
from picojoule.plan import Plan

GRANULARITIES = ("network", "layer", "channel")
SIGNED = ("auto", "always")
PREPARATIONS = ("none", "bias", "equalize", "all")

_Key = tuple[str, Format, tuple[int, ...]]
"""A site, its format and its exponents."""


@dataclass(frozen=True)
class Settings:
    """How ranges are chosen: the observer, how many sites share an exponent, and when a range is signed.

    `signed="auto"` takes the unsigned grid for a site that is never negative; "always" never does. `prepare="bias"`
    shifts the biases of layers by the mean error that rounding their weights makes; "equalize" scales channels between
    layers, so that the network is another one that computes the same; "all" does both.
    """

    observer: str = "max"
    granularity: str = "layer"
    signed: str = "auto"
    prepare: str = "none"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("observer", self.observer, tuple(OBSERVERS)),
            ("granularity", self.granularity, GRANULARITIES),
            ("signed", self.signed, SIGNED),
            ("prepare", self.prepare, PREPARATIONS),
        ):
            if value not in known:
                raise InputError(f"{name} '{value}' is not known; choose one of {', '.join(known)}")

    @property
    def corrects(self) -> bool:
        """Whether biases are shifted."""
        return self.prepare in ("bias", "all")

    @property
    def equalizes(self) -> bool:
        """Whether the network is equalised."""
        return self.prepare in ("equalize", "all")


@dataclass(frozen=True, eq=False)
class Calibration:
    """A network's statistics and how ranges follow from them; `ranges(plan)` is cheap and always the same.

    The network is the one to quantise with these ranges: equalised, where the settings ask for it.
    """

    network: Network
    statistics: Mapping[str, Statistics]
    settings: Settings
    _exponents: dict[tuple[str, Format], tuple[int, ...]] = field(default_factory=dict, repr=False)
    _ranges: dict[_Key, Range] = field(default_factory=dict, repr=False)
    _zeros: dict[_Key, float] = field(default_factory=dict, repr=False)
    _codebooks: dict[tuple[str, Format], Codebook] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        network: Network,
        x: Tensor,
        settings: Settings | None = None,
        ran: Callable[[int], None] = lambda samples: None,
    ) -> "Calibration":
        """Observe the network on the calibration samples x [n, ...]; `ran` hears of each batch's size.

        Raises:
            DataError: a value becomes NaN or Inf on these samples.
        """
        settings = settings or Settings()
        network = equalize(network) if settings.equalizes else network
        return cls(network, MappingProxyType(dict(observe(network, x, ran=ran))), settings)

    def signed(self, site: str) -> bool:
        """Whether a site's range is signed."""
        return self.settings.signed == "always" or self.statistics[site].lowest < 0

    def ranges(self, plan: Plan) -> Ranges:
        """The range of every site at the formats of an expanded plan."""
        exponents = {name: self.exponents(name, format) for name, format in plan.formats.items()}
        if self.settings.granularity == "network":
            exponents = self._shared(exponents, plan)
        sites = {name: self._range(name, plan.formats[name], found) for name, found in exponents.items()}
        return Ranges(sites, self.network.input_shape)

    def histograms(self) -> Mapping[str, Histogram]:
        """How the values of every site are spread: all weights, and the sample that was kept of the inputs."""
        return {site: histogram(found.values) for site, found in self.statistics.items()}

    def exponents(self, site: str, format: Format) -> tuple[int, ...]:
        """The exponents of a site at a format: those given, else those that the observer finds.

        With granularity `network` they are what the site asks for; which it gets depends on the plan.
        """
        key = (site, format)
        if format.fitted:
            return (self._codebook(site, format).exponent,)
        if key not in self._exponents:
            statistics = self.statistics[site]
            if self.settings.granularity != "channel" or self.network.sites[site].kind != "weights":
                statistics = statistics.merged()
            self._exponents[key] = OBSERVERS[self.settings.observer](statistics, format, self.signed(site))
        return self._exponents[key]

    def with_exponents(self, given: Mapping[tuple[str, Format], tuple[int, ...]]) -> "Calibration":
        """The same calibration with the exponents of these sites at these formats given instead of found.

        Raises:
            ValueError: the granularity is `network`, where no site has exponents of its own.
        """
        if self.settings.granularity == "network":
            raise ValueError("with granularity 'network' no site has exponents of its own")
        return replace(self, _exponents={**self._exponents, **given})

    def zeros(self, site: str, format: Format) -> float:
        """The fraction of a site's values in the float network that are zero at a format: exact for weights, for inputs
        an estimate from the sample that was kept."""
        key = (site, format, self.exponents(site, format))
        if key not in self._zeros:
            rounded = self._rounded(*key)
            self._zeros[key] = int((rounded == 0).sum()) / rounded.numel()
        return self._zeros[key]

    def _range(self, site: str, format: Format, exponents: tuple[int, ...]) -> Range:
        key = (site, format, exponents)
        if key not in self._ranges:
            kept = self.statistics[site]
            inputs = kept.inputs if self.settings.corrects and format.rounds else None
            shifts = () if inputs is None else shift(kept.values, self._rounded(*key), inputs)
            members = self._codebook(site, format).members if format.fitted else ()
            self._ranges[key] = Range(exponents, self._signed(site, format), shifts, members)
        return self._ranges[key]

    def _rounded(self, site: str, format: Format, exponents: tuple[int, ...]) -> Tensor:
        """A site's values as kept, rounded."""
        if format.fitted:
            format = format.with_members(self._codebook(site, format).members)
        by_row = torch.tensor(exponents, dtype=torch.int32)
        return self.statistics[site].rounded(format, by_row, self._signed(site, format))

    def _signed(self, site: str, format: Format) -> bool:
        """The same at a format: a table of weights is signed whatever they are, as integer programs store it."""
        return self.signed(site) or (format.fitted and self.network.sites[site].kind == "weights")

    def _codebook(self, site: str, format: Format) -> Codebook:
        """A site's numbers, whatever the granularity and the observer: it has one table, and k-means fits it."""
        assert isinstance(format, Lut)
        if (site, format) not in self._codebooks:
            self._codebooks[site, format] = codebook(self.statistics[site].values, format, self._signed(site, format))
        return self._codebooks[site, format]

    def _shared(self, exponents: Mapping[str, tuple[int, ...]], plan: Plan) -> dict[str, tuple[int, ...]]:
        """One exponent for all weights and one for all inputs: the largest that any quantised site asks for."""
        top: dict[str, int] = {}
        for name, (exponent, *_) in exponents.items():
            if plan.formats[name].rounds and not plan.formats[name].fitted:
                kind = self.network.sites[name].kind
                top[kind] = max(exponent, top.get(kind, exponent))
        return {
            name: own if plan.formats[name].fitted else (top.get(self.network.sites[name].kind, own[0]),)
            for name, own in exponents.items()
        }


def calibrate(
    model: nn.Module | Network,
    x: Tensor,
    plan: Plan | str = "fixed8",
    observer: str = "max",
    granularity: str = "layer",
    signed: str = "auto",
    prepare: str = "none",
) -> Ranges:
    """The ranges of a model at a plan, from calibration samples x [n, ...].

    `plan` may be one format text for all sites; it matters to the observer `mse` and to `prepare="bias"` only. An
    all-zero site has exponent 0. To prepare by more than biases, give what `equalize` makes of the network.

    Raises:
        InputError: an unknown observer, granularity, signedness or preparation, or a model or plan that cannot be used.
        DataError: a value becomes NaN or Inf on these samples.
    """
    check_type("calibration data", x, Tensor, "give samples [n, ...] without labels")
    settings = Settings(observer, granularity, signed, prepare)
    if settings.equalizes:
        raise InputError(f"prepare '{prepare}' changes the network; give what `equalize` makes of it instead")
    network = capture(model, x[:1])
    if isinstance(plan, str):
        plan = Plan.uniform(network, plan)
    check_type("plan", plan, Plan, "make it with Plan.load or Plan.parse")
    plan = plan.expand(network)
    return Calibration.of(network, x, settings).ranges(plan)
