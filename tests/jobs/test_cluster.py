"""Clustering as a job: what comes out, how an interrupted one goes on, and what is refused."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.jobs import small

import picojoule as pj
from picojoule.data import Loaded, split
from picojoule.errors import DataError, FileError, InputError, UnreachableFloorError
from picojoule.formats import Lut
from picojoule.jobs.clustering import cluster as job
from picojoule.jobs.clustering.plans import candidates, cheapest
from picojoule.jobs.progress import Progress
from picojoule.jobs.train import train
from picojoule.plan import compression
from picojoule.report.trained import BEFORE
from picojoule.search import Result
from picojoule.training import Recipe


def run(**options: Any) -> Result:
    """A short clustering of the small network, by the count alone."""
    given: dict[str, Any] = {
        "model": small.network(),
        "data": small.digits(),
        "keep": 0.95,
        "confidence": "point",
        "epochs": 8,
    }
    given |= options
    return pj.cluster(given.pop("model"), given.pop("data"), **given)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "run"
    run(out=place)
    return place


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    return pj.load(folder)


class TestPlans:
    @pytest.mark.parametrize("holding", range(8))
    def test_halving_finds_the_last_that_holds(self, holding: int) -> None:
        asked: list[int] = []

        def holds(plan: int) -> bool:
            asked.append(plan)
            return plan < holding

        assert cheapest(range(7), holds) == (holding - 1 if holding else None)
        assert len(asked) <= 3

    def test_from_the_plan_of_the_search_down_to_two_numbers(self, folder: Path) -> None:
        found = pj.load(folder / job.SEARCHED)
        plans = candidates(found)
        assert plans[0] == found.plan
        assert len(set(plans)) == len(plans)
        sizes = [compression(found.captured, plan) for plan in plans]
        assert sizes[-1] == max(sizes)
        assert {str(plans[-1].formats[layer.weights]) for layer in found.captured.layers} == {"lut2"}
        assert {str(plan.formats["fc.inputs"]) for plan in plans} == {"fixed16"}

    def test_of_no_less_energy_are_not_among_them(self, folder: Path) -> None:
        found = pj.load(folder / job.SEARCHED)
        known = {each.plan: each.energy_pj for each in found.path}
        for plan in candidates(found)[1:]:
            assert known.get(plan, 0.0) < found.energy.total_pj


class TestResult:
    def test_holds_the_floor_for_less_than_without_retraining(self, result: Result) -> None:
        before = result.baselines[BEFORE]
        assert before.energy is not None
        assert result.holds
        assert result.floor(0.95).holds(result.point.searched)
        assert result.energy.total_pj < before.energy.total_pj
        assert compression(result.captured, result.plan) > compression(result.captured, before.plan)

    def test_the_same_plan_held_less_before(self, result: Result, folder: Path) -> None:
        found = pj.load(folder / job.SEARCHED)
        assert found.energy.total_pj > result.energy.total_pj, "or it were the search's own plan"
        (same,) = (each for each in found.path if each.plan == result.plan)
        assert same.searched.correct < result.point.searched.correct

    def test_what_runs_is_the_table_that_trained(self, result: Result) -> None:
        for layer in result.captured.layers:
            format, range = result.plan.formats[layer.weights], result.ranges.sites[layer.weights]
            assert isinstance(format, Lut)
            weights = result.captured.tensors[result.captured.sites[layer.weights].tensor]
            numbers = {2.0 ** range.exponents[0] * each for each in range.members}
            assert set(weights.unique().tolist()) <= numbers
            assert len(numbers) <= format.count

    def test_the_accuracy_is_that_of_its_network(self, result: Result) -> None:
        report = split(small.digits()).report
        with torch.no_grad():
            right = int((result.network(report.x).argmax(1) == report.y).sum())
        assert (right, len(report)) == (result.accuracy.correct, result.accuracy.total)

    def test_says_what_was_asked_and_tried(self, result: Result) -> None:
        settings = dict(result.settings)
        asked = job.asked_of(0.95, False, Recipe.load("clusters"), 8, "point")
        assert {key: settings[key] for key in asked} == asked
        assert (settings["job"], settings["keep"], settings["activations"]) == ("cluster", [0.95], False)
        assert (settings["recipe"], settings["epochs"], settings["inputs"]) == ("clusters", 8, "fixed16")
        tried = settings["retrained"]
        assert 1 < len(tried) <= 5
        holding = [each["energy_pj"] for each in tried if each["holds"]]
        assert min(holding) == result.energy.total_pj

    @pytest.mark.slow
    def test_activations_too(self) -> None:
        result = run(activations=True, keep=0.9, epochs=1)
        assert all(isinstance(format, Lut) for format in result.plan.formats.values())
        assert result.floor(0.9).holds(result.point.searched)
        assert result.settings["inputs"] == "lut"

    def test_no_floor_no_empty_hands(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        found = pj.load(folder / job.SEARCHED)
        asked = replace(found.point, keep=1.0, label="1", holds=False, blockers=("fc.weights",))
        failed = replace(found, points=(asked,), settings={**found.settings, "keep": [1.0], "confidence": 0.99})

        def fails(*given: Any, **options: Any) -> Result:
            raise UnreachableFloorError("", failed)

        monkeypatch.setattr(job, "search", fails)
        with pytest.raises(
            UnreachableFloorError, match=r"^keep 1 is out of reach: .*; in the way: fc.weights"
        ) as raised:
            run(keep=1.0, confidence=0.99, epochs=1, out=tmp_path / "run")
        tried = [each["search"]["correct"] for each in raised.value.result.settings["retrained"]]
        assert raised.value.result.point.search.correct == max(found.point.search.correct, *tried)
        assert pj.load(tmp_path / "run").to_json() == raised.value.result.to_json()

    def test_where_retraining_ends_no_better_nothing_is_retrained(self) -> None:
        """A recipe that ruins the network."""
        ruin = replace(Recipe.load("clusters"), learning_rate=10.0)
        result = run(recipe=ruin)
        assert result.holds
        assert BEFORE not in result.baselines
        assert not any(each["holds"] for each in result.settings["retrained"])


class TestInterrupted:
    def test_the_same_call_again_trains_nothing(self, folder: Path, result: Result, tmp_path: Path) -> None:
        kept = {path: path.read_bytes() for path in sorted(folder.rglob("training.safetensors"))}
        heard: list[Progress] = []
        again = run(out=folder, listener=heard.append)
        assert again.to_json() == result.to_json()
        assert {path: path.read_bytes() for path in sorted(folder.rglob("training.safetensors"))} == kept
        assert not [event for event in heard if event.detail.startswith("loss")]

    def test_goes_on_to_the_same(self, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = iter([False, True])

        def stops(*given: Any, **options: Any) -> Result:
            if next(calls):
                raise KeyboardInterrupt
            return train(*given, **options)

        with monkeypatch.context() as patched:
            patched.setattr(job, "train", stops)
            with pytest.raises(KeyboardInterrupt):
                run(out=tmp_path / "run")
        kept = pj.load(tmp_path / "run")
        assert kept.point.stopped
        assert len(kept.settings["retrained"]) == 1
        assert kept.holds
        assert run(out=tmp_path / "run").to_json() == result.to_json()
        assert not pj.load(tmp_path / "run").point.stopped

    def test_of_other_epochs_is_kept(self, folder: Path) -> None:
        with pytest.raises(FileError, match=r"of a training with another number of epochs; choose another folder"):
            run(out=folder, epochs=3)


class TestRefusals:
    @pytest.fixture(autouse=True)
    def no_work(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def worked(*given: Any, **options: Any) -> None:
            pytest.fail("it was not refused before any work")

        monkeypatch.setattr(job, "search", worked)
        return

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"keep": 0}, "keep 0 is not a relative accuracy"),
            ({"keep": [0.9, 0.8]}, "keep [0.9, 0.8] is not understood; give one number such as 0.99"),
            ({"platform": "moons2017"}, "platform 'moons2017' has no figure for codebooks; give its [codebook] table"),
            ({"recipe": "slow"}, "recipe 'slow' is not known; choose one of clusters, finetune"),
            ({"epochs": 0}, "epochs 0 cannot be trained for"),
            ({"device": "abacus"}, "device 'abacus' cannot be used"),
            ({"about": {"a": {1}}}, "about cannot be kept in a result"),
        ],
    )
    def test_options(self, options: dict[str, Any], said: str, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=f"^{re.escape(said)}"):
            run(out=tmp_path / "run", **options)
        assert not (tmp_path / "run").exists()

    def test_nothing_to_train_on(self) -> None:
        with pytest.raises(DataError, match=r"^the data has no samples to train on; give a pair"):
            run(data=small.few())

    def test_a_class_missing(self) -> None:
        loaded = small.digits()
        assert loaded.train is not None
        some = loaded.train.take((loaded.train.y != 1).nonzero().flatten())
        with pytest.raises(DataError, match=r"^the samples to train on have none of class 1, of the network's 10"):
            run(data=Loaded(some, loaded.held_out))
