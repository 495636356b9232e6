"""The arena, run through step by step: what is read is still there, and nothing takes more room than it must."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from tests.export.c.chances import chance
from tests.export.c.programs import Hand, net

from picojoule import zoo
from picojoule.calibration import Calibration
from picojoule.export.c.layout import ALIGNED, Layout, layout
from picojoule.export.c.loops import loop_of
from picojoule.export.c.steps import Schedule, schedule
from picojoule.formats import parse
from picojoule.integer import Program, lower
from picojoule.network import capture
from picojoule.plan import Plan

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def laid(program: Program) -> tuple[Schedule, dict[int, int], Layout]:
    """A program's schedule, the buffers of its steps, and its arena."""
    its = schedule(program)
    loops = [loop_of(its, step) for step in its.steps]
    buffers = {k: each.buffer_bytes for k, each in enumerate(loops) if each.buffer_bytes}
    return its, buffers, layout(its, buffers)


def run_through(program: Program) -> None:
    """Each byte remembers whose it is: a value is there whole whenever it is read."""
    its, buffers, arena = laid(program)
    owner: list[object] = [None] * arena.arena_bytes
    after = {its.values[name].lies_in: k for k, step in enumerate(its.steps) for name in step.uses}  # the last reader
    for k, step in enumerate(its.steps):
        held = {its.values[name].lies_in for name in step.uses} & arena.places.keys()
        for name in held:
            at, size = arena.places[name], its.values[name].bytes
            assert at % ALIGNED == 0
            assert set(owner[at : at + size]) == {name}
        if k in buffers:
            at, size = arena.buffers[k], buffers[k]
            assert at + size <= arena.arena_bytes
            assert not held & set(owner[at : at + size])
            owner[at : at + size] = [k] * size
        if step.makes != its.output:
            at, value = arena.places[step.makes], its.values[step.makes]
            under = set(owner[at : at + value.bytes])
            assert k not in under
            for name in held & under:  # replaced while it is read: only at the very element, and only of equal size
                read = {its.values[each].lies_in for each in step.reads} if step.operation else set()
                assert name not in read
                assert (arena.places[name], after[name]) == (at, k)
                assert its.values[name].storage.bytes == value.storage.bytes > 0
            assert len(owner[at : at + value.bytes]) == value.bytes
            owner[at : at + value.bytes] = [step.makes] * value.bytes
    assert arena.arena_bytes >= arena.least_bytes >= max(buffers.values(), default=0)


@pytest.mark.parametrize(("make", "count"), [(net, 10), (partial(net, curved=True), 10), (chance, 300)],
                         ids=["networks", "curves", "chances"])  # fmt: skip
def test_what_is_read_is_there(make: Callable[[int], Program], count: int) -> None:
    for seed in range(count):
        run_through(make(seed))


def test_an_addend_is_replaced_in_its_place() -> None:
    made = Hand((4, 6, 6))
    one = made.round(made.conv(made.x, 4, padding=[1, 1]), exponent=4)
    two = made.round(made.add(made.conv(made.round(one, exponent=5), 4, padding=[1, 1]), one), exponent=6)
    its, _, arena = laid(made.program(made.conv(two, 2)))
    assert arena.places[one] == arena.places[two]
    assert its.values[one].bytes == 4 * 36


def test_what_a_window_reads_is_not_replaced_under_another_name() -> None:
    made = Hand((12,))
    one = made.round(made.linear(made.x, 12))
    two = made.round(made.add(made.linear(made.flat(one), 12), one))
    _, _, arena = laid(made.program(made.linear(two, 3)))
    assert arena.places[one] != arena.places[two]


@pytest.mark.parametrize(("name", "bits"), [
    ("lenet5", 8), ("lenet-300-100", 4), ("ds-cnn", 4), ("ds-cnn", 16), ("resnet20-x0.25", 8),
    ("qnn-1x16-1x16-1x16", 1),
])  # fmt: skip
def test_arenas_of_the_zoo_are_within_5_percent_of_what_lives_at_once(name: str, bits: int) -> None:
    model = zoo.create(name).eval()
    x = torch.randn(2, *zoo.example(name).shape[1:], generator=torch.Generator().manual_seed(0))
    network = capture(model, x[:1])
    plan = Plan({site: parse("binary" if bits == 1 else f"fixed{bits}") for site in network.sites})
    calibration = Calibration.of(network, x)
    program = lower(calibration.network, plan, calibration.ranges(plan))
    run_through(program)
    arena = laid(program)[2]
    assert arena.arena_bytes <= 1.05 * arena.least_bytes
