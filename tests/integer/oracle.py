"""A quantised network in rational numbers, one sample at a time: what every engine is held against.

It knows neither torch's arithmetic nor the program's: numbers are Python's fractions, which arrays of numpy only hold.
Curves are Python's own, of the number as a float.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from tests.formats import oracle as formats

from picojoule.calibration import Range, Ranges
from picojoule.formats import Binary, Block, Fixed, Format, Lut
from picojoule.network import Network, Node, Ref
from picojoule.plan import Plan

Array = np.ndarray[Any, Any]


def fractions(x: torch.Tensor) -> Array:
    """A tensor's numbers as they are."""
    found = np.array([Fraction(each) for each in x.flatten().tolist()] + [None], dtype=object)[:-1]
    return found.reshape(tuple(x.shape))


def run(network: Network, plan: Plan, ranges: Ranges, x: torch.Tensor) -> Array:
    """The output for one sample [...]."""
    chosen = plan.expand(network).formats
    sites = {site.tensor: name for name, site in network.sites.items()}
    values: dict[str, Any] = {}
    for node in network.nodes:
        if node.op == "input":
            value = fractions(x)
        elif node.op in ("parameter", "buffer"):
            value = fractions(network.tensors[node.name])
        elif not node.shape:  # a size that varies with the batch
            continue
        else:
            args = [_filled(each, values) for each in node.args]
            value = OPERATIONS[node.op.split(".")[1]](node, *args, **node.kwargs)
        if node.name in sites:
            value = rounded(value, chosen[sites[node.name]], ranges.sites[sites[node.name]])
        values[node.name] = value
    result: Array = values[network.output]
    return result


def rounded(values: Array, format: Format, range: Range) -> Array:
    """Numbers at a format, with an exponent for all or for each row."""
    result = np.empty(values.shape, dtype=object)
    if isinstance(format, Block):
        for row, *at in np.ndindex(values.shape[:1] + values.shape[2:]):
            for first in itertools.count(0, format.length):
                place = (row, slice(first, first + format.length), *at)
                if not len(block := values[place]):
                    break
                result[place] = _block(block, format)
        return result
    if isinstance(format, Lut):
        every = np.vectorize(lambda value: nearest(value, range), otypes=[object])
        result[...] = every(values)
        return result
    for at in np.ndindex(values.shape):
        exponent = range.exponents[at[0] if len(range.exponents) > 1 else 0]
        result[at] = _rounded(values[at], format, exponent, range.signed)
    return result


def _rounded(value: Fraction, format: Format, exponent: int, signed: bool) -> Fraction:
    if isinstance(format, Binary):
        return Fraction(2) ** exponent * (1 if value >= 0 else -1)
    if not isinstance(format, Fixed):
        return formats.quantize(str(format), value, exponent, signed)
    step = Fraction(2) ** (exponent - format.bits + signed)
    low, high = (-(2 ** (format.bits - 1)), 2 ** (format.bits - 1) - 1) if signed else (0, 2**format.bits - 1)
    return step * min(max(round(value / step), low), high)  # Python rounds half to even


def nearest(value: Fraction, range: Range) -> Fraction:
    """The nearest number of a codebook; of two the one an even number of them away from zero, else the greater."""
    members = [Fraction(each) * Fraction(2) ** range.exponents[0] for each in range.members]
    least = min(abs(each - value) for each in members)
    *others, last = [at for at, each in enumerate(members) if abs(each - value) == least]
    even = [at for at in (*others, last) if 0 in members and (at - members.index(Fraction(0))) % 2 == 0]
    return members[even[0] if others and even else last]


def _block(values: Array, format: Block) -> list[Fraction]:
    """A block at the power of two by which its largest magnitude has the exponent of the element's largest number."""
    assert format.scale == "e8m0"
    top, largest = formats.grid(str(format.element))[-1], max(map(abs, values))
    scale = Fraction(2) ** (_exponent(largest) - _exponent(top)) if largest else Fraction(1)
    units = (min(max(each / scale, -top), top) for each in values)
    return [scale * formats.quantize(str(format.element), each) for each in units]


def _exponent(number: Fraction) -> int:
    """Of the greatest power of two that is not greater."""
    found = number.numerator.bit_length() - number.denominator.bit_length()
    return found if Fraction(2) ** found <= number else found - 1


def _filled(argument: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(argument, Ref):
        return values.get(argument.node)
    return [_filled(each, values) for each in argument] if isinstance(argument, tuple) else argument


def _several(given: Any, count: int) -> list[int]:
    return list(given) * (count if len(given) == 1 else 1) if isinstance(given, list | tuple) else [given] * count


def _convolution(
    node: Node, x: Array, w: Array, b: Array | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Array:  # fmt: skip
    sides = x.ndim - 1
    stride, dilation = _several(stride, sides), _several(dilation, sides)
    if padding == "same":
        more = [d * (k - 1) for d, k in zip(dilation, w.shape[2:], strict=True)]
        ends = [(each // 2, each - each // 2) for each in more]
    else:
        ends = [(each, each) for each in _several(0 if padding == "valid" else padding, sides)]
    x = np.pad(x, [(0, 0), *ends], constant_values=Fraction(0))
    result = np.empty(node.shape[1:], dtype=object)
    each = len(w) // groups
    for at in np.ndindex(result.shape):
        group = at[0] // each
        channels = slice(group * w.shape[1], (group + 1) * w.shape[1])
        window = [slice(i * s, i * s + d * (k - 1) + 1, d)
                  for i, s, d, k in zip(at[1:], stride, dilation, w.shape[2:], strict=True)]  # fmt: skip
        result[at] = (x[(channels, *window)] * w[at[0]]).sum() + (0 if b is None else b[at[0]])
    return result


def _linear(_: Node, x: Array, w: Array, b: Array | None = None) -> Array:
    products: Array = x @ w.T
    return products if b is None else products + b


def _clamped(_: Node, x: Array, low: float | None = None, high: float | None = None) -> Array:
    def one(value: Fraction) -> Fraction:
        value = value if low is None else max(value, Fraction(low))
        return value if high is None or math.isinf(high) else min(value, Fraction(high))

    result = np.empty(x.shape, dtype=object)
    for at in np.ndindex(x.shape):
        result[at] = one(x[at])
    return result


def _pooled(
    node: Node, x: Array, kernel: Any, stride: Any, padding: Any, of: Callable[..., Any], dilation: Any = 1
) -> Array:
    """Of each window what `of` makes of its numbers that lie within."""
    sides = x.ndim - 1
    kernel, padding, dilation = _several(kernel, sides), _several(padding, sides), _several(dilation, sides)
    stride = _several(stride, sides) if stride else kernel
    result = np.empty(node.shape[1:], dtype=object)
    for channel, *at in np.ndindex(result.shape):
        places = itertools.product(*([i * s - p + d * j for j in range(k)] for i, s, p, d, k in
                                     zip(at, stride, padding, dilation, kernel, strict=True)))  # fmt: skip
        inside = [
            place for place in places if all(0 <= one < size for one, size in zip(place, x.shape[1:], strict=True))
        ]
        result[(channel, *at)] = of([x[(channel, *place)] for place in inside], math.prod(kernel))
    return result


def _max_pool(
    node: Node, x: Array, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, *_: Any
) -> Array:
    return _pooled(node, x, kernel, stride, padding, lambda inside, _: max(inside), dilation)


def _avg_pool(node: Node, x: Array, kernel: Any, stride: Any = None, padding: Any = 0, *_: Any) -> Array:
    return _pooled(node, x, kernel, stride, padding, lambda inside, count: sum(inside) / count)


def _adaptive(node: Node, x: Array, _: Any) -> Array:
    kernel = [before // after for before, after in zip(x.shape[1:], node.shape[2:], strict=True) if after]
    return _avg_pool(node, x, kernel)


def _mean(node: Node, x: Array, dims: Any, keep: bool = False) -> Array:
    over = tuple(sorted(dim % (x.ndim + 1) - 1 for dim in dims))
    total: Array = x.sum(axis=over, keepdims=keep)
    return total / math.prod(x.shape[dim] for dim in over)


def _reshaped(node: Node, x: Array, *_: Any, **__: Any) -> Array:
    return x.reshape(tuple(size for size in node.shape if size is not None))


def _sliced(_: Node, x: Array, dim: int, start: int | None = None, stop: int | None = None, step: int = 1) -> Array:
    return x if dim == 0 else x[(slice(None),) * (dim - 1) + (slice(start, stop, step),)]


def _padded(_: Node, x: Array, pad: list[int], *rest: Any) -> Array:
    ends = [*zip(pad[::2], pad[1::2], strict=True)][::-1]
    return np.pad(x, [(0, 0)] * (x.ndim - len(ends)) + ends, constant_values=Fraction(0))


def _curve(function: Callable[..., float]) -> Callable[..., Array]:
    """A function of numbers in one place, stored ones along the channels, as floats."""

    def run(node: Node, *arguments: Any, **how: Any) -> Array:
        shape = node.shape[1:]
        sides = len(shape) - 1
        stored = [isinstance(each, np.ndarray) and each.ndim == 1 < len(shape) for each in arguments]
        given = [each.reshape(-1, *[1] * sides) if by_channel else each
                 for each, by_channel in zip(arguments, stored, strict=True)]  # fmt: skip
        result = np.empty(tuple(size or 1 for size in shape), dtype=object)
        places = [np.broadcast_to(each, result.shape) if isinstance(each, np.ndarray) else None for each in given]
        for at in np.ndindex(result.shape):
            here = [one if place is None else float(place[at]) for one, place in zip(given, places, strict=True)]
            result[at] = Fraction(function(*here, **how))
        return result

    return run


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def _gelu(x: float, approximate: str = "none") -> float:
    if approximate == "tanh":
        return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def _elu(x: float, alpha: float = 1.0, scale: float = 1.0) -> float:
    return scale * (x if x > 0 else alpha * math.expm1(x))


def _softplus(x: float, beta: float = 1.0, threshold: float = 20.0) -> float:
    return x if x * beta > threshold else math.log1p(math.exp(x * beta)) / beta


CURVES: Mapping[str, Callable[..., float]] = {
    "sigmoid": _sigmoid,
    "tanh": math.tanh,
    "silu": lambda x: x * _sigmoid(x),
    "gelu": _gelu,
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "hardsigmoid": lambda x: min(max(x + 3, 0), 6) / 6,
    "elu": _elu,
    "selu": lambda x: _elu(x, 1.6732632423543772, 1.0507009873554805),
    "celu": lambda x, alpha=1.0: max(0, x) + min(0, alpha * math.expm1(x / alpha)),
    "leaky_relu": lambda x, slope=0.01: x if x > 0 else x * slope,
    "prelu": lambda x, slope: x if x > 0 else x * slope,
    "mish": lambda x: x * math.tanh(_softplus(x)),
    "softplus": _softplus,
    "log_sigmoid": lambda x: min(0, x) - math.log1p(math.exp(-abs(x))),
    "exp": math.exp,
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0),
    "mul": lambda x, y: x * y,
    "sub": lambda x, y: x - y,
    "div": lambda x, y: x / y,
    "le": lambda x, y: x <= y,
    "gt": lambda x, y: x > y,
    "where": lambda x, y, z: y if x else z,
    "threshold": lambda x, bound, value: x if x > bound else value,
}

OPERATIONS: Mapping[str, Callable[..., Array]] = {
    **{name: _curve(function) for name, function in CURVES.items()},
    **dict.fromkeys(("conv1d", "conv2d"), _convolution),
    "linear": _linear,
    "relu": lambda node, x: _clamped(node, x, 0),
    "relu6": lambda node, x: _clamped(node, x, 0, 6),
    "hardtanh": lambda node, x, low=-1, high=1: _clamped(node, x, low, high),
    "clamp": _clamped,
    **dict.fromkeys(("max_pool1d", "max_pool2d"), _max_pool),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d"), _avg_pool),
    "adaptive_avg_pool2d": _adaptive,
    "mean": _mean,
    "add": lambda _, x, y: x + y,
    "cat": lambda _, xs, dim=0: np.concatenate(xs, dim - 1),
    **dict.fromkeys(("clone", "flatten", "reshape", "unsqueeze", "view", "_unsafe_view"), _reshaped),
    "permute": lambda _, x, order: x.transpose([each - 1 for each in order[1:]]),
    "slice": _sliced,
    **dict.fromkeys(("pad", "constant_pad_nd"), _padded),
}
