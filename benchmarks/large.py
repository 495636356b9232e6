"""Claim: 64 layers, 5 million weights, 50 000 samples: searched in under 4 GB, with the time left told within 2x.

The network has residual blocks with batch norm and fresh weights; its own answers are the labels, so that any loss of
accuracy is due to the bits. Images are 3x32x32, coarse random patterns by a seed.

    python benchmarks/large.py [--form npz|dataset|arrays] [--held-out N] [--strategy NAME] [--bits MIN MAX]
                               [--time-budget SECONDS]

With `arrays` all samples are held out, else all but `--held-out`, half of which the search decides on.
"""

import argparse
import resource
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad
from torch.utils.data import Dataset

import picojoule as pj
from picojoule import units
from picojoule.errors import UnreachableFloorError
from picojoule.jobs.progress import Progress

SAMPLES = 50_000
WIDTHS, BLOCKS = (32, 64, 128), (8, 8, 15)


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut; where the channels double, the image is halved."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride, self.more = outputs // inputs, outputs - inputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.more:
            x = pad(avg_pool2d(x, self.stride), (0, 0, 0, 0, 0, self.more))
        return torch.relu(x + y)


class Large(nn.Module):
    """A convolution of stride 8, 31 blocks and a dense layer: 64 layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, WIDTHS[0], 7, 8, 3, bias=False), nn.BatchNorm2d(WIDTHS[0])
        sizes = [width for width, count in zip(WIDTHS, BLOCKS, strict=True) for _ in range(count)]
        self.blocks = nn.Sequential(*map(Block, [WIDTHS[0], *sizes], sizes))
        self.fc = nn.Linear(WIDTHS[-1], 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(torch.relu(self.bn(self.stem(x))))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class Patterns(Dataset[tuple[Tensor, int]]):
    """Images and labels, one by one."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.x[index] / 255, int(self.y[index])


def patterns(count: int) -> Tensor:
    """uint8 [count, 3, 32, 32], of random squares of 8x8 pixels."""
    coarse = torch.randint(256, (count, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return coarse.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)


@torch.no_grad()
def network(x: Tensor) -> nn.Module:
    """The network with fresh weights, its batch norms at the statistics of the images, its classes about even."""
    torch.manual_seed(0)
    model = Large().train()
    for part in x[:2000].split(100):
        model(part / 255)
    model.eval()
    model.fc.bias -= torch.cat([model(part / 255) for part in x[:2000].split(100)]).mean(0)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--form", choices=("npz", "dataset", "arrays"), default="npz")
    parser.add_argument("--held-out", type=int, default=5000)
    parser.add_argument("--keep", type=float, nargs="+", default=[0.7])
    parser.add_argument("--strategy", default="descent")
    parser.add_argument("--bits", type=int, nargs=2, default=[7, 8])
    parser.add_argument("--time-budget", type=float)
    asked = parser.parse_args()

    x = patterns(SAMPLES)
    model = network(x)
    weights = sum(parameter.numel() for parameter in model.parameters())
    with tempfile.TemporaryDirectory() as folder:
        data = given(asked.form, x, answers(model, x[: asked.held_out]), asked.held_out, Path(folder))
        del x
        print(f"{SAMPLES} samples as {asked.form}, {weights / 1e6:.2f}M parameters; before: {peak()}", flush=True)
        told, begun = list[tuple[float, Progress]](), time.monotonic()
        try:
            result = pj.search(
                model, data, keep=asked.keep, strategy=asked.strategy, bits=tuple(asked.bits),
                time_budget=asked.time_budget, out=Path(folder) / "run",
                listener=lambda event: told.append((time.monotonic() - begun, event)),
            )  # fmt: skip
        except UnreachableFloorError as error:
            result = error.result
    whole = time.monotonic() - begun
    first = next(seconds for seconds, event in told if event.stage.startswith("keep"))
    silence = max(after - before for (before, _), (after, _) in pairwise(told))
    print(f"{len(result.captured.layers)} layers, {len(result.captured.sites)} sites")
    print(f"in all {units.duration(whole)}, first evaluation after {units.duration(first)}, "
          f"longest silence {units.duration(silence)}")  # fmt: skip
    for share in (0.1, 0.25, 0.5, 0.75):
        print(f"at {share:.0%}: {foreseen(told, whole, share)}")
    print(f"peak memory {peak()}")


def answers(model: nn.Module, x: Tensor) -> Tensor:
    """What the network says of each image."""
    with torch.no_grad():
        return torch.cat([model(part / 255).argmax(1) for part in x.split(100)])


def given(form: str, x: Tensor, y: Tensor, held_out: int, folder: Path) -> object:
    """The samples as a user has them; those to train on need no true labels."""
    rest = torch.zeros(len(x) - held_out, dtype=torch.int64)
    if form == "arrays":
        return x.float().div_(255).numpy(), torch.cat([y, rest]).numpy()
    if form == "dataset":
        return Patterns(x[held_out:], rest), Patterns(x[:held_out], y)
    path = folder / "patterns.npz"
    np.savez(path, x=x[:held_out].numpy(), y=y.numpy(), x_train=x[held_out:].numpy(), y_train=rest.numpy())
    return str(path)


def foreseen(told: list[tuple[float, Progress]], whole: float, share: float) -> str:
    """What was said of the time left once that share of the whole time was over, against what was left."""
    at, event = next(each for each in told if each[0] >= share * whole)
    if event.seconds is None:
        return f"{event.stage}, nothing told yet"
    left = whole - at
    return (
        f"{event.stage} {event.done}/{event.expected}, {units.duration(event.seconds)} left, "
        f"{event.seconds / left:.2f} of what then came"
    )


def peak() -> str:
    """The most memory that this process ever had."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"


if __name__ == "__main__":
    main()
