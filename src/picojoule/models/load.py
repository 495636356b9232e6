"""What MODEL names: a callable of the user's own code, an ONNX file, or a network of the zoo."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from picojoule import zoo
from picojoule.errors import InputError
from picojoule.models.onnx import SUFFIX, load_onnx
from picojoule.models.weights import load_checkpoint
from picojoule.userref import call, resolve


def load_model(
    reference: str,
    checkpoint: Path | str | None = None,
    seed: int = 0,
    input_shape: Sequence[int] | None = None,
    classes: int | None = None,
) -> nn.Module:
    """The model that MODEL names: `package.module:callable`, `path.py:callable`, `path.onnx`, or a network of the zoo.

    The callable is the user's own code and runs as such; an ONNX file runs none. A zoo network reads inputs of
    `input_shape` and tells `classes` apart, else those it was published for. It has fresh weights by `seed` unless a
    checkpoint is given, as `load_checkpoint` takes it; then it has no fewer classes than it was published for, whatever
    labels the data lack.

    Raises:
        InputError: nothing of that name, the callable fails or returns something else than a module, or an ONNX file
            has what cannot be imported.
        FileError: the ONNX file or the checkpoint cannot be read, or the checkpoint is of another network.
    """
    if reference.endswith(SUFFIX):
        model = load_onnx(Path(reference), input_shape)
    elif ":" in reference:
        model = _of_the_user(reference)
    elif reference.endswith(".py"):
        raise InputError(
            f"model '{reference}' names a file; give the function in it that returns the model, as '{reference}:NAME'"
        )
    else:
        try:
            if checkpoint is not None and classes is not None:
                classes = max(classes, zoo.classes(reference))
            model = zoo.create(reference, seed, input_shape, classes)
        except InputError as error:
            raise InputError(f"{error}; a network of your own is path.py:function") from error
    if checkpoint is not None:
        load_checkpoint(model, Path(checkpoint))
    return model


def input_of(reference: str, model: nn.Module) -> Tensor:
    """One input of zeros for the model that MODEL names, without data: a zoo network's, or as an ONNX file states it.

    Raises:
        InputError: neither the code of the user's nor the file says what shape it has.
    """
    if not is_own(reference):
        return zoo.example(reference)
    shape = getattr(model, "input_shape", None) if reference.endswith(SUFFIX) else None
    if shape is None:
        raise InputError("give --data, so that the shape of the network's input is known")
    return torch.zeros(1, *shape)


def is_own(reference: str) -> bool:
    """Whether MODEL names a network of the user's own, with weights of its own, and not one of the zoo."""
    return ":" in reference or reference.endswith(SUFFIX)


def _of_the_user(reference: str) -> nn.Module:
    if isinstance(made := resolve(reference), nn.Module):
        raise InputError(
            f"model '{reference}' is a {type(made).__name__}, already made; give a function that returns it"
        )
    model = call(reference)
    if not isinstance(model, nn.Module):
        raise InputError(
            f"model '{reference}' returned {type(model).__name__}; give a function that returns a torch.nn.Module"
        )
    return model
