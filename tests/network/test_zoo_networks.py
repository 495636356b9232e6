"""Every network of the zoo, captured: the same outputs, and MACs as forward hooks count them on the model itself."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from picojoule import zoo
from picojoule.network import capture, float_module


def hooked_macs(model: nn.Module, example: Tensor) -> dict[str, int]:
    """Each layer's MACs: outputs times the weights that each output is a sum over."""
    found: dict[str, int] = {}

    def count(name: str) -> Any:
        def hook(module: Any, _inputs: Any, output: Tensor) -> None:
            found[name] = output[0].numel() * module.weight[0].numel()

        return hook

    handles = [
        module.register_forward_hook(count(name))
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        model(example)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("name", zoo.names())
@torch.no_grad()
def test_zoo(name: str) -> None:
    model = zoo.create(name).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean += torch.linspace(-0.5, 0.5, module.num_features)
            module.running_var *= torch.linspace(0.5, 2, module.num_features)
    example = zoo.example(name)
    network = capture(model, example)
    assert {layer.name: layer.macs for layer in network.layers} == hooked_macs(model, example)
    assert network.leftovers == ()
    x = torch.randn(3, *example.shape[1:], generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(float_module(network)(x), model(x), rtol=1e-4, atol=1e-4)
