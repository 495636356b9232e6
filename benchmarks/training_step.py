"""A training step of a network at 4 bits costs little more than the same step in floating point.

    python benchmarks/training_step.py [--no-peers] [THREADS ...]

Forward, cross entropy, backward and an SGD update of LeNet-5 and ResNet-20, batch 64; weights and activations at 4
bits, straight-through gradients. The float network is the plain torch module, its batch norms folded into the
convolutions as ours are; with them at work it is shown beside. So are the peers' networks, folded too, in the
environment that is made for them (peers/networks.py). All are made anew several times: where their tensors come to lie
in memory alone makes a step up to 15 % slower or faster.
"""

import sys
from collections.abc import Callable
from functools import partial

import torch
from measure import Times, importable, interleaved, machine, ratio
from peers.environment import enter
from peers.networks import CONVERSIONS, Conversion
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.fusion import fuse_conv_bn_eval

from picojoule.network import capture
from picojoule.zoo import create, example

NETWORKS = {"lenet5": 60, "resnet20": 6}
"""Networks, and rounds of each life."""
LIVES = 8
BATCH, BITS = 64, 4
Builder = Callable[[], Callable[[], object]]


def main(*threads: str) -> None:
    print(machine())
    for count in map(int, threads or ("1", "2")):
        torch.set_num_threads(count)
        for name, rounds in NETWORKS.items():
            times: Times = {}
            for seed in range(LIVES):
                for contender, seconds in interleaved(importable(builders(name, seed)), rounds).items():
                    times.setdefault(contender, []).extend(seconds)
            _print(times, f"{name}, batch {BATCH}, {BITS} bits, {count} thread{'s' * (count > 1)}")


def _print(times: Times, title: str) -> None:
    step = min(times["float"]) * 1e3
    print(f"\n{title}; the float step takes {step:.2f} ms; over it: (least / median / greatest of a round)")
    for name in times:
        if name != "float":
            print(f"  {name:45} {ratio(times, name, 'float')}")


def builders(name: str, seed: int) -> dict[str, Builder]:
    """Each contender's training step, made when its package is there."""
    torch.manual_seed(seed)
    x, y = torch.randn(BATCH, *example(name).shape[1:]), torch.randint(10, (BATCH,))

    def step(model: nn.Module) -> Callable[[], object]:
        optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)

        def run() -> None:
            optimiser.zero_grad()
            cross_entropy(model(x), y).backward()
            optimiser.step()

        return run

    def picojoule(granularity: str) -> Callable[[], object]:
        from picojoule.calibration import calibrate
        from picojoule.plan import Plan
        from picojoule.quantize import quantize

        network = capture(create(name, seed).eval(), x[:1])
        plan = Plan.uniform(network, f"fixed{BITS}").expand(network)
        return step(quantize(network, plan, calibrate(network, x, plan, granularity=granularity)))

    def peer(convert: Conversion) -> Callable[[], object]:
        return step(convert(folded(create(name, seed)), x, BITS))

    return {
        "float": lambda: step(folded(create(name, seed))),
        "float, batch norm in training": lambda: step(create(name, seed)),
        "picojoule": lambda: picojoule("layer"),
        "picojoule, ranges by channel": lambda: picojoule("channel"),
        **{label: partial(peer, convert) for label, convert in CONVERSIONS.items()},
    }


def folded(model: nn.Module) -> nn.Module:
    """The model with each `bn*` folded into the `conv*` of the same number beside it."""
    for module in model.eval().modules():
        for name, norm in list(module.named_children()):
            if isinstance(norm, nn.BatchNorm2d):
                convolution = name.replace("bn", "conv")
                setattr(module, convolution, fuse_conv_bn_eval(module.get_submodule(convolution), norm))
                setattr(module, name, nn.Identity())
    return model


if __name__ == "__main__":
    enter("quantisers", "torchao", "brevitas", "qtorch")
    main(*sys.argv[1:])
