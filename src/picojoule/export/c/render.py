"""A program rendered as files of C from the templates beside this module."""

import re
from collections.abc import Mapping, Sequence
from functools import cache

import jinja2

from picojoule.errors import InputError
from picojoule.export.c.figures import Figures, figures_of
from picojoule.export.c.functions import dot_name, four_name, functions_of, product_name
from picojoule.export.c.layout import Layout, layout
from picojoule.export.c.loops import loop_of
from picojoule.export.c.loops.coded import widened
from picojoule.export.c.loops.loop import Array, Facts, Loop
from picojoule.export.c.loops.weights import literal
from picojoule.export.c.steps import Schedule, Step, schedule
from picojoule.export.c.storage import BITS, Storage
from picojoule.export.c.tails import Finish
from picojoule.export.c.vectors import vectors
from picojoule.integer import Program
from picojoule.integer.types import Type

FILES = ("network.h", "network.c", "vectors.h", "main.c", "Makefile", "README.md")


def rendered(program: Program) -> Mapping[str, bytes]:
    """The files of a program, by name.

    Raises:
        InputError: something of it has no C; the message names it.
    """
    net = facts(program) | {"vectors": vectors(program).facts()}
    return {name: _environment().get_template(f"{name}.j2").render(net=net).encode() for name in FILES}


def figures(program: Program) -> Figures:
    """What a program takes as C, as far as it is known before anything is compiled.

    Raises:
        InputError: as `rendered`.
    """
    found: Figures = facts(program)["figures"]
    return found


def facts(program: Program) -> Facts:
    """All that the templates need, but for the golden vectors."""
    its = schedule(program)
    loops, laid = _laid(its)
    steps = [_step(its, laid, k, *each) for k, each in enumerate(zip(its.steps, loops, strict=True))]
    return _interface(its) | functions_of(its, loops, steps) | {
        "steps": steps, "arena_bytes": laid.arena_bytes, "least_bytes": laid.least_bytes,
        "weight_bytes": sum(each.weight_bytes for each in loops),
        "slack": max((each.slack for each in loops), default=0),
        "figures": figures_of(its, loops, laid, [step["tables"] for step in steps]),
    }  # fmt: skip


def _laid(its: Schedule) -> tuple[list[Loop], Layout]:
    """All loops and the arena; loops that do better with more room get what the worst step needs anyway."""
    loops = [loop_of(its, step) for step in its.steps]
    laid = layout(its, _buffers(loops))
    roomy = [widened(loop, laid.least_bytes - lives) for loop, lives in zip(loops, laid.lives, strict=True)]
    wider = layout(its, _buffers(roomy))
    return (roomy, wider) if wider.arena_bytes <= laid.arena_bytes else (loops, laid)


def _buffers(loops: Sequence[Loop]) -> dict[int, int]:
    return {k: each.buffer_bytes for k, each in enumerate(loops) if each.buffer_bytes}


def _interface(its: Schedule) -> Facts:
    """What goes in and out."""
    given, made = its.values[its.program.input.name], its.values[its.output]
    low, high = given.type.low, given.type.high
    if given.storage.bytes > 2:
        raise InputError(f"the input has codes of {given.type.bits} bits; C takes at most 16")
    checks = [f"input[i] < {low}" * (low > given.storage.low), f"input[i] > {high}" * (high < given.storage.high)]
    checks.append("input[i] == 0" * its.program.input.args["sign"])
    return {
        "inputs": given.type.count, "input_sizes": [given.type.shape[dim] for dim in given.order],
        "input_low": low, "input_high": high, "input_sign": its.program.input.args["sign"],
        "input_exponent": given.type.exponents[0], "input_type": given.storage.c_type,
        "input_members": literal(its.program.members) if its.program.members else [],
        "input_check": " || ".join(each for each in checks if each),
        "outputs": made.type.count, "output_sizes": made.type.shape or (1,), "output_exponent": made.type.exponents[0],
        "output_divisor": made.type.divisor, "output_type": made.storage.c_type,
    }  # fmt: skip


def _step(its: Schedule, laid: Layout, number: int, step: Step, loop: Loop) -> Facts:
    """What the templates need of one step."""
    finish = Finish(its, step, number, loop.axis)
    finish.begin(_made(its, step), loop.scale)
    finish.all()
    own = its.values[step.makes]
    addends = [tail.addend for tail in step.tails if tail.addend]
    arrays = ((Array("packed", "uint8_t", 1, tuple(loop.weights)),) if loop.weights else ()) + loop.more
    stored = [{"name": f"weights_{number}_{each.name}", "type": each.type, "lines": literal(each.numbers)}
              for each in arrays]  # fmt: skip
    return {"geometry": None} | loop.facts | {
        "number": number, "loop": loop.template, "said": _said(step, own.type),
        "inputs": [f"in{k}" for k in range(len(step.reads))] + [f"a{k}" for k in range(len(addends))],
        "addends": [f"a{k}" for k in range(len(addends))],
        "arguments": [_place(its, laid, name) for name in (*step.reads, *addends, step.makes)],
        "buffer": laid.buffers.get(number), "sum": finish.sum, "sum_bits": finish.bits, "tail": finish.lines,
        "constants": [*stored, *finish.tables], "tables": finish.tables, "storage": own.storage.name,
        "out_bytes": -(-own.type.shape[0] // 8) if own.storage is BITS else 0,
        "four": four_name(loop.facts, finish.bits) if loop.facts.get("fours") else "",
        "maxima": own.storage.name if _is_bytewise(loop.facts, finish, own.storage) else "",
        "dot": dot_name(loop.facts, finish.bits) if loop.template == "dot" else "",
        "product": product_name(loop.facts, finish.bits) if loop.template == "coded" else "",
    }  # fmt: skip


def _made(its: Schedule, step: Step) -> Type:
    """The type of an element as the loop makes it."""
    return step.operation.type if step.operation else its.values[step.reads[0]].type


def _place(its: Schedule, laid: Layout, name: str) -> str:
    """Where a value lies, in C."""
    name = its.values[name].lies_in
    if name == its.program.input.name:
        return "(const uint8_t *)input"
    return "(uint8_t *)output" if name == its.output else f"arena.bytes + {laid.places[name]}"


def plain(name: str) -> str:
    """A name of the user's with nothing in it that could end a line or a comment."""
    return re.sub(r"[^ -)+-.0-~]", "_", name)


def _said(step: Step, type: Type) -> str:
    """A step in words."""
    parts = [step.operation.kind if step.operation else "copy", *(tail.operation.kind for tail in step.tails)]
    shape = " x ".join(map(str, type.shape or (1,)))
    return f"{plain(step.name)}: {', '.join(parts)}; makes {shape}"


def _is_bytewise(facts: Facts, finish: Finish, storage: Storage) -> bool:
    """Whether a maximum of four bytes at a time is all that there is to do."""
    same = facts.get("kind") == "max" and facts["input"] == storage.name and not finish.lines
    return same and storage.bytes == 1 and facts["channels"] >= 4


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("picojoule.export.c"), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    made.filters["plain"] = plain
    return made
