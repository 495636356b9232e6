"""What a network takes as C, step by step, as far as it is known before anything is compiled."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from picojoule.export.c.layout import Layout
from picojoule.export.c.loops.loop import Loop
from picojoule.export.c.steps import Schedule, Step
from picojoule.integer.laws import LAYERS


@dataclass(frozen=True)
class StepFigures:
    """One step: what it does, and of a layer its weights. 0 of what has none; `packed_bytes` are bits / 8."""

    name: str
    kinds: tuple[str, ...]
    makes: tuple[int, ...]
    macs: int
    weight_bits: int
    weight_bytes: int
    packed_bytes: int
    table_bytes: int


@dataclass(frozen=True)
class Figures:
    """All steps; the arena, and what of it lives at once at the worst step, which no arena can be smaller than."""

    steps: tuple[StepFigures, ...]
    arena_bytes: int
    least_bytes: int

    @property
    def macs(self) -> int:
        """Of all layers, those with padding included."""
        return sum(step.macs for step in self.steps)

    @property
    def weight_bytes(self) -> int:
        """Of flash, for weights as C has them."""
        return sum(step.weight_bytes for step in self.steps)

    @property
    def packed_bytes(self) -> int:
        """Of weights that take their bits and nothing more."""
        return sum(step.packed_bytes for step in self.steps)

    @property
    def excess(self) -> float:
        """What weights take beyond their bits, as a share of those; 0 without weights."""
        return self.weight_bytes / self.packed_bytes - 1 if self.packed_bytes else 0.0

    @property
    def table_bytes(self) -> int:
        """Of flash, for biases, shifts, thresholds that differ from channel to channel, and where windows lie."""
        return sum(step.table_bytes for step in self.steps)

    def to_table(self) -> dict[str, Any]:
        """The figures as plain data."""
        sums = ("macs", "weight_bytes", "packed_bytes", "excess", "table_bytes", "arena_bytes", "least_bytes")
        return {**{name: getattr(self, name) for name in sums}, "steps": [asdict(step) for step in self.steps]}


def figures_of(
    its: Schedule, loops: Sequence[Loop], laid: Layout, tables: Sequence[Sequence[Mapping[str, Any]]]
) -> Figures:
    """The figures of a schedule, its loops, its arena, and the tables that each step reads beside its weights."""
    steps = [_step(its, *each) for each in zip(its.steps, loops, tables, strict=True)]
    return Figures(tuple(steps), laid.arena_bytes, laid.least_bytes)


def _step(its: Schedule, step: Step, loop: Loop, tables: Sequence[Mapping[str, Any]]) -> StepFigures:
    operation = step.operation
    macs = bits = packed = 0
    if operation is not None and operation.kind in LAYERS:
        weights = its.program.constants[f"{operation.name}.weights"]
        macs = operation.type.count * weights.values[0].numel()
        bits, packed = weights.bits, weights.packed_bytes
    return StepFigures(
        step.name,
        (operation.kind if operation else "copy", *(tail.operation.kind for tail in step.tails)),
        its.values[step.makes].type.shape,
        macs,
        bits,
        loop.weight_bytes,
        packed,
        sum(table["bytes"] for table in tables) + 4 * len(loop.facts.get("geometry") or ()),
    )
