"""Everything that a user can get wrong, as data: a folder of things that cannot be used, and commands with their lines.

Each case is a command, run in that folder, and the one line it ends with. `...` stands for words of torch's or the
system's own, and for where the folder lies. `docs/errors.md` has the same lines, under the same headings.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.jobs import small
from tests.models.onnx.graphs import helper, model, needed, node, onnx
from torch import nn

from picojoule.energy import Platform
from picojoule.explore import study
from picojoule.training import Recipe

MODELS = """
import torch
import torch.ao.nn.quantized
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(x.flatten(1))


def fails():
    raise KeyError("weights")


def leaves():
    raise SystemExit(7)


def number():
    return 3


def nothing():
    Net()


def sized(width):
    return nn.Linear(width, 10)


def two():
    class Two(Net):
        def forward(self, x):
            return x, super().forward(x)

    return Two()


def none():
    class No(Net):
        def forward(self, x):
            return None

    return No()


def branches():
    class Branches(Net):
        def forward(self, x):
            return super().forward(x if x.sum() > 0 else -x)

    return Branches()


def pair():
    class Pair(Net):
        def forward(self, x, y):
            return super().forward(x + y)

    return Pair()


def breaks():
    class Breaks(Net):
        def forward(self, x):
            raise ValueError("no good")

    return Breaks()


def ends():
    class Ends(Net):
        def forward(self, x):
            raise SystemExit(4)

    return Ends()


def random():
    class Random(Net):
        def forward(self, x):
            return super().forward(x + torch.rand_like(x))

    return Random()


def counts():
    class Counts(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            return super().forward(x)

    return Counts()


def fixed():
    class Fixed(Net):
        def forward(self, x):
            return self.fc(x.reshape(2, 64))

    return Fixed()


def one():
    class One(Net):
        def forward(self, x):
            return self.fc(x.reshape(1, 64))

    return One()


def spectrum():
    class Spectrum(Net):
        def forward(self, x):
            return torch.fft.fft(super().forward(x))

    return Spectrum()


def image():
    return nn.Conv2d(1, 10, 3)


def five():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5))


def bare():
    return nn.Flatten()


def soft():
    return nn.Sequential(nn.Flatten(), nn.Softmax(1))


def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(10))


def empty():
    return Net().to("meta")


def quantised():
    return nn.Sequential(nn.Flatten(), torch.ao.nn.quantized.ReLU6())


def named():
    class Named(Net):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleDict({"a\\tb": nn.Linear(64, 10)})

    return Named()


def scripted():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(Net())


def nan():
    made = Net()
    made.fc.weight.data[0, :3] = float("nan")
    return made


def large():
    made = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Linear(64, 10))
    made[1].weight.data.fill_(1e38)
    return made


def folded():
    made = nn.Sequential(nn.Conv2d(1, 4, 8), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 10))
    made[1].running_var[0] = -5
    return made


made = Net()
seven = 7


def twice():
    class Twice(Net):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(64, 64)
            self.last = nn.Linear(64, 10)

        def forward(self, x):
            return self.last(super().forward(super().forward(x)))

    return Twice()


def nothing_to_train():
    return nn.Flatten()
"""

DATA = """
import torch
from torch.utils.data import Dataset, TensorDataset

X, Y = torch.rand(40, 1, 8, 8), torch.arange(40) % 10


class Items(Dataset):
    def __init__(self, item):
        self.item = item

    def __len__(self):
        return 40

    def __getitem__(self, index):
        return self.item(index)


def three():
    return 3


def fails():
    return open("nowhere")


def divides():
    return Items(lambda index: (X[index], 1 // (index - 5)))


def ends():
    return Items(lambda index: exit(3))


def alone():
    return Items(lambda index: X[index])


def ragged():
    return Items(lambda index: (X[index][:, index:], 1))


def halves():
    return Items(lambda index: (X[index], 0.5))


def words():
    return Items(lambda index: (X[index], "cat"))


def sparse():
    return X.to_sparse(), Y


def empty():
    return TensorDataset(X[:0], Y[:0])
"""

METRICS = """
import torch


def one(outputs):
    return outputs


def nothing(outputs, targets):
    return None


def single(outputs, targets):
    return (outputs.argmax(1) == targets).double().mean()


def large(outputs, targets):
    return torch.full((len(targets),), 3.0)


def fails(outputs, targets):
    return 1 / 0
"""

PLANS = {
    "fitted": '{"picojoule": "plan", "version": 1, "formats": {"*": "lut16"}}',
    "unknown": '{"picojoule": "plan", "version": 1, "formats": {"fc9.weights": "fixed4"}}',
    "twice": '{"picojoule": "plan", "version": 1, "formats": {"*": "fixed4", "*": "fixed5"}}',
    "newer": '{"picojoule": "plan", "version": 2, "formats": {}}',
    "unversioned": '{"picojoule": "plan", "formats": {}}',
    "bits": '{"picojoule": "plan", "version": 1, "formats": {}, "bits": 4}',
    "format": '{"picojoule": "plan", "version": 1, "formats": {"*": "int4"}}',
    "number": '{"picojoule": "plan", "version": 1, "formats": {"*": 4}}',
    "bare": '{"picojoule": "plan", "version": 1}',
    "listed": '{"picojoule": "plan", "version": 1, "formats": ["fixed4"]}',
    "nan": '{"picojoule": "plan", "version": 1, "formats": {"*": NaN}}',
    "ranges": '{"picojoule": "ranges", "version": 1}',
    "list": "[]",
    "open": "{",
    "empty": "",
    "half": '{"picojoule": "plan", "version": 1, "formats": {"conv.*": "fixed8"}}',
    "float": '{"picojoule": "plan", "version": 1, "formats": {}}',
    "floats": '{"picojoule": "plan", "version": 1, "formats": {"*": "e4m3"}}',
    "good": '{"picojoule": "plan", "version": 1, "formats": {"*": "fixed8"}}',
}

PLATFORMS = {
    "twice": ("pj = 3.7\n", "pj = 3.7\npj = 3.8\n"),
    "unknown": ("[dram]\n", "[dram]\ncolour = 1\n"),
    "extra": ("[dram]\n", "[extra]\nx = 1\n[dram]\n"),
    "negative": ("pj = 3.7\n", "pj = -3.7\n"),
    "nan": ("pj = 3.7\n", "pj = nan\n"),
    "text": ("pj = 3.7\n", 'pj = "3.7"\n'),
    "newer": ("version = 1", "version = 2"),
    "missing": ("pj = 473.6\n", ""),
    "law": ('law = "power"', 'law = "cubic"'),
    "source": ('source = "Moons', 'sauce = "Moons'),
    "broken": ("version = 1", "version"),
}
"""Each is `moons2017` with one text for another."""


RECIPES = {
    "coloured": {"epochs = 4": "epochs = 4\ncolour = 1"},
    "endless": {"epochs = 4": "epochs = 0"},
    "wild": {
        "cross_entropy": "squared_hinge",
        '"adam"': '"sgd"',
        "learning_rate = 0.03": "learning_rate = 1e3",
        "batch = 50": "batch = 2",
    },
}
"""Each is `short` with some texts for others."""


def write(folder: Path) -> None:
    """Fill a folder with what cannot be used, beside a model and data that can."""
    small.write_model(folder)
    _write_data(folder)
    _write_onnx(folder)
    for name, code in (("models", MODELS), ("sets", DATA), ("metrics", METRICS)):
        (folder / f"{name}.py").write_text(code)
    (folder / "syntax.py").write_text("def net(:\n    pass\n")
    (folder / "absent.py").write_text("import no_such_package\n")
    (folder / "quiet.py").write_text("SEVEN = 7\n")
    for name, text in PLANS.items():
        (folder / f"{name}.json").write_text(text)
    platform = Platform.load("moons2017").to_toml()
    for name, (old, new) in PLATFORMS.items():
        assert old in platform
        (folder / f"{name}.toml").write_text(platform.replace(old, new, 1))
    (folder / "bytes.toml").write_bytes(b"\xff\xfe")
    for name, changes in RECIPES.items():
        text = Recipe.load("short").text
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        (folder / f"{name}.toml").write_text(text)
    _write_checkpoints(folder)
    (folder / "folder").mkdir()
    (folder / "file").write_text("mine")
    (folder / "unfinished").mkdir()
    (folder / "unfinished" / "journal.sqlite").touch()
    (folder / "odd" / "journal.sqlite").mkdir(parents=True)
    (folder / "blocked" / "report.html").mkdir(parents=True)
    (folder / "torn").mkdir()
    (folder / "torn" / "training.safetensors").write_bytes(b"torn")
    (folder / "begun").mkdir()
    facts = json.dumps({"version": 1, "about": {}, "epochs": 1, "folded": False, "notes": {}})
    save_file({"module/x": torch.zeros(1)}, folder / "begun" / "training.safetensors", {"picojoule.training": facts})
    for name, version in (("other", 1), ("newer", 2)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(study, "VERSION", version)
            study.Study.open(folder / f"{name}.sqlite", {"data": "of another kind"})
    (folder / "later").mkdir()
    with closing(sqlite3.connect(folder / "later" / "journal.sqlite")) as journal:
        journal.executescript("CREATE TABLE evaluations (plan TEXT); PRAGMA user_version = 99")


def _write_data(folder: Path) -> None:
    few = small.digits().held_out.first(100)
    x, y = few.x.numpy(), few.y.numpy()
    np.savez(folder / "few.npz", x=x, y=y)
    bad = x.copy()
    bad[7], bad[9, 0, 3] = np.nan, np.inf
    odd = {
        "nan": {"x": bad, "y": y},
        "huge": {"x": x.astype(float) * 1e300 + 1e300, "y": y},
        "names": {"images": x, "labels": y},
        "objects": {"x": np.array([None] * 100), "y": y},
        "short": {"x": x, "y": y[:90]},
        "outside": {"x": x, "y": y + 12},
        "negative": {"x": x, "y": y - 10},
        "fractions": {"x": x, "y": y + 0.5},
        "onehot": {"x": x, "y": np.eye(10, dtype=int)[y]},
        "texts": {"x": x, "y": y.astype(str)},
        "whole": {"x": (x * 255).astype(int), "y": y},
        "complex": {"x": x.astype(complex), "y": y},
        "flat": {"x": x.reshape(100, -1), "y": y},
        "scalars": {"x": x[:, 0, 0, 0], "y": y},
        "none": {"x": x[:0], "y": y[:0]},
        "two": {"x": x[:2], "y": y[:2]},
        "shapes": {"x": x, "y": y, "x_train": x[:, :, :4], "y_train": y},
        "mislabelled": {"x": small.mislabelled().x.numpy(), "y": small.mislabelled().y.numpy()},
        "bright": {"x": x * 1e38, "y": y},
        "lacking": {"x": x, "y": y, "x_train": x[y != 3], "y_train": y[y != 3]},
        "thin": {"x": x, "y": y, "x_train": x[:40], "y_train": y[:40]},
        "both": {"x": x, "y": y, "x_train": x, "y_train": y},
    }
    for name, arrays in odd.items():
        np.savez(folder / f"{name}.npz", **arrays)
    good = (folder / "few.npz").read_bytes()
    (folder / "flipped.npz").write_bytes(good[:300] + bytes(200) + good[500:])
    (folder / "folder.npz").mkdir()
    (folder / "text.npz").write_text("x, y")
    (folder / "idx").mkdir()
    (folder / "idx" / "t10k-images-idx3-ubyte").write_bytes(
        b"\0\0\x08\x03" + bytes([0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 8])
    )
    (folder / "cut").mkdir()
    shutil.copy(folder / "idx" / "t10k-images-idx3-ubyte", folder / "cut")
    (folder / "cut" / "t10k-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x02\x01\x02")
    (folder / "cifar").mkdir()
    (folder / "cifar" / "test_batch.bin").write_bytes(b"abc")


def _write_onnx(folder: Path) -> None:
    """Each is one file with one thing wrong."""
    needed()

    def dense(*before: Any, shape: tuple[Any, ...] = ("n", 1, 8, 8), opset: int = 17) -> Any:
        nodes = (*before, node("Flatten", "x", "f", name="flat"), node("MatMul", "f w", name="fc"))
        return model(*nodes, shape=shape, constants={"w": np.ones((64, 10))}, opset=opset)

    def changed(change: Callable[[Any], object]) -> Any:
        made = dense()
        change(made)
        return made

    def outside(location: str) -> Any:
        def move(made: Any) -> None:
            weights = made.graph.initializer[0]
            weights.data_location = onnx.TensorProto.EXTERNAL
            weights.external_data.add(key="location", value=location)

        return changed(move)

    other = helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [1])
    function = helper.make_function("own", "F", ["a"], ["b"], [node("Relu", "a", "b")], [helper.make_opsetid("", 17)])
    sparse = onnx.SparseTensorProto(values=helper.make_tensor("s", onnx.TensorProto.FLOAT, [1], [1.0]))
    loop = node("Loop", "x", "l", name="repeat")
    models = {
        "old": dense(opset=6),
        "functions": changed(lambda made: made.functions.append(function)),
        "long": changed(lambda made: made.graph.node.extend([made.graph.node[0]] * 10_001)),
        "sparse": changed(lambda made: made.graph.sparse_initializer.append(sparse)),
        "inputs": changed(lambda made: made.graph.input.append(other)),
        "bytes": changed(lambda made: setattr(made.graph.input[0].type.tensor_type, "elem_type", 2)),
        "line": dense(shape=(64,)),
        "large": dense(shape=("n", 1, 2**20, 2**20)),
        "sized": dense(shape=("n", 1, 12, 12)),
        "loop": model(loop, node("Relu", "l"), shape=("n", 1, 8, 8)),
        "quantised": model(node("DequantizeLinear", "x", name="q"), shape=("n", 1, 8, 8)),
        "attribute": model(node("Conv", "x x", name="conv", colour=3), shape=("n", 1, 8, 8)),
        "narrow": model(node("MatMul", "x w", name="fc"), shape=("n", 1, 8, 8), constants={"w": np.ones((5, 2))}),
        "order": changed(lambda made: made.graph.node.insert(0, node("Relu", "y", "r", name="early"))),
        "twice": changed(lambda made: made.graph.node.append(made.graph.node[0])),
        "headless": changed(lambda made: setattr(made.graph.output[0], "name", "z")),
        "texts": changed(lambda made: setattr(made.graph.initializer[0], "data_type", 8)),
        "short": changed(lambda made: made.graph.initializer[0].dims.__setitem__(0, 65)),
        "outside": outside("../w.bin"),
        "missing": outside("w.bin"),
        "constant": model(node("Constant", "", value_float=1.0), shape=("n", 1, 8, 8)),
    }
    for name, made in models.items():
        (folder / f"{name}.onnx").write_bytes(made.SerializeToString())
    (folder / "noise.onnx").write_bytes(b"noise")
    (folder / "cut.onnx").write_bytes(dense().SerializeToString()[:-40])


def _write_checkpoints(folder: Path) -> None:
    torch.save({"conv.weight": torch.zeros(1)}, folder / "other.pt")
    torch.save(nn.Linear(2, 2), folder / "model.pt")
    (folder / "noise.pt").write_bytes(b"\x80\x04noise\nnoise")
    torch.save({"epoch": 3}, folder / "epoch.pt")
    good = small.trained().state_dict()
    torch.save({name: (tensor * 100).to(torch.int8) for name, tensor in good.items()}, folder / "integers.pt")
    save_file({**good, "fc.bias": good["fc.bias"] / 0}, folder / "infinite.safetensors")
    save_file({"w": torch.tensor([[1.0, 2.0], [3.0, torch.nan]])}, folder / "broken.safetensors")
    save_file({"w": torch.ones(2, 2, dtype=torch.int8)}, folder / "codes.safetensors")
    save_file({"w": torch.zeros(2, 2)}, folder / "zeros.safetensors")
    whole = (folder / "trained.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[:-20])


def cases() -> dict[str, list[tuple[str, str]]]:
    """The commands of `refusals.txt` with their lines, by heading."""
    found: dict[str, list[tuple[str, str]]] = {}
    command = ""
    for line in Path(__file__).with_suffix(".txt").read_text().splitlines():
        if line.startswith("# "):
            found[line.removeprefix("# ")] = []
        elif line.startswith(" "):
            found[[*found][-1]].append((command, line.strip()))
        else:
            command = line
    return found


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """A change of `result.json` as a document."""

    def edit(folder: Path) -> None:
        document = json.loads((folder / "result.json").read_text())
        change(document)
        (folder / "result.json").write_text(json.dumps(document))

    return edit


TAMPERED: list[tuple[Callable[[Path], object], str]] = [
    (
        lambda run: (run / "weights.safetensors").unlink(),
        "cannot read 'run/weights.safetensors': No such file or directory",
    ),
    (
        lambda run: (run / "weights.safetensors").write_bytes(b"no weights"),
        "'run/weights.safetensors' is not the network of 'run/result.json'; the command of the search mends that",
    ),
    (
        lambda run: (run / "result.json").write_text("{}"),
        "'run/result.json' is not a result: its key 'picojoule' says None, expected 'result'",
    ),
    (
        edited(lambda d: d.update(version=9)),
        "'run/result.json': version 9 of a result is not known; this picojoule reads ...",
    ),
    (edited(lambda d: d.update(colour=1)), "'run/result.json': unknown key 'colour'"),
    (edited(lambda d: d.update(selected=5)), "'run/result.json': key 'selected' is 5, but there are 2 points"),
    (edited(lambda d: d.pop("points")), "'run/result.json': key 'points' is missing (a list)"),
    (edited(lambda d: d.update(front=[])), "'run/result.json': key 'front' does not fit the points"),
    (
        edited(lambda d: d["points"][0]["plan"].update({"fc.weights": "int3"})),
        "'run/result.json': format 'int3' is not known; known are ...",
    ),
    (
        edited(lambda d: d["points"][0]["search"].update(correct=1e9)),
        "'run/result.json': 'points': 'search': key 'correct' is 1000000000.0, expected a finite number from 0 to 45",
    ),
    (edited(lambda d: d["baselines"].pop()), "'run/result.json': key 'baselines' has no point 'float32'"),
    (
        edited(lambda d: d["points"][0]["plan"].pop("fc.weights")),
        "'run/result.json': the network has a site 'fc.weights', which 'plan' of point '1' has not",
    ),
    (
        edited(lambda d: d["points"][0]["ranges"]["sites"].pop("fc.weights")),
        "'run/result.json': the network has a site 'fc.weights', which 'ranges' of point '1' has not",
    ),
    (
        edited(lambda d: d["points"][0]["plan"].update({"fc.weights": "lut4"})),
        "'run/result.json': the ranges of 'fc.weights' in point '1' do not have the numbers of lut4",
    ),
    (
        edited(lambda d: d["points"][0].update(holds="yes")),
        "'run/result.json': 'points': key 'holds' is 'yes', expected true or false",
    ),
    (
        edited(lambda d: d["points"][0]["energy"]["layers"][0].update(compute_pj=-1)),
        "'run/result.json': 'points': 'energy': 'layers': key 'compute_pj' is -1, expected a finite number ...",
    ),
]
"""Changes of a run folder `run`, and what `picojoule report run` says of it."""

FULL = "the journal '...' cannot be used: database or disk is full; free some space, and the same command goes on"
GONE = "study '...' does not answer: ...; what is trained is kept, and the same command goes on once it does"
NO_ONNX = "model 'old.onnx' needs the package onnx; install picojoule[onnx]"
WITHOUT = "explore needs optuna; install picojoule[explore]"
UNHEARD = "cannot write the output: No space left on device"
CLAIMED = "another job is at work in '...'; wait until it ends, or choose another folder"
OTHER = "'...' holds a run of ...; give --out another folder, or remove that one"
TAKEN = "'...' exists and is no report of picojoule's; give another place with --out"
