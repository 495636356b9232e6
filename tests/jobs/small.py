"""A small trained network on scikit-learn's digits, for all tests that run whole jobs. Trained once per process."""

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from picojoule import data
from picojoule.data import Loaded, Samples
from picojoule.network import Network, capture

FILES = {"plan.json", "ranges.json", "weights.safetensors", "result.json", "journal.sqlite", "report.html"}
"""What a run folder holds."""


class Small(nn.Module):
    """One convolution and one dense layer: four sites."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc = nn.Linear(36, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.max_pool2d(torch.relu(self.conv(x)), 2)
        out: Tensor = self.fc(x.flatten(1))
        return out


@cache
def digits() -> Loaded:
    """The real digits, 1000 to train on and 797 held out."""
    return data.load("digits")


@cache
def trained() -> nn.Module:
    """The network, right on more than nine digits of ten."""
    train = digits().train
    assert train is not None
    return fit(Small, train, rate=1e-2, epochs=12)


def fit(build: Callable[[], nn.Module], samples: Samples, rate: float, epochs: int, seed: int = 0) -> nn.Module:
    """A network trained by Adam in batches of 50, with torch's random state left as it was."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        model = build()
        optimizer = torch.optim.Adam(model.parameters(), rate)
        for _ in range(epochs):
            for chosen in torch.randperm(len(samples)).split(50):
                loss = cross_entropy(model(samples.x[chosen]), samples.y[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return model.eval()


@cache
def network() -> Network:
    """The trained network, captured."""
    return capture(trained(), torch.zeros(1, 1, 8, 8))


def few(count: int = 60) -> Loaded:
    """A few of the held-out digits, to calibrate and to search on; enough where accuracies do not matter."""
    return Loaded(None, digits().held_out.first(count))


def mislabelled() -> Samples:
    """Digits whose labels the network never gives."""
    x = digits().held_out.first(60).x
    with torch.no_grad():
        return Samples(x, (trained()(x).argmax(1) + 1) % 10)


def write_model(folder: Path) -> Path:
    """The trained network as a user has it: `net.py` with the callable `trained`, its weights beside it."""
    save_file(trained().state_dict(), folder / "trained.safetensors")
    parts = (
        "from pathlib import Path\n\nimport torch\nfrom safetensors.torch import load_file\n"
        "from torch import Tensor, nn\n",
        inspect.getsource(Small),
        "def trained():\n    model = Small()\n"
        "    model.load_state_dict(load_file(Path(__file__).with_name('trained.safetensors')))\n    return model\n",
    )
    path = folder / "net.py"
    path.write_text("\n\n".join(parts))
    return path
