"""Places in the arena: no two values that live together share a byte."""

import pytest
from tests.integer import nets

from picojoule.integer import Memory, Program, lower, memory
from picojoule.integer.lowering.builder import Builder

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def pools(sizes: list[int]) -> Program:
    """Sums over halves of an image, one after the other, each an operation that needs its input whole."""
    made = Builder()
    value = made.emit("input", "input", (), shape=[1, sizes[0]], low=0, high=255, exponent=0, sign=False)
    for index, size in enumerate(sizes[1:]):
        value = made.emit(f"pool{index}", "max_pool", (value,), kernel=[2], stride=[2], padding=[0], dilation=[1],
                          ceil=False)  # fmt: skip
        assert made.type(value).shape == (1, size)
    return made.program(value)


def test_by_hand() -> None:
    """64 and 32 bytes live together, then 32 and 16: the 16 lie where the 64 were."""
    found = memory(pools([64, 32, 16]))
    assert found == Memory({"input": (0, 64), "pool0": (64, 32), "pool1": (0, 16)}, 96)


def test_what_is_rounded_at_once_needs_no_place() -> None:
    made = Builder()
    image = made.emit("input", "input", (), shape=[8], low=0, high=1, exponent=0, sign=False)
    one = made.emit("sums", "add", (image, image))
    two = made.emit("bounded", "clamp", (one,), low=[0], high=[1])
    program = made.program(made.emit("site", "requantise", (two,), low=0, high=1, exponent=0))
    assert memory(program) == Memory({"input": (0, 1), "site": (1, 1)}, 2)


@pytest.mark.parametrize("seed", range(12))
def test_no_two_values_overlap(seed: int) -> None:
    program = lower(*nets.case(seed))
    found = memory(program)
    steps = {each.name: step for step, each in enumerate(program.operations)}
    lives = {}
    for name in found.places:  # as long as anything that is left of it, or that it is left of, is read
        chain = {name, *_behind(program, name, set(found.places))}
        reads = [steps[each.name] for each in program.operations if chain & set(each.reads)]
        lives[name] = (min(steps[each] for each in chain), max([*reads, *(steps[each] for each in chain)]))
    lives[program.output] = (lives[program.output][0], len(steps))
    for one, (offset, size) in found.places.items():
        assert 0 <= offset <= found.arena_bytes - size
        for other, (start, length) in found.places.items():
            together = lives[one][0] <= lives[other][1] and lives[other][0] <= lives[one][1]
            assert one == other or not together or offset + size <= start or start + length <= offset, (one, other)
    assert found.arena_bytes <= sum(size for _, size in found.places.values())


def _behind(program: Program, name: str, places: set[str]) -> set[str]:
    """What an element-wise step is computed from, back to what has a place of its own."""
    if program.by_name[name].kind not in ("clamp", "requantise", "sign", "table", "align", "reshape"):
        return set()
    reads = {each for each in program.by_name[name].reads if each not in places}
    return reads.union(*(_behind(program, each, places) for each in reads))
