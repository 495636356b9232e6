"""What a page and a terminal say of a training."""

from typing import Any

import pytest
import torch
from tests.jobs import small
from tests.report.browser import Reader, table

from picojoule.jobs.train import train
from picojoule.report import rerun, trained
from picojoule.report.document import document
from picojoule.search import Result
from picojoule.training import Recipe

SETTINGS: dict[str, Any] = {
    "job": "train", "model": "lenet5", "data": "mnist5k", "bits": 4, "activation": "relu", "recipe": "short",
    "recipe_toml": "other", "epochs": 7, "seed": 2, "platform": "envision", "device": "cpu",
    "fold": {"before": {"correct": 97.0, "total": 100}, "after": {"correct": 95.0, "total": 100}},
}  # fmt: skip


@pytest.fixture(scope="module")
def result() -> Result:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return train(small.Small(), small.digits(), recipe="short", bits=3, epochs=2)


def test_facts() -> None:
    facts = dict(rerun.facts(SETTINGS))
    assert facts["trained"] == "at 4 bits by the recipe short, 7 epochs"
    assert facts["batch norm folded"] == "97.00 % before, 95.00 % after, and trained on"
    assert not {"strategy", "confidence", "ranges"} & facts.keys()


def test_commands() -> None:
    shell = rerun.shell(SETTINGS, "out")
    assert shell == (
        "picojoule train lenet5 --data mnist5k --recipe short.toml --bits 4 --activation relu --epochs 7 --seed 2 "
        "--device cpu --platform envision.toml --out out"
    )
    python = rerun.python({**SETTINGS, "from": "runs/one", "bits": None, "activation": None}, "out")
    assert python == (
        "pj.train(None, data, recipe='short.toml', epochs=7, seed=2, device='cpu', platform='envision.toml', "
        "out='out', start='runs/one')"
    )
    assert rerun.shell({**SETTINGS, "model": None}, "out") is None


CLUSTERED: dict[str, Any] = {
    "job": "cluster", "model": "lenet5", "data": "mnist5k", "checkpoint": "w.safetensors", "keep": [0.98],
    "activations": True, "confidence": None, "recipe": "clusters", "recipe_toml": Recipe.load("clusters").text,
    "epochs": 3, "seed": 1, "device": "cpu", "bits": [1, 16], "platform": "horowitz45", "strategy": "descent",
    "retrained": [{"holds": True}, {"holds": False}, 3],
}  # fmt: skip


def test_a_clustering_is_told_and_asked_for_again() -> None:
    told = "retrained by the recipe clusters, 3 epochs: 2 plans, and the floor held at 1"
    assert trained.retold(CLUSTERED) == f"\n{told}"
    facts = dict(rerun.facts(CLUSTERED))
    assert (facts["clusters"], facts["strategy"]) == (told, "descent")
    assert rerun.shell(CLUSTERED, "out") == (
        "picojoule cluster lenet5 --data mnist5k --checkpoint w.safetensors --keep 0.98 --activations "
        "--confidence point --recipe clusters --epochs 3 --seed 1 --device cpu --platform horowitz45.toml --out out"
    )
    assert rerun.python({**CLUSTERED, "activations": False, "confidence": 0.9}, "out") == (
        "pj.cluster(model, data, keep=0.98, activations=False, confidence=0.9, recipe='clusters', epochs=3, seed=1, "
        "device='cpu', platform='horowitz45.toml', out='out')"
    )


@pytest.mark.parametrize("odd", [{"retrained": 3}, {"retrained": None}, {"keep": "x"}, {"epochs": []}])
def test_settings_of_a_clustering_may_be_anything(odd: dict[str, Any]) -> None:
    assert rerun.shell({**CLUSTERED, **odd}, "out") is not None
    assert trained.retold({**CLUSTERED, **odd}).startswith("\nretrained by")


@pytest.mark.parametrize(
    "odd",
    [
        {"fold": 3},
        {"fold": {"before": 1}},
        {"bits": "x"},
        {"fold": {"before": {"correct": 1, "total": 0}}},
        {"seed": []},
    ],
)
def test_settings_may_be_anything(odd: dict[str, Any]) -> None:
    settings = {**SETTINGS, **odd}
    assert dict(rerun.facts(settings))["trained"].startswith("at ")
    assert trained.folded({**settings, "fold": odd.get("fold")}) == ""
    assert rerun.shell(settings, "out") is not None


def test_the_page_speaks_of_no_floor(result: Result, reader: Reader) -> None:
    drawn = document({"here": result})
    assert [point["baseline"] for point in drawn["runs"][0]["points"]] == [False, True, True, True]
    page = reader.open(drawn)
    assert page.locator("#headline-title").text_content() == "At trained"
    assert not page.locator("#floors").is_visible()
    assert table(page, "points")[0][:2] == ["trained", "none asked for"]
    assert (
        page.locator("#decisions").inner_text().endswith("The network was trained at this plan: nothing was searched.")
    )
    assert reader.wrong == []
