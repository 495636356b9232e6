"""Print finished runs as Markdown: their operating points, and the selected plan layer by layer.

python benchmarks/operating_points.py DIR [DIR ...]
"""

import sys

import picojoule as pj
from picojoule import units


def main(*folders: str) -> None:
    for folder in folders:
        result = pj.load(folder)
        print(f"\n{result.settings['strategy']}, {result.settings['observer']}, {result.settings['rescale']}\n")
        _points(result)
        print(f"\nkeep {result.point.label}:\n")
        _layers(result)


def _points(result: pj.Result) -> None:
    print("| keep | energy | of 16 bits | of 8 bits | search split | report split (95 %) |")
    print("| --- | --- | --- | --- | --- | --- |")
    sixteen, eight = (result.baselines[label].energy.total_pj for label in ("fixed16", "fixed8"))
    for point in (*result.points, *result.baselines.values()):
        energy = point.energy.total_pj
        low, high = point.report.interval()
        shown = f"{100 * point.report.value:.2f} % ({100 * low:.1f}-{100 * high:.1f})"
        ratios = f"{energy / sixteen:.3f} | {energy / eight:.3f}"
        print(f"| {point.label} | {units.energy(energy)} | {ratios} | {units.percent(point.search.value)} | {shown} |")


def _layers(result: pj.Result) -> None:
    print("| layer | weights / inputs (bits) | zero weights / inputs | energy | of its 16 bits |")
    print("| --- | --- | --- | --- | --- |")
    sixteen = result.baselines["fixed16"].energy.layers
    for layer in result.captured.layers:
        weights, inputs = (result.plan.formats[site].bits for site in (layer.weights, layer.inputs))
        zeros = " / ".join(units.percent(result.point.sparsity.of(site), 0) for site in (layer.weights, layer.inputs))
        energy = result.energy.layers[layer.name].total_pj
        ratio = energy / sixteen[layer.name].total_pj
        print(f"| {layer.name} | {weights} / {inputs} | {zeros} | {units.energy(energy)} | {ratio:.3f} |")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
