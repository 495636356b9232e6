"""A model's weights from a file that cannot run code."""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from picojoule import files
from picojoule.errors import FileError
from picojoule.models.pickles import check_torch_file

_SAVE = "save model.state_dict() with torch.save, or as safetensors"


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


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint by its name.

    Raises:
        FileError: the file cannot be read, or holds no weights.
    """
    return dict(_unnest(_read(path), path))


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
