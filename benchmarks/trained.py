"""Training at 4 bits costs little more than training in floating point.

    python benchmarks/trained.py [THREADS ...]

Forward, cross entropy, backward and an Adam update, batch 64, of the module that `train` trains, with batch norm and
folded, over a plain torch module with batch norm behind every layer.
"""

import sys
from collections.abc import Callable

import torch
from measure import interleaved, machine, ratio
from torch import nn
from torch.nn.functional import cross_entropy

from picojoule.training import trainable
from picojoule.zoo import create, example

NETWORKS = {"lenet5": 40, "resnet20": 4}
"""Networks, and rounds of each life."""
LIVES, BATCH = 5, 64


def main(*threads: str) -> None:
    print(machine())
    for count in map(int, threads or ("1", "2")):
        torch.set_num_threads(count)
        for name, rounds in NETWORKS.items():
            times: dict[str, list[float]] = {}
            for seed in range(LIVES):
                contenders = {label: build() for label, build in builders(name, seed).items()}
                for label, seconds in interleaved(contenders, rounds).items():
                    times.setdefault(label, []).extend(seconds)
            step = min(times["float"]) * 1e3
            print(f"\n{name}, batch {BATCH}, threads: {count}; the float step takes {step:.2f} ms; over it:")
            for label in times:
                print(f"  {label:32} {ratio(times, label, 'float')}")


def builders(name: str, seed: int) -> dict[str, Callable[[], Callable[[], object]]]:
    """Each contender's training step; `float` has batch norm behind every layer, as the others have."""
    torch.manual_seed(seed)
    x, y = torch.rand(BATCH, *example(name).shape[1:]), torch.randint(10, (BATCH,))

    def step(module: nn.Module) -> Callable[[], object]:
        optimizer = torch.optim.Adam((p for p in module.parameters() if p.requires_grad), 1e-3)
        module.train()

        def run() -> None:
            optimizer.zero_grad()
            cross_entropy(module(x), y).backward()
            optimizer.step()

        return run

    def ours(bits: int) -> nn.Module:
        return trainable(create(name, seed), x, bits)

    return {
        "float": lambda: step(with_norms(create(name, seed))),
        "our graph at float32": lambda: step(ours(32)),
        "4 bits": lambda: step(ours(4)),
        "4 bits, batch norm folded": lambda: step(ours(4).folded()),  # type: ignore[operator]
        "1 bit": lambda: step(ours(1)),
    }


def with_norms(model: nn.Module) -> nn.Module:
    """The model with batch norm behind each layer that has none."""
    if not any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        for name, module in list(model.named_children()):
            if isinstance(module, nn.Conv2d):
                setattr(model, name, nn.Sequential(module, nn.BatchNorm2d(module.out_channels)))
            elif isinstance(module, nn.Linear):
                setattr(model, name, nn.Sequential(module, nn.BatchNorm1d(module.out_features)))
    return model


if __name__ == "__main__":
    main(*sys.argv[1:])
