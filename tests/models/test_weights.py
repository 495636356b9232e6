"""Checkpoints, of which none can run code."""

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from picojoule.errors import FileError
from picojoule.models import load_checkpoint


class Payload:
    """Pickled, it writes a file when it is loaded."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.witness)!r}, 'w').close()",)


def build(seed: int = 1) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def same(one: nn.Module, other: nn.Module) -> bool:
    mine, yours = one.state_dict(), other.state_dict()
    return list(mine) == list(yours) and all(torch.equal(mine[name], yours[name]) for name in mine)


@pytest.fixture
def weights() -> dict[str, Tensor]:
    """Weights that a fresh `build(2)` does not have."""
    return build(1).state_dict()


class TestCheckpoints:
    @pytest.mark.parametrize("nested", ["", "state_dict", "model_state_dict", "model", "state_dict model"])
    @pytest.mark.parametrize("prefix", ["", "module."])
    def test_of_torch(self, tmp_path: Path, weights: dict[str, Tensor], nested: str, prefix: str) -> None:
        content: Any = {prefix + name: tensor for name, tensor in weights.items()}
        for key in reversed(nested.split()):
            content = {key: content, "epoch": 3}
        torch.save(content, tmp_path / "w.pt")
        model = build(2)
        load_checkpoint(model, tmp_path / "w.pt")
        assert same(model, build(1))

    def test_of_safetensors(self, tmp_path: Path, weights: dict[str, Tensor]) -> None:
        save_file(weights, tmp_path / "w.safetensors")
        model = build(2)
        load_checkpoint(model, tmp_path / "w.safetensors")
        assert same(model, build(1))

    def test_of_an_older_torch_without_counters(self, tmp_path: Path, weights: dict[str, Tensor]) -> None:
        del weights["1.num_batches_tracked"]
        torch.save(weights, tmp_path / "w.pt")
        model = build(2)
        load_checkpoint(model, tmp_path / "w.pt")
        assert same(model, build(1))

    def test_a_layer_that_is_called_module(self, tmp_path: Path) -> None:
        model = nn.ModuleDict({"module": nn.Linear(2, 2), "other": nn.Linear(2, 2)})
        kept = {name: tensor.clone() + 1 for name, tensor in model.state_dict().items()}
        torch.save(kept, tmp_path / "w.pt")
        load_checkpoint(model, tmp_path / "w.pt")
        assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())

    def test_all_names_begin_with_module_in_the_model_too(self, tmp_path: Path) -> None:
        model = nn.ModuleDict({"module": nn.Linear(2, 2)})
        kept = {name: tensor.clone() + 1 for name, tensor in model.state_dict().items()}
        torch.save(kept, tmp_path / "w.pt")
        load_checkpoint(model, tmp_path / "w.pt")
        assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"0.bias": None}, "missing: 0.bias"),
            ({"2.weight": torch.zeros(1)}, "not in the model: 2.weight"),
            ({"0.weight": torch.zeros(3, 4)}, "of another shape: 0.weight is [3, 4], expected [3, 2]"),
            ({f"x{k}": torch.zeros(1) for k in range(5)}, "not in the model: x0, x1, x2 and 2 more"),
            ({"0.bias": None, "bias": torch.zeros(3)}, "missing: 0.bias; not in the model: bias"),
            ({"0.bias": torch.zeros(3, dtype=torch.int8)}, "no floats: 0.bias is torch.int8"),
            ({"0.bias": torch.zeros(3, dtype=torch.complex64)}, "no floats: 0.bias is torch.complex64"),
        ],
    )
    def test_of_another_network(
        self, tmp_path: Path, weights: dict[str, Tensor], change: dict[str, Tensor | None], told: str
    ) -> None:
        torch.save({name: tensor for name, tensor in {**weights, **change}.items() if tensor is not None},
                   tmp_path / "w.pt")  # fmt: skip
        model = build(2)
        with pytest.raises(FileError) as error:
            load_checkpoint(model, tmp_path / "w.pt")
        assert str(error.value).startswith(f"checkpoint '{tmp_path / 'w.pt'}' is of another network ({told}); give")
        assert same(model, build(2))  # all of them or none

    @pytest.mark.parametrize("suffix", ["pt", "safetensors"])
    @pytest.mark.parametrize("keep", [0, 1, 20, 200])
    def test_truncated(self, tmp_path: Path, weights: dict[str, Tensor], suffix: str, keep: int) -> None:
        path = tmp_path / f"w.{suffix}"
        (save_file if suffix == "safetensors" else torch.save)(weights, path)
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(FileError, match=re.escape(f"checkpoint '{path}'")) as error:
            load_checkpoint(build(2), path)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize("name", ["w.pt", "w.pkl", "w.safetensors"])
    @pytest.mark.parametrize("zipped", [True, False])
    def test_code_is_refused_and_does_not_run(self, tmp_path: Path, name: str, zipped: bool) -> None:
        witness, path = tmp_path / "witness", tmp_path / name
        content = {"0.weight": torch.zeros(3, 2), "run": Payload(witness)}
        if zipped:
            torch.save(content, path)
        else:
            path.write_bytes(pickle.dumps(Payload(witness)))
        refused = "is damaged, or no file of weights" if name == "w.safetensors" else "since it could run code"
        with pytest.raises(FileError, match=refused):
            load_checkpoint(build(2), path)
        assert not witness.exists()
        pickle.loads(pickle.dumps(Payload(witness)))
        assert witness.exists()  # the payload is live, only not for us

    def test_a_whole_model_is_refused(self, tmp_path: Path) -> None:
        torch.save(build(1), tmp_path / "w.pt")
        with pytest.raises(FileError, match=r"save model.state_dict\(\) with torch.save, or as safetensors"):
            load_checkpoint(build(2), tmp_path / "w.pt")

    @pytest.mark.parametrize(
        "content", [{}, [1, 2], {"lr": 0.1}, {0: torch.zeros(1)}, {"state_dict": {}}, torch.zeros(3)]
    )
    def test_without_weights(self, tmp_path: Path, content: object) -> None:
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(FileError, match="holds no weights: expected a table of dense tensors, or one under 'state"):
            load_checkpoint(build(2), tmp_path / "w.pt")

    def test_of_tensors_without_plain_values(self, tmp_path: Path, weights: dict[str, Tensor]) -> None:
        for odd in (weights["0.weight"].to_sparse(), weights["0.weight"].to("meta")):
            torch.save({**weights, "0.weight": odd}, tmp_path / "w.pt")
            with pytest.raises(FileError, match="expected a table of dense tensors"):
                load_checkpoint(build(2), tmp_path / "w.pt")

    def test_half_precision_counts_as_floats(self, tmp_path: Path, weights: dict[str, Tensor]) -> None:
        torch.save({name: tensor.half() for name, tensor in weights.items()}, tmp_path / "w.pt")
        model = build(2)
        load_checkpoint(model, tmp_path / "w.pt")
        assert torch.equal(model.state_dict()["0.weight"], weights["0.weight"].half().float())

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("w.pt", "No such file or directory"),
            ("w.safetensors", "No such file or directory"),
            (".", "Is a directory"),
        ],
    )
    def test_missing(self, tmp_path: Path, name: str, reason: str) -> None:
        with pytest.raises(FileError, match=re.escape(f"cannot read checkpoint '{tmp_path / name}': {reason}")):
            load_checkpoint(build(2), tmp_path / name)
