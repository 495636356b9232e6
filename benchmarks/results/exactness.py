"""The same integers in every engine: networks searched here, real and hard inputs, and how many outputs differ."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pages
from matplotlib.figure import Figure
from searches import KEEPS, points, searched
from sources import Sources

from picojoule.verify import verify

SAMPLES = {"lenet5": 10_000, "resnet20": 1000}
PLANS = {"lenet5": KEEPS, "resnet20": (0.99,)}
SLOW = 20
"""Of each kind of input, for qonnx and emulated boards."""


def measure(sources: Sources, runs: Path) -> pages.Found:
    """Run every engine on the plans of descent."""
    found = []
    for network, keeps in PLANS.items():
        result = searched(sources, runs, network, "descent")
        samples = sources.given(network)[1].held_out.first(SAMPLES[network]).x
        for keep, point in points(result):
            if keep in keeps:
                proof = verify(result.captured, point.plan, point.ranges, samples, slow=SLOW)
                found.append({"network": network, "keep": keep, **json.loads(proof.to_json())})
    return {"proofs": found}


def tables(found: pages.Found) -> Mapping[str, str]:
    engines = list(dict.fromkeys(verdict["engine"] for _, verdict in _verdicts(found)))
    rows = []
    for proof in found["proofs"]:
        told = {verdict["engine"]: _told(verdict) for verdict in proof["verdicts"]}
        rows.append((f"{proof['network']} at {proof['keep']:g}", *(told.get(engine, "") for engine in engines)))
    columns = zip(("engine", *engines), *rows, strict=True)  # engines down the side: there are many
    head, *lines = columns
    return {"proofs": pages.table(head, lines)}


def _told(verdict: pages.Found) -> str:
    if verdict["state"] in ("equal", "different"):
        return f"{verdict['mismatches']} of {verdict['compared']}"
    return str(verdict["state"] if not verdict["why"] else f"{verdict['state']}: {verdict['why']}")


def _verdicts(found: pages.Found) -> Iterator[tuple[pages.Found, pages.Found]]:
    return ((proof, verdict) for proof in found["proofs"] for verdict in proof["verdicts"])


def figure(found: pages.Found) -> Figure | None:
    """None: zeros make no picture."""
    return None


def row(found: pages.Found) -> tuple[str, str, str]:
    verdicts = [verdict for _, verdict in _verdicts(found)]
    compared, differ = (sum(verdict[key] for verdict in verdicts) for key in ("compared", "mismatches"))
    ran = {verdict["engine"] for verdict in verdicts if verdict["compared"]}
    whole = f"{compared:,}".replace(",", " ")
    return (
        "the same integers in every engine",
        "not found",
        f"{differ} of {whole} outputs differ, in {len(ran)} engines",
    )
