"""A 4-bit LeNet-5 trained in Lightning's loop, then folded, trained on, and deployed: `pip install lightning`.

No test runs it, for Lightning is no dependency; with 2.6 each step's loss was that of a plain loop, to the bit.
"""

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import picojoule as pj
from picojoule import data, zoo
from picojoule.training import Trainable, trainable


class Training(lightning.LightningModule):
    """Any network that trains at a plan, with a loss and an optimizer of your own."""

    def __init__(self, module: Trainable, rate: float) -> None:
        super().__init__()
        self.module, self.rate = module, rate

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        x, y = batch
        return nn.functional.cross_entropy(self.module(x), y)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam([each for each in self.parameters() if each.requires_grad], self.rate)


def fit(module: Trainable, rate: float, loader: DataLoader[tuple[Tensor, ...]]) -> None:
    trainer = lightning.Trainer(max_epochs=3, logger=False, enable_checkpointing=False)
    trainer.fit(Training(module, rate), loader)


def main() -> None:
    loaded = data.load("mnist5k")
    loader = DataLoader(TensorDataset(loaded.train.x, loaded.train.y), 64, shuffle=True)
    module = trainable(zoo.create("lenet5"), loaded.train.x, bits=4)
    fit(module, 0.01, loader)
    module = module.folded()  # no batch norm from here on
    fit(module, 0.001, loader)
    network = pj.quantize(*module.deployed())
    with torch.no_grad():
        right = network.cpu()(loaded.held_out.x).argmax(1) == loaded.held_out.y
    print(f"accuracy at 4 bits: {right.double().mean():.4f}")  # noqa: T201 (what the script is for)


if __name__ == "__main__":
    main()
