"""The energy model beside published figures: AlexNet on Eyeriss, part by part, and what platforms agree on."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import pages
import torch
from drawing import COLOURS, axes
from matplotlib.figure import Figure
from scipy.stats import kendalltau
from searches import NETWORKS, points, searched
from sources import Sources
from torch import nn

from picojoule.energy import Platform, energy, platforms
from picojoule.network import capture
from picojoule.plan import Plan

BATCH = 16
PUBLISHED = {
    "conv1": (1.69, 6.75, 2.46),
    "conv2": (3.58, 14.33, 2.27),
    "conv3": (2.39, 9.57, 2.02),
    "conv4": (1.79, 7.18, 1.57),
    "conv5": (1.20, 4.78, 1.05),
    "fc1": (0.60, 2.42, 7.78),
    "fc2": (0.27, 1.07, 3.39),
    "fc3": (0.07, 0.26, 0.84),
}
"""AlexNet's energy in 10^9 energies of a 16-bit MAC, batch 16: ALU, register files, DRAM. Chen et al., ISCA 2016."""
PARTS = ("ALU", "register files", "DRAM")
STRATEGIES = ("uniform", "greedy", "descent")
SEARCHED_ON = "moons2017"


class AlexNet(nn.Module):
    """AlexNet's layers as the reference counts them: images of 227 pixels, two groups in three convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, 4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.fc1, self.fc2, self.fc3 = nn.Linear(9216, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000)
        self.pool, self.relu = nn.MaxPool2d(3, 2), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        x = self.relu(self.conv4(self.relu(self.conv3(x))))
        x = self.pool(self.relu(self.conv5(x))).flatten(1)
        y: torch.Tensor = self.fc3(self.relu(self.fc2(self.relu(self.fc1(x)))))
        return y


def measure(sources: Sources, runs: Path) -> pages.Found:
    """Price AlexNet at 16 bits, and the plans of the searches on every platform."""
    return {"alexnet": _alexnet(), "plans": _plans(sources, runs)}


def _alexnet() -> dict[str, list[float]]:
    network = capture(AlexNet(), torch.zeros(1, 3, 227, 227))
    plan = Plan.uniform(network, "fixed16")
    eyeriss = Platform.load("eyeriss")
    edited = {
        "registers": ("\npj = 5.3\n", "\npj = 0\n"),  # without the buffer, so that what is left is of register files
        "weights": ("weight_bits = 65536", "weight_bits = 1_000_000_000"),  # room for all, so that none is fetched
    }
    layers = {"whole": energy(network, plan, eyeriss).layers}
    for name, (before, after) in edited.items():
        text = eyeriss.text.replace(before, after)
        assert text != eyeriss.text
        layers[name] = energy(network, plan, Platform.parse(text, f"eyeriss, {name}")).layers
    unit = eyeriss.mac_pj(16) * 1e9 / BATCH
    found = {}
    for name in PUBLISHED:
        whole, bare, kept = (layers[each][name] for each in ("whole", *edited))
        local = bare.weights_pj + bare.activations_pj
        shared = kept.dram_pj + (whole.dram_pj - kept.dram_pj) / BATCH  # a batch fetches its weights once
        found[name] = [each / unit for each in (whole.compute_pj, local, shared, whole.dram_pj)]
    return found


def _plans(sources: Sources, runs: Path) -> list[pages.Found]:
    found = []
    for network in NETWORKS:
        for strategy in STRATEGIES:
            result = searched(sources, runs, network, strategy)
            named = {f"{strategy} {keep:g}": (point.plan, point.sparsity) for keep, point in points(result)}
            if strategy == STRATEGIES[0]:
                base = result.baselines
                named |= {label: (base[label].plan, base[label].sparsity) for label in ("fixed16", "fixed8")}
            found += [
                {"network": network, "plan": label}
                | {name: energy(result.captured, plan, Platform.load(name), zeros).total_pj for name in platforms()}
                for label, (plan, zeros) in named.items()
            ]
    return found


def tables(found: pages.Found) -> Mapping[str, str]:
    return {"alexnet": _published(found), "agreement": _agreement(found), **{n: _ranked(found, n) for n in NETWORKS}}


def _published(found: pages.Found) -> str:
    rows = [
        (layer, *(f"{theirs:.2f} / {ours:.2f}" for theirs, ours in zip(PUBLISHED[layer], parts[:3], strict=True)),
         f"{parts[3]:.2f}")
        for layer, parts in found["alexnet"].items()
    ]  # fmt: skip
    head = ("layer", *(f"{part}, published / here" for part in PARTS), "DRAM, one image at a time")
    return pages.table(head, rows)


def _ranked(found: pages.Found, network: str) -> str:
    """Energies over that of 16 bits on each platform, with the place in its order."""
    mine = [each for each in found["plans"] if each["network"] == network]
    sixteen = next(each for each in mine if each["plan"] == "fixed16")
    names = _platforms(found)
    places = {name: sorted(mine, key=lambda each: each[name]) for name in names}
    rows = [
        (each["plan"], *(f"{each[name] / sixteen[name]:.3f} ({places[name].index(each) + 1})" for name in names))
        for each in places[SEARCHED_ON]
    ]
    return pages.table(("plan", *(f"`{name}`" for name in names)), rows)


def _platforms(found: pages.Found) -> list[str]:
    """What was measured, the one that the plans were searched on first; there may be others since."""
    names = found["plans"][0].keys() - {"network", "plan", SEARCHED_ON}
    return [SEARCHED_ON, *sorted(names)]


def _agreement(found: pages.Found) -> str:
    """Kendall's rank correlation of each two platforms over the plans of a network."""
    rows = []
    for one, other in combinations(_platforms(found), 2):
        told = []
        for network in NETWORKS:
            mine = [each for each in found["plans"] if each["network"] == network]
            told.append(f"{kendalltau([e[one] for e in mine], [e[other] for e in mine]).statistic:.2f}")
        rows.append((f"`{one}` and `{other}`", *told))
    return pages.table(("platforms", *NETWORKS.values()), rows)


def figure(found: pages.Found) -> Figure:
    drawn = axes(len(PARTS), "published, 10^9 MACs", "here", width=3.3)
    for index, (panel, part) in enumerate(zip(drawn, PARTS, strict=True)):
        pairs = [(PUBLISHED[layer][index], parts[index], layer) for layer, parts in found["alexnet"].items()]
        most = max(max(pair[:2]) for pair in pairs) * 1.1
        panel.plot([0, most], [0, most], c="#94a3b8", lw=0.8)
        for count, (theirs, ours, layer) in enumerate(pairs):
            panel.plot(theirs, ours, "o", c=COLOURS[0], ms=5)
            place, side = ((4, -9), "left") if count % 2 else ((-4, 5), "right")  # apart from its neighbours'
            panel.annotate(layer, (theirs, ours), textcoords="offset points", xytext=place, ha=side, fontsize=8)
        panel.set_title(part)
    return drawn[0].figure  # type: ignore[no-any-return]


def row(found: pages.Found) -> tuple[str, str, str]:
    columns = (zip(*rows, strict=True) for rows in (PUBLISHED.values(), found["alexnet"].values()))
    published, here = (
        ", ".join(f"{part} {sum(column):.2f}" for part, column in zip(PARTS, each, strict=False)) for each in columns
    )
    return "energy model: AlexNet on Eyeriss, 10^9 MACs", published, here
