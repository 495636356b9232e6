"""What each operation on values becomes in integers. A rule gets the node and the values it reads, and gives its own.

Source of the arithmetic: METHODS of fixed point with power-of-two scales: adds align exponents by shifts to the left, a
mean is a sum with a divisor, clamps move to codes. Nothing rounds here.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import torch

from picojoule.errors import InputError
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.types import LARGEST, MOST_EXPONENT
from picojoule.network import Node, Ref, ops

_MOST = 2**31

TURNS = frozenset(("permute", "transpose", "movedim", "moveaxis", "swapaxes", "swapdims", "t", "mT", "numpy_T"))
"""Views that change the order of elements."""
Rule = Callable[[Builder, Node, list[str]], str]


def _clamp(low: float | None, high: float | None) -> Rule:
    def rule(made: Builder, node: Node, values: list[str]) -> str:
        return _clamped(made, node, values[0], low, high)

    return rule


def _clamped(made: Builder, node: Node, value: str, low: float | None, high: float | None) -> str:
    """A value within bounds; where a bound is no whole code, the codes are made finer until it is."""
    if any(bound is not None and math.isnan(bound) for bound in (low, high)):
        raise InputError(f"'{node.name}' clamps to NaN; give it numbers")
    bounds = [None if bound is None or math.isinf(bound) else Fraction(bound) * made.type(value).divisor
              for bound in (low, high)]  # fmt: skip
    finest = min((_exponent_of(bound) for bound in bounds if bound), default=MOST_EXPONENT)
    if finest < max(made.type(value).exponents):
        if (bits := made.type(value).bits + max(made.type(value).exponents) - finest) > LARGEST.bit_length():
            told = [bound for bound in (low, high) if bound is not None]
            raise InputError(
                f"'{node.name}' clamps to {' and '.join(map(repr, told))}, which takes {bits} bits; give it bounds "
                "that are small multiples of a power of two"
            )
        value = made.aligned(value, min(finest, *made.type(value).exponents))
    ends = [None if bound is None else [int(bound / Fraction(2) ** each) for each in made.type(value).exponents]
            for bound in bounds]  # fmt: skip
    return made.emit(node.name, "clamp", (value,), low=ends[0], high=ends[1])


def _exponent_of(number: Fraction) -> int:
    """The exponent of the last bit of a number that is a multiple of a power of two."""
    whole, parts = number.numerator, number.denominator
    return (whole & -whole).bit_length() - parts.bit_length()


def _hardtanh(made: Builder, node: Node, values: list[str]) -> str:
    given = arguments(node, "input min_val max_val")
    return _clamped(made, node, values[0], float(given.get("min_val", -1.0)), float(given.get("max_val", 1.0)))


def _bounded(made: Builder, node: Node, values: list[str]) -> str:
    names = {"clamp": "input min max", "clamp_min": "input min", "clamp_max": "input max"}[ops.short(node.op)]
    given = arguments(node, names)
    bounds = [given.get("min"), given.get("max")]
    if any(isinstance(bound, Ref) for bound in bounds):
        raise InputError(f"'{node.name}' clamps to a tensor; give it numbers")
    low, high = (None if bound is None else float(bound) for bound in bounds)
    return _clamped(made, node, values[0], low, high)


def _add(made: Builder, node: Node, values: list[str]) -> str:
    if len(values) != 2 or arguments(node, "input other alpha").get("alpha", 1) != 1:
        raise InputError(f"'{node.name}' adds a number or a multiple; a program adds two values of the network")
    return made.emit(node.name, "add", made.together([_whole(made, node, value) for value in values]))


def _whole(made: Builder, node: Node, value: str) -> str:
    """A value that is no mean over a count but a power of two: floating point rounds its quotients, and sums of them
    may come to lie on the other side of a tie.

    Raises:
        InputError: it is.
    """
    if (divisor := made.type(value).divisor) != 1:
        raise InputError(
            f"'{node.name}' adds up means over a multiple of {divisor} values, which floating point rounds; take means "
            "over 2, 4, 8, ... values, or give them to a layer"
        )
    return value


def _image(made: Builder, value: str) -> str:
    """A value that may have an exponent for each channel, if these come first, for windows over what follows them."""
    return value if made.type(value).axis == 0 else made.aligned(value)


def _concat(made: Builder, node: Node, values: list[str]) -> str:
    dim = _dimension(node, arguments(node, "tensors dim").get("dim", 0))
    return made.emit(node.name, "concat", made.together(values), dim=dim)


def _max_pool(made: Builder, node: Node, values: list[str]) -> str:
    given, sides = arguments(node, "input kernel_size stride padding dilation ceil_mode"), len(node.shape) - 2
    kernel, value = _sizes(given["kernel_size"], sides), _image(made, values[0])
    return made.emit(
        node.name, "max_pool", (value,), kernel=kernel, stride=_sizes(given.get("stride") or kernel, sides),
        padding=_sizes(given.get("padding", 0), sides), dilation=_sizes(given.get("dilation", 1), sides),
        ceil=bool(given.get("ceil_mode", False)),
    )  # fmt: skip


def _avg_pool(made: Builder, node: Node, values: list[str]) -> str:
    given = arguments(node, "input kernel_size stride padding ceil_mode count_include_pad divisor_override")
    sides = len(node.shape) - 2
    kernel, padding = _sizes(given["kernel_size"], sides), _sizes(given.get("padding", 0), sides)
    if given.get("ceil_mode", False) or (any(padding) and not given.get("count_include_pad", True)):
        raise InputError(f"'{node.name}' takes means of different counts at its edges; leave ceil_mode and padding out")
    stride, count = _sizes(given.get("stride") or kernel, sides), given.get("divisor_override") or math.prod(kernel)
    return _sums(made, node, values[0], kernel=kernel, stride=stride, padding=padding, count=count)


def _sums(made: Builder, node: Node, value: str, **how: Any) -> str:
    return made.emit(node.name, "sum_pool", (_image(made, _whole(made, node, value)),), **how)


def _adaptive_avg_pool(made: Builder, node: Node, values: list[str]) -> str:
    before, after = made.type(values[0]).shape[1:], [size for size in node.shape[2:] if size is not None]
    if any(one % other for one, other in zip(before, after, strict=True)):
        raise InputError(f"'{node.name}' divides {list(before)} into {after} unevenly; give it sizes that divide")
    kernel = [one // other for one, other in zip(before, after, strict=True)]
    none = [0] * len(kernel)
    return _sums(made, node, values[0], kernel=kernel, stride=kernel, padding=none, count=math.prod(kernel))


def _mean(made: Builder, node: Node, values: list[str]) -> str:
    given, shape = arguments(node, "input dim keepdim"), made.type(values[0]).shape
    dims = given.get("dim")
    dims = range(1, len(shape) + 1) if dims is None else (dims,) if isinstance(dims, int) else dims
    over = sorted({each % (len(shape) + 1) for each in dims})
    if 0 in over:
        raise InputError(f"'{node.name}' takes a mean over the batch; a program runs one sample after the other")
    count = math.prod(shape[each - 1] for each in over) if ops.short(node.op) == "mean" else 1
    value = made.aligned(_whole(made, node, values[0]))
    return made.emit(node.name, "sum", (value,), dims=over, keep=bool(given.get("keepdim", False)), count=count)


def _view(made: Builder, node: Node, values: list[str]) -> str:
    """A rearrangement: new sizes in the same order, or other dimensions first."""
    shape = [size for size in node.shape if size is not None]
    order = _order(node, len(made.type(values[0]).shape))
    if order is None and tuple(shape) == made.type(values[0]).shape:
        return values[0]
    value = made.aligned(values[0])
    if order is None:
        return made.emit(node.name, "reshape", (value,), shape=shape)
    return made.emit(node.name, "permute", (value,), order=order)


def _order(node: Node, dimensions: int) -> list[int] | None:
    """The new order of dimensions, the batch's included; None where elements stay in their order."""
    if ops.short(node.op) not in TURNS:
        return None
    example = torch.empty([each + 2 for each in range(dimensions + 1)], device="meta")  # sizes tell dimensions apart
    turned = ops.resolve(node.op)(example, *node.args[1:], **node.kwargs)
    order = [each - 2 for each in turned.shape]
    if order[0] != 0:
        raise InputError(f"'{node.name}' moves the batch; a program runs one sample after the other")
    return None if order == sorted(order) else order


def _slice(made: Builder, node: Node, values: list[str]) -> str:
    given = arguments(node, "input dim start end step")
    bounds = slice(given.get("start"), given.get("end"), given.get("step", 1))
    if bounds.indices(_MOST) == (0, _MOST, 1):  # all of it
        return values[0]
    dim = _dimension(node, given.get("dim", 0))
    start, stop, step = bounds.indices(made.type(values[0]).shape[dim - 1])
    value = made.aligned(values[0])
    return made.emit(node.name, "slice", (value,), dim=dim, start=start, stop=stop, step=step)


def _pad(made: Builder, node: Node, values: list[str]) -> str:
    given = arguments(node, "input pad mode value" if ops.short(node.op) == "pad" else "input pad value")
    if given.get("mode", "constant") != "constant" or (given.get("value") or 0) != 0 or min(given["pad"]) < 0:
        raise InputError(f"'{node.name}' pads with something else than zeros; pad with zeros")
    return made.emit(node.name, "pad", (made.aligned(values[0]),), pad=list(given["pad"]))


def convolution(made: Builder, node: Node, value: str, kernel: Sequence[int]) -> tuple[str, dict[str, Any]]:
    """What a convolution reads, and its arguments in numbers. Where "same" pads unevenly, a pad comes before it."""
    given, sides = arguments(node, "input weight bias stride padding dilation groups"), len(kernel)
    stride, dilation = _sizes(given.get("stride", 1), sides), _sizes(given.get("dilation", 1), sides)
    padding = given.get("padding", 0)
    if padding == "same":
        more = [each * (size - 1) for each, size in zip(dilation, kernel, strict=True)]
        padding = [each // 2 for each in more]
        if any(each % 2 for each in more):
            pad = [end for each in reversed(more) for end in (each // 2, each - each // 2)]
            value, padding = made.emit(f"{node.name}.padded", "pad", (value,), pad=pad), 0
    padding = _sizes(0 if padding == "valid" else padding, sides)
    return value, {"stride": stride, "padding": padding, "dilation": dilation, "groups": given.get("groups", 1)}


def arguments(node: Node, names: str) -> dict[str, Any]:
    """A node's arguments by the names they have in its operation."""
    return {**dict(zip(names.split(), node.args, strict=False)), **node.kwargs}


def remedy(name: str, pointwise: bool) -> str:
    """What to do about an operation without a rule; `pointwise`, it is a function of one value."""
    if "softmax" in name:
        return "leave it to whoever reads the output: the largest stays the largest"
    if name in ops.FLOAT_MAC:
        return ops.FLOAT_MAC[name]
    rounded = "let nothing but layers read it, which rounds it, or " if pointwise else ""
    return f"{rounded}use a rectifier or a clamp in its place"


def _sizes(given: Any, count: int) -> list[int]:
    """A size for each dimension."""
    sizes = list(given) if isinstance(given, tuple | list) else [given]
    return sizes * count if len(sizes) == 1 else sizes


def _dimension(node: Node, dim: int) -> int:
    """A dimension counted from the front, the batch's included.

    Raises:
        InputError: it is the batch.
    """
    counted = dim % len(node.shape)
    if counted == 0:
        raise InputError(f"'{node.name}' works across the samples of a batch; a program runs one after the other")
    return counted


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(ops.VIEW, _view),
    "relu": _clamp(0.0, None),
    "relu6": _clamp(0.0, 6.0),
    "hardtanh": _hardtanh,
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max"), _bounded),
    "add": _add,
    "cat": _concat,
    "concat": _concat,
    **dict.fromkeys(("max_pool1d", "max_pool2d"), _max_pool),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d"), _avg_pool),
    **dict.fromkeys(("adaptive_avg_pool1d", "adaptive_avg_pool2d"), _adaptive_avg_pool),
    **dict.fromkeys(("mean", "sum"), _mean),
    "slice": _slice,
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
}
"""By the bare name of an operation."""
