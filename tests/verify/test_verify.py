"""A proof of a small network holds; an engine that is wrong by one step in one output is found out."""

import json
import random
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from tests import needs
from tests.export.engines import NARROW
from tests.fuzz.mutations import mutated
from tests.golden.test_golden import result
from tests.integer import nets
from torch import Tensor

from picojoule.errors import FileError, InputError, PicojouleError
from picojoule.integer import Program, Type
from picojoule.network import NetworkModule
from picojoule.verify import Proof, Verdict, lowered, verify
from picojoule.verify import engines as made
from picojoule.verify.verify import differing

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
ENGINES = (
    "float64", "interpreter, bit-serial", "onnxruntime", "onnxruntime, not optimised", "qonnx", "c-host", "cortex-m0",
    "cortex-m3", "cortex-m4", "cortex-m55",
)  # fmt: skip
Engines = Mapping[str, Callable[[], made.Engine]]


def with_engine(monkeypatch: pytest.MonkeyPatch, make: Callable[[Program], made.Engine]) -> None:
    """Have one engine beside the network itself."""

    def engines(network: NetworkModule, program: Program) -> Engines:
        return {"float64": made.engines(network, program)["float64"], "mine": lambda: make(program)}

    monkeypatch.setattr(import_module("picojoule.verify.verify"), "engines", engines)


@pytest.mark.parametrize(("seed", "formats", "weights"), [
    (0, NARROW, ()), (4, NARROW, ()), (7, NARROW, ()), (1, NARROW, nets.CODED), (9, NARROW, nets.CODED),
    (0, nets.LOOKED_UP, ()), (5, nets.LOOKED_UP, ()),
])  # fmt: skip
def test_every_engine_agrees(seed: int, formats: tuple[str, ...], weights: tuple[str, ...]) -> None:
    needs.packages("onnx", "onnxruntime", "qonnx")
    needs.programs("cc", "arm-none-eabi-gcc", "qemu-system-arm")
    case = nets.case(seed, formats, weights=weights)
    samples = torch.randn(7, *nets.SHAPE, generator=torch.Generator().manual_seed(seed))
    heard: list[str] = []
    proof = verify(*case, samples, random=6, slow=2, seed=seed, heard=heard.append)
    assert heard == [each.engine for each in proof.verdicts]
    assert heard == [*ENGINES]
    assert {each.state for each in proof.verdicts} == {"equal"}
    assert proof.holds
    outputs = torch.Size(case.network.output_shape).numel()
    for verdict in proof.verdicts:
        few = verdict.engine in made.SLOW
        assert verdict.samples == {
            "samples": 2 if few else 7, "ends": 2 if few else 4,
            **dict.fromkeys(("extremes at random", "codes at random", "ties", "beyond the range"), 2 if few else 6),
        }  # fmt: skip
        assert verdict.compared == outputs * sum(verdict.samples.values())
        assert verdict.mismatches == 0


def test_a_run_from_its_folder(tmp_path: Path) -> None:
    result().save(tmp_path)
    assert lowered(tmp_path).to_bytes() == lowered(result()).to_bytes()
    found = result()
    assert verify(found.captured, found.plan, found.ranges, random=5, slow=1).holds


@pytest.mark.parametrize("by", [1, -1])
def test_an_engine_that_is_wrong_in_one_output(by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(program: Program) -> made.Engine:
        right = made.interpreter(program)
        step = 2.0 ** program.output_type.exponents[0] / program.output_type.divisor

        def run(x: Tensor) -> Tensor:
            found = right(x)
            found[-1].view(-1)[0] += by * step
            return found

        return run

    with_engine(monkeypatch, make)
    proof = verify(*nets.case(0, NARROW), random=5)
    found = {each.engine: (each.state, each.mismatches) for each in proof.verdicts}
    assert found == {"float64": ("equal", 0), "mine": ("different", 1)}
    assert not proof.holds


@pytest.mark.parametrize(
    ("change", "every"),
    [(lambda y: y[:-1], True), (lambda y: y.flatten(), True), (lambda y: y * float("nan"), True), (lambda y: y, False)],
)
def test_results_of_another_shape_and_nan(
    change: Callable[[Tensor], Tensor], every: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_engine(monkeypatch, lambda program: lambda x: change(made.interpreter(program)(x)))
    verdict = verify(*nets.case(0, NARROW), random=5).verdicts[-1]
    assert (verdict.mismatches == verdict.compared) == every


def test_an_engine_that_fails_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(program: Program) -> made.Engine:
        raise RuntimeError("no such kernel\nand more")

    with_engine(monkeypatch, make)
    proof = verify(*nets.case(0, NARROW), random=5)
    assert (proof.verdicts[-1].state, proof.verdicts[-1].why) == ("failed", "RuntimeError: no such kernel")
    assert not proof.holds


def test_absent_and_refused_engines_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(program: Program) -> made.Engine:
        raise made.AbsentError("not installed; pip install mine")

    with_engine(monkeypatch, make)
    proof = verify(*nets.case(0, NARROW), random=5)
    assert (proof.verdicts[-1].state, proof.verdicts[-1].why) == ("absent", "not installed; pip install mine")
    assert proof.holds


def test_what_an_exporter_refuses_is_said() -> None:
    needs.packages("onnx", "onnxruntime", "qonnx")
    needs.programs("cc", "arm-none-eabi-gcc", "qemu-system-arm")
    case = nets.case(0, ("fixed16",))
    proof = verify(*case, random=3)
    states = {each.engine: each.state for each in proof.verdicts}
    assert states == dict.fromkeys(ENGINES, "equal") | {"qonnx": "refused"}
    assert all("has sums of up to" in each.why for each in proof.verdicts if each.state == "refused")
    assert proof.holds


def test_only_some_engines() -> None:
    case = nets.case(0, NARROW)
    proof = verify(*case, random=2, only=["interpreter, bit-serial", "float64"])
    assert [each.engine for each in proof.verdicts] == ["float64", "interpreter, bit-serial"]
    with pytest.raises(InputError, match=r"^engine 'tpu' is not known; give some of: float64; .*cortex-m55$"):
        verify(*case, random=2, only=["tpu"])
    with pytest.raises(InputError, match=r"^engine 'interpreter' is not known"):  # it is what all are held against
        verify(*case, random=2, only=["interpreter"])


def test_nothing_that_ran_is_no_proof() -> None:
    assert not Proof("", ()).holds
    assert not Proof("", (Verdict("mine", "absent"),)).holds


class TestMeans:
    """Outputs that are quotients: the right one rounded to float32, or in float64 the right code."""

    type = Type((1,), 0, 2**24, (-3,), 0, 49)

    @pytest.mark.parametrize("code", [1, 48, 49, 2**23 + 1, 2**24])
    def test_float32(self, code: int) -> None:
        wanted = torch.tensor([code / 8 / 49], dtype=torch.float64)
        assert differing(wanted.float(), wanted, self.type) == 0
        assert differing(wanted.float().nextafter(torch.tensor(9e9)), wanted, self.type) == 1

    @pytest.mark.parametrize("code", [1, 48, 2**24])
    def test_float64(self, code: int) -> None:
        wanted = torch.tensor([code / 8 / 49], dtype=torch.float64)
        assert differing(torch.tensor([code / 8 / 7 / 7], dtype=torch.float64), wanted, self.type) == 0
        assert differing(torch.tensor([(code + 1) / 8 / 49], dtype=torch.float64), wanted, self.type) == 1


class TestDocument:
    proof = Proof("ab" * 32, (Verdict("one", "equal", {"ties": 3}, 30, 0), Verdict("two", "refused", why="too wide")))

    def test_round_trips(self) -> None:
        text = self.proof.to_json()
        assert Proof.parse(text, "proof.json") == self.proof
        assert Proof.parse(text, "proof.json").to_json() == text

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda it: it.update(version=2), "version 2 of a proof is not known"),
            (lambda it: it.update(picojoule="plan"), "is not a proof"),
            (lambda it: it.update(more=1), "unknown key 'more'"),
            (lambda it: it.pop("verdicts"), "key 'verdicts' is missing"),
            (lambda it: it["verdicts"][0].update(state="fine"), "key 'state' is 'fine', expected one of 'equal'"),
            (lambda it: it["verdicts"][0].update(mismatches=-1), "key 'mismatches' is -1"),
            (lambda it: it["verdicts"][0]["samples"].update(ties=-1), "key 'ties' is -1"),
            (lambda it: it["verdicts"][0].update(more=1), "unknown key 'more'"),
            (lambda it: it["verdicts"].append(3), "expected a table"),
        ],
    )
    def test_it_is_strict(self, change: Callable[[dict[str, Any]], object], told: str) -> None:
        document = json.loads(self.proof.to_json())
        change(document)
        with pytest.raises(FileError) as caught:
            Proof.parse(json.dumps(document), "proof.json")
        assert str(caught.value).startswith("proof.json")
        assert told in str(caught.value)

    @pytest.mark.parametrize("seed", range(60))
    def test_whatever_is_in_it(self, seed: int) -> None:
        text = mutated(random.Random(seed), self.proof.to_json().encode())
        try:
            found = Proof.parse(text, "proof.json")
        except PicojouleError:
            return
        assert Proof.parse(found.to_json(), "proof.json") == found
