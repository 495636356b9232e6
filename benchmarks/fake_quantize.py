"""Rounding 16 million floats to 4-bit fixed point into a given buffer costs what copying them costs.

    python benchmarks/fake_quantize.py [--no-peers] [THREADS ...]

Times over `copy_` between equal buffers, for tensors of 16 million and of 65 536 floats: picojoule's kernel with and
without the Python around it, its plain path, torch's own, and the peers' in the environment that is made for them.
Only picojoule and `copy_` write into a given buffer; none of the others can.
"""

import sys
from collections.abc import Callable

import torch
from measure import importable, interleaved, machine, ratio
from peers.environment import enter
from peers.networks import MakeRounding, brevitas_rounding, qtorch_rounding, torchao_rounding
from torch import Tensor

SIZES = {16 << 20: (40, 1), 64 << 10: (400, 20)}
"""Numbers in a tensor: rounds, and calls in each."""
SCALE, LOW, HIGH = 0.125, -8, 7
RIVALS = ("torch.fake_quantize_per_tensor_affine", "torchao", "Brevitas' IntQuant", "QPyTorch")
Builder = Callable[[], Callable[[], object]]


def main(*threads: str) -> None:
    print(machine())
    for count in map(int, threads or ("1", "2")):
        torch.set_num_threads(count)
        for size, (rounds, calls) in SIZES.items():
            x = torch.randn(size, generator=torch.Generator().manual_seed(0))
            out = torch.zeros_like(x)
            contenders = importable({"copy_": lambda x=x, out=out: lambda: out.copy_(x)} | builders(x, out))
            times = interleaved(contenders, rounds, calls)
            _print(times, f"{size} floats, {count} thread{'s' * (count > 1)}")


def _print(times: dict[str, list[float]], title: str) -> None:
    print(f"\n{title}; copy_ takes {min(times['copy_']) * 1e6:.1f} µs; over it: (least / median / greatest of a round)")
    for name in times:
        if name != "copy_":
            print(f"  {name:45} {ratio(times, name, 'copy_')}")
    faster = {name: min(times[name]) / min(times["picojoule"]) for name in RIVALS if name in times}
    print(f"  picojoule is faster than {', '.join(f'{name} {factor:.1f} times' for name, factor in faster.items())}")


def builders(x: Tensor, out: Tensor) -> dict[str, Builder]:
    """Each contender, made when its package is there; `out` serves those that can write into a given buffer."""

    def picojoule() -> Callable[[], object]:
        from picojoule.formats import parse

        format = parse("fixed4")
        return lambda: format.quantize(x, 0, True, out=out)

    def kernel() -> Callable[[], object]:
        from picojoule.kernels import compiled

        loop, factor = compiled.machine_code("grid", False, x.dtype), compiled.constant(1 / SCALE, x.dtype)
        assert loop is not None
        arguments = (x.data_ptr(), out.data_ptr(), 1, x.numel(), factor.data_ptr(), LOW, HIGH)
        return lambda: loop(*arguments)

    def plain() -> Callable[[], object]:
        from picojoule.kernels import grid

        return lambda: grid.plain(x, 1 / SCALE, LOW, HIGH, out)

    def fake_quantize() -> Callable[[], object]:
        return lambda: torch.fake_quantize_per_tensor_affine(x, SCALE, 0, LOW, HIGH)

    def chain() -> Callable[[], object]:
        return lambda: torch.clamp(torch.round(x / SCALE), LOW, HIGH) * SCALE

    def peer(make: MakeRounding) -> Callable[[], object]:
        rounding = make(SCALE, LOW, HIGH)
        return lambda: rounding(x)

    return {
        "picojoule": picojoule,
        "picojoule, its machine code alone": kernel,
        "picojoule, its plain path": plain,
        "torch.fake_quantize_per_tensor_affine": fake_quantize,
        "torch, divide round clamp multiply": chain,
        "torchao": lambda: peer(torchao_rounding),
        "Brevitas' IntQuant": lambda: peer(brevitas_rounding),
        "QPyTorch": lambda: peer(qtorch_rounding),
    }


if __name__ == "__main__":
    enter("quantisers", "torchao", "brevitas", "qtorch")
    with torch.no_grad():
        main(*sys.argv[1:])
