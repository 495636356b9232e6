"""A training as it stands after an epoch: one safetensors file, from which it goes on to the same bits.

Neither a random state nor a schedule is in it: both follow from the number of the epoch.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from picojoule import files
from picojoule.errors import FileError
from picojoule.files import Fields

VERSION = 1
_HEADER = "picojoule.training"


@dataclass(frozen=True)
class Checkpoint:
    """`epochs` are done; `folded` says that batch norm is gone by now. `notes` are what is to be told in the end.

    `about` is what a training is, as texts: one that differs in any of them is another one.
    """

    about: Mapping[str, str]
    epochs: int
    folded: bool
    notes: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @classmethod
    def of(
        cls, module: nn.Module, optimizer: torch.optim.Optimizer, about: Mapping[str, str], epochs: int, folded: bool,
        notes: Mapping[str, Any],
    ) -> "Checkpoint":  # fmt: skip
        """A module and its optimiser as they are now."""
        tensors = {f"module/{name}": tensor for name, tensor in module.state_dict().items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items() if value is not None}
        kept = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        return cls(about, epochs, folded, notes, kept)

    def restore(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Bring a module and an optimiser of the same kind to where they were.

        Raises:
            FileError: the tensors are of others.
        """
        state: dict[int, dict[str, Tensor]] = {}
        weights = {}
        try:
            for name, tensor in self.tensors.items():
                kind, _, rest = name.partition("/")
                if kind == "module":
                    weights[rest] = tensor
                else:
                    index, _, key = rest.partition("/")
                    state.setdefault(int(index), {})[key] = tensor
            module.load_state_dict(weights)
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        except (RuntimeError, ValueError, LookupError) as error:
            raise FileError(
                "the checkpoint's tensors are not those of this training; remove it to begin anew"
            ) from error

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all.

        Raises:
            FileError: it cannot be written.
        """
        facts = {"version": VERSION, "about": dict(self.about), "epochs": self.epochs, "folded": self.folded,
                 "notes": dict(self.notes)}  # fmt: skip
        files.write_bytes(path, save_tensors(dict(self.tensors), {_HEADER: json.dumps(facts, allow_nan=False)}))

    @classmethod
    def load(cls, path: Path, about: Mapping[str, str], most: int) -> "Checkpoint":
        """Read the checkpoint of a training of at most so many epochs.

        Raises:
            FileError: it cannot be read, is damaged, or is of another training.
        """
        content = files.read_bytes(path)
        try:
            tensors = load_tensors(content)
            with path.open("rb") as file:
                facts = Fields(files.loads(files.header(file)["__metadata__"][_HEADER]), f"'{path}'")
        except (safetensors.SafetensorError, ValueError, LookupError, TypeError) as error:
            raise FileError(f"'{path}' is no checkpoint of a training, or damaged; remove it to begin anew") from error
        facts.integer("version", VERSION, VERSION)
        found = facts.table("about").rest()
        if others := [name for name in about if found.get(name) != about[name]]:
            raise FileError(
                f"'{path}' is of a training with another {' and '.join(others)}; choose another folder, or remove it"
            )
        checkpoint = cls(
            about, facts.integer("epochs", 0, most), facts.boolean("folded"), facts.table("notes").rest(), tensors
        )
        facts.finish()
        return checkpoint
