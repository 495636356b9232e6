"""Small files that ask for gigabytes or hours: each refused by an error of ours, in a process with little memory."""

import json
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save as save_tensors
from tests.fuzz.test_checkpoints import called, content, rezipped, text
from tests.fuzz.test_data_files import npy, zipped
from tests.models.onnx.graphs import hungry, needed

READER = """
import resource, sys
from pathlib import Path
import numpy, torch
from picojoule import data, load
from picojoule.calibration import Ranges
from picojoule.energy import Platform
from picojoule.errors import PicojouleError
from picojoule.models import load_checkpoint, load_model
from picojoule.network import Network, float_module
from picojoule.plan import Plan

def network(path):
    network = Network.load(Path(path))
    return float_module(network)(torch.zeros(100, *network.input_shape))

READERS = {
    "network": network,
    "checkpoint": lambda path: load_checkpoint(torch.nn.Linear(2, 3), Path(path)),
    "onnx": lambda path: load_model(path)(torch.zeros(2, 2, 6, 7)),
    "plan": Plan.load, "ranges": Ranges.load, "platform": Platform.load, "data": data.load,
}
import onnx, picojoule.models.onnx.build
torch.relu(torch.empty(1, device="meta"))  # modules that torch imports late, and takes for absent without memory
torch.set_num_threads(1)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20),) * 2)
for line in sys.stdin:
    name, kind, spec = line.rstrip("\\n").split("\\t")
    try:
        READERS[kind](spec)
    except PicojouleError as error:
        print(f"{name}\\trefused", flush=True)
    except BaseException as error:
        print(f"{name}\\t{error!r:.300}", flush=True)
    else:
        print(f"{name}\\ttaken", flush=True)
"""

X, LARGE, HUGE = {"ref": "input"}, 2**27, 2**40
STEPS: dict[str, tuple[str, list[Any], Sequence[int | None]]] = {
    "expand": ("aten.expand.default", [{"ref": "column"}, [-1, LARGE, 8]], [None, LARGE, 8]),
    "repeat": ("aten.repeat.default", [X, [1, LARGE]], [None, 8 * LARGE]),
    "tile": ("aten.tile.default", [X, [1, LARGE]], [None, 8 * LARGE]),
    "repeat_interleave": ("aten.repeat_interleave.self_int", [X, LARGE, 1], [None, 8 * LARGE]),
    "zeros": ("aten.zeros.default", [[LARGE, 100]], [LARGE, 100]),
    "full": ("aten.full.default", [[HUGE], 1.0], [HUGE]),
    "eye": ("aten.eye.default", [2**20], [2**20, 2**20]),
    "arange": ("aten.arange.default", [HUGE], [HUGE]),
    "new_zeros": ("aten.new_zeros.default", [X, [HUGE]], [HUGE]),
    "pad": ("aten.pad.default", [X, [HUGE, HUGE]], [None, 2 * HUGE + 8]),
    "constant_pad": ("aten.constant_pad_nd.default", [X, [LARGE * 100, 0]], [None, LARGE * 100 + 8]),
    "upsample": ("aten.upsample_nearest2d.vec", [{"ref": "image"}, [2**16, 2**16], None], [None, 2, 2**16, 2**16]),
    "convolution": (
        "aten.conv2d.default",
        [{"ref": "image"}, {"ref": "kernel"}, None, [1, 1], [2**16, 2**16]],
        [None, 1],
    ),
    "contraction": ("aten.einsum.default", ["ai,bi,ai,bi->", [{"ref": "long"}] * 4], []),
    "one_hot": ("aten.one_hot.default", [{"ref": "counts"}, HUGE], [None, 8, HUGE]),
    "diag_embed": ("aten.diag_embed.default", [{"ref": "wide"}], [None, 2**16, 2**16]),
    "pieces": ("aten.unbind.int", [{"ref": "wide"}, 1], []),
    "splits": ("aten.split.Tensor", [{"ref": "wide"}, 1, 1], []),
    "chunks": ("aten.chunk.default", [{"ref": "wide"}, 2**62, 1], []),
    "texts": ("operator.mul", ["ab", 10**12], []),
    "a list": ("operator.mul", [[1, 2], 10**12], []),
    "a format": ("operator.mod", ["%1000000000000d", 5], []),
    "a type": ("aten.softmax.int", [X, 1, -2], [None, 8]),
    "a device": ("aten.zeros_like.default", [X], [None, 8]),
}


def step(name: str, op: str, args: list[Any], shape: Sequence[int | None], **more: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "shape": list(shape), "args": args, **more}


def network(*steps: dict[str, Any]) -> bytes:
    """A network's file with these steps between its input and its output."""
    tensors = {"kernel": torch.ones(1, 2, 1, 1), "long": torch.ones(20_000, 2)}
    nodes = [{"name": name, "op": "buffer", "shape": list(tensor.shape)} for name, tensor in tensors.items()]
    nodes += [
        {"name": "input", "op": "input", "shape": [None, 8]},
        step("column", "aten.unsqueeze.default", [{"ref": "input"}, 1], [None, 1, 8]),
        step("image", "aten.view.default", [{"ref": "input"}, [-1, 2, 2, 2]], [None, 2, 2, 2]),
        step("counts", "aten._to_copy.default", [{"ref": "input"}], [None, 8], kwargs={"dtype": {"torch": "int64"}}),
        step("narrow", "aten.slice.Tensor", [{"ref": "column"}, 2, 0, 1], [None, 1, 1]),
        step("tall", "aten.expand.default", [{"ref": "narrow"}, [-1, 1, 2**16]], [None, 1, 2**16]),
        step("wide", "aten.squeeze.dim", [{"ref": "tall"}, 1], [None, 2**16]),
        *steps,
        step("output", "aten.relu.default", [{"ref": "input"}], [None, 8]),
    ]
    graph = {"version": 1, "output": "output", "nodes": nodes}
    return save_tensors(tensors, metadata={"picojoule.network": json.dumps(graph)})


def networks() -> dict[str, bytes]:
    """Each step with the shape it really has, and with a small one that it only claims."""
    found = {}
    for name, (op, args, shape) in STEPS.items():
        more = {"kwargs": {"device": "cpu"}} if name == "a device" else {}
        found[name] = network(step("bomb", op, args, shape, **more))
        found[f"{name} in disguise"] = network(
            step("bomb", op, args, [None, 8] if shape[:1] == [None] else [8], **more)
        )
    squares = [step("size", "aten.sym_size.int", [{"ref": "input"}, 0], [])]
    for k in range(70):
        last = {"ref": squares[-1]["name"]}
        squares.append(step(f"square{k}", "operator.mul", [last, last], []))
    found["squares"] = network(*squares)
    batch = step("n", "aten.sym_size.int", [{"ref": "input"}, 0], [])  # n * (n // 100) ** 9 << 40: 0 but for n >= 100
    powers = [batch, step("p0", "operator.floordiv", [{"ref": "n"}, 100], [])]
    powers += [
        step(f"p{k}", "operator.mul", [{"ref": f"p{k - 1}"}, 2**20 if k < 3 else {"ref": "p0"}], []) for k in (1, 2)
    ]
    late = step("late", "aten.zeros.default", [[{"ref": "p2"}]], [0])
    found["late"] = network(*powers, late)
    found["many nodes"] = network(
        *(step(f"n{k}", "aten.relu.default", [{"ref": "input"}], [None, 8]) for k in range(20_000))
    )
    many = [step(f"m{k}", "aten.repeat.default", [{"ref": "wide"}, [1, 2**8]], [None, 2**24]) for k in range(20)]
    total = step("total", "aten.cat.default", [[{"ref": f"m{k}"} for k in range(20)], 1], [None, 20 * 2**24])
    found["many values"] = network(*many, total)
    return found


def checkpoints() -> dict[str, bytes]:
    head, ten = b"\x80\x02", b"\x8a\x05" + struct.pack("<Q", 10**11)[:5]
    doubled = b"".join(b"q\x01h\x00h\x01" + text("hex") + b"\x86R" for _ in range(40))
    pickles = {
        "hex": head
        + called("_codecs", "encode")
        + b"q\x00"
        + text("aaaa")
        + text("latin1")
        + b"\x86R"
        + doubled
        + b".",
        "bytearray": head + called("builtins", "bytearray") + ten + b"\x85R.",
        "bytearray of Python 2": head + called("__builtin__", "bytearray") + ten + b"\x85R.",
        "a tensor": head + called("torch", "FloatTensor") + ten + b"\x85R.",
        "a tuple that takes long to hash": head + b"})" + b"q\x00h\x00\x86" * 60 + b"Ns.",
        "a tuple that is deep": head + b"})" + b"\x85" * 1_000_000 + b"Ns.",
        "a text": head + b"X\xff\xff\xff\xffabc",
        "a long text": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"abc",
    }
    found = {f"{name}, {form}": rezipped({"data.pkl": program}) if form == "zip" else program
             for name, program in pickles.items() for form in ("zip", "bare")}  # fmt: skip
    found["compressed"] = rezipped({"data.pkl": b"\x80\x02X" + bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    found["a storage"] = content("legacy").replace(b"K\x06Nt", b"J\xff\xff\xff\x7fNt")
    assert found["a storage"] != content("legacy")
    return found


def headers() -> dict[str, bytes]:
    def file(header: object, size: int | None = None) -> bytes:
        raw = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(raw) if size is None else size) + raw + bytes(4)

    one = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    return {
        "a header of 2 GiB": file(b"{}", 2**31),
        "a header of 2^63": file(b"{}", 2**63),
        "a tensor": file({"a": {**one, "shape": [10**9, 10**9]}}),
        "an overlap": file({"a": one, "b": one}),
        "a name twice": file(b'{"a": %b, "a": %b}' % ((json.dumps(one).encode(),) * 2)),
        "a nest": file(b"[" * 1_000_000),
    }


def documents() -> dict[str, dict[str, bytes]]:
    plan, ranges = (f'{{"picojoule": "{kind}", "version": 1, ' for kind in ("plan", "ranges"))
    return {
        "platform": {
            "dots": b"a." * 100_000 + b"b = 1\n",
            "a table of dots": b"[" + b"a." * 100_000 + b"b]\n",
            "a number": b"version = 0x" + b"f" * 200_000,
            "long": b"#" + b"x" * 2**20,
        },
        "plan": {
            "a nest": b"[" * 5_000_000,
            "a number": f'{plan}"formats": {{"*": {"9" * 1_000_000}}}}}'.encode(),
            "a key": f'{plan}"formats": {{"{"[" * 500_000}": "fixed8"}}}}'.encode(),
            "long": b" " * (2**26 + 1),
        },
        "ranges": {"a shape": f'{ranges}"input_shape": [{2**40}, {2**40}], "sites": {{}}}}'.encode()},
    }


def archives() -> dict[str, bytes]:
    labels = npy("'<i8'", "(3,)", bytes(24))
    return {
        "claims": zipped(x=npy("'<f4'", "(10**12,)"), y=labels),
        "a terabyte": zipped(x=npy("'<f4'", "(1000000000000,)"), y=labels),
        "zeros": zipped(x=npy("'<f4'", f"({2**26},)", bytes(2**28)), y=labels),
    }


def models() -> dict[str, bytes]:
    needed()
    return {name: made.SerializeToString() for name, made in hungry().items()}


@pytest.mark.slow
def test_small_files_that_ask_for_much(tmp_path: Path) -> None:
    files = [("network", "safetensors", networks()), ("checkpoint", "pt", checkpoints())]
    files += [("checkpoint", "safetensors", headers()), ("network", "safetensors", headers())]
    files += [(kind, "toml" if kind == "platform" else "json", found) for kind, found in documents().items()]
    files += [("data", "npz", archives()), ("onnx", "onnx", models())]
    lines = []
    for index, (kind, suffix, found) in enumerate(files):
        for name, file in found.items():
            path = tmp_path / f"{index} {name}.{suffix}"
            path.write_bytes(file)
            lines.append(f"{path.name}\t{kind}\t{path}\n")
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", READER], input="".join(lines), capture_output=True, text=True, timeout=300
    )
    said = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    assert {name: what for name, what in said.items() if what != "refused"} == {}, done.stderr
    assert [*said] == [line.split("\t")[0] for line in lines], done.stderr
    assert done.returncode == 0
    assert time.monotonic() - begun < 120
