"""A network as a module that trains at a plan, in any loop of torch: yours, Lightning's, or ours.

It trains in two stages, with the same graph. First each layer has batch norm behind it. `folded` then gives the network
without: each norm has gone into a power of two and a bias for every channel, and what trains from there on is what is
deployed, to the bit.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from picojoule.calibration import Ranges
from picojoule.errors import InputError
from picojoule.network import Network, NetworkModule, Node, capture
from picojoule.plan import Plan
from picojoule.quantize import Choice, Quantizer, choices
from picojoule.quantize.fusions import fusions
from picojoule.training import fold, topology
from picojoule.training.shared import Shared
from picojoule.training.taps import Latent, Norm


class Deployed(NamedTuple):
    """What `quantize` runs."""

    network: Network
    plan: Plan
    ranges: Ranges


class Trainable(nn.Module):
    """x [n, *input_shape] to the network's output, at a plan; weights, batch norm and biases train.

    With `norms` there is batch norm behind each layer. Without, `quantize(*module.deployed())` gives the same outputs,
    to the bit.
    """

    def __init__(self, network: Network, plan: Plan, ranges: Ranges, norms: bool = False) -> None:
        """Weights begin as the network's; with `norms` they are of ranges [-1, 1], and biases are zero and stay so.

        Raises:
            PlanError: plan or ranges do not fit the network.
        """
        super().__init__()
        self.plan = plan.expand(network)
        chosen = choices(network, self.plan, ranges)
        taps = {site: _tap(network, site, choice) for site, choice in chosen.items()}
        if norms:
            taps |= {f"{name}.outputs": _norm(node) for name, node in topology.layer_nodes(network)}
        self.body = NetworkModule(fold.to_units(network, chosen), taps, fusions(network))
        self.has_norms = norms
        for site, tap in taps.items():
            if isinstance(tap, Shared):
                self.body.get_parameter(network.sites[site].tensor).requires_grad_(False)  # the tap's table trains
        for bias in network.biases.values() if norms else ():
            self.body.get_parameter(bias).requires_grad_(False)  # batch norm takes any bias away

    def forward(self, x: Tensor) -> Tensor:
        """The network's output for a batch."""
        run = self.body.run if torch.compiler.is_compiling() else self.body
        y: Tensor = run(x)
        return y

    @property
    def network(self) -> Network:
        """The graph, with the weights that training began with."""
        return self.body.network

    @property
    def ranges(self) -> Ranges:
        """The range of every site, as it is now; what shifts biases had is in them."""
        found = {}
        for site in self.network.sites:
            tap = self.body.tap(site)
            assert isinstance(tap, Quantizer | Latent | Shared)
            found[site] = tap.range
        return Ranges(found, self.network.input_shape)

    def deployed(self) -> Deployed:
        """The network as it is trained so far, batch norm folded where there is any, with its plan and ranges."""
        leave = fold.fold_norms if self.has_norms else fold.from_units
        network, ranges = leave(self.body, self.plan, self.ranges)
        return Deployed(network, self.plan, ranges)

    def folded(self) -> "Trainable":
        """The same network without batch norm, to train on; on the same device, in the same mode."""
        found = Trainable(*self.deployed()).train(self.training)
        return found.to(next(self.parameters()).device)


def trainable(
    model: nn.Module | Network, x: Tensor, bits: int | None = 4, plan: Plan | None = None, activation: str = "relu"
) -> Trainable:
    """A module that trains a model's topology from scratch at a bit count, or at a plan; x are samples [n, ...].

    The model's weights are what training starts from, each layer's scaled, and every layer gets batch
    norm of its own; the image's range is found from x. Dropout is left out. The model is left as it is.

    Raises:
        InputError: the model cannot be captured, layers share weights, or bits, plan or activation do not fit; the plan
            has codebooks, which are fitted to what is trained already.
    """
    network = topology.with_biases(capture(model, x[:1]))
    if not network.layers:
        raise InputError("the network has no convolution or linear layer that can be trained at a plan")
    plan = topology.plan_at(network, bits) if plan is None else plan.expand(network)
    if fitted := next((site for site, format in plan.formats.items() if format.fitted), None):
        raise InputError(
            f"site '{fitted}' has {plan.formats[fitted]}, whose numbers come from trained values; train it without, "
            "search it with formats lut, and train on from there, or cluster it"
        )
    network = topology.with_unit_weights(topology.with_activation(network, plan, activation), plan)
    return Trainable(network, plan, topology.unit_ranges(network, plan, x), norms=True)


def _tap(network: Network, site: str, choice: Choice) -> nn.Module:
    """What stands in a site's place while it trains."""
    if network.sites[site].kind == "inputs":
        return Quantizer(*choice)
    if choice.format.fitted:
        return Shared(choice, network.tensors[network.sites[site].tensor])
    return Latent(choice.format, choice.range.exponents)


def _norm(node: Node) -> Norm:
    last = node.op == "aten.linear.default"
    channels = node.shape[-1] if last else node.shape[1]
    assert channels is not None
    return Norm(channels, images=len(node.shape) == 4 and not last, last=last and len(node.shape) > 2)
