"""A network as a running torch module, with a module of your choice tapped in at any site.

The float network has no taps; an observer taps every site to see its values; a quantised network taps a quantiser in.
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from picojoule.errors import InputError
from picojoule.network import ops
from picojoule.network.graph import Network
from picojoule.network.node import Node, fill
from picojoule.network.trial import last_reads

_LARGEST = 1 << 24
"""Elements of one value, of all samples that run at once; several such values are in memory at a time."""


@dataclass(frozen=True)
class _Step:
    """One node ready to run: what to call, with what, where its value is tapped, and which values end here."""

    node: Node
    function: Callable[..., Any] | None  # None for the input and for stored tensors
    outputs: str | None  # a tap on a layer's outputs, which comes before the value's own
    tap: str | None
    frees: tuple[str, ...]
    seen_by: tuple[str, ...]  # the fusion's sites, as taps
    fusion: "Fusion"


@dataclass(frozen=True)
class Fusion:
    """What a node leaves to quantisers: taps with an attribute `rectifies`, whether they cut off what is negative.

    A rectifier whose value is seen through the sites `seen_by` alone is left out while all their quantisers rectify.
    A quantised value knows the `rectifier` that it comes from, and `fresh` says that nobody else needs the tensor that
    is quantised: the quantiser may take its memory, unless it is the result of a rectifier that was not left out.
    """

    seen_by: tuple[str, ...] = ()
    rectifier: str | None = None
    fresh: bool = False


_ALONE = Fusion()


class NetworkModule(nn.Module):
    """Runs a network's graph. x [n, *input_shape] on any device and of any floating dtype; returns its output.

    `taps` maps site names to modules; each gets the site's tensor and its result is what every reader sees. A layer's
    outputs can be tapped too, as `conv1.outputs`. The weights keep the names they have in the user's model, so
    `state_dict` keys read `conv1.weight`; the taps stand under `taps.<site>`, with `/` for each dot. `fusions` say of
    nodes by name what quantisers may do for them.
    """

    def __init__(
        self,
        network: Network,
        taps: Mapping[str, nn.Module] | None = None,
        fusions: Mapping[str, Fusion] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.network = network
        self.taps = nn.ModuleDict({_key(site): module for site, module in (taps or {}).items()})
        for node in network.nodes:
            if node.op in ("parameter", "buffer"):
                self._store(node, network.tensors[node.name].detach().clone())
        self._planned = tuple(taps or ()), dict(fusions)
        self._steps = _steps(network, *self._planned)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_steps": ()}  # torch's operations can be neither copied nor pickled

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._steps = _steps(self.network, *self._planned)

    def tap(self, site: str) -> nn.Module:
        """The module tapped in at a site."""
        return self.taps[_key(site)]

    def forward(self, x: Tensor) -> Tensor:
        """The network's output for a batch.

        Raises:
            InputError: samples of another shape, or a step fails; the message names it.
        """
        self.network.check_batch(x)
        return self.run(x)

    def run(self, x: Tensor) -> Tensor:
        """`forward` for a batch that needs no check, which compilers cannot follow."""
        values: dict[str, Any] = {}
        left_out: set[str] = set()
        taps: dict[str, Any] = self.taps._modules
        for step in self._steps:
            if step.seen_by and all(taps[tap].rectifies for tap in step.seen_by):
                left_out.add(step.node.name)
                value = values[next(step.node.refs())]
            elif step.function is not None:
                value = _called(step, values, x)
            else:
                value = x if step.node.op == "input" else self._stored(step.node.name)
            if step.outputs is not None:
                value = taps[step.outputs](value)
            values[step.node.name] = value if step.tap is None else self._tapped(step, value, left_out)
            for name in step.frees:
                del values[name]
        result: Tensor = values[self.network.output]
        return result

    def _tapped(self, step: _Step, value: Any, left_out: Container[str]) -> Any:
        """What readers see of a value."""
        assert step.tap is not None
        tap, fusion = self.taps._modules[step.tap], step.fusion
        assert tap is not None
        if fusion == _ALONE:
            return tap(value)
        rectify = fusion.rectifier in left_out
        overwrite = fusion.fresh and (rectify or fusion.rectifier != step.node.name)
        return tap(value, rectify=rectify, overwrite=overwrite)

    def _store(self, node: Node, tensor: Tensor) -> None:
        """Keep a tensor under its dotted name, in nested modules, as the user's model does."""
        *path, leaf = node.name.split(".")
        holder: nn.Module = self
        for part in path:
            holder._modules.setdefault(part, nn.Module())
            holder = _submodule(holder, part)
        # Not by register_parameter and its like: they refuse names that torch or this class has, such as `network`.
        if node.op == "parameter" and tensor.is_floating_point():
            holder._parameters[leaf] = nn.Parameter(tensor)
        else:
            holder._buffers[leaf] = tensor

    def _stored(self, name: str) -> Tensor:
        *path, leaf = name.split(".")
        holder: nn.Module = self
        for part in path:
            holder = _submodule(holder, part)
        tensor: Tensor | None = holder._parameters.get(leaf)
        if tensor is None:
            tensor = holder._buffers[leaf]
        assert tensor is not None
        return tensor


def float_module(network: Network) -> NetworkModule:
    """The network as captured, in floating point, in evaluation mode."""
    return NetworkModule(network).eval()


def batch_size(network: Network, most: int) -> int:
    """How many samples to run at once: `most`, or as many as keep the network's largest value within 64 MiB."""
    largest = max(node.count for node in network.nodes if None in node.shape)
    return max(1, min(most, _LARGEST // max(1, largest)))


def _key(site: str) -> str:
    """A submodule's name may not contain a dot; where a site's own has a slash or a tilde, they are escaped."""
    return site.replace("~", "~0").replace("/", "~1").replace(".", "/")


def _submodule(holder: nn.Module, name: str) -> nn.Module:
    module = holder._modules[name]
    assert module is not None
    return module


def _called(step: _Step, values: Mapping[str, Any], x: Tensor) -> Any:
    """What a step's operation makes of its arguments."""
    node, function = step.node, step.function
    assert function is not None
    args = [fill(argument, values) for argument in node.args]
    kwargs = {key: fill(argument, values) for key, argument in node.kwargs.items()}
    if node.op in ops.FACTORY:
        kwargs |= ops.like(x, kwargs)
    try:
        return function(*args, **kwargs)
    except (RuntimeError, ValueError, LookupError, TypeError) as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"the network fails at '{node.name}' ({node.op}): {said}") from error


def _steps(network: Network, taps: Container[str], fusions: Mapping[str, Fusion]) -> tuple[_Step, ...]:
    tapped = {site.tensor: _key(name) for name, site in network.sites.items() if name in taps}
    outputs = {node: _key(name) for node, name in _outputs(network).items() if name in taps}
    ends = last_reads(network.nodes, network.output)
    steps = []
    for node in network.nodes:
        function = ops.resolve(node.op) if "." in node.op and node.op not in ("parameter", "buffer") else None
        fusion = fusions.get(node.name, _ALONE)
        seen_by = tuple(map(_key, fusion.seen_by))
        tap = tapped.get(node.name)
        steps.append(_Step(node, function, outputs.get(node.name), tap, ends[node.name], seen_by, fusion))
    return tuple(steps)


def _outputs(network: Network) -> dict[str, str]:
    """For the node of each layer what a tap on its outputs is called."""
    floating = {leftover.name for leftover in network.leftovers}
    calls = (node.name for node in network.nodes if node.op in ops.MAC and node.name not in floating)
    return {node: f"{layer.name}.outputs" for node, layer in zip(calls, network.layers, strict=True)}
