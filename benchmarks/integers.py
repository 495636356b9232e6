"""The program's own interpreter, exact on every input, takes no more than twice the time of the float network in torch.

    python benchmarks/integers.py [THREADS ...]

Random samples through networks of the zoo in batches of 64. The float network is the plain torch module in evaluation
mode; a program's codes are made of the samples and its outputs decoded within the time.
"""

import sys
from collections.abc import Callable

import torch
from measure import Contenders, interleaved, machine, ratio
from torch import Tensor

from picojoule.calibration import Calibration
from picojoule.integer import Interpreter, Program, lower
from picojoule.network import capture
from picojoule.plan import Plan
from picojoule.zoo import create, example

NETWORKS = {"lenet5": 1280, "resnet20": 192, "ds-cnn": 320, "lenet-300-100": 2560}
"""Networks, and samples."""
FORMATS = ("binary", "fixed4", "fixed8", "fixed16")
BATCH, ROUNDS = 64, 9


def main(*threads: str) -> None:
    print(machine())
    for count in map(int, threads or ("1", "2")):
        torch.set_num_threads(count)
        for name, samples in NETWORKS.items():
            times = interleaved(contenders(name, samples), ROUNDS)
            took = f"the float network takes {min(times['float']) / samples * 1e6:.1f} µs a sample"
            print(
                f"\n{name}, {count} thread{'s' * (count > 1)}; {took}; over it: (least / median / greatest of a round)"
            )
            for contender in times:
                if contender != "float":
                    print(f"  {contender:45} {ratio(times, contender, 'float')}")


def contenders(name: str, samples: int) -> Contenders:
    """The float network, and programs of it at several formats."""
    torch.manual_seed(0)
    x = torch.rand(samples, *example(name).shape[1:])
    model = create(name, 0).eval()
    network = capture(model, x[:1])
    calibration = Calibration.of(network, x[:128])

    def program(text: str) -> Program:
        plan = Plan.uniform(network, text)
        return lower(network, plan, calibration.ranges(plan))

    programs = {f"the program at {text}": runs(program(text)) for text in FORMATS}
    return {"float": batches(model, x), **{label: batches(run, x) for label, run in programs.items()}}


def runs(program: Program) -> Callable[[Tensor], Tensor]:
    """A program from samples to outputs."""
    running = Interpreter(program)
    return lambda x: program.decode(running.run(program.encode(x)))


def batches(run: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], None]:
    """All samples, batch by batch."""

    def every() -> None:
        with torch.no_grad():
            for part in x.split(BATCH):
                run(part)

    return every


if __name__ == "__main__":
    main(*sys.argv[1:])
