"""Which rectifiers quantisers make superfluous, and which tensors they may round in place.

Rounding to a range that begins at zero sends all that is negative to zero; so a rectifier does nothing to a value that
only such quantisers see, directly or through a maximum over windows, which does not care when values are cut off. In
training this saves a pass forward and one back, and a tensor that would be kept for the gradient.
"""

from collections.abc import Mapping

from picojoule.network import Fusion, Network, Node, ops

_RECTIFIER = "aten.relu.default"
_MONOTONE = ops.VIEW | {"max_pool1d", "max_pool2d"}
"""Operations that give the same whether what is negative is cut off before or after them."""
_NEW = frozenset("conv1d conv2d linear add max_pool2d avg_pool2d adaptive_avg_pool2d mean cat".split())
"""Operations whose result is a tensor of its own that their gradient does not need."""


def fusions(network: Network) -> dict[str, Fusion]:
    """What each rectifier and each quantised value leaves to quantisers, by the name of its node."""
    sites = {site.tensor: site.name for site in network.sites.values()}
    readers: dict[str, list[Node]] = {}
    for node in network.nodes:
        for ref in dict.fromkeys(node.refs()):
            readers.setdefault(ref, []).append(node)

    def seen_by(name: str) -> tuple[str, ...]:
        """The sites through which alone a value is seen; none where anything else sees it."""
        if name in sites:
            return (sites[name],)
        through = [seen_by(reader.name) if _short(reader) in _MONOTONE else () for reader in readers.get(name, [])]
        return sum(through, ()) if name != network.output and all(through) else ()

    found = {}
    for node in network.nodes:
        rectifier = _rectifier(network.by_name, sites, node) if node.name in sites else None
        maker = network.by_name[next(node.refs())] if node.op == _RECTIFIER else node
        alone = maker is node or (len(readers[maker.name]) == 1 and maker.name not in sites)
        found[node.name] = Fusion(
            seen_by=seen_by(node.name) if node.op == _RECTIFIER else (),
            rectifier=rectifier,
            fresh=node.name in sites and alone and _short(maker) in _NEW,
        )
    return {name: fusion for name, fusion in found.items() if fusion != Fusion()}


def _rectifier(nodes: Mapping[str, Node], sites: Mapping[str, str], node: Node) -> str | None:
    """The rectifier that a value comes from, through nothing but what is monotone and not quantised."""
    while _short(node) in _MONOTONE and (before := next(node.refs())) not in sites:
        node = nodes[before]
    return node.name if node.op == _RECTIFIER else None


def _short(node: Node) -> str:
    return ops.short(node.op) if "." in node.op else node.op
