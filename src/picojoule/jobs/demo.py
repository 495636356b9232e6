"""The demonstration: a LeNet-5 trained here on 3 000 real digits, then the main job on 2 000 others."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from picojoule import data, files, zoo
from picojoule.data import Samples
from picojoule.jobs.progress import Listener, Progress, silent
from picojoule.jobs.search import search
from picojoule.models import load_checkpoint
from picojoule.search import Result

KEEP = (0.99, 1.0, 0.95, 0.9)
EPOCHS, BATCH, RATE = 15, 50, 3e-3


def demo(out: Path | str = "runs/demo", seed: int = 0, listener: Listener = silent) -> Result:
    """Train LeNet-5 on `mnist5k`, search it at 99, 100, 95 and 90 %, and write the run folder.

    The trained weights are kept in the folder, so that a second run resumes the search instead of training again.

    Raises:
        DataError: the package that holds the digits is not installed.
        FileError: the folder cannot be written, or the kept weights cannot be read.
        UnreachableFloorError: as `search`.
    """
    files.check_place(Path(out))  # before the training, so that no minute is lost
    loaded = data.load("mnist5k")
    assert loaded.train is not None, "mnist5k has a training set"
    model = zoo.create("lenet5", seed=seed)
    kept = Path(out) / f"lenet5-seed{seed}.safetensors"
    if kept.is_file():
        load_checkpoint(model, kept)
    else:
        train(model, loaded.train, seed, listener)
        with files.replacing(kept) as beside:
            save_file(model.state_dict(), beside)
    about = {"job": "demo", "model": "lenet5", "data": "mnist5k"}
    return search(model, loaded, keep=KEEP, seed=seed, out=out, listener=listener, about=about)


def train(model: nn.Module, samples: Samples, seed: int = 0, listener: Listener = silent) -> None:
    """Train a classifier in floating point: Adam on a one-cycle schedule, images shifted by up to two pixels."""
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    steps = EPOCHS * -(-len(samples) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    model.train()
    for epoch in range(EPOCHS):
        listener(Progress("training in float", epoch, EPOCHS, unit="epochs"))
        for chosen in torch.randperm(len(samples), generator=random).split(BATCH):
            loss = cross_entropy(model(_shifted(samples.x[chosen], random)), samples.y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()


def _shifted(x: Tensor, random: torch.Generator) -> Tensor:
    down, right = torch.randint(-2, 3, (2,), generator=random).tolist()
    return x.roll((down, right), dims=(2, 3))
