"""How many bytes a network takes at a plan: its weights, and the values that are alive at the same time."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from math import prod

from picojoule.errors import InputError
from picojoule.formats import NUMBER_BITS, Format
from picojoule.network import Network, Site
from picojoule.plan.plan import Plan


def weight_bytes(network: Network, plan: Plan) -> int:
    """The bytes of all quantised weights, each layer's packed: `bits · count / 8`, rounded up, with the scales that
    blocks and the tables that codebooks have. Biases are not counted.

    >>> import torch
    >>> from picojoule.network import capture
    >>> network = capture(torch.nn.Linear(3, 5), torch.zeros(1, 3))
    >>> weight_bytes(network, Plan.uniform(network, "fixed4"))
    8
    """
    weights = (site for site in network.sites.values() if site.kind == "weights")
    return sum(_site_bytes(network, site, plan.formats[site.name]) for site in weights)


def compression(network: Network, plan: Plan, layer: str | None = None) -> float:
    """How many times smaller the weights are than in floats of 32 bits: n b / (n log2 k + 16 k) with k numbers in a
    table of 16 bits. Of one layer, or of all with their biases, which stay 32 bits.

    >>> import torch
    >>> from picojoule.network import capture
    >>> network = capture(torch.nn.Linear(64, 16), torch.zeros(1, 64))
    >>> round(compression(network, Plan.uniform(network, "lut4")), 2)
    12.68
    """
    layers = network.layers if layer is None else (network.layer(layer),)
    shapes = {each.weights: network.shape(each.weights) for each in layers}
    biases = 32 * sum(each.bias_count for each in layers) if layer is None else 0
    before = 32 * sum(map(prod, shapes.values())) + biases
    return before / (sum(plan.formats[site].size_bits(shape) for site, shape in shapes.items()) + biases)


def ram_bytes(network: Network, plan: Plan) -> int:
    """The most bytes that the values between layers take at once for one sample, each packed at its bits.

    A value takes memory from the layer that makes it to the last that reads it, so that a layer's inputs and outputs
    stand side by side. One in a codebook takes its numbers of 16 bits, as layers multiply them. Sums, the network's
    last output and values that no plan gives a format are not counted.
    """
    return max(_ram_bytes(network, plan))


LIMITED = {"max_weight_bytes": "weights", "max_ram_bytes": "RAM"}
"""What jobs and results call each limit, and what it limits."""


@dataclass(frozen=True)
class Limits:
    """The most bytes that a plan may take, None for any number."""

    weight_bytes: int | None = None
    ram_bytes: int | None = None

    def __post_init__(self) -> None:
        for name, limit in vars(self).items():
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
                raise InputError(f"max_{name} {limit!r} cannot be kept; give a whole number of bytes of at least 1")

    def __bool__(self) -> bool:
        return self.weight_bytes is not None or self.ram_bytes is not None

    def excess(self, network: Network, plan: Plan) -> float:
        """By how much a plan is too large, as shares of the limits; 0 where it fits.

        Of memory at every step on its own, so that it falls with each value that is made smaller: several steps may
        take the most.
        """
        beyond = 0.0
        if self.weight_bytes is not None:
            beyond += max(0.0, weight_bytes(network, plan) / self.weight_bytes - 1)
        if self.ram_bytes is not None:
            beyond += sum(max(0.0, taken / self.ram_bytes - 1) for taken in _ram_bytes(network, plan))
        return beyond

    def refusal(self, network: Network, plan: Plan) -> str:
        """What to say where even this plan, with the fewest bits, is too large."""
        taken = {"weight": weight_bytes(network, plan), "ram": ram_bytes(network, plan)}
        beyond = [
            f"max_{name}_bytes {limit} cannot be kept: with the fewest bits everywhere the network takes {taken[name]}"
            for name, limit in (("weight", self.weight_bytes), ("ram", self.ram_bytes))
            if limit is not None and taken[name] > limit
        ]
        return f"{'; '.join(beyond)}; allow more bytes, or fewer bits"


def _ram_bytes(network: Network, plan: Plan) -> Iterator[int]:
    """The bytes that are taken at each step."""
    made = {site.tensor: site for site in network.sites.values() if site.kind == "inputs"}
    last = _last_readers(network, made)
    alive: dict[str, int] = {}
    for index, node in enumerate(network.nodes):
        if node.name in made:
            alive[node.name] = _site_bytes(network, made[node.name], plan.formats[made[node.name].name])
        yield sum(alive.values())
        alive = {name: size for name, size in alive.items() if last.get(name, index) > index}


def _site_bytes(network: Network, site: Site, format: Format) -> int:
    """The bytes that a site's tensor takes at a format: weights, or a value of one sample."""
    shape = network.shape(site.name)
    decoded = format.fitted and site.kind == "inputs"
    return -(-(NUMBER_BITS * prod(shape) if decoded else format.size_bits(shape)) // 8)


def _last_readers(network: Network, made: Container[str]) -> dict[str, int]:
    """For each quantised value the step that ends its life: the last one on the way to the values made from it."""
    last: dict[str, int] = {}
    behind: dict[str, frozenset[str]] = {}  # the quantised values that each value is being made from
    for index, node in enumerate(network.nodes):
        read = frozenset[str]().union(*(behind[ref] for ref in node.refs() if node.op != "aten.sym_size.int"))
        last |= dict.fromkeys(read, index)
        behind[node.name] = frozenset({node.name}) if node.name in made else read
    return last
