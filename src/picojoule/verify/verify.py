"""The proof that a network is the same integers in every engine: what was compared, and how often it differed."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from picojoule import files
from picojoule.calibration import Ranges
from picojoule.errors import InputError
from picojoule.files import Fields
from picojoule.integer import Program, Type, lower
from picojoule.network import Network
from picojoule.plan import Plan
from picojoule.quantize import quantize, settled
from picojoule.search import Result
from picojoule.verify.engines import SLOW, AbsentError, Engine, engines, interpreter, told
from picojoule.verify.inputs import adversarial

VERSION = 1
FILE = "proof.json"
STATES = ("equal", "different", "failed", "refused", "absent")


@dataclass(frozen=True)
class Verdict:
    """One engine against the interpreter: on how many samples of each kind, of how many outputs, how many differed.

    `state` is `equal` or `different`; or the engine is `absent`, or the exporter `refused`, or the engine `failed` on
    what was exported: `why` says what that means here.
    """

    engine: str
    state: str
    samples: Mapping[str, int] = field(default_factory=dict)
    compared: int = 0
    mismatches: int = 0
    why: str = ""

    def to_table(self) -> dict[str, Any]:
        """The verdict as plain data."""
        return {**vars(self), "samples": dict(self.samples)}

    @classmethod
    def from_table(cls, fields: Fields) -> "Verdict":
        """The verdict that `to_table` gave."""
        counts = fields.table("samples").rest()
        samples = {name: Fields({name: count}, fields.origin).integer(name, 0) for name, count in counts.items()}
        engine, state = fields.text("engine"), fields.text("state", STATES)
        compared, mismatches = fields.integer("compared", 0), fields.integer("mismatches", 0)
        verdict = cls(engine, state, samples, compared, mismatches, fields.text("why"))
        fields.finish()
        return verdict


@dataclass(frozen=True)
class Proof:
    """What was verified, of which network; `program_sha256` is of the program's file."""

    program_sha256: str
    verdicts: tuple[Verdict, ...]

    @property
    def holds(self) -> bool:
        """Whether no engine gave another number or failed, and at least one did run."""
        states = {each.state for each in self.verdicts}
        return "equal" in states and not states & {"different", "failed"}

    def to_json(self) -> str:
        """The proof as a document."""
        verdicts = [each.to_table() for each in self.verdicts]
        return files.dump("proof", VERSION, {"program_sha256": self.program_sha256, "verdicts": verdicts})

    @classmethod
    def parse(cls, text: str | bytes, origin: str) -> "Proof":
        """The proof that `to_json` gave.

        Raises:
            FileError: another kind or version, a key unknown or missing.
        """
        fields = Fields(files.parse(text, "proof", VERSION, origin), origin)
        proof = cls(
            fields.text("program_sha256"),
            tuple(Verdict.from_table(Fields(each, f"{origin}: 'verdicts'")) for each in fields.items("verdicts")),
        )
        fields.finish()
        return proof


def lowered(run: Result | Path | str) -> Program:
    """The program of a run's selected network.

    Raises:
        InputError: something of it has no exact integers; the message names it.
    """
    found = run if isinstance(run, Result) else Result.load(run)
    return lower(found.captured, found.plan, found.ranges)


def verify(
    network: Network, plan: Plan, ranges: Ranges, samples: Tensor | None = None, *, random: int = 100,
    slow: int = 20, seed: int = 0, only: Collection[str] = (), heard: Callable[[str], None] = lambda _: None,
) -> Proof:  # fmt: skip
    """Run a network in every engine at hand, on samples [n, ...] and on hard inputs, and compare all outputs.

    The fake-quantised network has its biases rounded as the program's are. `random` is how many inputs of each random
    kind are made; the qonnx executor and emulated boards, which are slow, get `slow` of each kind. `only` names the
    engines that are run, all if it is empty. `heard` is told each engine's name as it begins.

    Raises:
        InputError: the network has no program, or an engine is not known.
    """
    program = lower(network, plan, ranges)
    kinds = dict(adversarial(program, random, seed))
    if samples is not None:
        kinds = {"samples": samples.float(), **kinds}
    reference = interpreter(program)
    expected = {kind: reference(x) for kind, x in kinds.items()}
    whole = settled(network, plan, ranges)
    module = quantize(whole.network, plan, whole.ranges)
    verdicts = []
    made = {name: make for name, make in engines(module, program).items() if name != "interpreter"}  # the reference
    if unknown := sorted({*only} - {*made}):
        raise InputError(f"engine '{unknown[0]}' is not known; give some of: {'; '.join(made)}")
    for name, make in made.items():
        if only and name not in only:
            continue
        heard(name)
        try:
            verdicts.append(
                _compared(name, make(), program.output_type, kinds, expected, slow if name in SLOW else None)
            )
        except AbsentError as error:
            verdicts.append(Verdict(name, "absent", why=told(error)))
        except InputError as error:
            verdicts.append(Verdict(name, "refused", why=told(error)))
        except Exception as error:  # whatever an engine raises
            verdicts.append(Verdict(name, "failed", why=told(error)))
    return Proof(hashlib.sha256(program.to_bytes()).hexdigest(), tuple(verdicts))


def _compared(
    name: str, engine: Engine, type: Type, kinds: Mapping[str, Tensor], expected: Mapping[str, Tensor], most: int | None
) -> Verdict:
    samples = {kind: len(x[:most]) for kind, x in kinds.items()}
    found = engine(torch.cat([x[:most] for x in kinds.values()]))
    wanted = torch.cat([codes[:most] for codes in expected.values()])
    compared, mismatches = wanted.numel(), differing(found, wanted, type)
    return Verdict(name, "different" if mismatches else "equal", samples, compared, mismatches)


def differing(found: Tensor, wanted: Tensor, type: Type) -> int:
    """How many outputs are not the ones wanted, which have a type.

    Only a mean over a count that is no power of two is no multiple of one: it must be the right one rounded to the
    engine's float32, or in float64 have the right code.
    """
    if found.shape != wanted.shape:
        return wanted.numel()
    if found.dtype == torch.float32 or type.divisor == 1:
        return int((found != wanted.to(found.dtype)).sum())
    codes = [(each * type.divisor * 2.0 ** -type.exponents[0]).round() for each in (found, wanted)]
    return int((codes[0] != codes[1]).sum())
