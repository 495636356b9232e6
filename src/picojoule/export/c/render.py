"""A program rendered as files of C from the templates beside this module."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2

from picojoule.errors import InputError
from picojoule.export.c.figures import Figures, figures_of
from picojoule.export.c.layout import Layout, layout
from picojoule.export.c.loops import Loop, loop
from picojoule.export.c.steps import Schedule, Step, schedule
from picojoule.export.c.storage import BITS, STORAGES, Storage
from picojoule.export.c.tails import Finish
from picojoule.export.c.vectors import vectors
from picojoule.export.c.weights import literal, planes
from picojoule.integer import Program
from picojoule.integer.types import Type

FILES = ("network.h", "network.c", "vectors.h", "main.c", "Makefile", "README.md")
Facts = dict[str, Any]
HALVES = {"int8": "signed", "uint8": "unsigned", "int16": "none", "uint16": ""}
"""How numbers become signed halves of words, where DSP instructions have a way."""
MOST_TAPS = 25
"""Of a window whose products are written out one by one."""


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
    loops = [loop(its, step) for step in its.steps]
    laid = layout(its, {k: each.buffer_bytes for k, each in enumerate(loops) if each.buffer_bytes})
    steps = [_step(its, laid, k, *each) for k, each in enumerate(zip(its.steps, loops, strict=True))]
    return _interface(its) | _needs(its, loops, steps) | {
        "steps": steps, "arena_bytes": laid.arena_bytes, "least_bytes": laid.least_bytes,
        "weight_bytes": sum(len(each.weights) for each in loops),
        "slack": max((each.slack for each in loops), default=0),
        "figures": figures_of(its, loops, laid, [step["tables"] for step in steps]),
    }  # fmt: skip


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
    stored = (
        [{"name": f"weights_{number}_packed", "type": "uint8_t", "lines": literal(loop.weights)}]
        if loop.weights
        else []
    )
    return {"geometry": None} | loop.facts | {
        "number": number, "loop": loop.template, "said": _said(step, own.type),
        "inputs": [f"in{k}" for k in range(len(step.reads))] + [f"a{k}" for k in range(len(addends))],
        "addends": [f"a{k}" for k in range(len(addends))],
        "arguments": [_place(its, laid, name) for name in (*step.reads, *addends, step.makes)],
        "buffer": laid.buffers.get(number), "sum": finish.sum, "sum_bits": finish.bits, "tail": finish.lines,
        "constants": [*stored, *finish.tables], "tables": finish.tables, "storage": own.storage.name,
        "out_bytes": -(-own.type.shape[0] // 8) if own.storage is BITS else 0,
        "four": _four_name(loop.facts, finish.bits) if loop.facts.get("fours") else "",
        "maxima": own.storage.name if _is_bytewise(loop.facts, finish, own.storage) else "",
        "dot": _dot_name(loop.facts, finish.bits) if loop.template == "dot" else "",
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


def _dot_name(facts: Facts, sum_bits: int) -> str:
    given = "patch" if facts["gather"] and facts["input"] == "int16" else facts["input"]
    return (
        f"{'sign' if facts['sign'] else facts['bits']}_{given}_{sum_bits}_{'pair' if facts['at_once'] == 2 else 'one'}"
    )


def _four_name(facts: Facts, sum_bits: int) -> str:
    kernel = "_".join(str(facts[name]) for name in ("kernel_y", "kernel_x", "step_x", "step_y", "width", "pixel"))
    return f"{facts['input']}_{sum_bits}_{kernel}"


def _is_bytewise(facts: Facts, finish: Finish, storage: Storage) -> bool:
    """Whether a maximum of four bytes at a time is all that there is to do."""
    same = facts.get("kind") == "max" and facts["input"] == storage.name and not finish.lines
    return same and storage.bytes == 1 and facts["channels"] >= 4


def _needs(its: Schedule, loops: list[Loop], steps: list[Facts]) -> Facts:
    """The functions of C that the steps call."""
    lines = [line for step in steps for line in step["tail"]]
    layers = {step["dot"]: step for step in steps if step["dot"]}
    dots = [_dot(name, step) for name, step in sorted(layers.items())]
    loaded = {step["input"] for step in steps if "input" in step and step["loop"] != "signs"}
    loaded |= {part["input"] for step in steps for part in step.get("parts", ())}
    loaded |= {line["input"] for line in lines if "input" in line}
    stored = {step["storage"] for step in steps if not step["out_bytes"]}
    fours = {step["four"]: step for step in steps if step["four"]}
    maxima = sorted({step["maxima"] for step in steps} - {""})
    if fours:
        loaded, stored = loaded | {"int16"}, stored | {"int16"}
    templates = {each.template for each in loops}
    gathers = {step["gather"] for step in steps if step.get("gather")}
    widened = sorted(gathers & {"int8", "uint8"})
    if widened:
        loaded, stored = loaded | {*widened}, stored | {"int16"}
    streams = bool(templates & {"grouped", "rows"})
    if any(step["loop"] == "rows" or (step["loop"] == "grouped" and step["fours"] < step["rows"]) for step in steps):
        loaded, stored = loaded | {"int32"}, stored | {"int32"}
    return {
        "maxima": maxima, "fours": [_four(name, step) for name, step in sorted(fours.items())],
        "dots": dots, "planes": _planes(dots), "streams": streams,
        "counts": _counts([step for step in steps if step["loop"] == "signs"]),
        "masks": any(step["loop"] == "signs" and step["padded"] for step in steps),
        "gathers": [_gather(name) for name in sorted(gathers)], "widened": widened,
        "copies": bool(gathers - {*widened}),
        "kernels": _kernels(dots), "spreads": any(1 in each["widths"] for each in _planes(dots)),
        "store_signs": any(
            step["out_bytes"] and step["loop"] != "signs" and step.get("kind") != "bits" for step in steps
        ),
        "words": bool(templates & {"dot", "signs"} or fours or maxima),
        "rounds": sorted({line["bits"] for line in lines if line["does"].startswith("round")}),
        "divides": any(line["does"] == "divide" for line in lines),
        "tables": any(line["does"] == "look up" for line in lines),
        "storages": [each for each in STORAGES if each.name in loaded],
        "stored": [each for each in STORAGES if each.name in stored],
    }  # fmt: skip


def _dot(name: str, step: Facts) -> Facts:
    """A kernel for products."""
    bits, wide = step["bits"], step["bits"] > 8 and not step["sign"]
    halves = HALVES[step["input"]]
    weights = "signs" if step["sign"] else f"{bits} bits"
    # A patch lies at a multiple of 4 bytes, so that words can be loaded in pairs.
    quick = (
        not wide and step["sum_bits"] == 32 and (step["width"] == 1 or (step["gather"] and step["input"] == "int16"))
    )
    kernel = f"ADD_{'HALVES' if step['width'] == 2 else step['input'].upper()}_{step['at_once']}" if quick else ""
    patches = "two patches" if step["at_once"] == 2 else "a patch"
    return {
        "kernel": kernel,
        "name": name, "sum": step["sum"], "bits": step["sum_bits"], "pixels": step["at_once"],
        "input": step["input"], "width": step["width"], "halves": halves, "group": 1 if step["sign"] else bits,
        "high": f"{bits}_high" if wide else "", "low": f"{bits}_low" if wide else "sign" if step["sign"] else f"{bits}",
        "lanes": [0, 2, 1, 3] if step["width"] == 2 else [0, 1, 2, 3], "count": bits, "sign": step["sign"],
        "said": f"Two rows of weights of {weights}, and {patches} of {step['input']}",
    }  # fmt: skip


def _four(name: str, step: Facts) -> Facts:
    """A function that multiplies four channels by turns."""
    halves = HALVES[step["input"]] if step["sum_bits"] == 32 else ""
    rows, columns, pixel = step["kernel_y"], step["kernel_x"], step["pixel"] * step["bytes"]
    distance, line = step["step_x"] * pixel, step["step_y"] * step["width"] * pixel
    taps = [y * line + x * distance for y in range(rows) for x in range(columns)]
    return {
        "name": name, "sum": step["sum"], "input": step["input"], "halves": halves, "rows": rows, "columns": columns,
        "distance": distance, "line": line, "taps": taps if len(taps) <= MOST_TAPS else [],
    }  # fmt: skip


def _kernels(dots: list[Facts]) -> list[Facts]:
    """What the DSP instructions do at once."""
    found: dict[str, Facts] = {}
    for dot in dots:
        if dot["kernel"]:
            names = ["a", "b", *(f"x{x}" for x in range(dot["pixels"])),
                     *(f"s{x}{row}" for x in range(dot["pixels"]) for row in range(2))]  # fmt: skip
            found[dot["kernel"]] = {
                "declaration": f"#define {dot['kernel']}({', '.join(names)}) \\", "pixels": dot["pixels"],
                "width": dot["width"], "said": "halves" if dot["width"] == 2 else f"codes of {dot['input']}",
                "widen": "sxtb16" if dot["halves"] == "signed" else "uxtb16",
            }  # fmt: skip
    return [found[name] for name in sorted(found)]


def _counts(steps: list[Facts]) -> list[Facts]:
    """Functions that count signs, by the bytes of a row, with masks and without."""
    found = {
        f"{step['row_bytes']}{'_masked' * masked}": step | {"masked": masked}
        for step in steps for masked in (False, True) if step["padded"] or not masked
    }  # fmt: skip
    return [found[name] | {"name": name} for name in sorted(found)]


def _gather(name: str) -> Facts:
    """A function that gathers patches."""
    widens = name in ("int8", "uint8")
    copy = f"widen_{name}" if widens else "copy_bytes"
    return {"name": name, "widens": widens, "grows": 2 if widens else 1, "copies": copy}


def _planes(dots: list[Facts]) -> list[Facts]:
    """The ways in which weights are unpacked."""
    found: dict[str, Facts] = {}
    for dot in dots:
        widths = (1,) if dot["sign"] else planes(dot["count"])
        if dot["high"]:
            found[dot["high"]] = _unpacking(dot["high"], widths[:1], 0, False)
            found[dot["low"]] = _unpacking(dot["low"], widths[1:], 8, False)
        else:
            found[dot["low"]] = _unpacking(dot["low"], widths, 0, dot["sign"])
    return [found[name] for name in sorted(found)]


def _unpacking(name: str, widths: tuple[int, ...], offset: int, sign: bool) -> Facts:
    parts = [{"width": width, "offset": offset + sum(widths[:k]), "used": sum(widths[:k]),
              "set": "bytes |=" if k else "bytes ="} for k, width in enumerate(widths)]  # fmt: skip
    return {"name": name, "widths": widths, "parts": parts, "sign": sign}


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("picojoule.export.c"), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
    )  # fmt: skip
    made.filters["plain"] = plain
    return made
