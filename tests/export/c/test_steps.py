"""Programs as steps: nothing is left out or done twice, and what is read is there."""

from collections import Counter
from functools import partial
from math import prod

import numpy as np
import pytest
from tests.export.c.chances import chance
from tests.export.c.programs import Hand, net

from picojoule.export.c.steps import TAILS, Schedule, factors, schedule
from picojoule.export.c.storage import BITS
from picojoule.integer import Program
from picojoule.integer.types import Type

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def kinds(its: Schedule) -> list[list[str]]:
    """What each step does."""
    return [[step.operation.kind if step.operation else "copy", *(tail.operation.kind for tail in step.tails)]
            for step in its.steps]  # fmt: skip


def check(program: Program) -> None:
    its = schedule(program)
    done = Counter(each.operation.name for step in its.steps for each in (step, *step.tails) if each.operation)
    for operation in program.operations[1:]:
        if operation.kind == "reshape":  # or else it is a view, or dense layers read around it
            assert done[operation.name] <= 1
        elif operation.kind != "align":  # which may be done where a value is added, and as often
            assert done[operation.name] == 1, operation.name
    assert set(done) <= {each.name for each in program.operations[1:]}
    made = {program.input.name}
    for step in its.steps:
        assert {its.values[name].lies_in for name in step.uses} <= made
        assert step.makes not in made
        assert all(tail.operation.kind in TAILS for tail in step.tails)
        assert its.values[step.makes].type == step.type
        made.add(step.makes)
    assert its.steps[-1].makes == its.output
    assert its.output not in {its.values[name].lies_in for step in its.steps for name in step.uses}
    for name, value in its.values.items():
        assert value.bytes == its.values[value.lies_in].bytes
        assert value.lies_in in made
        assert name == value.name
        assert value.storage.low <= value.type.low <= value.type.high <= value.storage.high
    assert its.values[its.output].storage.bytes >= 4
    assert its.values[its.output].type.shape == program.output_type.shape


@pytest.mark.parametrize(("make", "count"), [(net, 10), (partial(net, curved=True), 10), (chance, 300)],
                         ids=["networks", "curves", "chances"])  # fmt: skip
def test_each_operation_is_done_once(make: "partial[Program]", count: int) -> None:
    for seed in range(count):
        check(make(seed))


def test_what_follows_a_layer_is_done_on_its_sums() -> None:
    made = Hand((3, 6, 6))
    one = made.round(made.emit("relu", "clamp", (made.conv(made.x, 4),), low=[0], high=None))
    its = schedule(made.program(made.conv(one, 2, (4, 4))))
    assert kinds(its) == [["conv2d", "clamp", "requantise"], ["conv2d"]]


def test_a_residual_is_added_on_the_way() -> None:
    made = Hand((4, 6, 6))
    one = made.round(made.conv(made.x, 4, padding=[1, 1]), exponent=5)
    its = schedule(
        made.program(made.conv(made.round(made.add(made.conv(one, 4, padding=[1, 1], exponents=[-3]), one)), 1, (6, 6)))
    )
    assert kinds(its) == [["conv2d", "requantise"], ["conv2d", "add", "requantise"], ["conv2d"]]
    assert [tail.times for tail in its.steps[1].tails if tail.addend] == [(8,)]


def test_two_layers_are_added_in_the_second() -> None:
    made = Hand((4, 6, 6))
    its = schedule(made.program(made.conv(made.round(made.add(made.conv(made.x, 4), made.conv(made.x, 4))), 1, (4, 4))))
    assert kinds(its) == [["conv2d"], ["conv2d", "add", "requantise"], ["conv2d"]]


def test_what_is_made_later_under_another_shape_is_not_added_before() -> None:
    made = Hand((6, 1, 1))
    one, other = made.linear(made.flat(made.x), 4), made.flat(made.round(made.conv(made.x, 4, (1, 1)), exponent=0))
    check(made.program(made.add(one, other)))


def test_flattening_costs_nothing() -> None:
    made = Hand((3, 6, 6))
    its = schedule(made.program(made.linear(made.flat(made.round(made.conv(made.x, 4))), 5)))
    assert kinds(its) == [["conv2d", "requantise"], ["linear"]]
    assert its.steps[1].reads == (its.steps[0].makes,)


def test_a_view_lies_in_what_it_views() -> None:
    made = Hand((3, 6, 6))
    one = made.round(made.conv(made.x, 4, (6, 6)))
    its = schedule(made.program(made.linear(made.round(made.flat(one), exponent=15), 5)))
    assert kinds(its) == [["conv2d", "requantise"], ["copy", "requantise"], ["linear"]]
    assert its.values["flat"].lies_in == one


@pytest.mark.parametrize("shape", [(2, 3, 4), (24,), (1, 4, 4)])
def test_the_output_is_never_a_view(shape: tuple[int, ...]) -> None:
    made = Hand(shape)
    for output in (made.x, made.flat(made.x)):
        assert kinds(schedule(made.program(output)))[-1] in (["copy"], ["reshape"])


def test_what_the_output_does_not_need_is_left_out() -> None:
    made = Hand((12,))
    one = made.round(made.linear(made.x, 12))
    whole = made.program(made.linear(one, 3))
    assert kinds(schedule(Program(whole.operations, whole.constants, one))) == [["linear", "requantise"]]


@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (3, 4, 5), (2, 3, 4, 5)])
def test_values_lie_channels_last(shape: tuple[int, ...]) -> None:
    made = Hand([*shape] or [1])
    whole = made.x if shape else made.emit("sum", "sum", (made.x,), dims=[1], keep=False, count=1)
    own = next(each for each in schedule(made.program(whole)).values.values() if each.type.shape == shape)
    wanted = np.moveaxis(np.arange(prod(shape)).reshape(shape), 0, -1).ravel() if shape else np.zeros(1)
    assert own.positions.tolist() == wanted.tolist()
    for at, position in enumerate(own.positions):
        assert at == sum(k * stride for k, stride in zip(np.unravel_index(position, shape), own.strides, strict=True))


def test_bits_begin_a_byte_at_each_pixel() -> None:
    made = Hand((9, 4, 5))
    sign = made.sign(made.x)
    value = schedule(made.program(made.conv(sign, 2, bits=1, form="sign"))).values[sign]
    assert (value.storage, value.bytes) == (BITS, 2 * 20)


def test_factors_make_exponents_and_divisors_alike() -> None:
    read = Type((2,), -3, 3, (1, -2), 0, 3)
    assert factors(read, Type((2,), -99, 99, (-4,), 0, 9)) == (3 << 5, 3 << 2)
    assert factors(Type((2,), 0, 0, (300,)), Type((2,), 0, 0, (-200,))) == (1,)
