"""Capture a trained torch model as a network, by `torch.export`, with batch norm folded into the layers before it.

The user's model is copied and never changed. What cannot be captured is refused with the operation and the line of the
user's code; what can run but not be quantised is kept in floating point and listed by `Network.leftovers`.
"""

import copy
import io
import linecache
import logging
import math
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import InputKind
from torch.nn.parameter import is_lazy

from picojoule.errors import CaptureError, InputError
from picojoule.network import fold, ops
from picojoule.network.graph import Network
from picojoule.network.node import Node, Ref
from picojoule.userref import is_library

_ANY_BATCH = "write shapes with x.shape[0] or -1 instead of a number (for example x.flatten(1))"
_FIXED_BATCH = f"the model fixes its batch size: it can be captured for a batch of 2 only; {_ANY_BATCH}"
_SAME_PATH = (
    "the model's path depends on its input's values, and picojoule captures models that do the same for every sample; "
    "choose between values with torch.where"
)


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
    exported = _export(model, torch.cat([example, example]))
    nodes, tensors, output = _convert(exported)
    nodes, tensors, output = fold.constants(nodes, tensors, output)
    nodes, tensors, output = fold.batch_norms(nodes, tensors, output)
    nodes, tensors = fold.dead_code(nodes, tensors, output)
    shape, rows = next((node.shape, node.rows) for node in nodes if node.name == output)
    if None not in shape:
        raise CaptureError(_FIXED_BATCH)
    if shape[0] is not None or rows != 1:
        raise CaptureError("the model does not return one row for each sample; wrap it so that it does")
    network = Network(tuple(nodes), tensors, output)
    _check_finite_network(network)
    try:
        for batch in (2, 3):  # of one batch alone, a size that varies with it cannot be told from one that does not
            network.try_out(batch)
    except CaptureError as error:
        raise CaptureError(f"the model does not run on every batch: {error}; {_ANY_BATCH}") from error
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
        raise CaptureError(f"the model cannot be copied: {_first_line(error)}") from error


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


def _export(model: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    dynamic = ({0: torch.export.Dim.AUTO},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.export's own deprecations; nothing the user can change
        _call_plainly(model, example)  # first: a wrong shape then shows torch's own words, not export's
        try:
            with _quiet_torch():
                exported = torch.export.export(model, (example,), dynamic_shapes=dynamic, strict=False)
                functional: torch.export.ExportedProgram = exported.run_decompositions({})
            return functional
        except Exception as error:
            if type(error).__name__ == "GuardOnDataDependentSymNode":  # its module takes a second to import
                raise CaptureError(f"{_SAME_PATH}{_place(error)}") from error
            raise CaptureError(f"the model cannot be captured by torch.export: {_where(error)}") from error


@contextmanager
def _quiet_torch() -> Iterator[None]:
    """Hold back what torch logs and prints of an export that fails: pages of its own graph, where one line follows."""
    logger = logging.getLogger("torch")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(before)


def _call_plainly(model: nn.Module, example: Tensor) -> None:
    """Run the model on a batch of two; it must neither fail nor draw random numbers."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        try:
            output = model(example)
        except (Exception, SystemExit) as error:
            if _takes(model, example[:1]):
                raise CaptureError(
                    f"the model takes one sample but no batch of 2: {_where(error)}; {_ANY_BATCH}"
                ) from error
            remedy = "; give data of the shape it takes" if type(error) is RuntimeError else ""  # torch's, of shapes
            told = f"the model fails on an input of shape {_batch(example)}: {_where(error)}{remedy}"
            raise CaptureError(told) from error
        if isinstance(output, Tensor) and output.is_complex():
            raise CaptureError("the model returns complex numbers; wrap it so that it returns real ones")
        if not torch.equal(before, torch.get_rng_state()):
            raise CaptureError(
                "the model draws random numbers in evaluation mode, so no accuracy of it is certain; "
                "give functional dropout training=self.training"
            )


def _takes(model: nn.Module, example: Tensor) -> bool:
    try:
        model(example)
    except (Exception, SystemExit):
        return False
    return True


def _batch(example: Tensor) -> str:
    return "[n, " + ", ".join(str(size) for size in example.shape[1:]) + "]"


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _where(error: BaseException) -> str:
    """One line: what torch said and the last line of the user's own code that it happened in."""
    return f"{_first_line(error)}{_place(error)}"


def _place(error: BaseException) -> str:
    """The last line of the user's own code that an error came from, if any."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not is_library(frame.filename):
            line = linecache.getline(frame.filename, frame.lineno or 0).strip()
            return f" (in {Path(frame.filename).name}, line {frame.lineno}: {line})"
    return ""


def _convert(exported: torch.export.ExportedProgram) -> tuple[list[Node], dict[str, Tensor], str]:
    """The exported graph as nodes, tensors and the name of the output."""
    signature = exported.graph_signature
    if signature.buffers_to_mutate or signature.user_inputs_to_mutate:
        name = next(iter([*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()]))
        raise CaptureError(f"the model changes '{name}' while it runs; only models without state can be captured")
    specs = {spec.arg.name: spec for spec in signature.input_specs if hasattr(spec.arg, "name")}
    nodes: list[Node] = []
    tensors: dict[str, Tensor] = {}
    names: dict[fx.Node, str] = {}
    aliases: dict[int, str] = {}
    output = ""
    for node in exported.graph.nodes:
        if node.op == "placeholder":
            name = _placeholder(exported, node, specs[node.name], nodes, tensors, aliases)
        elif node.op == "call_function":
            if not node.users:  # an assertion of torch.export's
                continue
            name = _call(node, names, nodes)
        elif node.op == "output":
            output = _output(node, names)
            continue
        else:
            user = next(iter(node.users), node)
            name = ops.short(_op_name(user.target))
            raise CaptureError(f"operation '{name}' cannot be part of a network{_line_of(user)}")
        names[node] = name
    return nodes, tensors, output


def _placeholder(
    exported: torch.export.ExportedProgram,
    node: fx.Node,
    spec: Any,
    nodes: list[Node],
    tensors: dict[str, Tensor],
    aliases: dict[int, str],
) -> str:
    """Add the input, or a stored tensor under the user's name for it; one tensor under two names is stored once."""
    if spec.kind == InputKind.USER_INPUT:
        if any(earlier.op == "input" for earlier in nodes):
            raise CaptureError("the model takes more than one input; picojoule captures models of one tensor")
        shape = _shape(node)
        if shape[0] is not None:
            raise CaptureError(_FIXED_BATCH)
        nodes.append(Node("input", "input", shape=shape))
        return "input"
    target = spec.target
    tensor = exported.state_dict.get(target, exported.constants.get(target))
    if not isinstance(tensor, Tensor):
        raise CaptureError(f"the model holds '{target}', a {type(tensor).__name__}, which cannot be captured")
    if id(tensor) in aliases:
        return aliases[id(tensor)]
    kind = "parameter" if spec.kind == InputKind.PARAMETER else "buffer"
    nodes.append(Node(target, kind, shape=tuple(tensor.shape)))
    tensors[target] = tensor.detach().clone()
    aliases[id(tensor)] = target
    return str(target)


def _call(node: fx.Node, names: dict[fx.Node, str], nodes: list[Node]) -> str:
    """Add one operation. Its name is fx's, which is unique and never a stored tensor's dotted name."""
    op = _op_name(node.target)
    args = tuple(_argument(value, names) for value in node.args)
    kwargs = {key: _argument(value, names) for key, value in node.kwargs.items() if key not in ("device", "pin_memory")}
    try:
        ops.resolve(op)
    except CaptureError as error:
        raise CaptureError(f"{error}{_line_of(node)}") from error
    name = fold.free(node.name, {earlier.name for earlier in nodes})
    nodes.append(Node(name, op, args, kwargs, _shape(node), _rows(node)))
    return name


def _op_name(target: Any) -> str:
    if isinstance(target, torch._ops.OpOverload):
        return str(target)
    return f"operator.{getattr(target, '__name__', target)}"


def _line_of(node: fx.Node) -> str:
    """The last line of the user's own code behind a node, as ` (in net.py, line 12: x = ...)`."""
    lines = [line.strip() for line in str(node.meta.get("stack_trace", "")).splitlines()]
    frames = [(index, line) for index, line in enumerate(lines) if line.startswith('File "')]
    for index, line in reversed(frames):
        path, number = line.split('"')[1], line.split("line ")[1].split(",")[0]
        if not is_library(path):
            return f" (in {Path(path).name}, line {number}: {lines[index + 1] if index + 1 < len(lines) else ''})"
    return ""


def _argument(value: Any, names: dict[fx.Node, str]) -> Any:
    if isinstance(value, fx.Node):
        return Ref(names[value])
    if isinstance(value, tuple | list):
        return tuple(_argument(item, names) for item in value)
    return value


def _shape(node: fx.Node) -> tuple[int | None, ...]:
    """The shape of a node's result, None for a dimension that varies with the batch; () where it is no tensor."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        return ()
    return tuple(size if isinstance(size, int) else None for size in value.shape)


def _rows(node: fx.Node) -> int:
    """How many entries of the batch's dimension belong to one sample; the graph was captured with a batch of 2."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        return 1
    sizes: list[Any] = [size for size in value.shape if not isinstance(size, int)]
    entries = [size.node.hint or 2 for size in sizes]
    return max(1, math.prod(entries) // 2)


def _output(node: fx.Node, names: dict[fx.Node, str]) -> str:
    results = node.args[0]
    if not isinstance(results, tuple | list) or len(results) != 1:
        raise CaptureError("the model returns more than one tensor; wrap it so that it returns one")
    if not isinstance(results[0], fx.Node):
        raise CaptureError("the model returns no tensor; wrap it so that it returns one")
    return names[results[0]]
