"""What a plan costs, layer by layer and part by part. All energies are in pJ per inference of one sample."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Self

from picojoule.files import Fields

PARTS = ("compute_pj", "weights_pj", "activations_pj", "dram_pj")


@dataclass(frozen=True)
class LayerEnergy:
    """One layer's energy in its four parts (E_C, E_W, E_A, E_DRAM), with what it was computed from."""

    name: str
    macs: int  # of the layer; the datapath runs each of them `passes` times
    passes: int
    weight_bits: int
    input_bits: int
    compute_pj: float
    weights_pj: float
    activations_pj: float
    dram_pj: float

    def __post_init__(self) -> None:
        for part in PARTS:
            energy_pj = getattr(self, part)
            if not 0 <= energy_pj < math.inf:
                raise ValueError(f"{part} of layer '{self.name}' is {energy_pj}, not a finite energy of at least 0")

    @property
    def total_pj(self) -> float:
        """The four parts together."""
        return math.fsum(getattr(self, part) for part in PARTS)

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Take every field from a table; any other key is an error of that table."""
        layer = cls(
            fields.text("name"),
            fields.integer("macs", 0),
            fields.integer("passes", 1),
            fields.integer("weight_bits", 1),
            fields.integer("input_bits", 1),
            *(fields.number(part, 0) for part in PARTS),
        )
        fields.finish()
        return layer


@dataclass(frozen=True)
class EnergyReport:
    """The energy of one network at one plan on one platform.

    `layers` has the layers in the network's order, then the left-over operations that were charged; `uncounted` names
    those that were not, because the platform has no figure for them.
    """

    platform: str
    layers: Mapping[str, LayerEnergy]
    uncounted: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", MappingProxyType(dict(self.layers)))

    @property
    def total_pj(self) -> float:
        """The whole network's energy: the sum of its parts over all layers."""
        return self._sum(lambda layer: layer.total_pj)

    @property
    def compute_pj(self) -> float:
        """E_C: multiply-accumulates, BatchNorm, bias and activation."""
        return self._sum(lambda layer: layer.compute_pj)

    @property
    def weights_pj(self) -> float:
        """E_W: weights from the main memory and their local fetches."""
        return self._sum(lambda layer: layer.weights_pj)

    @property
    def activations_pj(self) -> float:
        """E_A: activations to and from the main memory, local fetches of inputs and sums."""
        return self._sum(lambda layer: layer.activations_pj)

    @property
    def dram_pj(self) -> float:
        """E_DRAM: the input image, and what does not fit on chip."""
        return self._sum(lambda layer: layer.dram_pj)

    def to_table(self) -> dict[str, Any]:
        """JSON's types only; `from_table` gives an equal report back, each energy to the last digit."""
        layers = [asdict(layer) for layer in self.layers.values()]
        return {"platform": self.platform, "layers": layers, "uncounted": list(self.uncounted)}

    @classmethod
    def from_table(cls, fields: Fields) -> Self:
        """The report that `to_table` gave.

        Raises:
            FileError: a key unknown or missing, a value of another type or range, or a layer listed twice.
        """
        platform = fields.text("platform")
        tables = [Fields(item, f"{fields.origin}: 'layers'") for item in fields.items("layers")]
        layers = [LayerEnergy.from_fields(item) for item in tables]
        if len({layer.name for layer in layers}) < len(layers):
            fields.fail("key 'layers' lists a layer twice")
        uncounted = fields.take("uncounted", _all_texts, "a list of texts")
        fields.finish()
        return cls(platform, {layer.name: layer for layer in layers}, tuple(uncounted))

    def _sum(self, part: Callable[[LayerEnergy], float]) -> float:
        return math.fsum(map(part, self.layers.values()))


def _all_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
