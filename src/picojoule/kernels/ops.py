"""The kernels as torch operations, `torch.ops.picojoule.*`, for whatever must see what runs: autograd, `torch.export`,
`torch.compile`, tracers, tensors that are shapes alone.

Eager code calls the kernels themselves (`compiled.direct` says when): an operation costs 3 µs more. Backward there is
nothing but torch's own operations, which compilers fuse.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from picojoule.kernels import gate, grid, minifloat, table

_library = torch.library.Library("picojoule", "DEF")

Bounds = tuple[Tensor, Tensor]


def _define(schema: str, function: Callable[..., Tensor], bounds: Callable[..., Bounds]) -> None:
    """Make an operation whose gradient passes within `bounds(*arguments)` of one of its arguments, x, to the first."""
    name = f"picojoule::{schema.partition('(')[0]}"
    arguments = [argument.split()[1] for argument in schema.partition("(")[2].partition(")")[0].split(", ")]
    place = arguments.index("x")

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[place], *bounds(*inputs))

    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return gate.pass_within(gradient, *ctx.saved_tensors), *[None] * (len(arguments) - 1)

    _library.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
    _library.impl(name, function, "CompositeExplicitAutograd")
    torch.library.register_fake(name, lambda *inputs: torch.empty_like(inputs[place]), lib=_library)
    torch.library.register_autograd(name, backward, setup_context=keep, lib=_library)


_define(
    "round_to_grid(Tensor x, Tensor factor, int low, int high) -> Tensor",
    grid.eager,
    lambda x, factor, low, high: (low / factor, (high + 1) / factor),
)
_define(
    "round_to_table(Tensor x, Tensor members, Tensor firsts) -> Tensor",
    table.eager,
    lambda x, members, firsts: (members[..., 0], members[..., -1]),
)
_define(
    "round_to_minifloat(Tensor x, Tensor scale, int mantissa_bits, int least_exponent, float largest) -> Tensor",
    minifloat.eager,
    lambda x, scale, mantissa_bits, least_exponent, largest: (-largest * scale, largest * scale),
)
