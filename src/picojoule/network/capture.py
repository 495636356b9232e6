"""Capture a trained torch model as a network, by `torch.export`, with batch norm folded into the layers before it.

The user's model is copied and never changed. What cannot be captured is refused with the operation and the line of the
user's code; what can run but not be quantised is kept in floating point and listed by `Network.leftovers`.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from picojoule.errors import CaptureError, InputError
from picojoule.network import fold
from picojoule.network.exported.convert import convert
from picojoule.network.exported.export import ANY_BATCH, FIXED_BATCH, export, first_line
from picojoule.network.graph import Network


def capture(model: nn.Module | Network, example: Tensor) -> Network:
    """The network of a trained model, in evaluation mode and float32, with batch norm folded.

    `example` is one input batch, for example zeros [1, 1, 28, 28]; only its shape matters, and the batch may later be
    of any size. A `Network` is returned as it is.

    Raises:
        CaptureError: torch.export fails, more than one input or output, a fixed batch size, an operation that picojoule
            cannot run; the message names the operation and the line of the user's code.
        InputError: a weight is NaN or Inf.
    """
    if isinstance(model, Network):
        return model
    if not isinstance(model, nn.Module):
        raise CaptureError(f"expected a torch.nn.Module to capture, found {type(model).__name__}")
    if not isinstance(example, Tensor) or example.dim() < 2 or len(example) == 0:
        raise CaptureError("the example must be one batch, a tensor [n, ...] with n >= 1")
    model = _copied(model)
    _check_finite(model)
    example = example[:1].detach().cpu().float()
    exported = export(model, torch.cat([example, example]))
    nodes, tensors, output = convert(exported)
    nodes, tensors, output = fold.constants(nodes, tensors, output)
    nodes, tensors, output = fold.batch_norms(nodes, tensors, output)
    nodes, tensors = fold.dead_code(nodes, tensors, output)
    shape, rows = next((node.shape, node.rows) for node in nodes if node.name == output)
    if None not in shape:
        raise CaptureError(FIXED_BATCH)
    if shape[0] is not None or rows != 1:
        raise CaptureError("the model does not return one row for each sample; wrap it so that it does")
    network = Network(tuple(nodes), tensors, output)
    _check_finite_network(network)
    try:
        for batch in (2, 3):  # of one batch alone, a size that varies with it cannot be told from one that does not
            network.try_out(batch)
    except CaptureError as error:
        raise CaptureError(f"the model does not run on every batch: {error}; {ANY_BATCH}") from error
    return network


def _copied(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode and float32 on the CPU, without what torch wraps around a model to run it faster."""
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        model = model.module
    model = getattr(model, "_orig_mod", model)  # of torch.compile
    _check_modules(model)
    try:
        return copy.deepcopy(model).cpu().float().eval()
    except Exception as error:
        raise CaptureError(f"the model cannot be copied: {first_line(error)}") from error


def _check_modules(model: nn.Module) -> None:
    """Refuse, in words of its own, what torch would refuse in words that say little."""
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if is_lazy(tensor):
            raise CaptureError(f"the model's '{name}' has no shape yet; call the model once on a sample")
        if tensor.is_meta:
            raise CaptureError(
                f"the model's '{name}' has no values, being on the device 'meta'; load its weights first"
            )
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise CaptureError("the model is a ScriptModule; give the torch.nn.Module that it was made from")
        if type(module).__module__.startswith("torch.ao.nn.quantized"):
            raise CaptureError(f"layer '{name}' is quantised already ({type(module).__name__}); give the float model")
        if not name.isprintable():
            raise CaptureError(f"layer {name!r} has a name that cannot be printed; rename it")


def _check_finite(model: nn.Module) -> None:
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            layer, _, leaf = name.rpartition(".")
            what = "weights" if leaf == "weight" else f"'{leaf}'"
            raise InputError(
                f"layer '{layer or name}' has NaN or Inf in its {what} ({bad} of {tensor.numel()} values); "
                "train it again or load another checkpoint"
            )


def _check_finite_network(network: Network) -> None:
    for name, tensor in network.tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"'{name}' has NaN or Inf once batch norm is folded into it; check its running statistics")
