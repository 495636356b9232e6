"""Programs as files: byte for byte, small, and strictly read."""

import json
import random
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.mutations import damaged, examples, mutated, refused
from tests.integer import nets

from picojoule.errors import FileError, InputError
from picojoule.integer import Coding, Constant, Interpreter, Program, lower
from picojoule.integer.lowering.builder import Builder
from picojoule.integer.packing import pack

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


TABLES = 7
"""The seed of a program with tables."""
CODED = 9
"""The seed of a program whose weights are codes, of blocks too."""


@cache
def program(seed: int = 3) -> Program:
    if seed == CODED:
        return lower(*nets.case(seed, nets.NARROW, weights=nets.CODED))
    return lower(*(nets.case(seed, nets.NARROW, curved=True) if seed == TABLES else nets.case(seed)))


def parts(content: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """A file's header, the program in it, and the bytes of its constants."""
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    return header, json.loads(header["__metadata__"]["picojoule.program"]), content[8 + size :]


def joined(header: dict[str, Any], stated: str, data: bytes) -> bytes:
    header = {**header, "__metadata__": {"picojoule.program": stated}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def changed(change: Callable[[dict[str, Any]], object], of: Program) -> bytes:
    header, stated, data = parts(of.to_bytes())
    change(stated)
    return joined(header, json.dumps(stated), data)


@pytest.mark.parametrize("seed", [*range(4), TABLES, CODED])
def test_round_trips_byte_for_byte(seed: int, tmp_path: Path) -> None:
    one = program(seed)
    one.save(tmp_path / "program.safetensors")
    again = Program.load(tmp_path / "program.safetensors")
    program.cache_clear()
    assert again.to_bytes() == one.to_bytes() == program(seed).to_bytes()
    assert (again.operations, again.output) == (one.operations, one.output)
    x = torch.randn(5, *nets.SHAPE)
    assert torch.equal(Interpreter(again).run(again.encode(x)), Interpreter(one).run(one.encode(x)))


def test_weights_take_their_bits() -> None:
    case = nets.case(3)
    formats = case.plan.formats
    found = lower(*case)
    for layer in case.network.layers:
        weights = found.constants[f"{layer.name}.weights"]
        assert weights.packed_bytes == -(-formats[layer.weights].bits * layer.weight_count // 8)
    _, _, data = parts(found.to_bytes())
    assert len(data) == sum(each.packed_bytes for each in found.constants.values())
    total = sum(each.packed_bytes for name, each in found.constants.items() if name.endswith(".weights"))
    assert found.weight_bytes == total


def layer(stated: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in stated["operations"] if each["kind"] == "conv2d")
    return found


def constant(stated: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = stated["constants"][f"{layer(stated)['name']}.weights"]
    return found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda it: it.update(version=3), "this picojoule reads versions 1 and 2 of programs"),
        (lambda it: it.update(version=2), "is of version 2, and has no codings"),
        (lambda it: it.update(version=True), "key 'version' is True, expected a whole number"),
        (lambda it: it.update(more=1), "unknown key 'more'"),
        (lambda it: it.pop("output"), "key 'output' is missing"),
        (lambda it: it.update(output="nobody"), "output 'nobody' is no operation"),
        (lambda it: it.update(operations=[]), "it has 0 operations; 1 to 10000 are possible"),
        (lambda it: it["operations"].append(it["operations"][-1]), "stands twice, is a second input, or reads what"),
        (lambda it: it["operations"].reverse(), "stands twice, is a second input, or reads what does not come before"),
        (lambda it: layer(it).update(kind="conv3d"), "key 'kind' is 'conv3d', expected one of 'input', 'conv1d'"),
        (lambda it: layer(it).update(kind="linear"), "has no weights and bias of its kind"),
        (lambda it: layer(it)["args"].update(stride=[-1, 1]), "has -1 where a whole number from 1 to"),
        (lambda it: layer(it)["args"].update(padding=[2**30, 0]), "makes values of shape"),
        (lambda it: layer(it)["args"].update(groups=3), "in 3 groups by weights of shape"),
        (lambda it: layer(it)["args"].pop("groups"), "key 'groups' is missing"),
        (lambda it: layer(it)["args"].update(more=0), "unknown key 'more'"),
        (lambda it: layer(it).update(reads=[]), "reads 0 values"),
        (lambda it: it["operations"][0]["args"].update(shape=[-2, 9, 8]), "has -2 where a whole number from 1 to"),
        (lambda it: it["operations"][0]["args"].update(shape=[2**20, 2**20]), "makes values of shape"),
        (lambda it: constant(it).update(bits=55), "key 'bits' is 55, expected a whole number from 1 to 54"),
        (lambda it: constant(it).update(bits=54), "codes of 54 bits take"),
        (lambda it: constant(it).update(shape=[2**31] * 4), "codes of"),
        (lambda it: constant(it).update(shape=[-1]), "key 'shape' is -1, expected a whole number from 1 to"),
        (lambda it: constant(it).update(shape=[1] * 500), "has 500 dimensions; 8 are possible"),
        (lambda it: constant(it).update(form="float"), "key 'form' is 'float', expected one of 'unsigned', 'signed'"),
        (lambda it: it["constants"].pop(f"{layer(it)['name']}.weights"), "is no constant"),
        (lambda it: it["operations"].remove(it["operations"][-1]), ""),
    ],
)
def test_refusals(change: Callable[[dict[str, Any]], object], told: str) -> None:
    with pytest.raises(FileError) as caught:
        Program.from_bytes(changed(change, program()), "'p.safetensors'")
    assert str(caught.value).startswith("'p.safetensors'")
    assert told in str(caught.value)


def coding(stated: dict[str, Any], blocks: bool = True) -> dict[str, Any]:
    """The constant of the first layer whose weights are codes, in blocks or not."""
    found: dict[str, Any] = next(
        each for each in stated["constants"].values() if "coding" in each and bool(each["coding"]["block"]) == blocks
    )
    return found


def short(constant: dict[str, Any]) -> object:
    """Take an entry from a table, so that a code has none; an entry is two bytes, as are four shifts."""
    constant["coding"]["entries"] -= 1
    return constant


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda it: it.update(version=1), "is of version 1, and has codings"),
        (lambda it: coding(it)["coding"].update(entries=0), "key 'entries' is 0, expected a whole number from 1 to"),
        (lambda it: coding(it)["coding"].update(entries=257), "key 'entries' is 257, expected a whole number from 1"),
        (lambda it: coding(it)["coding"].update(block=-1), "key 'block' is -1, expected a whole number from 0 to"),
        (lambda it: coding(it)["coding"].update(block=2**30), "key 'block' is 1073741824, expected a whole number"),
        (lambda it: coding(it)["coding"].update(block=0), "bytes, and the file has others"),
        (lambda it: coding(it)["coding"].update(more=0), "unknown key 'more'"),
        (lambda it: coding(it)["coding"].pop("block"), "key 'block' is missing"),
        (lambda it: coding(it).update(coding=3), "key 'coding' is 3, expected a table"),
        (lambda it: coding(it).update(form="signed"), "has signed codes up to"),
        (lambda it: coding(it, False).update(shape=[coding(it, False)["shape"][0]]), "codes numbers of shape"),
        (lambda it: short(coding(it, False)), "bytes, and the file has others"),
    ],
)  # fmt: skip
def test_refusals_of_codings(change: Callable[[dict[str, Any]], object], told: str) -> None:
    with pytest.raises(FileError) as caught:
        Program.from_bytes(changed(change, program(CODED)), "'p.safetensors'")
    assert str(caught.value).startswith("'p.safetensors'")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("table", "shifts", "told"),
    [
        ([-1, 0, 1], None, "has unsigned codes up to 3 for a table of 3"),
        ([-1, 0, 0, 1], None, "has a table of 4 numbers; 1 to 256 that rise are possible"),
        ([-1, 0, 9, 8], None, "has a table of 4 numbers; 1 to 256 that rise are possible"),
        ([-1, 0, 9, 2**14], [[0], [1]], "has coded weights of more than 16 bits; give that layer fewer bits"),
    ],
)
def test_codings_that_break_a_law_in_a_file(table: list[int], shifts: list[list[int]] | None, told: str) -> None:
    """Codes 0 to 3 of a table that is not in order, or too short, or too wide once shifted."""
    one = fc([[0, 1], [2, 3]], [-1, 0, 9, 10], shifts and [[0], [0]])
    codes = pack(torch.tensor([0, 1, 2, 3]), 2, "unsigned")
    bad = Coding(torch.tensor(table), 2 if shifts else 0, torch.tensor(shifts) if shifts else None)
    header, stated, data = parts(one.to_bytes())
    stated["constants"]["fc.weights"]["coding"]["entries"] = len(table)
    rest = {name: each for name, each in header.items() if name not in ("fc.weights", "__metadata__")}
    content = bytes(torch.cat([codes, bad.pack()]).numpy())
    moved = b""
    for name, each in rest.items():
        begin, end = each["data_offsets"]
        rest[name] = {**each, "data_offsets": [len(moved), len(moved) + end - begin]}
        moved += data[begin:end]
    places = [len(moved), len(moved) + len(content)]
    rest["fc.weights"] = {"dtype": "U8", "shape": [len(content)], "data_offsets": places}
    with pytest.raises(FileError) as caught:
        Program.from_bytes(joined(rest, json.dumps(stated), moved + content), "p")
    assert told in str(caught.value)


def fc(codes: list[list[int]], table: list[int], shifts: list[list[int]] | None) -> Program:
    """One dense layer of given codes."""
    made = Builder()
    x = made.emit("input", "input", (), shape=[len(codes[0])], low=0, high=9, exponent=0, sign=False)
    own = Coding(torch.tensor(table), 2 if shifts else 0, torch.tensor(shifts) if shifts else None)
    weights = Constant(own.values(torch.tensor(codes)), 2, "unsigned", own)
    bias = Constant(torch.zeros(len(codes), dtype=torch.int64), 2, "signed")
    return made.program(made.emit("fc", "linear", (x,), weights, bias, exponents=[0]))


def test_codes_take_their_bits_and_the_table() -> None:
    one = fc([[0, 1], [2, 3]], [-1, 0, 9, 10], [[1], [3]])
    assert one.weight_bytes == 1 + 4 * 2 + 1
    assert Interpreter(one).run(torch.tensor([[1, 9]])).tolist() == [[-2, 72 + 720]]


def test_constants_that_belong_to_no_layer_are_refused() -> None:
    header, stated, data = parts(program().to_bytes())
    stated["constants"]["more"] = {"shape": [8], "bits": 1, "form": "sign"}
    header["more"] = {"dtype": "U8", "shape": [1], "data_offsets": [len(data), len(data) + 1]}
    with pytest.raises(FileError, match=r"^p: constant 'more' belongs to no layer$"):
        Program.from_bytes(joined(header, json.dumps(stated), data + b"\0"), "p")


@pytest.mark.parametrize("part", ["thresholds", "codes"])
def test_constants_of_tables_that_are_missing_are_refused(part: str) -> None:
    one = program(TABLES)
    name = next(each.name for each in one.operations if each.kind == "table")
    rest = {key: each for key, each in one.constants.items() if key != f"{name}.{part}"}
    with pytest.raises(FileError, match=rf"^p: operation '{name}' has no thresholds and codes of its kind$"):
        Program.from_bytes(Program(one.operations, rest, one.output).to_bytes(), "p")


@pytest.mark.parametrize("left", [0, 1, 7, 8, 9, 100, -1])
def test_truncated_files_are_refused(left: int) -> None:
    with pytest.raises(FileError, match=r"^p is not a program of picojoule's, or damaged: "):
        Program.from_bytes(program().to_bytes()[:left], "p")


def test_other_files_are_refused() -> None:
    for content in (b"", b"PK\3\4", nets.case(3).network.to_bytes()):
        with pytest.raises(FileError, match=r"^p is not a program of picojoule's, or damaged: "):
            Program.from_bytes(content, "p")


def test_a_small_file_claims_no_large_memory() -> None:
    """Each value is allowed, all of them together are not."""

    def pads(stated: dict[str, Any]) -> None:
        for index in range(20):
            stated["operations"].append({"name": f"p{index}", "kind": "pad", "reads": [stated["operations"][0]["name"]],
                                         "args": {"pad": [0, 0, 0, 2**21]}})  # fmt: skip

    with pytest.raises(
        FileError, match=r"^p: its values take \d+ codes for one sample; at most 268435456 are possible$"
    ):
        Program.from_bytes(changed(pads, program()), "p")


@given(st.randoms(use_true_random=False), st.sampled_from([*range(4), TABLES, CODED]))
@examples(60)
def test_whatever_is_in_a_file(chance: random.Random, seed: int) -> None:
    """It loads or is refused; what loads runs, or refuses its input."""
    header, stated, data = parts(program(seed).to_bytes())
    if chance.random() < 0.7:
        text = mutated(chance, json.dumps(stated).encode()).decode("utf-8", "replace")
        content = joined(header, text, data)
    else:
        content = damaged(chance, program(seed).to_bytes())
    found = refused(lambda: Program.from_bytes(content, "p"))
    if found is not None:
        x = torch.zeros(1, *found.input.type.shape)
        codes = refused(lambda: Interpreter(found).run(found.encode(x)))
        assert codes is not None
        assert tuple(codes.shape[1:]) == found.output_type.shape
        again = found.to_bytes()
        assert Program.from_bytes(again, "p").to_bytes() == again


class TestCodes:
    def test_of_samples(self) -> None:
        """Half goes to even, what is beyond the range saturates."""
        found = program()
        own = found.input.type
        step = 2.0 ** own.exponents[0]
        assert not found.input.args["sign"]
        row = torch.tensor([own.low - 3.0, own.high + 3.0, 0.5, 1.5, -float("inf"), float("inf"), -0.5, 0.49]) * step
        codes = found.encode(row.expand(1, *nets.SHAPE))[0, 0, 0].tolist()
        expected = [own.low, own.high, 0, 2, own.low, own.high, 0, 0]
        assert codes == [min(max(each, own.low), own.high) for each in expected]

    def test_of_a_codebook(self) -> None:
        """The nearest; halfway the one an even number of members away from zero; in the type that samples have."""
        made = Builder()
        how = {"shape": [6], "low": -7, "high": 9, "exponent": -2, "sign": False, "members": [-7, 0, 1, 9]}
        found = made.program(made.emit("input", "input", (), **how))
        assert found.members == (-7, 0, 1, 9)
        x = torch.tensor([[-float("inf"), -3.5, -3.51, 0.5, 5.0, 99.0]]) / 4
        assert found.encode(x).tolist() == [[-7, 0, -7, 0, 9, 9]]
        assert found.encode(x.double() + 2.0**-50).tolist() == [[-7, 0, -7, 1, 9, 9]]
        again = Program.from_bytes(found.to_bytes(), "p")
        assert (again.operations, again.members) == (found.operations, found.members)

    def test_of_a_codebook_of_one_number(self) -> None:
        made = Builder()
        how = {"shape": [2], "low": 5, "high": 5, "exponent": 0, "sign": False, "members": [5]}
        found = made.program(made.emit("input", "input", (), **how))
        assert found.encode(torch.tensor([[-3.0, 8.0]])).tolist() == [[5, 5]]

    def test_of_nan_and_other_shapes(self) -> None:
        with pytest.raises(InputError, match=r"^the samples have NaN, which has no code$"):
            program().encode(torch.full((1, *nets.SHAPE), float("nan")))
        with pytest.raises(InputError, match=r"^the program takes samples of shape \[2, 9, 8\], not \[9, 8\]$"):
            program().encode(torch.zeros(1, 9, 8))
