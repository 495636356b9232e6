"""Which of C's numbers a value is stored in: the narrowest that hold its codes, or single bits of signs."""

from dataclasses import dataclass

from picojoule.integer.laws import LAYERS
from picojoule.integer.program import Operation, Program
from picojoule.integer.types import Type


@dataclass(frozen=True)
class Storage:
    """Numbers of C: `name` as in `int8_t` and in the names of functions that load and store them."""

    name: str
    bytes: int
    low: int
    high: int

    @property
    def c_type(self) -> str:
        """The type's name in C."""
        return f"{self.name}_t"


BITS = Storage("bits", 0, -1, 1)
"""Signs, eight to a byte, the first in its least bit: set for -1 and not for +1, as weights are packed."""
STORAGES = tuple(
    Storage(f"{'' if signed else 'u'}int{bits}", bits // 8, -signed << (bits - 1), (1 << (bits - signed)) - 1)
    for bits in (8, 16, 32, 64)
    for signed in (True, False)
    if signed or bits < 32
)  # fmt: skip


def storage_of(type: Type, least_bytes: int = 1) -> Storage:
    """The narrowest numbers of at least so many bytes that hold a type's codes."""
    holding = (each for each in STORAGES if each.low <= type.low and type.high <= each.high)
    return next(each for each in holding if each.bytes >= least_bytes)


def signs_in_bits(program: Program) -> frozenset[str]:
    """The values that are stored as bits: signs that are read, behind maxima or not, by layers of signs alone."""
    readers = program_readers(program)
    groups: dict[str, set[str]] = {}
    for each in program.operations:
        if each.kind == "sign":
            groups[each.name] = {each.name}
        elif each.reads and each.reads[0] in groups and _keeps_bits(program, each, readers):
            groups[each.name] = groups[each.reads[0]]
            groups[each.name].add(each.name)
    plain = {program.output}
    for each in program.operations:
        own = groups.get(each.name, set())
        if not _counts(program, each):
            plain |= {read for read in each.reads if read not in own}
    return frozenset(name for name, group in groups.items() if not group & plain)


def program_readers(program: Program) -> dict[str, list[Operation]]:
    """For each value the operations that read it."""
    readers: dict[str, list[Operation]] = {each.name: [] for each in program.operations}
    for each in program.operations:
        for read in each.reads:
            readers[read].append(each)
    return readers


def _keeps_bits(program: Program, operation: Operation, readers: dict[str, list[Operation]]) -> bool:
    """Whether an operation on bits makes bits: a maximum, or a rearrangement that dense layers alone read."""
    if operation.kind == "max_pool":
        return True
    return operation.kind == "reshape" and all(
        each.kind == "linear" and _counts(program, each) for each in readers[operation.name]
    )


def _counts(program: Program, operation: Operation) -> bool:
    """Whether an operation is a layer that can count equal signs."""
    if operation.kind not in LAYERS or program.constants[f"{operation.name}.weights"].form != "sign":
        return False
    one_row = len(program.by_name[operation.reads[0]].type.shape) == 1
    return one_row if operation.kind == "linear" else operation.args["groups"] == 1
