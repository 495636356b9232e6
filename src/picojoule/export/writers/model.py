"""A whole program as a model: each operation in the numbers that hold it, between an input and an output."""

import onnx
from onnx import TensorProto, helper

from picojoule.export.writers.exactness import EXACT, check_exact, divides_exactly, is_wide, largest, needs_parts
from picojoule.export.writers.graph import GraphWriter
from picojoule.export.writers.means import rounded_to_odd
from picojoule.export.writers.operations import WRITE
from picojoule.export.writers.tables import nearest
from picojoule.integer.program import Operation, Program


def written(dialect: type[GraphWriter], program: Program) -> bytes:
    """A program in a dialect, the same bytes for the same program.

    Raises:
        InputError: something would not be exact; the message names it.
    """
    odd = {} if dialect.doubles else rounded_to_odd(program)  # as nothing wider holds them
    check_exact(program, dialect.doubles, odd)
    writer = dialect(program, odd)
    shape, after = program.input.type.shape, program.output_type.shape
    x = helper.make_tensor_value_info("input", TensorProto.FLOAT, [writer.batch, *shape])
    values = {program.input.name: _given(writer, program.input)}
    for operation in program.operations[1:]:
        values[operation.name] = _value(writer, operation, [values[each] for each in operation.reads])
    result, wide = values[program.output], is_wide(program.by_name[program.output])
    if program.output_type.divisor != 1:
        with writer.doubles_written(wide):
            result = writer.node("Div", [result, writer.number(program.output_type.divisor)], f"{program.output}.mean")
    kind = TensorProto.DOUBLE if wide else TensorProto.FLOAT
    _rename(writer.nodes, result, "output")
    y = helper.make_tensor_value_info("output", kind, [writer.batch, *after])
    graph = helper.make_graph(writer.nodes, "picojoule", [x], [y], writer.stored)
    opsets = [helper.make_opsetid("", writer.opset), *(helper.make_opsetid(*each) for each in writer.domains.items())]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=writer.ir_version, producer_name="picojoule")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _given(writer: GraphWriter, given: Operation) -> str:
    """Write the rounding of the input."""
    if writer.program.members:
        return nearest(writer, given, "input")
    return (writer.signs if given.args["sign"] else writer.rounded)("input", given.name, given.type)


def _value(writer: GraphWriter, operation: Operation, reads: list[str]) -> str:
    """Write an operation in the numbers that hold it; what float32 holds is in float32 again behind it."""
    name, write = operation.name, WRITE[operation.kind]
    wide = [writer.doubles and is_wide(writer.program.by_name[each]) for each in operation.reads]
    if operation.kind in ("requantise", "sign"):
        if wide[0] or not divides_exactly(writer.program, operation):
            rounds = writer.signs if operation.kind == "sign" else writer.rounded
            return rounds(_rounded_wide(writer, operation, reads[0], wide[0]), name, operation.type)
    elif operation.kind != "table" and (any(wide) or (writer.doubles and largest(operation) > EXACT)):
        if needs_parts(writer.program, operation):
            x = write(writer, operation, reads)
        else:
            with writer.doubles_written():
                held = [x if each else writer.held(x) for x, each in zip(reads, wide, strict=True)]
                x = write(writer, operation, held)
        return x if is_wide(operation) else writer.narrowed(x)
    return write(writer, operation, reads)


def _rounded_wide(writer: GraphWriter, operation: Operation, x: str, wide: bool) -> str:
    """What is to be rounded, rounded in float64: float32 holds that."""
    own, name = operation.type, operation.name
    divisor = writer.program.by_name[operation.reads[0]].type.divisor
    with writer.doubles_written():
        x = x if wide else writer.held(x)
        if operation.kind == "requantise":
            x = x if divisor == 1 else writer.node("Div", [x, writer.number(divisor)], f"{name}.mean")
            x = writer.node("Mul", [x, writer.number(2.0 ** -own.exponents[0])], f"{name}.steps")
            x = writer.node("Round", [x], f"{name}.rounded")
        x = writer.node("Clip", [x, writer.number(own.low), writer.number(own.high)], f"{name}.bounded")
    x = writer.node("Cast", [x], f"{name}.narrow", to=TensorProto.FLOAT)
    return x if operation.kind == "sign" else writer.node("Mul", [x, writer.step(own)], f"{name}.scaled")


def _rename(nodes: list[onnx.NodeProto], value: str, name: str) -> None:
    """Give a node's result another name; an Identity behind it would do, but hls4ml loses the output with it."""
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [name if each == value else each for each in names]
