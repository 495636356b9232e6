"""What moves elements, or adds them up along dimensions, as nested loops."""

from collections.abc import Callable

from picojoule.export.c.loops.loop import Loop, natural_strides, offset_of, operation_of, strides_of
from picojoule.export.c.steps import Schedule, Step, Value
from picojoule.integer.program import Operation

Place = Callable[[Operation, Value, Value], tuple[str, str]]
"""Where the element of what is read lies that goes to `i0`, `i1`, ... of what is made, and if there is none, the
condition under which there is."""


def sum_over(schedule: Schedule, step: Step) -> Loop:
    operation, read, own = operation_of(step), schedule.values[step.reads[0]], schedule.values[step.makes]
    over, kept = [dim - 1 for dim in operation.args["dims"]], operation.args["keep"]
    left = [dim for dim in range(len(read.type.shape)) if dim not in over]
    made = {dim if kept else left.index(dim): dim for dim in left}  # dimensions of what is made that one goes along
    names = {dim: f"i{at}" for at, dim in made.items()} | {dim: f"j{dim}" for dim in over}
    facts = {
        "loops": [{"dim": at, "size": own.type.shape[at]} for at in made],
        "inner": [{"dim": dim, "size": read.type.shape[dim]} for dim in over],
        "offset": offset_of(read.strides, names),
        "to": offset_of(strides_of(schedule, own), {at: f"i{at}" for at in made}),
        "channel": "i0" if 0 in made else "0", "input": read.storage.name, "channels": own.channels,
    }  # fmt: skip
    return Loop("sum", facts)


def copy(schedule: Schedule, step: Step, place: Place) -> Loop:
    """Elements that go elsewhere, one from each place."""
    own, reads = schedule.values[step.makes], [schedule.values[name] for name in step.reads]
    parts = []
    begin = 0
    for at, read in enumerate(reads):
        offset, condition = place(step.operation, read, own) if step.operation else (_along(read, own), "")
        sizes, to, channel = [*own.type.shape], offset_of(strides_of(schedule, own), _names(own)), "i0"
        if step.operation and step.operation.kind == "concat":
            dim = step.operation.args["dim"] - 1
            sizes, to = [*read.type.shape], f"{to} + {begin * strides_of(schedule, own)[dim]}"
            channel = f"i0 + {begin}" if dim == 0 else "i0"
            begin += read.type.shape[dim]
        parts.append({
            "loops": [{"dim": dim, "size": sizes[dim]} for dim in own.order], "to": to, "offset": offset,
            "condition": condition, "input": read.storage.name, "name": f"in{at}", "channel": channel,
        })  # fmt: skip
    return Loop("copy", {"parts": parts, "channels": own.channels})


def _names(value: Value) -> dict[int, str]:
    return {dim: f"i{dim}" for dim in range(len(value.type.shape))}


def _along(read: Value, own: Value) -> str:
    """The element in the same place."""
    return offset_of(read.strides, _names(own))


def permuted(operation: Operation, read: Value, own: Value) -> tuple[str, str]:
    order = [each - 1 for each in operation.args["order"][1:]]
    return offset_of(read.strides, {dim: f"i{at}" for at, dim in enumerate(order)}), ""


def sliced(operation: Operation, read: Value, own: Value) -> tuple[str, str]:
    args, names = operation.args, _names(own)
    dim = args["dim"] - 1
    start, _, step = slice(args["start"], args["stop"], args["step"]).indices(read.type.shape[dim])
    return offset_of(read.strides, names | {dim: f"({start} + i{dim} * {step})"}), ""


def padded(operation: Operation, read: Value, own: Value) -> tuple[str, str]:
    pads, names, inside = operation.args["pad"], _names(own), []
    for k in range(len(pads) // 2):
        dim, before = len(own.type.shape) - 1 - k, pads[2 * k]
        if pads[2 * k] or pads[2 * k + 1]:
            names[dim] = f"(i{dim} - {before})"
            inside.append(f"i{dim} >= {before} && i{dim} < {before + read.type.shape[dim]}")
    return offset_of(read.strides, names), " && ".join(inside)


def reshaped(operation: Operation, read: Value, own: Value) -> tuple[str, str]:
    number = offset_of(natural_strides(own.type.shape), _names(own))
    natural = natural_strides(read.type.shape)
    names = {dim: f"(({number}) / {natural[dim]} % {size})" for dim, size in enumerate(read.type.shape)}
    return offset_of(read.strides, names), ""


def concatenated(operation: Operation, read: Value, own: Value) -> tuple[str, str]:
    return _along(read, own), ""


def copied(place: Place) -> Callable[[Schedule, Step], Loop]:
    return lambda schedule, step: copy(schedule, step, place)
