"""Calibration: look at the float network's tensors once, then give the ranges of any plan.

Granularity says how many sites share an exponent. `network` (the note's uniform rescaling) has one exponent for all
weights and one for all inputs; `layer` (layer-wise rescaling, dynamic fixed point) one per site; `channel` one per
output channel of each layer's weights, and one per site of inputs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from torch import Tensor, nn

from picojoule.calibration.histogram import Histogram, histogram
from picojoule.calibration.observers import OBSERVERS
from picojoule.calibration.ranges import Range, Ranges
from picojoule.calibration.statistics import Statistics, observe
from picojoule.errors import InputError, check_type
from picojoule.formats import Format
from picojoule.network import Network, Site, capture
from picojoule.plan import Plan

GRANULARITIES = ("network", "layer", "channel")
SIGNED = ("auto", "always")


@dataclass(frozen=True)
class Settings:
    """How ranges are chosen: the observer, how many sites share an exponent, and when a range is signed.

    `signed="auto"` takes the unsigned grid for a site that is never negative; "always" never does.
    """

    observer: str = "max"
    granularity: str = "layer"
    signed: str = "auto"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("observer", self.observer, tuple(OBSERVERS)),
            ("granularity", self.granularity, GRANULARITIES),
            ("signed", self.signed, SIGNED),
        ):
            if value not in known:
                raise InputError(f"{name} '{value}' is not known; choose one of {', '.join(known)}")


@dataclass(frozen=True, eq=False)
class Calibration:
    """A network's statistics and how ranges follow from them; `ranges(plan)` is cheap and always the same."""

    network: Network
    statistics: Mapping[str, Statistics]
    settings: Settings
    _memory: dict[tuple[str, Format], tuple[int, ...]] = field(default_factory=dict, repr=False)

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
        return cls(network, MappingProxyType(dict(observe(network, x, ran=ran))), settings or Settings())

    def signed(self, site: str) -> bool:
        """Whether a site's range is signed."""
        return self.settings.signed == "always" or self.statistics[site].lowest < 0

    def ranges(self, plan: Plan) -> Ranges:
        """The range of every site at the formats of an expanded plan."""
        exponents = {name: self._exponents(self.network.sites[name], format) for name, format in plan.formats.items()}
        if self.settings.granularity == "network":
            exponents = self._shared(exponents, plan)
        sites = {name: Range(found, self.signed(name)) for name, found in exponents.items()}
        return Ranges(sites, self.network.input_shape)

    def histograms(self) -> Mapping[str, Histogram]:
        """How the values of every site are spread: all weights, and the sample that was kept of the inputs."""
        return {site: histogram(found.values) for site, found in self.statistics.items()}

    def _exponents(self, site: Site, format: Format) -> tuple[int, ...]:
        key = (site.name, format)
        if key not in self._memory:
            statistics = self.statistics[site.name]
            if self.settings.granularity != "channel" or site.kind != "weights":
                statistics = statistics.merged()
            self._memory[key] = OBSERVERS[self.settings.observer](statistics, format, self.signed(site.name))
        return self._memory[key]

    def _shared(self, exponents: Mapping[str, tuple[int, ...]], plan: Plan) -> dict[str, tuple[int, ...]]:
        """One exponent for all weights and one for all inputs: the largest that any quantised site asks for."""
        top: dict[str, int] = {}
        for name, (exponent, *_) in exponents.items():
            if plan.formats[name].rounds:
                kind = self.network.sites[name].kind
                top[kind] = max(exponent, top.get(kind, exponent))
        return {name: (top.get(self.network.sites[name].kind, own[0]),) for name, own in exponents.items()}


def calibrate(
    model: nn.Module | Network,
    x: Tensor,
    plan: Plan | str = "fixed8",
    observer: str = "max",
    granularity: str = "layer",
    signed: str = "auto",
) -> Ranges:
    """The ranges of a model at a plan, from calibration samples x [n, ...].

    `plan` may be one format text for all sites; it matters to the observer `mse` only. An all-zero site has exponent 0.

    Raises:
        InputError: an unknown observer, granularity or signedness, or a model or plan that cannot be used.
        DataError: a value becomes NaN or Inf on these samples.
    """
    check_type("calibration data", x, Tensor, "give samples [n, ...] without labels")
    network = capture(model, x[:1])
    if isinstance(plan, str):
        plan = Plan.uniform(network, plan)
    check_type("plan", plan, Plan, "make it with Plan.load or Plan.parse")
    plan = plan.expand(network)
    return Calibration.of(network, x, Settings(observer, granularity, signed)).ranges(plan)
