"""The energy of a plan without a search, with zeros measured on the calibration split."""

import json
import re

import pytest
from tests.jobs import small

import picojoule as pj
from picojoule.data import split
from picojoule.errors import FormatError, PlanError, PlatformError
from picojoule.evaluate import measure_sparsity
from picojoule.jobs.price import Priced, price
from picojoule.jobs.progress import Progress


def plan(**formats: str) -> pj.Plan:
    return pj.Plan.parse({key.replace("_", "."): text for key, text in formats.items()})


@pytest.fixture(scope="module")
def priced() -> Priced:
    return price(small.network(), small.few(), pj.Plan.parse({"*": "fixed8", "*.weights": "fixed4"}))


def test_the_plan_is_expanded(priced: Priced) -> None:
    expected = plan(conv_inputs="fixed8", conv_weights="fixed4", fc_inputs="fixed8", fc_weights="fixed4")
    assert priced.plan == expected


def test_energy_and_zeros_are_measured_on_the_calibration_split(priced: Priced) -> None:
    network, samples = small.network(), split(small.few(), seed=0).calibration
    ranges = pj.calibrate(network, samples.x, priced.plan)
    sparsity = measure_sparsity(network, priced.plan, ranges, samples)
    assert priced.sparsity == sparsity
    assert priced.energy == pj.energy(network, priced.plan, pj.Platform.load("moons2017"), sparsity)


def test_baselines_are_priced_alike(priced: Priced) -> None:
    totals = {label: energy.total_pj for label, energy in priced.baselines.items() if energy is not None}
    assert list(totals) == ["fixed16", "fixed8", "float32"]
    assert priced.energy is not None
    assert priced.energy.total_pj < totals["fixed8"] < totals["fixed16"] < totals["float32"]


def test_it_tells_of_every_stage() -> None:
    events: list[Progress] = []
    price(small.network(), small.few(), plan(**{"*": "fixed8"}), listener=events.append)
    stages = ["reading the data", "capturing the network", "calibrating", "counting zeros"]
    assert list(dict.fromkeys(event.stage for event in events)) == stages
    counted = [event for event in events if event.stage == "counting zeros"]
    assert list(dict.fromkeys((event.done, event.expected) for event in counted)) == [(k, 4) for k in range(5)]
    assert counted[-1].seconds == 0


def test_its_document(priced: Priced) -> None:
    document = json.loads(priced.to_json())
    assert (document["picojoule"], document["version"]) == ("energy", 1)
    assert document["plan"]["conv.weights"] == "fixed4"
    assert priced.energy is not None
    assert document["energy"] == priced.energy.to_table()
    assert (
        document["baselines"]["fixed8"] == price(small.network(), small.few(), plan(**{"*": "fixed8"})).energy.total_pj
    )  # type: ignore[union-attr]
    assert document["zeros"] == priced.sparsity.to_table()


def test_a_platform_without_float32() -> None:
    found = price(small.network(), small.few(), plan(**{"*": "fixed8"}), "envision")
    assert found.energy is not None
    assert found.baselines["float32"] is None
    assert price(small.network(), small.few(), plan(), "envision").energy is None
    with pytest.raises(PlatformError, match=re.escape("platform 'envision' has no figure for float32 (layer 'fc')")):
        price(small.network(), small.few(), plan(**{"conv.*": "fixed8"}), "envision")


def test_labels_need_not_be_classes() -> None:
    held_out = small.few().held_out
    found = price(small.network(), pj.Samples(held_out.x, held_out.y + 1000), plan(**{"*": "fixed8"}))
    assert found.energy is not None
    assert found.energy.total_pj > 0


@pytest.mark.parametrize(
    ("formats", "error", "text"),
    [
        (
            {"conv3.weights": "fixed8"},
            PlanError,
            "plan key 'conv3.weights' matches no site of the network; its sites are",
        ),
        ({"*": "fixed99"}, FormatError, "fixed99"),
    ],
)
def test_plans_that_do_not_fit(formats: dict[str, str], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=re.escape(text)):
        price(small.network(), small.few(), pj.Plan.parse(formats))
