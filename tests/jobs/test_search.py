"""The main job on real digits: what it hands over, what it writes, what it refuses, and that nothing stops it empty."""

import functools
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.jobs import small
from torch import Tensor, nn

import picojoule as pj
from picojoule.data import Loaded, Samples, Splits, split
from picojoule.energy import Platform
from picojoule.errors import (
    CaptureError,
    DataError,
    FileError,
    FormatError,
    InputError,
    PlatformError,
    UnreachableFloorError,
)
from picojoule.evaluate import IncrementalEvaluator, Tally, top1
from picojoule.jobs.progress import Progress
from picojoule.search import Journal, Result

BITS = (2, 8)
BOTH = ("greedy", "descent")


def search(**options: Any) -> Result:
    """A search of the small network over few bits, by default the quickest."""
    arguments: dict[str, Any] = {"model": small.network(), "data": small.digits(), "keep": 0.9, "bits": BITS,
                                 "strategy": "greedy", **options}  # fmt: skip
    return pj.search(**arguments)


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """Every evaluation that a journal holds."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as connection:
        measured = connection.execute("SELECT * FROM measurements ORDER BY context, name").fetchall()
        return connection.execute("SELECT * FROM evaluations ORDER BY context, plan").fetchall() + measured


@pytest.fixture(scope="module", params=BOTH)
def asked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A search at two floors."""
    about = {"model": "small", "note": {"by": ["hand", 1]}}
    return {"strategy": request.param, "keep": [1.0, 0.9], "about": about}


@pytest.fixture(scope="module")
def folder(asked: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run") / "new" / "folder"


@pytest.fixture(scope="module")
def found(asked: dict[str, Any], folder: Path) -> Result:
    """That search, which wrote its folder."""
    return search(**asked, out=folder)


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The plans that are really worked out, one entry each time."""
    worked: list[str] = []

    def noted(plan: pj.Plan) -> None:
        worked.append(str(plan))

    before_evaluations(monkeypatch, noted)
    return worked


def before_evaluations(monkeypatch: pytest.MonkeyPatch, act: Callable[[pj.Plan], None]) -> None:
    """Do something before each evaluation that is really made."""
    plainly = IncrementalEvaluator.tallies

    def watched(self: IncrementalEvaluator, plan: pj.Plan) -> Iterator[Tally]:
        act(plan)
        return plainly(self, plan)

    monkeypatch.setattr(IncrementalEvaluator, "tallies", watched)


class TestResult:
    def test_its_fields(self, found: Result) -> None:
        sites = ["conv.inputs", "conv.weights", "fc.inputs", "fc.weights"]
        first, second = found.points
        assert [point.label for point in found.points] == ["1", "0.9"]
        assert [point.keep for point in found.points] == [1.0, 0.9]
        assert list(found.plan.formats) == list(found.ranges.sites) == sites
        assert found.plan == first.plan
        assert found.accuracy == first.report
        assert found.energy.total_pj == pytest.approx(sum(layer.total_pj for layer in found.energy.layers.values()))
        assert list(found.energy.layers) == ["conv", "fc"]
        assert [decision.site for decision in found.log] == sites
        assert list(found.baselines) == ["fixed16", "fixed8", "float32"]
        assert all(point.holds and not point.stopped for point in (*found.points, *found.baselines.values()))
        assert found.holds
        assert all(2 <= format.bits <= 8 for point in (first, second) for format in point.plan.formats.values())

    def test_every_floor_holds_on_the_search_split(self, found: Result) -> None:
        reference = found.baselines["float32"].search
        for point in found.points:
            assert point.keep is not None
            assert point.search.correct >= point.keep * reference.correct
            assert found.floor(point.keep).holds(point.searched)

    def test_accuracies_are_those_of_the_quantised_network(self, found: Result) -> None:
        splits = split(small.digits(), seed=0)
        for point in found.points:
            assert point.keep is not None
            network = found.at(point.keep).network
            for samples, accuracy in ((splits.search, point.search), (splits.report, point.report)):
                with torch.no_grad():
                    right = int((network(samples.x).argmax(1) == samples.y).sum())
                assert (right, len(samples)) == (accuracy.correct, accuracy.total)

    def test_the_float_baseline_is_the_users_network(self, found: Result) -> None:
        samples = split(small.digits(), seed=0).report
        with torch.no_grad():
            right = int((small.trained()(samples.x).argmax(1) == samples.y).sum())
        assert found.baselines["float32"].report == pj.Accuracy(right, len(samples))

    def test_the_log_says_why(self, found: Result) -> None:
        """What was chosen held, one bit less did not, and what was seen was enough to tell."""
        floor = found.floor(1.0)
        for decision in found.log:
            tried = [trial.format.bits for trial in decision.trials]
            assert tried == sorted(set(tried), reverse=True)
            assert all(floor.decide(trial.tally) == trial.holds for trial in decision.trials)
            verdicts = {trial.format: trial.holds for trial in decision.trials}
            assert verdicts[decision.format]
            fewer = [holds for format, holds in verdicts.items() if format.bits == decision.format.bits - 1]
            assert fewer == [False] or decision.format.bits == BITS[0]

    def test_energies_are_those_of_the_plan_and_its_zeros(self, found: Result) -> None:
        platform = pj.Platform.load("moons2017")
        for point in (*found.points, *found.baselines.values()):
            assert point.energy == pj.energy(small.network(), point.plan, platform, point.sparsity)

    def test_the_front_has_no_beaten_point(self, found: Result) -> None:
        priced = [(point.energy.total_pj, -point.report.value) for point in found.front if point.energy is not None]
        assert priced == sorted(priced)
        assert [worth for _, worth in priced] == sorted({worth for _, worth in priced}, reverse=True)

    def test_settings_say_what_was_asked(self, found: Result) -> None:
        assert dict(found.settings) == {
            "model": "small",
            "note": {"by": ["hand", 1]},
            "keep": [1.0, 0.9],
            "bits": [2, 8],
            "formats": "fixed",
            "seed": 0,
            "rescale": "layer",
            "signed": "auto",
            **{
                "greedy": {"strategy": "greedy", "observer": "max", "prepare": "none", "confidence": None},
                "descent": {"strategy": "descent", "observer": "output", "prepare": "bias", "confidence": 0.95},
            }[str(found.settings["strategy"])],
            "platform": "moons2017",
            "metric": "top1",
            "device": "cpu",
            "platform_toml": Platform.load("moons2017").to_toml(),
            "samples": {"calibration": 512, "search": 398, "report": 399},
        }

    def test_another_floor_is_selected(self, found: Result) -> None:
        assert found.at(0.9).plan == found.points[1].plan
        with pytest.raises(InputError, match=re.escape("keep 0.5 was not searched for; this result has 1, 0.9")):
            found.at(0.5)

    def test_repeated_floors_are_searched_once(self) -> None:
        assert [point.keep for point in search(keep=(0.9, 0.9, 0.5)).points] == [0.9, 0.5]

    def test_bits_of_one_count(self) -> None:
        assert {format.bits for format in search(bits=(8, 8)).plan.formats.values()} == {8}

    def test_uniform(self) -> None:
        found = search(strategy="uniform")
        assert len({format.bits for format in found.plan.formats.values()}) == 1
        assert [decision.site for decision in found.log] == ["*"]

    def test_families_share_one_front_and_a_result_keeps_them(self, tmp_path: Path) -> None:
        found = search(strategy="uniform", formats="fixed,float,nf", bits=(2, 8), platform="horowitz45", out=tmp_path)
        texts = [str(next(iter(waypoint.plan.formats.values()))) for waypoint in found.path]
        assert {"fixed8", "e4m3", "nf4", "nf4/64", "e2m1/32:e8m0"} <= set(texts)
        assert "fp16" not in texts  # of more bits
        energies = [waypoint.energy_pj for waypoint in found.path]
        assert energies == sorted(energies, reverse=True)
        assert Result.load(tmp_path) == found
        again = search(strategy="uniform", formats="fixed,float,nf", bits=(2, 8), platform="horowitz45", out=tmp_path)
        assert again.path == found.path

    @pytest.mark.parametrize(
        ("bits", "why"), [((3, 8), "platform 'moons2017' has no figure for them"), ((6, 8), "none has 6 to 8 bits")]
    )
    def test_families_that_cannot_be_tried_are_left_out_by_name(self, bits: tuple[int, int], why: str) -> None:
        told: list[Progress] = []
        found = search(strategy="uniform", formats="fixed,nf", bits=bits, listener=told.append)
        assert set(found.settings["formats"].split(",")) == {"fixed", "nf"}
        assert found.path == ()
        assert [progress.stage for progress in told if progress.remark] == [f"formats 'nf' are left out: {why}"]

    @pytest.mark.parametrize(
        ("formats", "message"),
        [
            ("fixed,posit", "family of formats 'posit' is not known; choose of fixed, float, nf, lut, or a format"),
            (
                "flaot",
                "family of formats 'flaot' is not known; choose of fixed, float, nf, lut, or a format; nearest is "
                "float",
            ),
            ("fixed,", "family of formats '' is not known; choose of fixed, float, nf, lut, or a format"),
            (
                "float32",
                "family of formats 'float32' is not known; choose of fixed, float, nf, lut, or a format; "
                "nearest is float",
            ),
            ("lut4,fixed,lut4", "family of formats 'lut4' is given twice; give it once"),
            ("fixed,nf,fixed", "family of formats 'fixed' is given twice; give it once"),
            ("", "formats '' cannot be searched; give families such as fixed,float,nf,lut"),
            (None, "formats None cannot be searched; give families such as fixed,float,nf,lut"),
            (
                "float,nf",
                "formats 'float' are left out: platform 'moons2017' has no figure for them; formats 'nf' are left out: "
                "platform 'moons2017' has no figure for them; give formats 'fixed,float,nf', or another platform than "
                "'moons2017'",
            ),
        ],
    )
    def test_families_that_are_refused(self, formats: Any, message: str) -> None:
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            search(formats=formats)

    @pytest.mark.parametrize(
        ("inputs", "message"),
        [
            ("", "inputs '' cannot be searched; give families such as fixed,float,nf,lut"),
            ("nope", "family of formats 'nope' is not known; choose of fixed, float, nf, lut, or a format"),
            ("fixed8,fixed8", "family of formats 'fixed8' is given twice; give it once"),
            (
                "lut",
                "inputs 'lut' are left out: platform 'moons2017' has no figure for them; give inputs 'fixed,lut', or "
                "another platform than 'moons2017'",
            ),
        ],
    )
    def test_inputs_that_are_refused(self, inputs: str, message: str) -> None:
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            search(inputs=inputs)

    @pytest.mark.parametrize("strategy", ["descent", "greedy", "uniform"])
    def test_sites_choose_clusters(self, strategy: str, tmp_path: Path) -> None:
        """Beside fixed point and alone, and a result keeps the numbers that calibration found."""
        how: dict[str, Any] = {"strategy": strategy, "platform": "horowitz45", "confidence": "point"}
        both = search(formats="fixed,lut", **how)
        found = search(formats="lut", out=tmp_path, **how)
        assert {format.arithmetic for format in found.plan.formats.values()} == {"codebook"}
        for site, format in found.plan.formats.items():
            assert 0 < len(found.ranges.sites[site].members) <= 2**format.bits
        assert found.point.holds
        assert found.energy.total_pj < found.baselines["fixed16"].energy.total_pj
        if strategy != "greedy":
            assert both.energy.total_pj <= found.energy.total_pj
        loaded = Result.load(tmp_path)
        assert loaded == found
        x = small.digits().held_out.x[:50]
        with torch.no_grad():
            assert torch.equal(loaded.network(x), found.network(x))
        again = search(formats="lut", out=tmp_path, **how)
        assert again == found

    @pytest.mark.parametrize("strategy", ["descent", "greedy", "uniform"])
    def test_inputs_may_have_formats_of_their_own(self, strategy: str) -> None:
        how: dict[str, Any] = {"strategy": strategy, "platform": "horowitz45", "confidence": "point", "bits": (2, 16)}
        found = search(formats="lut", inputs="fixed16", **how)
        kinds = {site.name: site.kind for site in small.network().sites.values()}
        for site, format in found.plan.formats.items():
            assert format.arithmetic == "codebook" if kinds[site] == "weights" else str(format) == "fixed16"
        assert found.settings["inputs"] == "fixed16"
        assert found.point.holds
        tried = {str(trial.format) for decision in found.log for trial in decision.trials}
        assert any(text.startswith("lut") for text in tried)

    def test_formats_that_stand_in_a_family_too_are_tried_once(self) -> None:
        found = search(strategy="uniform", formats="fixed,fixed4,fixed3", keep=0.5)
        told = [trial.format.bits for trial in found.log[0].trials]
        assert told == sorted(set(told), reverse=True)

    @pytest.mark.parametrize("strategy", ["descent", "greedy"])
    def test_sites_choose_among_families(self, strategy: str) -> None:
        """Where there is no fixed point, and beside it, where it does not pay to leave it."""
        how: dict[str, Any] = {
            "strategy": strategy,
            "bits": (2, 8),
            "platform": "horowitz45",
            "keep": 0.98,
            "confidence": "point",
        }
        floats = search(formats="float", **how)
        assert {format.arithmetic for format in floats.plan.formats.values()} == {"float"}
        assert len(set(floats.plan.formats.values())) > 1
        fixed, mixed = search(**how), search(formats="fixed,float,nf", **how)
        assert all(point.energy is not None for point in (*floats.points, *fixed.points, *mixed.points))
        assert mixed.energy.total_pj <= fixed.energy.total_pj < floats.energy.total_pj

    @pytest.mark.parametrize("form", ["text", "pair", "samples", "dataset", "splits"])
    def test_forms_of_data(self, form: str) -> None:
        held_out = small.digits().held_out.first(80)
        dataset = torch.utils.data.TensorDataset(held_out.x, held_out.y)
        data: Any = {
            "text": "digits", "pair": (held_out.x.numpy(), held_out.y.numpy()), "samples": held_out,
            "dataset": dataset, "splits": None,
        }[form]  # fmt: skip
        splits = Splits(held_out.take(range(10)), held_out.take(range(10, 50)), held_out.take(range(50, 80)))
        found = search(data=data, keep=0.5, bits=(7, 8), splits=splits if form == "splits" else None)
        sizes = {"text": (512, 398, 399), "splits": (10, 40, 30)}.get(form, (8, 36, 36))
        assert found.settings["samples"] == dict(zip(("calibration", "search", "report"), sizes, strict=True))

    def test_the_users_model_is_left_alone(self) -> None:
        model = small.Small()
        model.load_state_dict(small.trained().state_dict())
        model.train()
        model.fc.eval()
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        modes = [module.training for module in model.modules()]
        search(model=model, data=small.few(), keep=0.5, bits=(7, 8))
        assert [module.training for module in model.modules()] == modes
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
        assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
        assert not any(module._forward_hooks for module in model.modules())

    @pytest.mark.parametrize(("jobs", "cache_gb"), [(1, 1.0), (2, 0.0), (3, 1.0)])
    def test_the_same_search_gives_the_same_text(
        self, asked: dict[str, Any], found: Result, jobs: int, cache_gb: float
    ) -> None:
        """On any number of cores, and in any memory."""
        assert search(**asked, jobs=jobs, cache_gb=cache_gb).to_json() == found.to_json()

    def test_the_seed_cuts_the_splits(self) -> None:
        one, other = search(), search(seed=1)
        assert (one.settings["seed"], other.settings["seed"]) == (0, 1)
        assert one.baselines["float32"].search != other.baselines["float32"].search


class TestFolder:
    def test_its_contents(self, found: Result, folder: Path) -> None:
        assert {path.name for path in folder.iterdir()} == small.FILES
        assert (folder / "result.json").read_text() == found.to_json()
        assert pj.Plan.load(folder / "plan.json") == found.plan
        assert pj.Ranges.load(folder / "ranges.json") == found.ranges

    def test_it_loads_without_data(self, found: Result, folder: Path) -> None:
        loaded = pj.load(folder)
        assert loaded.to_json() == found.to_json()
        x = small.digits().held_out.x[:50]
        for keep in (1.0, 0.9):
            with torch.no_grad():
                assert torch.equal(loaded.at(keep).network(x), found.at(keep).network(x))

    def test_the_journal_has_every_point(self, found: Result, folder: Path) -> None:
        with Journal(folder / "journal.sqlite") as journal:
            whole = {
                plan for context, plan, *_ in rows(folder) for tally in journal.find(context, plan)
                if tally.seen == tally.total
            }  # fmt: skip
        points = (*found.points, *found.baselines.values(), *found.path)
        assert {str(point.plan) for point in points} <= whole

    def test_a_second_run_works_nothing_out(
        self, asked: dict[str, Any], found: Result, folder: Path, evaluations: list[str]
    ) -> None:
        before = rows(folder)
        again = search(**asked, out=folder)
        assert evaluations == []
        assert rows(folder) == before
        assert again.to_json() == found.to_json()

    def test_a_lower_floor_starts_from_what_is_known(
        self, found: Result, folder: Path, tmp_path: Path, evaluations: list[str]
    ) -> None:
        (tmp_path / "journal.sqlite").write_bytes((folder / "journal.sqlite").read_bytes())
        strategy = found.settings["strategy"]
        there = search(keep=0.8, strategy=strategy, out=tmp_path)
        resumed, evaluations[:] = set(evaluations), []
        fresh = search(keep=0.8, strategy=strategy, out=tmp_path / "fresh")
        assert len(resumed) < len(set(evaluations))
        assert there.to_json() == fresh.to_json()

    @pytest.mark.parametrize(
        "change",
        [
            {"data": small.few(120)},
            {"seed": 1},
            {"rescale": "channel"},
            {"observer": "mse"},
            {"signed": "always"},
            {"prepare": "bias"},
            {"metric": "top5"},
        ],
        ids=str,
    )
    def test_another_setup_takes_nothing_from_the_journal(
        self, tmp_path: Path, change: dict[str, Any], evaluations: list[str]
    ) -> None:
        options = {"data": small.few(), "keep": 0.5, "bits": (7, 8)}
        search(**options, out=tmp_path)
        evaluations.clear()
        changed = search(**{**options, **change}, out=tmp_path)
        resumed, evaluations[:] = sorted(evaluations), []
        fresh = search(**{**options, **change})
        assert sorted(evaluations) == resumed
        assert changed.to_json() == fresh.to_json()


TWO_FLOORS: dict[str, dict[str, Any]] = {
    "greedy": {"strategy": "greedy", "keep": [1.0, 0.9], "bits": (5, 8)},
    "descent": {"strategy": "descent", "keep": [0.98, 0.9], "bits": (3, 8)},
}
BEFORE = ("reading the data", "capturing the network", "calibrating", "float network")
"""The stages of a search before there is any plan."""


@pytest.fixture(scope="module", params=BOTH)
def undisturbed(request: pytest.FixtureRequest) -> tuple[dict[str, Any], Result, list[Progress]]:
    """A search at two floors: how it was asked for, its result, and what it told."""
    events: list[Progress] = []
    asked = TWO_FLOORS[request.param]
    return asked, search(**asked, listener=events.append), events


class TestInterrupted:
    """Ctrl-C at any event: the best so far is in the folder, and the next run ends where this one would have."""

    @staticmethod
    def stopping(event: int) -> Callable[[Progress], None]:
        """A listener that raises at one event."""
        seen = iter(range(1 << 20))

        def listen(_: Progress) -> None:
            if next(seen) == event:
                raise KeyboardInterrupt

        return listen

    @pytest.mark.parametrize("stage", BEFORE)
    def test_before_the_search_there_is_nothing_to_save(self, tmp_path: Path, stage: str) -> None:
        def listen(event: Progress) -> None:
            if event.stage == stage:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            search(**TWO_FLOORS["descent"], out=tmp_path, listener=listen)
        assert {path.name for path in tmp_path.iterdir()} <= {"journal.sqlite"}

    @pytest.mark.parametrize("where", [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
    def test_at_any_later_event(
        self, tmp_path: Path, undisturbed: tuple[dict[str, Any], Result, list[Progress]], where: float
    ) -> None:
        asked, whole, events = undisturbed
        first = next(k for k, event in enumerate(events) if event.stage not in BEFORE)
        event = first + round(where * (len(events) - 1 - first))
        with pytest.raises(KeyboardInterrupt):
            search(**asked, out=tmp_path, listener=self.stopping(event))
        assert {path.name for path in tmp_path.iterdir()} == small.FILES
        saved = pj.load(tmp_path)
        assert [point.keep for point in saved.points] == asked["keep"]
        for point in saved.points:
            assert point.keep is not None
            assert point.holds
            assert saved.floor(point.keep).holds(point.searched)
        cut_short = any(each.stage.startswith("keep") for each in events[event + 1 :])
        assert any(point.stopped for point in saved.points) == cut_short
        assert search(**asked, out=tmp_path).to_json() == whole.to_json()

    @pytest.mark.parametrize("strategy", ["greedy", "uniform", "descent"])
    def test_before_any_plan_was_judged(self, tmp_path: Path, strategy: str) -> None:
        """What is then worked out to save something does not show in the end."""
        asked: dict[str, Any] = {"strategy": strategy, "keep": 0.8, "bits": (2, 10)}

        def listen(event: Progress) -> None:
            if event.stage.startswith("keep"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            search(**asked, out=tmp_path, listener=listen)
        assert not (tmp_path / "result.json").exists()  # twice
        with pytest.raises(KeyboardInterrupt):
            search(**asked, out=tmp_path, listener=self.stopping_at("keep 0.8"))
        assert pj.load(tmp_path).point.stopped
        assert search(**asked, out=tmp_path).to_json() == search(**asked).to_json()

    @staticmethod
    def stopping_at(stage: str) -> Callable[[Progress], None]:
        """A listener that raises once, at the beginning of a stage."""
        once = iter([True])

        def listen(event: Progress) -> None:
            if event.stage == stage and next(once, False):
                raise KeyboardInterrupt

        return listen

    @pytest.mark.parametrize("stage", ["keep 0.8", "plans between the floors"])
    @pytest.mark.parametrize("keeps", [[0.97, 0.9, 0.8], [0.9, 0.97, 0.8]], ids=str)
    def test_floors_that_were_done_stay_as_they_are(self, tmp_path: Path, stage: str, keeps: list[float]) -> None:
        """Nor does what a floor learned from those before it, when all begin again to be saved."""
        asked: dict[str, Any] = {"strategy": "descent", "confidence": "point", "keep": keeps, "bits": (1, 8)}
        whole = search(**asked)
        with pytest.raises(KeyboardInterrupt):
            search(**asked, out=tmp_path, listener=self.stopping_at(stage))
        saved = pj.load(tmp_path)
        done = 2 if stage == "keep 0.8" else 3
        assert saved.points[:done] == whole.points[:done]
        assert [point.stopped for point in saved.points] == [False] * done + [True] * (3 - done)

    def test_twice_ends_at_once(self, tmp_path: Path) -> None:
        def always(event: Progress) -> None:
            if event.stage not in BEFORE:
                raise KeyboardInterrupt

        for strategy in BOTH:
            with pytest.raises(KeyboardInterrupt):
                search(**TWO_FLOORS[strategy], out=tmp_path / strategy, listener=always)
            assert {path.name for path in (tmp_path / strategy).iterdir()} == {"journal.sqlite"}

    def test_while_it_looks_for_what_blocks_a_floor(self, tmp_path: Path) -> None:
        once = iter([True])

        def listen(event: Progress) -> None:
            if event.stage == "what blocks the floor" and event.done > 1 and next(once, False):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            search(keep=1.0, bits=(1, 1), out=tmp_path, listener=listen)
        assert not pj.load(tmp_path).point.holds


class TestTime:
    def test_without_time_the_widest_plan_is_handed_over(self, evaluations: list[str]) -> None:
        found = search(time_budget=0)
        assert [(point.holds, point.stopped) for point in found.points] == [(True, True)]
        assert {format.bits for format in found.plan.formats.values()} == {8}
        assert found.log == ()
        assert len(evaluations) == 6  # float and widest; on the report split 16 and 8 bits, which is widest, and float

    def test_without_time_descent_hands_over_the_widest_plan_too(self, evaluations: list[str]) -> None:
        """Within the limits; that it holds is worked out all the same."""
        found = search(strategy="descent", time_budget=0)
        assert [(point.holds, point.stopped) for point in found.points] == [(True, True)]
        assert {format.bits for format in found.plan.formats.values()} == {8}
        assert (found.log, found.path) == ((), ())
        assert len(evaluations) == 6
        limited = search(strategy="descent", time_budget=0, max_weight_bytes=250)
        assert {format.bits for format in limited.plan.formats.values()} == {5}

    def test_a_budget_ends_between_evaluations(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The clock gains a second with each evaluation; what was decided until the budget is over is kept."""
        now = [0.0]

        def slow(_: pj.Plan) -> None:
            now[0] += 1

        before_evaluations(monkeypatch, slow)
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        stopped = search(keep=0.9, time_budget=5.5, out=tmp_path)
        assert stopped.point.stopped
        assert 0 < len(stopped.log) < 4
        finished = search(keep=0.9, out=tmp_path)
        assert not finished.point.stopped
        assert finished.log[: len(stopped.log)] == stopped.log
        assert finished.to_json() == search(keep=0.9).to_json()

    @pytest.mark.parametrize("budget", [0.5, 3.5, 10.5, 25.5])
    def test_a_budget_for_descent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: float) -> None:
        """Whenever it ends there is a plan that holds, no dearer than with less time."""
        now = [0.0]

        def slow(_: pj.Plan) -> None:
            now[0] += 1

        options: dict[str, Any] = {"strategy": "descent", "keep": 0.9}
        whole = search(**options)
        before_evaluations(monkeypatch, slow)
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        stopped = search(**options, time_budget=budget, out=tmp_path)
        assert stopped.point.stopped
        assert stopped.floor(0.9).holds(stopped.point.searched)
        assert stopped.energy.total_pj >= whole.energy.total_pj
        assert search(**options, out=tmp_path).to_json() == whole.to_json()

    def test_no_time_and_out_of_reach(self) -> None:
        with pytest.raises(UnreachableFloorError, match="in the way: not measured") as error:
            search(keep=1.0, bits=(1, 1), time_budget=0)
        found = error.value.result
        assert (found.point.holds, found.point.blockers) == (False, ())

    @pytest.mark.parametrize("budget", [-1, float("nan"), "10m"])
    def test_a_budget_that_is_none(self, budget: Any) -> None:
        told = f"time_budget {budget!r} cannot be used; give seconds, 0 or more"
        with pytest.raises(InputError, match=re.escape(told)):
            search(time_budget=budget)

    @pytest.mark.parametrize("strategy", BOTH)
    def test_events_tell_of_every_stage_and_count_its_units(self, strategy: str) -> None:
        events: list[Progress] = []
        found = search(strategy=strategy, listener=events.append)
        units = {"sensitivities": 4 * 7, "keep 0.9": None, "plans between the floors": len(found.path)}
        units = ({"keep 0.9": None} if strategy == "greedy" else units) | {"report split": 4}
        assert list(dict.fromkeys(event.stage for event in events)) == [*BEFORE, *units]
        for stage, count in units.items():
            mine = [event for event in events if event.stage == stage]
            told = list(dict.fromkeys(event.done for event in mine))
            assert told == list(range(len(told)))
            assert count in (None, told[-1])
            assert all(event.done <= event.expected for event in mine)
            assert all(event.seconds is not None and event.seconds >= 0 for event in mine)
        tried = 1 + sum(len(decision.trials) - 1 for decision in found.log)
        assert max(event.done for event in events if event.stage == "keep 0.9") >= tried
        assert (events[-1].done, events[-1].expected, events[-1].seconds) == (4, 4, 0)


@pytest.fixture(scope="module")
def error(tmp_path_factory: pytest.TempPathFactory) -> UnreachableFloorError:
    folder = tmp_path_factory.mktemp("run")
    with pytest.raises(UnreachableFloorError) as caught:
        search(keep=[0.5, 0.01], bits=(1, 1), out=folder)
    assert (folder / "result.json").read_text() == caught.value.result.to_json()
    return caught.value


class TestUnreachable:
    def test_the_best_found_and_what_blocks(self, error: UnreachableFloorError) -> None:
        first, second = error.result.points
        assert not error.result.holds
        assert not first.holds
        assert second.holds
        assert {format.bits for format in first.plan.formats.values()} == {1}
        assert set(first.blockers) < set(first.plan.formats)

    def test_blockers_fail_on_their_own(self, error: UnreachableFloorError) -> None:
        point = error.result.points[0]
        reference = error.result.baselines["float32"]
        samples = split(small.digits(), seed=0).search
        for site, format in point.plan.formats.items():
            plan = reference.plan.replace(site, format)
            with torch.no_grad():
                right = (pj.quantize(small.network(), plan, point.ranges)(samples.x).argmax(1) == samples.y).sum()
            assert (int(right) < 0.5 * reference.search.correct) == (site in point.blockers)

    def test_its_text(self, error: UnreachableFloorError) -> None:
        point, baseline = error.result.points[0], error.result.baselines["float32"]
        text = r"keep 0\.5 is out of reach: the best plan found keeps (0\.\d{4}); in the way: (.*)"
        told = re.fullmatch(text, str(error))
        assert told is not None
        assert told[2] == ", ".join(point.blockers)
        nearest = float(told[1])
        assert nearest <= point.search.value / baseline.search.value < nearest + 0.0001
        assert search(keep=nearest, bits=(1, 1)).holds

    def test_its_folder_loads(self, error: UnreachableFloorError, tmp_path: Path) -> None:
        error.result.save(tmp_path)
        assert pj.load(tmp_path).to_json() == error.result.to_json()


def right_or_near(outputs: Tensor, targets: Tensor) -> Tensor:
    """Half a point where the target is second."""
    best = outputs.topk(2).indices == targets.unsqueeze(1)
    return best[:, 0] + 0.5 * best[:, 1]


METRICS = """
import torch

def best(outputs, targets):
    return (outputs.argmax(1) == targets).double()

def pairs(outputs, targets):
    return torch.stack([outputs.argmax(1) == targets] * 2)

def total(outputs, targets):
    return (outputs.argmax(1) == targets).double().sum()

def number(outputs, targets):
    return 0.9

def negative(outputs, targets):
    return -torch.ones(len(targets))

def nan(outputs, targets):
    return torch.full((len(targets),), float("nan"))

def fails(outputs, targets):
    return outputs.argmax(1) == targets[:3]
"""


class TestMetrics:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "metrics.py"
        path.write_text(METRICS)
        return path

    def test_a_function(self) -> None:
        found = search(metric=right_or_near)
        samples = split(small.digits(), seed=0).report
        with torch.no_grad():
            score = float(right_or_near(found.network(samples.x), samples.y).sum())
        assert found.accuracy == pj.Accuracy(score, len(samples))
        assert score % 1 == 0.5 or score > search().accuracy.correct

    def test_a_function_of_a_file(self, file: Path) -> None:
        found = search(metric=f"{file}:best")
        assert found.settings["metric"] == f"{file}:best"
        assert found.plan == search().plan

    def test_top5(self) -> None:
        assert search(metric="top5", keep=0.99).baselines["float32"].search.value > 0.98

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("pairs", "the metric gave [2, 27] for 27 samples; it must give a tensor of one real score for each"),
            ("total", "the metric gave [] for 27 samples; it must give a tensor of one real score for each"),
            ("number", "the metric gave float for 27 samples; it must give a tensor of one real score for each"),
            ("negative", "the metric gave a score that is not between 0 and 1"),
            ("nan", "the metric gave a score that is not between 0 and 1"),
            ("fails", "'{file}:fails' raised RuntimeError at line 23 of '{file}': The size of tensor"),
            ("nothing", "'{file}' has no 'nothing'; it has 'best', 'pairs'"),
        ],
    )
    def test_what_is_no_metric(self, file: Path, name: str, text: str) -> None:
        with pytest.raises(InputError, match=re.escape(text.format(file=file))):
            search(metric=f"{file}:{name}", data=small.few())

    def test_an_unknown_name(self) -> None:
        told = "metric 'top3' is not known; give one of top1, top5, or path.py:function"
        with pytest.raises(InputError, match=re.escape(told)):
            search(metric="top3")

    def test_metrics_that_differ_only_in_what_they_hold_share_nothing(self, tmp_path: Path) -> None:
        """A function's code alone does not say what it computes: closures, defaults and partials do."""

        def among(k: int) -> Callable[[Tensor, Tensor], Tensor]:
            def metric(outputs: Tensor, targets: Tensor) -> Tensor:
                return (outputs.topk(k).indices == targets.unsqueeze(1)).any(1)

            return metric

        def by_default(outputs: Tensor, targets: Tensor, k: int = 1) -> Tensor:
            return (outputs.topk(k).indices == targets.unsqueeze(1)).any(1)

        class Among:
            def __init__(self, k: int) -> None:
                self.k = k

            def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
                return by_default(outputs, targets, self.k)

        code = "def metric(outputs, targets):\n    return among(outputs, targets)\n\n"
        code += "def among(outputs, targets):\n    return (outputs.topk(K).indices == targets.unsqueeze(1)).any(1)\n"
        spaces: list[dict[str, Any]] = [{"K": 1, "__name__": "users"}, {"K": 10, "__name__": "users"}]
        for space in spaces:
            exec(code, space)

        for name, one, ten in (
            ("constant of its module", spaces[0]["metric"], spaces[1]["metric"]),
            ("closure", among(1), among(10)),
            ("partial", functools.partial(by_default, k=1), functools.partial(by_default, k=10)),
            ("object", Among(1), Among(10)),
            ("method", Among(1).__call__, Among(10).__call__),
        ):
            options = {"data": small.few(), "keep": 0.5, "bits": (7, 8), "out": tmp_path / name}
            assert search(**options, metric=one).baselines["float32"].search.value < 1
            assert search(**options, metric=ten).baselines["float32"].search.value == 1, name

    def test_a_function_of_a_file_is_known_again_and_forgotten_when_the_file_changes(
        self, tmp_path: Path, evaluations: list[str]
    ) -> None:
        code = "def metric(outputs, targets):\n    return outputs.argmax(1) == targets\n"
        told = []
        for name, text in (("one", code), ("one", code), ("two", code.replace("==", "!="))):
            (file := tmp_path / f"{name}.py").write_text(text)
            evaluations.clear()
            search(data=small.few(), keep=0.5, bits=(7, 8), out=tmp_path / "run", metric=f"{file}:metric")
            told.append(len(evaluations))
        assert told[0] > 0
        assert told[1] == 0
        assert told[2] > 0


def splits_with(**change: Any) -> Samples:
    samples = small.digits().held_out.first(60)
    return Samples(change.get("x", samples.x), change.get("y", samples.y))


class TestRefused:
    """Bad input of every kind gets one line that names the thing."""

    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            ({"strategy": "magic"}, InputError, "strategy 'magic' is not known; choose one of "),
            ({"bits": (0, 8)}, InputError, "bits 0:8 cannot be searched; give the least and the most bits within 1:16"),
            ({"bits": (1, 17)}, InputError, "bits 1:17 cannot be searched"),
            ({"bits": (8, 4)}, InputError, "bits 8:4 cannot be searched"),
            ({"bits": 8}, InputError, "bits 8 cannot be searched; give the least and the most bits, such as (1, 16)"),
            ({"bits": (1.5, 8)}, InputError, "bits (1.5, 8) cannot be searched"),
            ({"keep": 0}, InputError, "keep 0 is not a relative accuracy: give a number above 0 and at most 1"),
            ({"keep": 1.7}, InputError, "keep 1.7 is not a relative accuracy"),
            ({"keep": [0.9, -0.5]}, InputError, "keep -0.5 is not a relative accuracy"),
            ({"keep": float("nan")}, InputError, "keep nan is not a relative accuracy"),
            ({"keep": float("inf")}, InputError, "keep inf is not a relative accuracy"),
            ({"keep": []}, InputError, "give at least one relative accuracy to keep, such as 0.99"),
            ({"keep": "much"}, InputError, "keep 'much' is not understood; give a number such as 0.99, or several"),
            ({"keep": None}, InputError, "keep None is not understood; give a number such as 0.99, or several"),
            ({"platform": "moons"}, PlatformError, "no platform 'moons'; choose one of "),
            ({"observer": "min"}, InputError, "observer 'min' is not known; choose one of max, percentile, mse"),
            ({"rescale": "row"}, InputError, "rescale 'row' is not known; choose one of network, layer, channel"),
            ({"signed": "no"}, InputError, "signed 'no' is not known; choose one of auto, always"),
            ({"seed": -1}, DataError, "seed -1 cannot be used; give a whole number from 0 to"),
            ({"device": "gpu"}, InputError, "device 'gpu' cannot be used; give cpu"),
            ({"device": "cuda:77"}, InputError, "device 'cuda:77' cannot be used; give cpu"),
            ({"data": "digit"}, DataError, "data 'digit' is not known; give one of "),
            ({"data": 3}, DataError, "data cannot be made of int"),
            ({"data": (np.zeros((9, 4)), np.zeros(8, int))}, DataError, "data has 9 samples but 8 labels"),
            ({"about": {"path": Path("x")}}, InputError, "about cannot be kept in a result: "),
            ({"about": {"loss": float("nan")}}, InputError, "about cannot be kept in a result: "),
            ({"about": {"name": "\ud800"}}, InputError, "about cannot be kept in a result: "),
            ({"about": "mine"}, InputError, "about cannot be kept in a result: 'str' object is not a mapping"),
            ({"strategy": ["greedy"]}, InputError, "strategy '['greedy']' is not known; choose one of "),
            ({"keep": 10**400}, InputError, "is not understood; give a number such as 0.99, or several"),
            ({"seed": 1.5}, DataError, "seed 1.5 cannot be used; give a whole number from 0 to"),
            ({"device": None}, InputError, "device 'None' cannot be used; give cpu"),
            ({"platform": Path("mine.toml")}, FileError, "cannot read 'mine.toml': No such file or directory"),
            ({"metric": lambda outputs: outputs}, InputError, "cannot be used: too many positional arguments; give a"),
        ],
        ids=lambda value: str(value).partition(" at 0x")[0],
    )
    def test_options(self, options: dict[str, Any], error: type[Exception], text: str, tmp_path: Path) -> None:
        options = {"data": small.few(), **options}
        with pytest.raises(error, match=re.escape(text)):
            search(**options, out=tmp_path / "run")
        assert not (tmp_path / "run").exists()  # all checks come before any work

    def test_samples_of_another_shape(self) -> None:
        data = splits_with(x=torch.zeros(60, 1, 9, 9))
        told = "the network takes samples of shape [1, 8, 8], not [1, 9, 9]; prepare the data for it"
        with pytest.raises(InputError, match=re.escape(told)):
            search(data=data)
        with pytest.raises(CaptureError, match=re.escape("the model fails on an input of shape [n, 1, 20, 20]")):
            search(model=small.trained(), data=splits_with(x=torch.zeros(60, 1, 20, 20)))

    def test_labels_outside_the_classes(self) -> None:
        labels = small.digits().held_out.first(60).y.clone()
        labels[:] = 10
        with pytest.raises(DataError, match=re.escape("the data has the label 10, outside 0..9, the")):
            search(data=splits_with(y=labels))
        with pytest.raises(DataError, match="data has the label -1 at sample 0; labels count from 0"):
            search(data=(torch.zeros(60, 1, 8, 8), labels - 11))

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_samples_that_are_no_numbers(self, bad: float) -> None:
        x = small.digits().held_out.first(60).x.clone()
        x[3, 0, 2, 2] = bad
        with pytest.raises(DataError, match=re.escape("data has NaN or Inf in 1 of 60 samples (first: sample 3)")):
            search(data=(x, small.digits().held_out.first(60).y))

    def test_too_few_samples(self) -> None:
        with pytest.raises(
            DataError, match="2 samples cannot be cut into 1 for calibration, 0 for search, 1 for report"
        ):
            search(data=Loaded(None, small.digits().held_out.first(2)))

    def test_weights_that_are_no_numbers(self) -> None:
        model = small.Small()
        with torch.no_grad():
            model.fc.weight[0, 0] = float("nan")
        with pytest.raises(InputError, match=re.escape("layer 'fc' has NaN or Inf in its weights (1 of 360 values)")):
            search(model=model, data=small.few())

    @pytest.mark.parametrize(
        ("model", "text"),
        [
            (nn.Flatten(1), "the network has no convolution or linear layer that can be quantised"),
            (nn.Sequential(nn.Flatten(1), nn.Softmax(1)), "layer that can be quantised ("),
        ],
    )
    def test_nothing_to_quantise(self, model: nn.Module, text: str) -> None:
        with pytest.raises(InputError, match=re.escape(text)):
            search(model=model, data=small.few())

    def test_outputs_that_are_no_classes(self) -> None:
        model = nn.Sequential(nn.Conv2d(1, 2, 3))
        told = "the network's output has shape [n, 2, 6, 6]; top1 and top5 need [n, classes]"
        with pytest.raises(InputError, match=re.escape(told)):
            search(model=model, data=small.few())

    def test_a_network_that_is_never_right(self) -> None:
        told = "the float network is right on no sample of the search split; are its weights loaded?"
        with pytest.raises(InputError, match=re.escape(told)):
            search(data=small.mislabelled())

    def test_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "run").write_text("")
        told = f"cannot use the folder '{tmp_path / 'run'}': '{tmp_path / 'run'}' is a file; choose another folder"
        with pytest.raises(InputError, match=re.escape(told)):
            search(data=small.few(), out=tmp_path / "run")
        assert (tmp_path / "run").read_text() == ""

    def test_a_damaged_journal_is_set_aside_and_named(self, tmp_path: Path) -> None:
        (tmp_path / "journal.sqlite").write_bytes(b"no journal at all" * 100)
        events: list[Progress] = []
        search(data=small.few(), keep=0.5, bits=(7, 8), out=tmp_path, listener=events.append)
        aside = tmp_path / "journal.sqlite.corrupt-1"
        assert [event.stage for event in events if event.remark] == [
            f"the journal was damaged; it is set aside as '{aside}'"
        ]
        assert aside.read_bytes() == b"no journal at all" * 100
        assert len(rows(tmp_path)) > 0


def test_formats_that_a_plan_cannot_have() -> None:
    with pytest.raises(FormatError, match="fixed17"):
        pj.Plan.parse({"*": "fixed17"})


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Whatever a test draws, torch's own random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        yield


def test_json_is_plain(found: Result) -> None:
    document = json.loads(found.to_json())
    assert [point["label"] for point in document["points"]] == ["1", "0.9"]
    assert document["front"] == [point.label for point in found.front]


def test_top1_is_the_default_metric(found: Result) -> None:
    samples = split(small.digits(), seed=0).report
    with torch.no_grad():
        assert float(top1(found.network(samples.x), samples.y).sum()) == found.accuracy.correct
