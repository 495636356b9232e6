"""The energy report: sums, and its round trip through JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picojoule.energy import EnergyReport, LayerEnergy
from picojoule.errors import FileError
from picojoule.files import Fields

PJ = st.just(0.0) | st.floats(1e-150, 1e150)
LAYERS = st.builds(
    LayerEnergy,
    st.text(),
    st.integers(0, 2**40),
    st.integers(1, 16),
    st.integers(1, 32),
    st.integers(1, 32),
    PJ,
    PJ,
    PJ,
    PJ,
)
REPORT = EnergyReport(
    "chip", {name: LayerEnergy(name, 10, 1, 4, 8, 1.0, 2.0, 3.0, 4.0) for name in ("b", "a")}, ("attention",)
)


@given(st.lists(LAYERS, unique_by=lambda layer: layer.name), st.lists(st.text()))
def test_round_trip(layers: list[LayerEnergy], uncounted: list[str]) -> None:
    report = EnergyReport("chip", {layer.name: layer for layer in layers}, tuple(uncounted))
    again = EnergyReport.from_table(Fields(json.loads(json.dumps(report.to_table())), "result.json"))
    assert again == report
    assert list(again.layers) == list(report.layers)


def test_totals() -> None:
    assert REPORT.layers["a"].total_pj == 10
    assert REPORT.total_pj == 20
    assert (REPORT.compute_pj, REPORT.weights_pj, REPORT.activations_pj, REPORT.dram_pj) == (2, 4, 6, 8)
    assert EnergyReport("chip", {}).total_pj == 0


def test_layers_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        REPORT.layers["a"] = REPORT.layers["b"]  # type: ignore[index]


@pytest.mark.parametrize("energy_pj", [-1.0, float("nan"), float("inf")])
def test_impossible_energies(energy_pj: float) -> None:
    with pytest.raises(ValueError, match=r"dram_pj of layer 'a' is .*, not a finite energy of at least 0"):
        LayerEnergy("a", 1, 1, 4, 4, 0.0, 0.0, 0.0, energy_pj)


def spoil(key: str, value: Any, layer: bool) -> dict[str, Any]:
    table = REPORT.to_table()
    (table["layers"][0] if layer else table)[key] = value
    return table


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            spoil("compute_pj", -1, True),
            "r.json: 'layers': key 'compute_pj' is -1, expected a finite number of at least 0",
        ),
        (spoil("passes", 0, True), "r.json: 'layers': key 'passes' is 0, expected a whole number from 1"),
        (spoil("gain", 0, True), "r.json: 'layers': unknown key 'gain'"),
        (spoil("name", "a", True), "r.json: key 'layers' lists a layer twice"),
        (spoil("gain", 0, False), "r.json: unknown key 'gain'"),
        (spoil("uncounted", [1], False), "r.json: key 'uncounted' is [1], expected a list of texts"),
        (spoil("layers", [3], False), "r.json: 'layers': expected a table, found int"),
    ],
)
def test_bad_tables(table: dict[str, Any], message: str) -> None:
    with pytest.raises(FileError) as caught:
        EnergyReport.from_table(Fields(table, "r.json"))
    assert message in str(caught.value)
