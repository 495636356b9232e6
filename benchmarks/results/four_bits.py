"""Which format of four bits keeps a network best: layer by layer, and end to end on an encoder and on ResNet-20."""

import re
from collections.abc import Mapping
from pathlib import Path

import pages
import torch
from drawing import COLOURS, axes, legend
from matplotlib.figure import Figure
from script import printed
from sources import Sources
from torch import Tensor, nn

from picojoule.calibration import compare
from picojoule.formats import parse

FORMATS = {
    "fixed4": "fixed4",
    "e2m1": "E2M1",
    "e3m0": "E3M0",
    "nf4": "NF4",
    "lut16": "16 clusters",
    "nf4/64": "NF4 by 64",
    "e2m1/32:e8m0": "MXFP4",
    "e2m1/16:e4m3": "NVFP4",
}
PLAIN = ("fixed4", "e2m1", "e3m0", "nf4")
"""Those of the same numbers everywhere and one scale for a tensor: four bits, and nothing else to store."""
SAMPLES = 256
ROW = re.compile(r"^(?P<format>\S+) +(?P<bits>[\d.]+)   (?P<scores>.*%.*)$", re.MULTILINE)


def measure(sources: Sources, runs: Path) -> pages.Found:
    """Errors of every layer of ResNet-20, and the benchmark of that name, with the encoder where it can be had."""
    checkpoint, images = sources.folder / "resnet20-12fca82f.th", sources.folder / "cifar10"
    told = printed("four_bits", "--checkpoint", str(checkpoint), "--data", str(images))
    whole = [_parsed(part) for part in told.split("\n\n")]
    return {"networks": whole, "layers": _layers(sources)}


def _parsed(part: str) -> pages.Found:
    """A table as the benchmark prints it: of each format its bits and the scores, in % or as a cosine."""
    rows = {}
    for found in ROW.finditer(part):
        scores = [float(score.rstrip("%")) for score in found["scores"].split()]
        rows[found["format"]] = {"bits": float(found["bits"]), "scores": scores}
    return {"title": part.strip().splitlines()[0], "formats": rows}


def _layers(sources: Sources) -> dict[str, dict[str, dict[str, float]]]:
    """By kind of operand and layer the relative error of every format; ranges by `mse`."""
    model, data = sources.given("resnet20")
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}
    inputs: dict[str, Tensor] = {}
    for name, module in layers.items():
        module.register_forward_pre_hook(lambda _, taken, name=name: inputs.__setitem__(name, taken[0]))
    assert data.train is not None
    with torch.inference_mode():
        model.eval()(data.train.x[:SAMPLES])
    tensors = {
        "weights": {name: module.weight for name, module in layers.items()},
        "inputs": {name: inputs[name].clone() for name in layers},
    }
    compared = {kind: compare(map(parse, FORMATS), each) for kind, each in tensors.items()}
    return {
        kind: {name: {str(each.format): each.tensors[name] for each in found} for name in layers}
        for kind, found in compared.items()
    }


def tables(found: pages.Found) -> Mapping[str, str]:
    return {"whole": _whole(found), "layers": _by_layer(found), "best": _best(found)}


def _whole(found: pages.Found) -> str:
    head: tuple[str, ...] = ("format",)
    for network in found["networks"]:
        short = network["title"].partition(",")[0]
        head += (f"{short}, bits", "weights alone", "weights and inputs")
    rows = []
    for text in found["networks"][0]["formats"]:
        cells: tuple[str, ...] = (f"`{text}`" + (f" ({FORMATS[text]})" if "/" in text and text in FORMATS else ""),)
        for network in found["networks"]:
            mine = network["formats"][text]
            each = len(network["formats"]["float32"]["scores"])  # scores of one reading
            told = [_score(mine["scores"][:each]), _score(mine["scores"][each:])]
            cells += (f"{mine['bits']:.2f}", *told)
        rows.append(cells)
    return pages.table(head, rows)


def _score(scores: list[float]) -> str:
    return ", ".join(f"{score:.2f} %" if index == 0 else f"{score:.4f}" for index, score in enumerate(scores))


def _by_layer(found: pages.Found) -> str:
    rows = []
    for name in found["layers"]["weights"]:
        cells = [name]
        for kind in ("weights", "inputs"):
            errors = found["layers"][kind][name]
            for among in (PLAIN, tuple(FORMATS)):
                best = min(among, key=errors.__getitem__)
                cells.append(f"{FORMATS[best]} {errors[best]:.3f}")
        rows.append(tuple(cells))
    head = ("layer", "weights: fixed numbers", "weights: any", "inputs: fixed numbers", "inputs: any")
    return pages.table(head, rows)


def _best(found: pages.Found) -> str:
    """How often each format errs least, and its median error."""
    rows = []
    for text, label in FORMATS.items():
        cells = [label]
        for kind in ("weights", "inputs"):
            layers = found["layers"][kind].values()
            median = sorted(errors[text] for errors in layers)[len(layers) // 2]
            cells += [
                f"{median:.3f}",
                _wins(layers, text, PLAIN) if text in PLAIN else "",
                _wins(layers, text, FORMATS),
            ]
        rows.append(tuple(cells))
    head = ("format", "weights, median error", "best of fixed numbers in", "best of all in",
            "inputs, median error", "best of fixed numbers in", "best of all in")  # fmt: skip
    return pages.table(head, rows)


def _wins(layers: Mapping[str, Mapping[str, float]], text: str, among: object) -> str:
    return str(sum(min(among, key=errors.__getitem__) == text for errors in layers))  # type: ignore[call-overload]


def figure(found: pages.Found) -> Figure:
    drawn = axes(2, "layer of ResNet-20", "relative error")
    for panel, kind in zip(drawn, ("weights", "inputs"), strict=True):
        layers = found["layers"][kind]
        for index, (text, label) in enumerate(FORMATS.items()):
            line = [errors[text] for errors in layers.values()]
            style = "-" if text in PLAIN else "--"
            panel.plot(range(1, len(line) + 1), line, style, c=COLOURS[index], lw=1.2, label=label)
        panel.set_title(kind)
        panel.set_ylim(0, 0.25)
        panel.set_xticks(range(1, len(layers) + 1, 3))
    legend(drawn, 8)
    return drawn[0].figure  # type: ignore[no-any-return]


def row(found: pages.Found) -> tuple[str, str, str]:
    told = []
    for network in found["networks"]:
        each = len(network["formats"]["float32"]["scores"])
        right = {text: mine["scores"][each] for text, mine in network["formats"].items() if text in FORMATS}
        plain, best = max(PLAIN, key=right.__getitem__), max(right, key=right.__getitem__)
        name = network["title"].partition(",")[0]
        told.append(f"{name}: {FORMATS[plain]} of the fixed ones, {FORMATS[best]} of all")
    theirs = "three exponent bits often best, sometimes two and one; NF4 best for normal weights"
    return "which four bits, weights and inputs", theirs, "; ".join(told)
