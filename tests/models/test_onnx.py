"""Whole networks from ONNX files: as torch exports them, and the whole way through a search."""

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.cli.conftest import Run, run  # noqa: F401 (a fixture)
from tests.jobs import small
from tests.models.onnx.graphs import expected, model, needed, node, numbers, onnx, written
from tests.models.onnx.nets import Attentive, mobile
from torch import nn

import picojoule as pj
from picojoule import zoo
from picojoule.errors import InputError
from picojoule.models import is_own, load_model
from picojoule.network import Network, capture, float_module

needed()


def exported(module: nn.Module, shape: tuple[int, ...], path: Path, opset: int, free: bool, folded: bool = True) -> Any:
    """A module as torch writes it, with a free batch or one of 1, batch norms folded or not."""
    mode = torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE
    axes = {"x": {0: "n"}, "y": {0: "n"}} if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own deprecation: the exporter after it needs packages of its own
        torch.onnx.export(
            module, (torch.zeros(1, *shape),), str(path), dynamo=False, opset_version=opset, input_names=["x"],
            output_names=["y"], dynamic_axes=axes, training=mode,
        )  # fmt: skip
    return onnx.load(path)


def agrees(path: Path, module: nn.Module, made: Any, shape: tuple[int, ...]) -> None:
    """The import and its capture compute what ONNX Runtime does, and have the layers of the module itself."""
    network, own = computes(path, made, shape), capture(module, torch.zeros(1, *shape))
    assert [(layer.name, layer.macs, layer.bias_count) for layer in network.layers] == [
        (layer.name, layer.macs, layer.bias_count) for layer in own.layers
    ]
    assert [each.op for each in network.leftovers] == [each.op for each in own.leftovers]


def computes(path: Path, made: Any, shape: tuple[int, ...]) -> Network:
    """The network of a file, which computes what ONNX Runtime does."""
    imported = load_model(str(path), input_shape=shape)
    network = capture(imported, torch.zeros(1, *shape))
    for batch in (1, 5):
        x = np.random.default_rng(batch).standard_normal((batch, *shape)).astype(np.float32)
        wanted = expected(made, x)
        for run_ in (imported, float_module(network)):
            found = run_(torch.from_numpy(x)).detach().numpy()
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
    return network


@pytest.mark.parametrize(
    ("name", "opset", "free", "folded"),
    [
        ("lenet5", 9, True, True),
        ("lenet-300-100", 11, False, True),
        ("ds-cnn", 17, True, False),
        ("ds-cnn", 12, False, True),
        ("qnn-1x4-1x4-1x4", 18, True, True),
    ],
)
def test_the_zoo(tmp_path: Path, name: str, opset: int, free: bool, folded: bool) -> None:
    module, shape = shaken(zoo.create(name, 0)), tuple(zoo.example(name).shape[1:])
    made = exported(module, shape, tmp_path / "model.onnx", opset, free, folded)
    agrees(tmp_path / "model.onnx", module, made, shape)


@pytest.mark.slow
@pytest.mark.parametrize(("opset", "free", "folded"), [(13, True, False), (11, False, True)])
def test_resnet20(tmp_path: Path, opset: int, free: bool, folded: bool) -> None:
    """Its shortcuts are slices and paddings, whose sizes torch writes as a chain of nodes."""
    module = shaken(zoo.create("resnet20", 0))
    made = exported(module, (3, 32, 32), tmp_path / "model.onnx", opset, free, folded)
    agrees(tmp_path / "model.onnx", module, made, (3, 32, 32))


@pytest.mark.parametrize("free", [True, False])
def test_one_for_phones(tmp_path: Path, free: bool) -> None:
    module = shaken(mobile())
    made = exported(module, (3, 16, 16), tmp_path / "model.onnx", 17, free)
    agrees(tmp_path / "model.onnx", module, made, (3, 16, 16))


def test_one_with_attention(tmp_path: Path) -> None:
    """Its layers are found; that its products of two values stay in float is said."""
    made = exported(Attentive().eval(), (1, 14, 14), tmp_path / "model.onnx", 17, free=True)
    network = computes(tmp_path / "model.onnx", made, (1, 14, 14))
    assert [each.name for each in network.layers] == ["patches", "inner", "outer", "up", "down", "head"]
    assert sum(each.op == "aten.matmul.default" for each in network.leftovers) == 2


def shaken(module: nn.Module) -> nn.Module:
    """A network whose batch norms have statistics as if it were trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for each in module.modules():
            if isinstance(each, nn.BatchNorm2d):
                each.running_mean = torch.randn(each.num_features)
                each.running_var = torch.rand(each.num_features) + 0.5
                nn.init.uniform_(each.weight, 0.5, 1.5)
                nn.init.normal_(each.bias)
    return module.eval()


def test_one_that_others_trained(tmp_path: Path, shared_data: Path) -> None:
    state = torch.load(shared_data / "models" / "lenet5-mnist.pth", map_location="cpu", weights_only=True)
    relu, pool = nn.ReLU, nn.MaxPool2d
    layers = [nn.Conv2d(1, 6, 5), relu(), pool(2), nn.Conv2d(6, 16, 5), relu(), pool(2), nn.Conv2d(16, 120, 5), relu(),
              nn.Flatten(), nn.Linear(120, 84), relu(), nn.Linear(84, 10)]  # fmt: skip
    module = nn.Sequential(*layers)
    module.load_state_dict(dict(zip(module.state_dict(), state.values(), strict=True)))
    made = exported(module.eval(), (1, 32, 32), tmp_path / "model.onnx", 17, free=True)
    agrees(tmp_path / "model.onnx", module, made, (1, 32, 32))


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """The small trained network as an ONNX file, and a hundred digits."""
    exported(small.trained(), (1, 8, 8), tmp_path / "digits.onnx", 17, free=True)
    held_out = small.digits().held_out.first(100)
    np.savez(tmp_path / "few.npz", x=held_out.x.numpy(), y=held_out.y.numpy())
    return tmp_path / "digits.onnx"


def test_a_search_gives_what_it_gives_for_the_module(run: Run, digits: Path) -> None:  # noqa: F811
    done = run("search", digits.name, "--data", "few.npz", "--strategy", "uniform", "--keep", "0.9")
    assert done.code == 0, done.err
    found = pj.load(digits.parent / "runs" / "digits-uniform")
    loaded = pj.data.load(str(digits.parent / "few.npz"))
    own = pj.search(small.trained(), loaded, keep=0.9, strategy="uniform")
    assert str(found.plan) == str(own.plan)
    assert found.energy.total_pj == own.energy.total_pj
    assert found.settings["model"] == "digits.onnx"


def test_looks_at_it(run: Run, digits: Path) -> None:  # noqa: F811
    done = run("inspect", digits.name, "--data", "few.npz")
    assert (done.code, done.err) == (0, "")
    assert all(name in done.out for name in ("conv", "fc"))
    assert run("inspect", digits.name).out == done.out  # for the file states its input


def test_a_file_that_leaves_its_image_open_needs_data(run: Run, tmp_path: Path) -> None:  # noqa: F811
    written(tmp_path, model(node("Conv", "x w"), shape=("n", 2, "h", "w"), constants={"w": numbers(3, 2, 1, 1)}))
    told = run("inspect", "model.onnx").refused()
    assert told == "give --data, so that the shape of the network's input is known"


def test_weights_from_a_checkpoint(digits: Path) -> None:
    state = {name: tensor + 1 for name, tensor in small.trained().state_dict().items()}
    torch.save(state, digits.parent / "w.pt")
    module = load_model(str(digits), digits.parent / "w.pt")
    assert torch.equal(module.state_dict()["conv.weight"], state["conv.weight"])


def test_without_the_package(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("picojoule.models.onnx.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"needs the package onnx; install picojoule\[onnx\]$"):
        load_model(str(digits))


def test_whose_network_it_is() -> None:
    assert is_own("nets/digits.onnx")
    assert is_own("net.py:build")
    assert not is_own("lenet5-x0.5")


def test_nothing_but_its_file_is_read(digits: Path) -> None:
    """No node has a path, and a name is only ever a name."""
    made = onnx.load(digits)
    made.graph.node.append(node("Relu", "y", "z", name="/etc/passwd"))
    digits.write_bytes(made.SerializeToString())
    opened: list[str] = []
    active = True
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" and active else None)
    load_model(str(digits))
    active = False
    assert [each for each in opened if not each.endswith((".py", ".pyc"))] == [str(digits)]
