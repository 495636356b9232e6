"""model-compression-toolkit's quantisation after training, and what it chose as a plan that our energy model prices.

The chip it is told of has our kind of numbers: scales that are powers of two, signed or unsigned as the values are; any
of the given bits for weights and for what layers read, the image included; sums, biases and what is only added in full
precision. Mixed precision is its integer programme over measured sensitivities within a budget: of bit operations, the
nearest to energy of its resources, though it warns that its count is off where a value has two readers; or of memory,
for the weights and for the most values that are alive at once.
"""

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from picojoule import Network, Plan, Sparsity

BATCH = 64


@dataclass(frozen=True)
class Toolkit:
    """The toolkit at work on a model, from inputs x alone; sensitivities are measured on so many of them.

    With `free_scales` weights take any scale, one for each channel, which is the toolkit's own default and asks for a
    multiplier where ours asks for a shift.
    """

    model: nn.Module
    x: Tensor
    images: int
    free_scales: bool

    def memory(self, bits: int) -> dict[str, float]:
        """The bytes of memory with as many bits everywhere, as a budget."""
        with _quiet():
            found = _toolkit().core.pytorch_resource_utilization_data(
                self.model, self._batches, self._config(), _chip((bits,), self.free_scales)
            )
        return {"weights_memory": found.weights_memory, "activation_memory": found.activation_memory}

    def quantised(self, bits: Sequence[int], budget: Mapping[str, float]) -> nn.Module:
        """The model at any of these bits within the budget; with one bit count given, at this one everywhere.

        Raises:
            ValueError: no choice of these bits is within the budget.
        """
        toolkit = _toolkit()
        target = toolkit.core.ResourceUtilization(**budget) if len(bits) > 1 else None
        chip = _chip(bits, self.free_scales)
        with _quiet():
            made, _ = toolkit.ptq.pytorch_post_training_quantization(
                self.model, self._batches, target, self._config(), chip
            )
        return made

    def _batches(self) -> Iterator[list[Any]]:
        return ([part.numpy()] for part in self.x.split(BATCH))

    def _config(self) -> Any:
        toolkit = _toolkit()
        from model_compression_toolkit.core.common.quantization.quantization_config import CustomOpsetLayers
        from model_compression_toolkit.core.pytorch.reader.node_holders import DummyPlaceHolder

        return toolkit.core.CoreConfig(
            toolkit.core.QuantizationConfig(custom_tpc_opset_to_layer={"Image": CustomOpsetLayers([DummyPlaceHolder])}),
            toolkit.core.MixedPrecisionQuantizationConfig(num_of_images=self.images),
        )


def plan(made: nn.Module, network: Network) -> Plan:
    """The bits it chose for each site; what it quantises besides is nothing that our network rounds."""
    chosen: dict[str, int] = {}
    holders = made.node_to_activation_quantization_holder
    for layer in network.layers:
        node = _node(made, layer.name)
        chosen[layer.weights] = getattr(made, node.name).weights_quantizers["weight"].num_bits
        node = _before(made, node)
        while node.name not in holders:  # what moves values about
            node = _before(made, node)
        chosen[layer.inputs] = getattr(made, holders[node.name]).activation_holder_quantizer.num_bits
    return Plan.parse({site: f"fixed{bits}" for site, bits in chosen.items()})


def zeros(made: nn.Module, network: Network, x: Tensor) -> Sparsity:
    """The fraction of zeros in its own quantised weights, and in what its layers read for the inputs x."""
    counted: dict[str, float] = {}
    hooks = []
    for layer in network.layers:
        wrapper = getattr(made, _node(made, layer.name).name)
        counted[layer.weights] = (wrapper.get_quantized_weights()["weight"] == 0).float().mean().item()
        counted[layer.inputs] = 0.0

        def count(_: nn.Module, inputs: tuple[Tensor, ...], site: str = layer.inputs) -> None:
            counted[site] += (inputs[0] == 0).sum().item() / (inputs[0][0].numel() * len(x))

        hooks.append(wrapper.register_forward_pre_hook(count))
    with torch.no_grad():
        for part in x.split(BATCH):
            made(part)
    for hook in hooks:
        hook.remove()
    return Sparsity(counted)


def _toolkit() -> ModuleType:
    """The toolkit. It imports torchvision, without any use of it here; where its compiled part does not load, as beside
    a torch built for processors alone, two operators are declared that its import looks for."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    import model_compression_toolkit

    return model_compression_toolkit


def _chip(bits: Sequence[int], free_scales: bool) -> Any:
    """Its description of a chip whose layers take these bits, and what runs without rounding between."""
    from mct_quantizers import QuantizationMethod
    from model_compression_toolkit.target_platform_capabilities.constants import BIAS_ATTR, KERNEL_ATTR
    from model_compression_toolkit.target_platform_capabilities.schema import mct_current_schema as schema

    power_of_two, names = QuantizationMethod.POWER_OF_TWO, schema.OperatorSetNames
    full = schema.AttributeQuantizationConfig(enable_weights_quantization=False)
    kernel = schema.AttributeQuantizationConfig(
        weights_quantization_method=QuantizationMethod.SYMMETRIC if free_scales else power_of_two,
        weights_per_channel_threshold=free_scales,
        enable_weights_quantization=True,
    )
    value = schema.OpQuantizationConfig(
        default_weight_attr_config=full,
        attr_weights_configs_mapping={},
        activation_quantization_method=power_of_two,
        activation_n_bits=max(bits),
        supported_input_activation_n_bits=tuple(bits),
        enable_activation_quantization=True,
        quantization_preserving=False,
        signedness=schema.Signedness.AUTO,
        simd_size=1,
    )
    layer = value.clone_and_edit(attr_weights_configs_mapping={KERNEL_ATTR: kernel, BIAS_ATTR: full})

    def operators(name: str, *options: schema.OpQuantizationConfig) -> schema.OperatorsSet:
        choices = schema.QuantizationConfigOptions(quantization_configurations=options, base_config=options[0])
        return schema.OperatorsSet(name=name, qc_options=choices)

    descending = sorted(bits, reverse=True)
    values = [value.clone_and_edit(activation_n_bits=count) for count in descending]
    layers = [
        layer.clone_and_edit({KERNEL_ATTR: {"weights_n_bits": weights}}, activation_n_bits=inputs)
        for weights, inputs in product(descending, descending)
    ]
    passed_on = value.clone_and_edit(enable_activation_quantization=False, quantization_preserving=True)
    convolution, linear = operators(names.CONV, *layers), operators(names.FULLY_CONNECTED, *layers)
    relu, add = operators(names.RELU, *values), operators(names.ADD, *values)
    others = [operators(name, *values) for name in (names.AVGPOOL, "Image")]
    moving = (names.MAXPOOL, names.PAD, names.GET_ITEM, names.FLATTEN, names.RESHAPE)
    others += [operators(name, passed_on) for name in moving]
    return schema.TargetPlatformCapabilities(
        default_qco=schema.QuantizationConfigOptions(quantization_configurations=(value,)),
        operator_set=(convolution, linear, relu, add, *others),
        fusing_patterns=tuple(
            schema.Fusing(operator_groups=group)
            for group in ((convolution, relu), (linear, relu), (convolution, add, relu))
        ),
        add_metadata=False,
    )


def _node(made: nn.Module, layer: str) -> Any:
    """Its node for a layer of ours; with a batch norm folded into it, it bears both names."""
    name = layer.replace(".", "_")
    return next(node for node in made.node_sort if node.name in (name, f"{name}_bn"))


def _before(made: nn.Module, node: Any) -> Any:
    """The first node that this one reads."""
    return made.graph.incoming_edges(node)[0].source_node


@contextmanager
def _quiet() -> Iterator[None]:
    """Send warnings and standard output nowhere: the solver, a process of its own, prints all it does."""
    sys.stdout.flush()
    logging.disable(logging.WARNING)
    kept = os.dup(1)
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        logging.disable(logging.NOTSET)
