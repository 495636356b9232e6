"""Draw the operating points of finished runs, energy against accuracy, as one SVG.

    python benchmarks/front.py OUT.svg TITLE=DIR [TITLE=DIR ...]

Energy is relative to the same network in 16-bit fixed point, accuracy is the report split's with its 95 % interval;
points that no other of the run beats are filled and joined.
"""

import sys

import matplotlib as mpl

import picojoule as pj

mpl.use("svg")
import matplotlib.pyplot as plt

COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce")


def main(out: str, *runs: str) -> None:
    plt.rcParams.update({"svg.hashsalt": "picojoule", "svg.fonttype": "none", "font.family": "sans-serif"})
    figure, panels = plt.subplots(1, len(runs), figsize=(4.6 * len(runs), 3.4), squeeze=False, layout="constrained")
    for axes, run in zip(panels[0], runs, strict=True):
        title, _, folder = run.partition("=")
        _draw(axes, title, pj.load(folder))
    panels[0][0].set_ylabel("accuracy, report split (%)")
    figure.savefig(out, metadata={"Date": None})


def _draw(axes: plt.Axes, title: str, result: pj.Result) -> None:
    sixteen = result.baselines["fixed16"].energy.total_pj
    front = {point.label for point in result.front}
    on_front = []
    for kind, points in (("floor", result.points), ("baseline", tuple(result.baselines.values()))):
        colour = COLOURS[0] if kind == "floor" else COLOURS[1]
        for point in points:
            if point.energy is None:
                continue
            x, y = point.energy.total_pj / sixteen, 100 * point.report.value
            low, high = (100 * bound for bound in point.report.interval())
            filled = colour if point.label in front else "white"
            axes.errorbar(x, y, [[y - low], [high - y]], fmt="o", ms=6, c=colour, mfc=filled, capsize=2, lw=0.8)
            place = (6, -11) if kind == "floor" else (-8, 9)
            label = f"keep {point.label}" if kind == "floor" else point.label
            axes.annotate(label, (x, y), textcoords="offset points", xytext=place, fontsize=8, color=colour)
            if point.label in front:
                on_front.append((x, y))
    axes.plot(*zip(*sorted(on_front), strict=True), c="#94a3b8", lw=1, zorder=0)
    axes.set_xscale("log")
    axes.margins(0.12)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("energy over that of 16 bits")
    axes.grid(True, which="major", lw=0.3)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], *sys.argv[2:])
