"""Tables for the terminal: a result's operating points and layers, a network, a platform, the formats.

Each function returns something rich can print; none of them prints.
"""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from picojoule import units
from picojoule.energy import EnergyReport
from picojoule.evaluate import Accuracy
from picojoule.formats import Format, Lut
from picojoule.network import Layer, Network
from picojoule.plan import compression
from picojoule.report import trained, words
from picojoule.report.words import left_in_float
from picojoule.search import OperatingPoint, Result


def result(found: Result) -> RenderableType:
    """Everything of a result that fits a terminal: settings, operating points, the selected plan, what stays float."""
    parts: list[RenderableType] = [Text(_headline(found)), points(found)]
    parts += [Text(_path(found))] if found.path else []
    parts += [Text(line, style="bold") for point in found.points for line in words.remarks(found, point)]
    named = found.point.label if found.point.keep is None else f"keep {found.point.label}"
    parts += [Text(f"\nLayer by layer at {named}:"), layers(found.captured, found.point)]
    if trained.is_clustering(found.settings):
        parts += [
            Text("\nClusters, and how many times smaller weights are than in 32 bits; before retraining:"),
            clusters(found),
        ]
    parts += [Text(line) for line in (*words.left_out(found), *left_in_float(found.captured, found.point))]
    return Group(*parts)


def points(found: Result) -> Table:
    """One row per floor and baseline, with `*` at those that no other beats in both energy and accuracy.

    `lost` are the samples that the float network has right and the plan has not, `gained` the other way round.
    """
    table = columns(
        "keep",
        "floor",
        "energy",
        "of 16 bits",
        "of 8 bits",
        "search split",
        "kept",
        "lost",
        "gained",
        "report split",
        "95 %",
        "kept",
        "lost",
        "gained",
        "best",
    )
    front, reference = {point.label for point in found.front}, found.baselines.get("float32")
    for point in (*found.points, *found.baselines.values()):
        low, high = point.report.interval()
        table.add_row(
            point.label,
            _floor(point),
            "no figure" if point.energy is None else units.energy(point.energy.total_pj),
            _ratio(point, found.baselines.get("fixed16")),
            _ratio(point, found.baselines.get("fixed8")),
            _accuracy(point.search),
            _kept(point.search, None if reference is None else reference.search),
            *words.changes(point.searched),
            _accuracy(point.report),
            f"{100 * low:.1f}-{100 * high:.1f}",
            _kept(point.report, None if reference is None else reference.report),
            *words.changes(point.reported),
            "*" if point.label in front else "",
        )
    return table


def layers(network: Network, point: OperatingPoint) -> Table:
    """One row per layer: what its inputs and weights are stored in, their zeros, and its energy by part."""
    table = columns(
        "layer", "MACs", "inputs", "range", "zeros", "weights", "range", "zeros",
        "compute", "weights", "activations", "DRAM", "energy", left=(0, 2, 5),
    )  # fmt: skip
    for layer in network.layers:
        table.add_row(layer.name, units.count(layer.macs), *_site(layer.inputs, point), *_site(layer.weights, point),
                      *_energies(layer.name, point.energy))  # fmt: skip
    if point.energy is not None:
        own = {layer.name for layer in network.layers}
        for charged in (each for each in point.energy.layers.values() if each.name not in own):  # left in float
            table.add_row(charged.name, units.count(charged.macs), "float32", "", "", "float32", "", "",
                          *_energies(charged.name, point.energy))  # fmt: skip
        table.add_section()
        report = point.energy
        parts = (report.compute_pj, report.weights_pj, report.activations_pj, report.dram_pj, report.total_pj)
        table.add_row(
            "all",
            units.count(sum(layer.macs for layer in report.layers.values())),
            *[""] * 6,
            *map(units.energy, parts),
        )
    return table


def clusters(found: Result) -> Table:
    """One row per layer: the numbers that its weights and inputs have, how many times smaller its weights are, tables
    counted, and its energy; each beside the same without retraining. Over all layers biases are counted too."""
    before = found.baselines.get(trained.BEFORE)
    points = [found.point] if before is None else [found.point, before]
    heads = ("weights", "inputs", "times smaller", "energy")
    table = columns("layer", *(head for each in heads for head in (each, "before")[: len(points)]), left=(0,))
    for layer in (*found.captured.layers, None):
        cells = zip(*(_clustered(found.captured, point, layer) for point in points), strict=True)
        table.add_row("all" if layer is None else layer.name, *(cell for pair in cells for cell in pair))
    return table


def energies(report: EnergyReport) -> Table:
    """One row per layer of an energy report."""
    table = columns("layer", "MACs", "passes", "input bits", "weight bits", "compute", "weights", "activations", "DRAM",
                   "energy", "share")  # fmt: skip
    for layer in report.layers.values():
        parts = (layer.compute_pj, layer.weights_pj, layer.activations_pj, layer.dram_pj, layer.total_pj)
        counts = (units.count(layer.macs), str(layer.passes), str(layer.input_bits), str(layer.weight_bits))
        share = units.percent(layer.total_pj / report.total_pj if report.total_pj else 0, 1)
        table.add_row(layer.name, *counts, *map(units.energy, parts), share)
    table.add_section()
    parts = (report.compute_pj, report.weights_pj, report.activations_pj, report.dram_pj, report.total_pj)
    table.add_row(
        "all",
        units.count(sum(layer.macs for layer in report.layers.values())),
        "",
        "",
        "",
        *map(units.energy, parts),
        "100 %",
    )
    return table


def network(captured: Network) -> RenderableType:
    """A network: its layers with MACs and sizes, and what cannot be quantised."""
    table = columns("layer", "kind", "inputs read", "MACs", "weights", "biases", "inputs", "outputs", left=(0, 1, 2))
    for layer in captured.layers:
        table.add_row(
            layer.name,
            layer.kind,
            _read(captured, layer),
            *map(
                units.count, (layer.macs, layer.weight_count, layer.bias_count, layer.input_count, layer.output_count)
            ),
        )
    weights = sum(layer.weight_count + layer.bias_count for layer in captured.layers)
    totals = Text(
        f"{len(captured.layers)} layers, {units.count(captured.macs)} MACs, {units.count(weights)} weights and biases "
        f"({units.size(32 * weights)} in float32), input {list(captured.input_shape)}, "
        f"output {list(captured.output_shape)}"
    )
    return Group(table, totals, *[Text(line) for line in left_in_float(captured)])


def _headline(found: Result) -> str:
    settings = found.settings
    samples = settings.get("samples")
    samples = samples if isinstance(samples, Mapping) else {}  # settings are kept as they are, whatever they are
    what = " on ".join(str(settings[key]) for key in ("model", "data") if settings.get(key)) or "network"
    if trained.is_training(settings):
        return (
            f"{what}: {trained.headline(settings)}, platform {settings.get('platform')}\n"
            f"measured on {samples.get('search')} samples and on {samples.get('report')} others, not trained on"
            f"{trained.told(settings)}"
        )
    return (
        f"{what}: {settings.get('strategy')} search, {settings.get('rescale')} ranges ({settings.get('observer')}), "
        f"platform {settings.get('platform')}\n"
        f"ranges from {samples.get('calibration')} samples, floors decided on {samples.get('search')}, "
        f"accuracy stated on {samples.get('report')} others\n"
        f"{words.certainty(found)}"
        f"{trained.retold(settings)}"
    )


def _path(found: Result) -> str:
    return f"The result has {len(found.path)} more plans, from accurate to cheap; the page draws their curve."


def _floor(point: OperatingPoint) -> str:
    if point.keep is None:
        return ""
    return ("holds" if point.holds else "FAILS") + (", stopped" if point.stopped else "")


def _site(name: str, point: OperatingPoint) -> tuple[str, str, str]:
    format = point.plan.formats[name]
    found = point.ranges.sites.get(name)
    shown = "" if found is None else words.span(found, format)
    return str(format), shown, units.percent(point.sparsity.of(name), 0)


def _clustered(captured: Network, point: OperatingPoint, layer: Layer | None) -> tuple[str, ...]:
    formats, report = point.plan.formats, point.energy
    name = None if layer is None else layer.name
    sites = ("", "") if layer is None else tuple(_count(formats[site]) for site in (layer.weights, layer.inputs))
    price = "no figure" if report is None else units.energy((report if name is None else report.layers[name]).total_pj)
    return (*sites, f"{compression(captured, point.plan, name):.2f}", price)


def _count(format: Format) -> str:
    return str(format.count) if isinstance(format, Lut) else str(format)


def _energies(layer: str, report: EnergyReport | None) -> tuple[str, ...]:
    if report is None:
        return ("no figure",) * 5
    found = report.layers[layer]
    parts = (found.compute_pj, found.weights_pj, found.activations_pj, found.dram_pj, found.total_pj)
    return tuple(map(units.energy, parts))


def _read(captured: Network, layer: Layer) -> str:
    site = captured.sites[layer.inputs]
    shared = [reader for reader in site.readers if reader != layer.name]
    return site.tensor + (f" (with {', '.join(shared)})" if shared else "")


def _accuracy(accuracy: Accuracy) -> str:
    return units.percent(accuracy.value)


def _kept(accuracy: Accuracy, reference: Accuracy | None) -> str:
    """The accuracy over the float network's on the same samples."""
    return "" if reference is None or reference.correct == 0 else f"{accuracy.value / reference.value:.3f}"


def _ratio(point: OperatingPoint, baseline: OperatingPoint | None) -> str:
    if point.energy is None or baseline is None or baseline.energy is None or baseline.energy.total_pj == 0:
        return ""
    return f"{point.energy.total_pj / baseline.energy.total_pj:.3f}"


def columns(*columns: str, left: tuple[int, ...] = (0, 1)) -> Table:
    """An empty table without lines; the columns in `left` are of words, the others of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index in left else "right", overflow="fold")
    return table
