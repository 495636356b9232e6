"""A network as a running torch module, with a module of your choice tapped in at any site.

The float network has no taps; an observer taps every site to see its values; a quantised network taps a quantiser in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.network import ops
from picojoule.network.graph import Network
from picojoule.network.node import Node, Ref


@dataclass(frozen=True)
class _Step:
    """One node ready to run: what to call, with what, where its value is tapped, and which values end here."""

    node: Node
    function: Callable[..., Any] | None  # None for the input and for stored tensors
    tap: str | None
    frees: tuple[str, ...]


class NetworkModule(nn.Module):
    """Runs a network's graph. x [n, *input_shape] on any device and of any floating dtype; returns its output.

    `taps` maps site names to modules; each gets the site's tensor and its result is what every reader sees. The
    weights keep the names they have in the user's model, so `state_dict` keys read `conv1.weight`; the taps stand
    under `taps.<site>`, with `/` for each dot.
    """

    def __init__(self, network: Network, taps: Mapping[str, nn.Module] | None = None) -> None:
        super().__init__()
        self.network = network
        self.taps = nn.ModuleDict({_key(site): module for site, module in (taps or {}).items()})
        for node in network.nodes:
            if node.op in ("parameter", "buffer"):
                self._store(node, network.tensors[node.name].detach().clone())
        self._steps = _steps(network, taps or {})

    def tap(self, site: str) -> nn.Module:
        """The module tapped in at a site."""
        return self.taps[_key(site)]

    def forward(self, x: Tensor) -> Tensor:
        """The network's output for a batch."""
        values: dict[str, Any] = {}
        for step in self._steps:
            if step.function is not None:
                args = [_fill(argument, values) for argument in step.node.args]
                kwargs = {key: _fill(argument, values) for key, argument in step.node.kwargs.items()}
                if step.node.op in ops.FACTORY:
                    kwargs |= _like(x, kwargs)
                value = step.function(*args, **kwargs)
            else:
                value = x if step.node.op == "input" else self._stored(step.node.name)
            values[step.node.name] = value if step.tap is None else self.taps[step.tap](value)
            for name in step.frees:
                del values[name]
        result: Tensor = values[self.network.output]
        return result

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


def _key(site: str) -> str:
    return site.replace(".", "/")  # a submodule's name may not contain a dot


def _submodule(holder: nn.Module, name: str) -> nn.Module:
    module = holder._modules[name]
    assert module is not None
    return module


def _like(x: Tensor, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Where a tensor made from nothing lies, and its type: those of the network's input."""
    dtype = kwargs.get("dtype")
    return {"device": x.device, "dtype": x.dtype if dtype == torch.float32 else dtype}


def _steps(network: Network, taps: Mapping[str, nn.Module]) -> tuple[_Step, ...]:
    tapped = {network.sites[site].tensor: _key(site) for site in taps}
    last_reader: dict[str, str] = {}
    for node in network.nodes:
        for ref in node.refs():
            last_reader[ref] = node.name
    steps = []
    for node in network.nodes:
        function = ops.resolve(node.op) if "." in node.op and node.op not in ("parameter", "buffer") else None
        ends = {ref for ref in node.refs() if last_reader[ref] == node.name and ref != network.output}
        steps.append(_Step(node, function, tapped.get(node.name), tuple(sorted(ends))))
    return tuple(steps)


def _fill(argument: Any, values: Mapping[str, Any]) -> Any:
    """The argument with each reference replaced by the value it names."""
    if isinstance(argument, Ref):
        return values[argument.node]
    if isinstance(argument, tuple):
        return [_fill(item, values) for item in argument]
    return argument
