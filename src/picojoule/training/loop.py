"""The loop: one epoch after the other, each following from what was before and its number alone."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from picojoule.data import Samples
from picojoule.errors import InputError
from picojoule.training.recipe import LOSSES, Recipe
from picojoule.training.taps import Norm

SETTLING = 4096
"""Samples that batch norm's statistics are taken from anew before they are folded."""


@dataclass(frozen=True)
class Epoch:
    """How far an epoch is: the mean loss and the share of right answers, on the samples as they were trained on."""

    number: int
    samples: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class Course:
    """A training's fixed facts. Of each epoch's samples, those that fill no batch are left for another epoch."""

    samples: Samples
    recipe: Recipe
    epochs: int
    seed: int
    device: str = "cpu"

    @property
    def fold_at(self) -> int:
        """The first epoch without batch norm; there is at least one before."""
        return min(self.epochs, max(1, math.ceil(self.epochs * (1 - self.recipe.folded))))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return len(self.samples) // self.recipe.batch

    def run(
        self, module: nn.Module, optimizer: torch.optim.Optimizer, number: int, heard: Callable[[Epoch], None]
    ) -> Epoch:
        """Train for the epoch of that number, from 0 up; `heard` gets where it stands after each batch.

        Raises:
            InputError: the loss becomes NaN or Inf.
        """
        module.train()
        random = torch.Generator().manual_seed((self.seed << 24) + number)
        loss_sum, right = 0.0, 0
        order = torch.randperm(len(self.samples), generator=random)
        for step in range(self.steps):
            chosen = order[step * self.recipe.batch :][: self.recipe.batch]
            x = augmented(self.samples.x[chosen], self.recipe, random).to(self.device)
            y = self.samples.y[chosen].to(self.device)
            rate = self.recipe.learning_rate * self.recipe.schedule.factor((number + step / self.steps) / self.epochs)
            for group in optimizer.param_groups:
                group["lr"] = rate
            outputs = module(x)
            loss = LOSSES[self.recipe.loss](outputs, y)
            if not math.isfinite(value := loss.item()):
                raise InputError(
                    f"training diverged: the loss is {value} in epoch {number + 1}; give a recipe with a lower "
                    "learning_rate, or data nearer to [-1, 1] (--mean, --std)"
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += value
            right += int((outputs.detach().argmax(1) == y).sum())
            seen = (step + 1) * self.recipe.batch
            heard(epoch := Epoch(number, seen, loss_sum / (step + 1), right / seen))
        return epoch

    @torch.no_grad()
    def settle(self, module: nn.Module) -> None:
        """Take the statistics of batch norm anew, from the first samples as they are, each counting the same."""
        norms = [each.norm for each in module.modules() if isinstance(each, Norm)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        module.train()
        part = self.samples.first(SETTLING)
        for x, _ in part.first(len(part) // self.recipe.batch * self.recipe.batch).batches(self.recipe.batch):
            module(x.to(self.device))
        module.eval()


def augmented(x: Tensor, recipe: Recipe, random: torch.Generator) -> Tensor:
    """Images moved and mirrored at random, each on its own; what is no image [n, c, h, w] stays as it is."""
    if x.dim() == 4 and recipe.shift:
        x = moved(x, torch.randint(2 * recipe.shift + 1, (2, len(x)), generator=random), recipe.shift)
    if recipe.mirrors(tuple(x.shape[1:])):
        mirror = torch.rand(len(x), generator=random) < 0.5
        x = torch.where(mirror[:, None, None, None], x.flip(3), x)
    return x


def moved(x: Tensor, by: Tensor, most: int) -> Tensor:
    """Images x [n, c, h, w] moved up and left by `by` [2, n] less `most` pixels, zeros coming in."""
    n, channels, height, width = x.shape
    rows, columns = (start[:, None] + torch.arange(size) for start, size in zip(by, (height, width), strict=True))
    image, channel = torch.arange(n)[:, None, None, None], torch.arange(channels)[:, None, None]
    return pad(x, (most,) * 4)[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
