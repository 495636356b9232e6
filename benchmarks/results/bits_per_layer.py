"""Bits per layer at 99 %: what each search gives each layer, and how much of a trend over depth is the order's."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pages
from drawing import COLOURS, axes, legend
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from searches import NETWORKS, STRATEGIES, relative, searched
from sources import Sources

import picojoule as pj
from picojoule.calibration import Calibration, Settings
from picojoule.data import split
from picojoule.energy import Platform, energy
from picojoule.evaluate import Floor, IncrementalEvaluator
from picojoule.formats import Float32
from picojoule.network import capture
from picojoule.plan import Plan
from picojoule.search import Problem, formats_of, ladders_of
from picojoule.search.greedy import Greedy

KEEP = 0.99
PUBLISHED = {"first convolution": (3, 1, 35, 87), "second convolution": (4, 6, 26, 55)}
"""LeNet-5's published point: bits of weights and inputs, % of zero weights and inputs; recalled, not read again."""
ORDERS = {"greedy": "greedy, first layer first", "backward": "greedy, last layer first", "descent": "descent"}


class Backward(Greedy):
    """The sweep from the last layer to the first."""

    name = "backward"
    summary = "the sweep from the last layer to the first"

    def order(self, problem: Problem) -> Sequence[str]:
        return list(reversed(super().order(problem)))


def measure(sources: Sources, runs: Path) -> pages.Found:
    """Search both networks, and sweep them backward too."""
    found = []
    for network in NETWORKS:
        for strategy in STRATEGIES:
            result = searched(sources, runs, network, strategy)
            point = next(each for each in result.points if float(each.label) == KEEP)
            of_16 = point.energy.total_pj / result.baselines["fixed16"].energy.total_pj
            zeros = {site: point.sparsity.of(site) for site in result.captured.sites}
            found.append(
                {"network": network, "order": strategy, "layers": _layers(result.captured, point.plan, zeros)}
                | {"of 16 bits": of_16, "kept": relative(result, point)}
            )
        found.append({"network": network, "order": "backward"} | _backward(sources, network))
    return {"plans": found}


def _backward(sources: Sources, name: str) -> pages.Found:
    """The backward sweep, with ranges, floor and splits as the forward one has them."""
    model, data = sources.given(name)
    splits = split(data)
    network = capture(model, splits.calibration.x[:1])
    calibration = Calibration.of(network, splits.calibration.x, Settings("max"))
    signed = {site: calibration.signed(site) for site in network.sites}
    evaluator = IncrementalEvaluator(calibration, splits.search, hardest_first=True)
    floats = Plan.uniform(network, Float32())
    floor = Floor(KEEP, evaluator.accuracy(floats))
    ladders = ladders_of(signed, formats_of(("fixed",), (1, 16)))
    *_, last = Backward().steps(Problem(network, ladders, evaluator, lambda plan: 0.0), floor)
    assert last.holds
    unseen = IncrementalEvaluator(calibration, splits.report)
    platform = Platform.load("moons2017")
    sixteen = energy(network, Plan.uniform(network, "fixed16"), platform)
    return {
        "layers": _layers(network, last.plan, {}),
        "of 16 bits": energy(network, last.plan, platform).total_pj / sixteen.total_pj,
        "kept": unseen.accuracy(last.plan).value / unseen.accuracy(floats).value,
    }


def _layers(network: pj.Network, plan: Plan, zeros: Mapping[str, float]) -> list[pages.Found]:
    return [
        {
            "name": layer.name,
            "weights": plan.formats[layer.weights].bits,
            "inputs": plan.formats[layer.inputs].bits,
            "zero weights": zeros.get(layer.weights),
            "zero inputs": zeros.get(layer.inputs),
        }
        for layer in network.layers
    ]


def tables(found: pages.Found) -> Mapping[str, str]:
    return {
        "published": _published(found),
        "trend": _trend(found),
        **{network: _bits(found, network) for network in NETWORKS},
    }


def _published(found: pages.Found) -> str:
    rows = []
    for index, (layer, theirs) in enumerate(PUBLISHED.items()):
        mine = (_of(found, "lenet5", order)["layers"][index] for order in ORDERS)
        rows.append((layer, "{}/{} ({}/{} %)".format(*theirs), *map(_with_zeros, mine)))
    return pages.table(("layer", "published", *ORDERS.values()), rows)


def _with_zeros(layer: pages.Found) -> str:
    bits, zeros = f"{layer['weights']}/{layer['inputs']}", (layer["zero weights"], layer["zero inputs"])
    return bits if None in zeros else bits + " ({:.0f}/{:.0f} %)".format(*(100 * share for share in zeros))


def _bits(found: pages.Found, network: str) -> str:
    plans = [_of(found, network, order) for order in ORDERS]
    rows = [
        (each[0]["name"], *(f"{layer['weights']}/{layer['inputs']}" for layer in each))
        for each in zip(*(plan["layers"] for plan in plans), strict=True)
    ]
    rows.append(("*energy, of 16 bits*", *(f"*{plan['of 16 bits']:.3f}*" for plan in plans)))
    rows.append(("*kept on unseen images*", *(f"*{plan['kept']:.4f}*" for plan in plans)))
    return pages.table(("layer", *ORDERS.values()), rows)


def _trend(found: pages.Found) -> str:
    rows = []
    for network, title in NETWORKS.items():
        for order, label in ORDERS.items():
            layers = _of(found, network, order)["layers"]
            told = (f"{_rank(layers, kind):+.2f}" for kind in ("weights", "inputs"))
            halves = (_halves(layers, kind) for kind in ("weights", "inputs"))
            rows.append((title, label, *told, *halves))
    head = (
        "network",
        "search",
        "weights, rank correlation",
        "inputs",
        "weights, mean bits: first, second half",
        "inputs",
    )
    return pages.table(head, rows)


def _rank(layers: list[pages.Found], kind: str) -> float:
    """Spearman's rank correlation of a layer's place and its bits: 1 where bits rise with every layer."""
    return float(spearmanr(range(len(layers)), [layer[kind] for layer in layers]).statistic)


def _halves(layers: list[pages.Found], kind: str) -> str:
    middle = len(layers) // 2
    parts = layers[:middle], layers[-middle:]
    return ", ".join(f"{sum(layer[kind] for layer in part) / len(part):.1f}" for part in parts)


def _of(found: pages.Found, network: str, order: str) -> pages.Found:
    mine: pages.Found = next(e for e in found["plans"] if e["network"] == network and e["order"] == order)
    return mine


def figure(found: pages.Found) -> Figure:
    drawn = axes(2, "layer of ResNet-20", "bits at 99 %")
    for panel, kind in zip(drawn, ("weights", "inputs"), strict=True):
        for (order, label), colour in zip(ORDERS.items(), COLOURS, strict=False):
            bits = [layer[kind] for layer in _of(found, "resnet20", order)["layers"]]
            panel.plot(range(1, len(bits) + 1), bits, "o-", c=colour, ms=4, lw=1.2, label=label)
        panel.set_title(kind)
        panel.set_ylim(0, 16.5)
        panel.set_yticks(range(0, 17, 4))
        panel.set_xticks(range(1, len(bits) + 1, 3))
    legend(drawn, 3)
    return drawn[0].figure  # type: ignore[no-any-return]


def row(found: pages.Found) -> tuple[str, str, str]:
    def two(order: str) -> str:
        return ", ".join(f"{each['weights']}/{each['inputs']}" for each in _of(found, "lenet5", order)["layers"][:2])

    theirs = ", ".join(f"{weights}/{inputs}" for weights, inputs, *_ in PUBLISHED.values())
    ours = f"greedy {two('greedy')}; descent {two('descent')}"
    return "bits of weights/inputs at 99 %, LeNet-5's first two layers", f"{theirs} (recalled)", ours
