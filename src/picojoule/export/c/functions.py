"""The functions of C that steps share: each is written once for each kind of weights, inputs and sums that there is."""

from picojoule.export.c.loops.loop import Facts, Loop
from picojoule.export.c.loops.weights import planes
from picojoule.export.c.steps import Schedule
from picojoule.export.c.storage import STORAGES

HALVES = {"int8": "signed", "uint8": "unsigned", "int16": "none", "uint16": ""}
"""How numbers become signed halves of words, where DSP instructions have a way."""
MOST_TAPS = 25
"""Of a window whose products are written out one by one."""


def functions_of(its: Schedule, loops: list[Loop], steps: list[Facts]) -> Facts:
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
    coded = [step for step in steps if step["loop"] == "coded"]
    if coded:
        loaded, stored = loaded | {"int16"}, stored | {"int16"}
    shifts = any(step["shifts"] for step in coded)
    streams = bool(templates & {"grouped", "rows"}) or shifts
    if any(step["loop"] == "rows" or (step["loop"] == "grouped" and step["fours"] < step["rows"]) for step in steps):
        loaded, stored = loaded | {"int32"}, stored | {"int32"}
    return {
        "maxima": maxima, "fours": [_four(name, step) for name, step in sorted(fours.items())],
        "dots": dots, "planes": _planes(dots), "streams": streams,
        "shifts": shifts, "products": _products(coded),
        "counts": _counts([step for step in steps if step["loop"] == "signs"]),
        "masks": any(step["loop"] == "signs" and step["padded"] for step in steps),
        "gathers": [_gather(name) for name in sorted(gathers)], "widened": widened,
        "copies": bool(gathers - {*widened}),
        "kernels": _kernels(dots), "spreads": any(1 in each["widths"] for each in _planes(dots)),
        "store_signs": any(
            step["out_bytes"] and step["loop"] != "signs" and step.get("kind") != "bits" for step in steps
        ),
        "words": bool(templates & {"dot", "signs", "coded"} or fours or maxima),
        "rounds": sorted({line["bits"] for line in lines if line["does"].startswith("round")}),
        "divides": any(line["does"] == "divide" for line in lines),
        "tables": sorted({line["width"] for line in lines if line["does"] == "look up"}),
        "storages": [each for each in STORAGES if each.name in loaded],
        "stored": [each for each in STORAGES if each.name in stored],
    }  # fmt: skip


def dot_name(facts: Facts, sum_bits: int) -> str:
    given = "patch" if facts["gather"] and facts["input"] == "int16" else facts["input"]
    return (
        f"{'sign' if facts['sign'] else facts['bits']}_{given}_{sum_bits}_{'pair' if facts['at_once'] == 2 else 'one'}"
    )


def product_name(facts: Facts, sum_bits: int) -> str:
    return f"{facts['input']}_{sum_bits}_{'pair' if facts['at_once'] == 2 else 'one'}"


def four_name(facts: Facts, sum_bits: int) -> str:
    kernel = "_".join(str(facts[name]) for name in ("kernel_y", "kernel_x", "step_x", "step_y", "width", "pixel"))
    return f"{facts['input']}_{sum_bits}_{kernel}"


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


def _products(steps: list[Facts]) -> list[Facts]:
    """Kernels for weights that were looked up."""
    found = {step["product"]: {"name": step["product"], "input": step["input"], "sum": step["sum"],
                               "bits": step["sum_bits"], "pixels": step["at_once"]} for step in steps}  # fmt: skip
    return [found[name] for name in sorted(found)]


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
