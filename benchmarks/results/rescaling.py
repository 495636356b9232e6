"""One scale for the network, for each layer, for each channel: the energy that each needs at equal floors."""

from collections.abc import Mapping
from pathlib import Path

import pages
from drawing import COLOURS, axes, legend
from matplotlib.figure import Figure
from searches import KEEPS, NETWORKS, points, relative, searched
from sources import Sources

RANGES = ("network", "layer", "channel")
STRATEGIES = ("uniform", "greedy", "descent")


def measure(sources: Sources, runs: Path) -> pages.Found:
    """Search both networks by every strategy with every granularity of ranges."""
    found = []
    for network in NETWORKS:
        for strategy in STRATEGIES:
            for ranges in RANGES:
                result = searched(sources, runs, network, strategy, rescale=ranges)
                sixteen = result.baselines["fixed16"].energy.total_pj
                found += [
                    {"network": network, "strategy": strategy, "ranges": ranges, "keep": keep}
                    | {"of 16 bits": point.energy.total_pj / sixteen, "kept": relative(result, point)}
                    for keep, point in points(result)
                ]
    return {"points": found}


def tables(found: pages.Found) -> Mapping[str, str]:
    head = ("keep", "strategy", *(f"one per {ranges}" for ranges in RANGES), "kept on unseen images")
    return {
        network: pages.table(
            head,
            [
                (f"{keep:g}", strategy, *(_energy(found, network, strategy, ranges, keep) for ranges in RANGES),
                 ", ".join(_kept(found, network, strategy, ranges, keep) for ranges in RANGES))
                for keep in sorted(KEEPS, reverse=True)
                for strategy in STRATEGIES
            ],
        )
        for network in NETWORKS
    }  # fmt: skip


def _of(found: pages.Found, *place: object) -> pages.Found | None:
    keys = ("network", "strategy", "ranges", "keep")
    return next((each for each in found["points"] if tuple(each[key] for key in keys) == place), None)


def _energy(found: pages.Found, *place: object) -> str:
    mine = _of(found, *place)
    return "out of reach" if mine is None else f"{mine['of 16 bits']:.3f}"


def _kept(found: pages.Found, *place: object) -> str:
    mine = _of(found, *place)
    return "–" if mine is None else f"{mine['kept']:.3f}"


def figure(found: pages.Found) -> Figure:
    drawn = axes(len(NETWORKS), "", "energy over that of 16 bits, 99 % kept")
    for panel, (network, title) in zip(drawn, NETWORKS.items(), strict=True):
        for index, (ranges, colour) in enumerate(zip(RANGES, COLOURS, strict=False)):
            mine = (_of(found, network, strategy, ranges, 0.99) for strategy in STRATEGIES)
            heights = [0.0 if each is None else each["of 16 bits"] for each in mine]
            places = [place + 0.27 * (index - 1) for place in range(len(STRATEGIES))]
            panel.bar(places, heights, 0.25, color=colour, label=f"one per {ranges}")
        panel.set_xticks(range(len(STRATEGIES)), STRATEGIES)
        panel.set_title(title)
    legend(drawn, 3)
    return drawn[0].figure  # type: ignore[no-any-return]


def row(found: pages.Found) -> tuple[str, str, str]:
    def three(strategy: str, network: str) -> str:
        return ", ".join(_energy(found, network, strategy, ranges, 0.99) for ranges in RANGES)

    ours = "; ".join(f"{title.partition(',')[0]} {three('uniform', network)}" for network, title in NETWORKS.items())
    asked = "scale per network, layer, channel: energy of 16 bits at 99 %, one bit count for all layers"
    return asked, "layer-wise is finer and better", ours
