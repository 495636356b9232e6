"""Rounding 16 million floats to small floats and to blocks with scales takes little more than copying them.

    python benchmarks/low_precision.py [--no-peers] [FLOATS] [ROUNDS]

Times over `copy_` between equal buffers, one thread, for each format: `Format.quantize` of rows of 4096 into a given
buffer, as `copy_` writes, and into fresh memory, which costs more than the work; of blocks that of as many floats of
images [n, 256, 32, 32] too, where the numbers of a block lie apart; and the peers' shortest way from float32 to the
format and back, always into fresh memory, in the environment that is made for them: torch's own types, ml_dtypes,
torchao's MX and NF4 conversions, bitsandbytes' NF4. It says where a goal is missed, and exits with 1.
"""

import sys
from collections.abc import Callable

import torch
from measure import importable, interleaved, machine, ratio
from peers.environment import enter
from torch import Tensor

GOALS = {"e4m3": 1.4, "e5m2": 1.2, "e2m1": 1.6, "nf4/64": 4.0}
"""Times over a copy; those of the other formats are only shown."""
ROW, IMAGE = 4096, (256, 32, 32)
Builder = Callable[[], Callable[[], object]]


def main(size: int = 16 << 20, rounds: int = 40) -> bool:
    """Print the ratios; whether all goals are met."""
    torch.set_num_threads(1)
    x = torch.randn(size // ROW, ROW, generator=torch.Generator().manual_seed(0))
    out = torch.zeros_like(x)
    print(machine())
    missed = []
    for name, builders in contenders(x, out).items():
        times = interleaved(importable({"copy_": lambda: lambda: out.copy_(x)} | builders), rounds)
        print(
            f"\n{name}; copy_ takes {min(times['copy_']) * 1e3:.2f} ms; over it: (least / median / greatest of a round)"
        )
        for contender in list(times)[1:]:
            print(f"  {contender:40} {ratio(times, contender, 'copy_')}")
        if min(times["picojoule"]) > GOALS.get(name, torch.inf) * min(times["copy_"]):
            missed.append(name)
    print(f"\n{'missed: ' + ', '.join(missed) if missed else 'every goal is met'}: {GOALS}")
    return not missed


def contenders(x: Tensor, out: Tensor) -> dict[str, dict[str, Builder]]:
    """By format who rounds x to it; each is made when its package is there."""
    from picojoule.formats import parse

    def ours(name: str) -> dict[str, Builder]:
        format, images = parse(name), x.view(-1, *IMAGE)
        found: dict[str, Builder] = {
            "picojoule": lambda: lambda: format.quantize(x, out=out),
            "picojoule, into fresh memory": lambda: lambda: format.quantize(x),
        }
        if format.with_scales:
            found["picojoule, images"] = lambda: lambda: format.quantize(images, out=out.view_as(images))
        return found

    peers: dict[str, dict[str, Builder]] = {
        "e4m3": _through_types(x, "float8_e4m3fn"),
        "e5m2": _through_types(x, "float8_e5m2"),
        "e2m1": {"torchao": lambda: _torchao_e2m1(x)} | _through_types(x, "float4_e2m1fn"),
        "fp16": _through_types(x, "float16"),
        "nf4/64": {"bitsandbytes": lambda: _bitsandbytes(x), "torchao": lambda: _torchao_nf4(x)},
        "nf4/64:u8": {},
        "e2m1/32:e8m0": {"torchao": lambda: _torchao_mx(x, "float4_e2m1fn_x2")},
        "e4m3/32:e8m0": {"torchao": lambda: _torchao_mx(x, "float8_e4m3fn")},
        "e2m1/16:e4m3": {},
    }
    return {name: ours(name) | theirs for name, theirs in peers.items()}


def _through_types(x: Tensor, name: str) -> dict[str, Builder]:
    """There and back through torch's type of that name, if it computes with it, and through numpy's."""

    def of_numpy() -> Callable[[], object]:
        import ml_dtypes
        import numpy as np

        kind, values = getattr(ml_dtypes, name, None) or getattr(np, name), x.numpy()
        return lambda: values.astype(kind).astype(np.float32)

    def of_torch() -> Callable[[], object]:
        kind = getattr(torch, name)
        return lambda: x.to(kind).to(torch.float32)

    ours = {} if name.startswith("float4") else {"torch": of_torch}
    return ours | {"numpy" if name == "float16" else "ml_dtypes": of_numpy}


def _torchao_e2m1(x: Tensor) -> Callable[[], object]:
    from torchao.prototype.mx_formats.kernels import f4_unpacked_to_f32, f32_to_f4_unpacked

    return lambda: f4_unpacked_to_f32(f32_to_f4_unpacked(x))


def _torchao_mx(x: Tensor, name: str) -> Callable[[], object]:
    from torchao.prototype.mx_formats.mx_tensor import MXTensor

    return lambda: MXTensor.to_mx(x, getattr(torch, name), 32).dequantize(torch.float32)


def _torchao_nf4(x: Tensor) -> Callable[[], object]:
    from torchao.quantization.quantize_.workflows.nf4.nf4_tensor import to_nf4

    return lambda: to_nf4(x, 64, 256).get_original_weight()


def _bitsandbytes(x: Tensor) -> Callable[[], object]:
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    return lambda: dequantize_4bit(*quantize_4bit(x, blocksize=64, quant_type="nf4"))


if __name__ == "__main__":
    enter("quantisers", "torchao", "bitsandbytes", "ml_dtypes")
    with torch.no_grad():
        sys.exit(0 if main(*map(int, sys.argv[1:])) else 1)
