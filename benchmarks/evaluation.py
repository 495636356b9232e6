"""Evaluating a quantised network takes less time than torch needs for the float network.

    python benchmarks/evaluation.py [--no-peers] [THREADS ...]

Random samples through LeNet-5 and ResNet-20, nothing kept from one evaluation to the next. The float network is the
plain torch module in evaluation mode, batch 64. Ours chooses its chunks, and gives each thread chunks of its own. The
peers' networks at 4 bits run at batch 64 too, folded as ours, in the environment that is made for them
(peers/networks.py); their rounded weights are kept, but by Brevitas only in its inference mode.
"""

import sys
from collections.abc import Callable
from functools import partial

import torch
from measure import importable, interleaved, machine, ratio
from peers.environment import enter
from peers.networks import CONVERSIONS, Conversion, brevitas, frozen
from torch import nn
from training_step import folded

from picojoule.zoo import create, example

NETWORKS = {"lenet5": 2560, "resnet20": 640}
"""Networks, and samples."""
BATCH, ROUNDS = 64, 15
Builder = Callable[[], Callable[[], object]]


def main(*threads: str) -> None:
    print(machine())
    for count in map(int, threads or ("1", "2")):
        torch.set_num_threads(count)
        for name, samples in NETWORKS.items():
            times = interleaved(importable(builders(name, samples, count)), ROUNDS)
            took = f"the float network takes {min(times['float']) / samples * 1e6:.1f} µs a sample"
            print(
                f"\n{name}, {count} thread{'s' * (count > 1)}; {took}; over it: (least / median / greatest of a round)"
            )
            for contender in times:
                if contender != "float":
                    print(f"  {contender:45} {ratio(times, contender, 'float')}")


def builders(name: str, samples: int, threads: int) -> dict[str, Builder]:
    """Each contender's evaluation of all samples, made when its package is there."""
    torch.manual_seed(0)
    x = torch.rand(samples, *example(name).shape[1:])

    def batches(model: nn.Module) -> Callable[[], object]:
        def run() -> None:
            with torch.no_grad():
                for part in x.split(BATCH):
                    model(part)

        return run

    def picojoule(text: str) -> Callable[[], object]:
        from picojoule.calibration import Calibration
        from picojoule.execute import Runner
        from picojoule.network import capture
        from picojoule.plan import Plan

        network = capture(create(name, 0).eval(), x[:1])
        plan = Plan.uniform(network, text)
        runner = Runner(network, Calibration.of(network, x[:128]).ranges, x, cache_gb=0, jobs=threads)
        return lambda: runner.outputs(plan)

    def module(text: str) -> Callable[[], object]:
        from picojoule.calibration import Calibration
        from picojoule.network import capture
        from picojoule.plan import Plan
        from picojoule.quantize import quantize

        network = capture(create(name, 0).eval(), x[:1])
        plan = Plan.uniform(network, text)
        return batches(quantize(network, plan, Calibration.of(network, x[:128]).ranges(plan)))

    def peer(convert: Conversion) -> Callable[[], object]:
        return batches(frozen(convert(folded(create(name, 0)), x[:BATCH], 4)))

    def brevitas_inference() -> Callable[[], object]:
        from brevitas.export.inference import quant_inference_mode

        model = brevitas(folded(create(name, 0)), x[:BATCH], 4).eval()
        quant_inference_mode(model, cache_quant_weight=True).__enter__()  # for good
        return batches(model)

    return {
        "float": lambda: batches(create(name, 0).eval()),
        "float, batch norm folded": lambda: batches(folded(create(name, 0)).eval()),
        "picojoule's evaluator at 4 bits": lambda: picojoule("fixed4"),
        "picojoule's evaluator at 8 bits": lambda: picojoule("fixed8"),
        "picojoule's evaluator at 16 bits": lambda: picojoule("fixed16"),
        "picojoule's evaluator in float32": lambda: picojoule("float32"),
        "quantize()'s module at 8 bits, batch 64": lambda: module("fixed8"),
        **{label: partial(peer, convert) for label, convert in CONVERSIONS.items()},
        "Brevitas, its inference mode": brevitas_inference,
    }


if __name__ == "__main__":
    enter("quantisers", "torchao", "brevitas", "qtorch")
    main(*sys.argv[1:])
