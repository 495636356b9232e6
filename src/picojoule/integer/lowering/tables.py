"""Functions of one value, element by element, as tables of steps: what they are rounded to, for every code there is.

Each code that the value may have is put through the network's own operations in float64, and through its own rounding.
It is done twice: by torch's loops over vectors, and by those over single numbers, in which torch may compute the last
bit otherwise; what is a tie in the one only is refused. So a table holds wherever in a tensor a number stands.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from picojoule.errors import InputError
from picojoule.integer.laws.elements import MOST_STEPS
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.lowering.rules import TURNS
from picojoule.integer.lowering.sites import Site, looked_up
from picojoule.integer.types import Type
from picojoule.network import Network, Node, ops
from picojoule.network.node import fill

POINTWISE = frozenset(
    "relu relu6 hardtanh clamp clamp_min clamp_max celu elu gelu hardshrink hardsigmoid hardswish leaky_relu "
    "log_sigmoid mish prelu selu sigmoid silu softplus softshrink threshold "
    "abs neg sign sqrt rsqrt square reciprocal exp exp2 expm1 log log10 log1p log2 logit pow erf erfc sinc "
    "sin cos sinh cosh tanh asin acos atan asinh acosh atanh atan2 hypot ceil floor round trunc frac nan_to_num "
    "add sub rsub mul div addcmul addcdiv lerp fmod remainder floor_divide maximum minimum fmax fmin where heaviside "
    "eq ne lt le gt ge logical_and logical_not logical_or logical_xor".split()
)
"""Operations whose every number depends on the numbers in its place alone."""
MOVES = ops.VIEW | frozenset("max_pool1d max_pool2d slice cat concat pad constant_pad_nd".split())
"""Operations that give the same whether numbers are rounded before or after them; but zeros padded have no sign."""
MOST_SITE_BITS = 8
"""Of a site in fixed point whose codes are looked up."""
MOST_LOOKED_UP = 2**24
"""Codes that a value may have, of which each is tried."""
_CHUNK = 2**15 - 64
"""Codes at once: fewer than torch would share among threads."""
_VECTORS = 64
"""What codes at once are a multiple of, so that vectors hold all of them."""
_STORED = ("parameter", "buffer")


def origins(network: Network, node: Node, known: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The values of a program that a node is a function of, each of one alone, element by element; the nearest first.

    `known` are those of the nodes before it, a value of the program itself the first of its own.
    """
    refs = [network.by_name[ref] for ref in node.refs()]
    read = [each for each in refs if each.op not in _STORED]
    if not (is_still(node, refs) or ops.short(node.op) in POINTWISE) or not read:
        return ()
    if any(each.op in _STORED and _axis(network, node, each) is None for each in refs):
        return ()
    first, *others = (known.get(each.name, ()) for each in read)
    return tuple(
        each for each in first
        if network.by_name[each].shape == node.shape and all(each in other for other in others)
    )  # fmt: skip


def is_still(node: Node, refs: Sequence[Node]) -> bool:
    """Whether a node gives its first argument as it is."""
    return ops.short(node.op) in ops.VIEW - TURNS and node.shape == refs[0].shape


def _last(network: Network, node: Node) -> Node:
    """The last that is computed of a value."""
    while ops.short(node.op) in ops.VIEW:
        node = network.by_name[next(node.refs())]
    return node


def table(made: Builder, network: Network, node: Node, origin: str, value: str, site: Site) -> str:
    """What a node is rounded to at its site, as a table that reads `value`, which the node `origin` became.

    Raises:
        InputError: the site has too many bits, or the value too many codes, or a step is no certain one.
    """
    last = _last(network, node)
    told = f"'{last.name}' ({ops.short(last.op)})"
    if site.bits > MOST_SITE_BITS and not site.members:
        told += f" is looked up, in at most {MOST_SITE_BITS} bits"
        raise InputError(f"{told}; give site '{site.name}' fewer than {site.bits}")
    function = _Function(network, origin, node)
    axis = function.axis
    if axis is not None and len(made.type(value).exponents) > 1 and made.type(value).axis != axis:
        value = made.aligned(value)
    read = made.type(value)
    if read.divisor != 1:
        raise InputError(f"{told} reads a mean over a multiple of {read.divisor} values, which floating point rounds; "
                         "take means over 2, 4, 8, ... values")  # fmt: skip
    if read.high - read.low >= MOST_LOOKED_UP:
        raise InputError(f"{told} reads sums of {read.bits} bits, too many to be looked up; give that layer fewer bits")
    axis = read.axis if axis is None else axis
    count = read.shape[axis] if function.axis is not None or len(read.exponents) > 1 else 1
    exponents = read.exponents * (count // len(read.exponents))
    keys = [(each, 0 if function.axis is None else channel) for channel, each in enumerate(exponents)]
    distinct = [*dict.fromkeys(keys)]
    steps = [_steps(function, read, *key, site, told) for key in distinct]
    if (total := sum(len(each) for each, _ in steps)) > MOST_STEPS:
        raise InputError(f"{told} has {total} steps, and at most {MOST_STEPS} are possible")
    return looked_up(made, value, site, steps, [distinct.index(key) for key in keys], axis)


class _Function:
    """The operations between two nodes, on a row of numbers."""

    def __init__(self, network: Network, origin: str, node: Node) -> None:
        self._origin, self._output = origin, node.name
        needed, wanted = set[str](), [node.name]
        while wanted:
            name = wanted.pop()
            if name not in needed and name != origin:
                needed.add(name)
                wanted += network.by_name[name].refs()
        self._nodes = [each for each in network.nodes if each.name in needed and each.op not in _STORED]
        self._stored: dict[str, Tensor] = {}
        axes: set[int] = set()
        for each in self._nodes:
            for ref in (network.by_name[name] for name in each.refs()):
                if ref.op in _STORED:
                    tensor = network.tensors[ref.name].flatten()
                    self._stored[ref.name] = tensor.double() if tensor.is_floating_point() else tensor
                    axes |= {at - 1 for at in [_axis(network, each, ref)] if at}
        if len(axes) > 1:
            raise InputError(
                f"'{node.name}' takes stored numbers along several dimensions; give it one for each channel"
            )
        self.axis = next(iter(axes), None)
        """The dimension of a sample along which stored numbers differ; None where all are the same."""

    def __call__(self, x: Tensor, channel: int, scattered: bool) -> Tensor:
        """The function of x [n] in one channel; `scattered`, no two numbers lie side by side in any operation."""
        lay = _scattered if scattered else torch.Tensor.contiguous
        values = {name: row if len(row) == 1 else row[channel : channel + 1] for name, row in self._stored.items()}
        values[self._origin] = lay(x)
        for node in self._nodes:
            args = [fill(each, values) for each in node.args]
            kwargs = {key: fill(each, values) for key, each in node.kwargs.items()}
            still = ops.short(node.op) in ops.VIEW
            values[node.name] = args[0] if still else lay(ops.resolve(node.op)(*args, **kwargs))
        return values[self._output]


def _scattered(x: Tensor) -> Tensor:
    return torch.stack((x, x), 1)[:, 0]


def _axis(network: Network, node: Node, stored: Node) -> int | None:
    """The dimension of a node's value along which a stored tensor of its arguments lies; 0 of one number, None of more.

    A stored tensor goes by the last dimensions, the weights of `prelu` by the channels.
    """
    if stored.count == 1:
        return 0 if len(stored.shape) <= len(node.shape) else None
    if ops.short(node.op) == "prelu":
        return 1 if len(node.shape) > 1 and stored.shape == node.shape[1:2] else None
    behind = len(node.shape) - len(stored.shape)
    axes = [behind + at for at, size in enumerate(stored.shape) if size != 1]
    return axes[0] if len(axes) == 1 and axes[0] > 0 and stored.shape[axes[0] - behind] == node.shape[axes[0]] else None


def _steps(
    function: _Function, read: Type, exponent: int, channel: int, site: Site, told: str
) -> tuple[Tensor, Tensor]:
    """The codes at which a function's code becomes another, and the codes before the first and from each on."""
    before: list[Tensor] = []
    thresholds: list[Tensor] = []
    codes: list[Tensor] = []
    for start, found in _codes(function, read, exponent, channel, site, told):
        joined = torch.cat([*before, found])
        changes = (joined[1:] != joined[:-1]).nonzero().flatten() + 1
        thresholds.append(changes + (start - len(joined) + len(found)))
        codes.append(joined[changes] if before else joined[torch.cat([changes.new_zeros(1), changes])])
        before = [found[-1:]]
    if not any(len(each) for each in thresholds):  # the same for all: one step that changes nothing
        return torch.tensor([read.low]), codes[0][:1].repeat(2).long()
    return torch.cat(thresholds), torch.cat(codes).long()


def _codes(
    function: _Function, read: Type, exponent: int, channel: int, site: Site, told: str
) -> Iterator[tuple[int, Tensor]]:
    """The site's code for each code that is read, in parts, with the first that a part is for."""
    for start in range(read.low, read.high + 1, _CHUNK):
        count = min(_CHUNK, read.high + 1 - start)
        x = torch.arange(start, start + count + -count % _VECTORS, dtype=torch.float64) * 2.0**exponent
        one = function(x, channel, scattered=False)[:count]
        other = function(torch.where(x == 0, -0.0, x), channel, scattered=True)[:count]  # a sum of zero may be negative
        codes = site.quantize(one) * 2.0**-site.exponent
        if not torch.equal(one, other):
            _check_same(site, codes, site.quantize(other.contiguous()) * 2.0**-site.exponent, x, told)
        yield start, codes


def _check_same(site: Site, codes: Tensor, others: Tensor, x: Tensor, told: str) -> None:
    """Refuse codes of x that torch's loops do not agree on, or that are none."""
    at = float(x[int((codes != others).nonzero()[0])]) if not torch.equal(codes, others) else 0.0
    if bool((codes + others).isnan().any()):
        raise InputError(f"{told} has no number for {at:g}, which its value may be; bound the value first")
    if not torch.equal(codes, others):
        raise InputError(
            f"{told} of {at:g} lies so near to halfway between two codes that torch itself rounds it up or down; "
            f"give site '{site.name}' other bits"
        )
