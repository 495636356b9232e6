from pathlib import Path

import pytest
import torch
from torch import nn

from picojoule.data import Prepare, Samples, load
from picojoule.userref import call

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def model(file: str, name: str, checkpoint: Path) -> nn.Module:
    """The example's network with the published weights."""
    network = call(f"{EXAMPLES / file}:{name}")
    assert isinstance(network, nn.Module)
    content = torch.load(checkpoint, weights_only=True, map_location="cpu")
    state = content.get("state_dict", content)
    # The checkpoints are older than BatchNorm's count of batches; nothing else may be missing.
    left = network.load_state_dict({key.removeprefix("module."): value for key, value in state.items()}, strict=False)
    assert left.unexpected_keys == []
    assert all(key.endswith("num_batches_tracked") for key in left.missing_keys)
    return network.eval()


def correct(network: nn.Module, samples: Samples) -> int:
    with torch.inference_mode():
        return sum(int((network(x).argmax(1) == y).sum()) for x, y in samples.batches(500))


@pytest.mark.slow
def test_lenet5_reaches_what_was_measured(shared_data: Path, unpacked: Path) -> None:
    network = model("lenet5_mnist.py", "lenet5", shared_data / "models" / "lenet5-mnist.pth")
    held_out = Prepare(resize=32).apply_to(load(f"idx:{unpacked / 'mnist'}").held_out)
    assert correct(network, held_out) == 9908


@pytest.mark.slow
def test_resnet20_reaches_what_was_measured(shared_data: Path, unpacked: Path) -> None:
    network = model("resnet20_cifar10.py", "resnet20", shared_data / "models" / "resnet20-12fca82f.th")
    prepare = Prepare((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    held_out = prepare.apply_to(load(f"cifar10:{unpacked / 'cifar10'}").held_out)
    assert (len(held_out), correct(network, held_out)) == (1000, 915)


@pytest.mark.parametrize(
    ("reference", "shape"), [("lenet5_mnist.py:lenet5", (1, 32, 32)), ("resnet20_cifar10.py:resnet20", (3, 32, 32))]
)
def test_examples_stand_alone(reference: str, shape: tuple[int, ...]) -> None:
    network = call(f"{EXAMPLES / reference}")
    assert isinstance(network, nn.Module)
    assert network.eval()(torch.zeros(1, *shape)).shape == (1, 10)
