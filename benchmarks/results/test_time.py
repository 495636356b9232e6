"""Networks quantised without retraining: how many times less arithmetic energy than 16 bits, by the accuracy kept."""

from collections.abc import Mapping
from pathlib import Path

import pages
from drawing import COLOURS, axes, legend, plain
from matplotlib.figure import Figure
from searches import KEEPS, NETWORKS, STRATEGIES, arithmetic_pj, points, relative, searched
from sources import Sources

import picojoule as pj
from picojoule.energy import Platform

PUBLISHED = {1.0: 30, 0.99: 100}
"""Times less, by the relative accuracy: "up to 30x" and "over 100x" in Moons et al., WACV 2016, voltage scaled too."""
WAYS = {
    "bits": "bits alone",
    "zeros": "and zeros skipped",
    "voltage": "voltage too",
    "voltage and zeros": "voltage, and zeros skipped",
    "carried on": "the voltage law carried below 4 bits, zeros free",
}
FREE = '\n[zero_skip]\nsource = "a zero operand costs nothing: the most that skipping can save"\nstatus = "assumed"\n'
FREE += "guarded_fraction = 0\n"


def measure(sources: Sources, runs: Path) -> pages.Found:
    """Search both networks by both strategies for each platform, and price the arithmetic of what comes out."""
    found = []
    for network in NETWORKS:
        for strategy in STRATEGIES:
            scaled = dict(points(searched(sources, runs, network, strategy, "envision")))
            result = searched(sources, runs, network, strategy)
            for keep, point in points(result):
                other = scaled.get(keep)
                found.append(
                    {"network": network, "strategy": strategy, "keep": keep, "kept": relative(result, point)}
                    | {"kept scaled": None if other is None else relative(result, other)}
                    | {"times": _times(result, point, other)}
                )
    return {"points": found}


def _times(result: pj.Result, point: pj.OperatingPoint, scaled: pj.OperatingPoint | None) -> dict[str, float | None]:
    """How many times less than dense 16 bits a plan takes, by each way to count."""
    sixteen = result.baselines["fixed16"].plan
    generic, envision = Platform.load("moons2017"), Platform.load("envision")
    skipping = Platform.parse(generic.text + FREE, "moons2017 with free zeros")
    carried = carried_on(envision)

    def times(platform: Platform, point: pj.OperatingPoint | None, zeros: bool) -> float | None:
        if point is None:
            return None
        taken = arithmetic_pj(result, point.plan, platform, point.sparsity if zeros else None)
        return arithmetic_pj(result, sixteen, platform) / taken

    return {
        "bits": times(generic, point, False),
        "zeros": times(skipping, point, True),
        "voltage": times(envision, scaled, False),
        "voltage and zeros": times(envision, scaled, True),
        "carried on": times(carried, point, True),
    }


def carried_on(envision: Platform) -> Platform:
    """Envision with the power law between its two published figures carried on to 1 bit, and zeros free: no chip."""
    four, sixteen = (envision.mac.curve(bits) for bits in (4, 16))
    one = four * (four / sixteen)  # as far below 4 bits as those are below 16, on two logarithmic axes
    text = envision.text.replace("bits = [4, 16]\npj = [0.20, 7.70]", f"bits = [1, 4, 16]\npj = [{one!r}, 0.20, 7.70]")
    assert text != envision.text
    return Platform.parse(text.replace("guarded_fraction = 0.5", "guarded_fraction = 0"), "envision carried on")


def tables(found: pages.Found) -> Mapping[str, str]:
    head = ("keep", "strategy", "kept unseen", WAYS["bits"], WAYS["zeros"], WAYS["carried on"],
            "kept unseen, `envision`", WAYS["voltage"], WAYS["voltage and zeros"])  # fmt: skip
    return {
        network: pages.table(head, [_row(each) for each in found["points"] if each["network"] == network])
        for network in NETWORKS
    }


def _row(each: pages.Found) -> tuple[str, ...]:
    """The plan of `moons2017` by three ways to count, then that of `envision` by two."""
    generic, scaled = (tuple(_shown(each["times"][way]) for way in ways)
                       for ways in (("bits", "zeros", "carried on"), ("voltage", "voltage and zeros")))  # fmt: skip
    kept = "–" if each["kept scaled"] is None else f"{each['kept scaled']:.4f}"
    return f"{each['keep']:g}", each["strategy"], f"{each['kept']:.4f}", *generic, kept, *scaled


def _shown(times: float | None) -> str:
    return "out of reach" if times is None else f"{times:.1f}x"


def figure(found: pages.Found) -> Figure:
    drawn = axes(len(NETWORKS), "relative accuracy asked", "times less than 16 bits")
    for panel, (network, title) in zip(drawn, NETWORKS.items(), strict=True):
        mine = [e for e in found["points"] if e["network"] == network and e["strategy"] == "descent"]
        for (way, label), colour in zip(WAYS.items(), COLOURS, strict=False):
            line = [(each["keep"], each["times"][way]) for each in mine if each["times"][way]]
            panel.plot(*zip(*line, strict=True), "o-", c=colour, ms=4, lw=1.2, label=label)
        panel.plot(list(PUBLISHED), list(PUBLISHED.values()), "k*", ms=9, label="published, its best network", ls="")
        panel.set_yscale("log")
        panel.set_title(title)
        plain(panel.yaxis, (1, 3, 10, 30, 100, 300, 1000))
        plain(panel.xaxis, sorted(KEEPS))
        panel.invert_xaxis()
    legend(drawn, 3)
    return drawn[0].figure  # type: ignore[no-any-return]


def row(found: pages.Found) -> tuple[str, str, str]:
    told = []
    for keep in PUBLISHED:
        mine = [e["times"] for e in found["points"] if e["keep"] == keep and e["strategy"] == "descent"]
        told.append(", ".join(f"{each['voltage and zeros']:.0f}x" for each in mine) + f" at {100 * keep:g} %")
    ours = f"{' and '.join(NETWORKS.values())}: {'; '.join(told)}"
    theirs = "up to 30x at no loss, over 100x at 99 %"
    return "test-time fixed point: arithmetic over that of 16 bits, voltage scaling and zeros counted", theirs, ours
