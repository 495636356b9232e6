"""Training at 4 bits costs little more than training in floating point, and few bits lose little accuracy.

    python benchmarks/trained.py step [THREADS ...]
    python benchmarks/trained.py accuracy MODEL DATA [EPOCHS [BITS ...]]

`step`: forward, cross entropy, backward and an Adam update, batch 64, of the module that `train` trains, with batch
norm and folded, over a plain torch module with batch norm behind every layer. `accuracy`: the recipe `modern` at each
bit count; what is stated is the share of right answers on all held-out samples.
"""

import sys
import tempfile
import time
from collections.abc import Callable

import torch
from measure import interleaved, machine, ratio
from torch import nn
from torch.nn.functional import cross_entropy

from picojoule import data
from picojoule.jobs.train import train
from picojoule.training import trainable
from picojoule.zoo import create, example

NETWORKS = {"lenet5": 40, "resnet20": 4}
"""Networks, and rounds of each life."""
LIVES, BATCH = 5, 64


def main(what: str, *rest: str) -> None:
    print(machine())
    {"step": steps, "accuracy": accuracies}[what](*rest)


def steps(*threads: str) -> None:
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


def accuracies(model: str, source: str, epochs: str = "10", *bits: str) -> None:
    torch.set_num_threads(1)
    loaded = data.load(source)
    print(f"{model} on {source}, {epochs} epochs of modern; right of all held-out samples, and energy per inference")
    for count in map(int, bits or ("32", "16", "8", "4", "2", "1")):
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            result = train(model, loaded, bits=count, epochs=int(epochs), out=folder)
        point, fold = result.point, result.settings["fold"]
        right = (point.search.correct + point.report.correct) / (point.search.total + point.report.total)
        before, after = (100 * fold[key]["correct"] / fold[key]["total"] for key in ("before", "after"))
        price = "no figure" if point.energy is None else f"{point.energy.total_pj / 1e3:.1f} nJ"
        print(f"{count:3} bits: {100 * right:.2f} %, {price}; the fold took {before:.2f} to {after:.2f} %; "
              f"{time.monotonic() - begun:.0f} s", flush=True)  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
