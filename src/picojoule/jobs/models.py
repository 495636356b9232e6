"""Where a model comes from: the user's own code or the zoo, and its weights from a file that cannot run code."""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from picojoule import files, zoo
from picojoule.errors import FileError, InputError
from picojoule.jobs.checkpoint import check_torch_file
from picojoule.userref import call, resolve

_SAVE = "save model.state_dict() with torch.save, or as safetensors"


def load_model(reference: str, checkpoint: Path | str | None = None, seed: int = 0) -> nn.Module:
    """The model that MODEL names: `package.module:callable`, `path.py:callable`, or a network of the zoo.

    The callable is the user's own code and runs as such. A zoo network has fresh weights by `seed` unless a checkpoint
    is given: safetensors, or a torch file that loads with `weights_only`; a nested `state_dict` and names that begin
    with `module.` are understood.

    Raises:
        InputError: nothing of that name, the callable fails or returns something else than a module.
        FileError: the checkpoint cannot be read, or is of another network.
    """
    if ":" in reference:
        if isinstance(made := resolve(reference), nn.Module):
            raise InputError(
                f"model '{reference}' is a {type(made).__name__}, already made; give a function that returns it"
            )
        model = call(reference)
        if not isinstance(model, nn.Module):
            raise InputError(
                f"model '{reference}' returned {type(model).__name__}; give a function that returns a torch.nn.Module"
            )
    elif reference.endswith(".py"):
        raise InputError(
            f"model '{reference}' names a file; give the function in it that returns the model, as '{reference}:NAME'"
        )
    else:
        model = _of_the_zoo(reference, seed)
    if checkpoint is not None:
        load_checkpoint(model, Path(checkpoint))
    return model


def _of_the_zoo(name: str, seed: int) -> nn.Module:
    try:
        return zoo.create(name, seed=seed)
    except InputError as error:
        raise InputError(f"{error}; a network of your own is path.py:function") from error


def load_checkpoint(model: nn.Module, path: Path) -> None:
    """Load weights into a model, all of them or none.

    Raises:
        FileError: the file cannot be read, holds no weights, or its names and shapes are not the model's.
    """
    own = model.state_dict()
    found = _strip(_unnest(_read(path), path), own)
    counters = {name for name in own if name.endswith("num_batches_tracked")}  # older torch did not store them
    missing = [name for name in own if name not in found and name not in counters]
    extra = [name for name in found if name not in own]
    shapes = [
        f"{name} is {list(found[name].shape)}, expected {list(own[name].shape)}"
        for name in own
        if name in found and found[name].shape != own[name].shape
    ]
    types = [
        f"{name} is {found[name].dtype}"
        for name in own
        if name in found and own[name].is_floating_point() and not found[name].is_floating_point()
    ]
    if missing or extra or shapes or types:
        parts = (("missing", missing), ("not in the model", extra), ("of another shape", shapes), ("no floats", types))
        told = "; ".join(f"{what}: {_few(names)}" for what, names in parts if names)
        raise FileError(f"checkpoint '{path}' is of another network ({told}); give the one that belongs to the model")
    model.load_state_dict({**own, **found})


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:  # so that the system's own reason is told, in the words of any other file
            if path.suffix == ".safetensors":
                files.header(file)
                return load_file(path)
        check_torch_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the file's pickle protocol; what matters is refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise FileError(
            f"checkpoint '{path}' holds more than weights, or is damaged, and is not loaded, since it could run code; "
            f"{_SAVE}"
        ) from error
    except OSError as error:
        raise FileError(f"cannot read checkpoint '{path}': {error.strerror or error}") from error
    except Exception as error:  # of a damaged file torch raises nearly anything
        raise FileError(f"checkpoint '{path}' is damaged, or no file of weights; {_SAVE}") from error


def _unnest(content: Any, path: Path) -> Mapping[str, Tensor]:
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if isinstance(content, Mapping):
        tensors = {name: value for name, value in content.items() if isinstance(name, str) and _is_dense(value)}
        if content and len(tensors) == len(content):
            return tensors
    raise FileError(
        f"checkpoint '{path}' holds no weights: expected a table of dense tensors, or one under 'state_dict'; {_SAVE}"
    )


def _is_dense(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta


def _strip(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The names without the `module.` that DataParallel puts in front of all, unless the model's own have it too."""
    if all(name.startswith("module.") for name in tensors) and not all(name.startswith("module.") for name in own):
        return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return dict(tensors)


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
