"""Sweeps of tiny networks over the digits: costs known beforehand, what is trained and what not, and what is kept."""

import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import small

import picojoule as pj
from picojoule.data import Loaded, Samples
from picojoule.energy import Platform, energy
from picojoule.errors import DataError, FileError, InputError, PlatformError
from picojoule.explore import Exploration, Point, Study, Trial
from picojoule.explore.exploration import FILE
from picojoule.jobs.explore import STUDY, explore, prospect
from picojoule.jobs.exploring import sweep, worker
from picojoule.jobs.progress import Progress
from picojoule.jobs.train import train
from picojoule.plan import ram_bytes, weight_bytes
from picojoule.training import Checkpoint, Recipe

NAME, WIDTH = "lenet-300-100-x0.05", 0.05
BITS = [1, 4, 16, 32]
SHORT = Recipe.load("short")
WILD = {"cross_entropy": "squared_hinge", '"adam"': '"sgd"', "learning_rate = 0.03": "learning_rate = 1e3"}
"""What makes of the short recipe one by which the loss of any network overflows within three epochs."""


@cache
def digits() -> Loaded:
    """A few of the real ones, enough for all ten classes in each split."""
    train, held_out = small.digits().train, small.digits().held_out
    assert train is not None
    return Loaded(train.first(300), held_out.first(120))


def given(**options: Any) -> dict[str, Any]:
    way = {"networks": ["lenet-300-100"], "data": digits(), "widths": [WIDTH], "bits": [4], "recipe": SHORT}
    return {**way, "epochs": 1, **options}


def swept(out: Path | str, **options: Any) -> Exploration:
    return explore(**given(out=out, **options))


def foreseen(**options: Any) -> sweep.Prospect:
    return prospect(**given(**options))


def folder(out: Path | str, trial: Trial) -> Path:
    return Path(out) / "trials" / str(trial.point)


def states(found: Exploration) -> list[tuple[str, str]]:
    return sorted((str(each.point), each.state) for each in found.trials)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explore") / "sweep"


@pytest.fixture(scope="module")
def found(place: Path) -> Exploration:
    return swept(place, bits=BITS, seeds=[3], about={"data": "digits"})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of one network over three epochs in which nothing happened, and nothing was asked for hope."""
    place = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "hopeless", None)
        swept(place, epochs=3, prune=False)
    return place


class TestResult:
    def test_every_point_is_trained_once(self, found: Exploration, place: Path) -> None:
        assert [each.point for each in found.trials] == [Point(NAME, bits, 3) for bits in BITS]
        assert {each.state for each in found.trials} == {"complete"}
        assert {path.name for path in (place / "trials").iterdir()} == {str(each.point) for each in found.trials}
        assert Exploration.load(place) == found
        assert "</html>" in (place / "report.html").read_text()

    def test_accuracies_and_curves_are_those_of_the_trained(self, found: Exploration, place: Path) -> None:
        for trial in found.trials:
            result = pj.load(folder(place, trial))
            assert (trial.searched, trial.reported) == (result.point.search, result.point.report)
            assert [list(epoch) for epoch in trial.curve] == result.settings["curve"]
            assert len(trial.curve) == 1
            assert trial.seconds > 0

    def test_a_trial_is_what_train_makes_of_the_point(self, found: Exploration, place: Path) -> None:
        alone = train(NAME, digits(), bits=4, seed=3, recipe=SHORT, epochs=1)
        kept = pj.load(place / "trials" / f"{NAME}-4bit-seed3")
        assert (kept.to_json(), kept.captured) == (alone.to_json(), alone.captured)

    def test_the_cost_known_beforehand_is_that_of_the_trained(self, found: Exploration, place: Path) -> None:
        for trial in found.trials:
            result = pj.load(folder(place, trial))
            cost = found.costs[trial.point.network, trial.point.bits]
            assert cost.macs == result.captured.macs == 64 * 15 + 15 * 5 + 5 * 10
            assert cost.weight_bytes == weight_bytes(result.captured, result.plan)
            assert cost.ram_bytes == ram_bytes(result.captured, result.plan)
            for name, pj_ in cost.energy_pj.items():
                if pj_ is None:
                    assert (name, trial.point.bits) == ("envision", 32)
                else:
                    assert pj_ == energy(result.captured, result.plan, Platform.load(name)).total_pj

    def test_says_how_it_was_made(self, found: Exploration, place: Path) -> None:
        settings = {"data": "digits", "job": "explore", "epochs": 1, "platform": "moons2017", "below_pj": None,
                    "recipe_toml": SHORT.text, "samples": {"train": 300, "held_out": 120},
                    "study": str(place / STUDY)}  # fmt: skip
        assert found.settings.items() >= settings.items()

    def test_the_same_again_trains_nothing(
        self, found: Exploration, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(worker, "train", None)
        before = (place / FILE).read_bytes(), (place / "report.html").read_bytes()
        heard: list[Progress] = []
        again = swept(place, bits=BITS, seeds=[3], about={"data": "digits"}, listener=heard.append)
        assert again == found
        assert ((place / FILE).read_bytes(), (place / "report.html").read_bytes()) == before
        assert not any(event.remark for event in heard)

    def test_more_of_it_adds_to_it(self, found: Exploration, place: Path, tmp_path: Path) -> None:
        shutil.copytree(place, tmp_path / "more")
        more = swept(tmp_path / "more", bits=[2], seeds=[3])
        assert [each for each in more.trials if each.point.bits != 2] == list(found.trials)
        assert more.bits == (1, 2, 4, 16, 32)


class TestProspect:
    def test_is_what_will_be(self, found: Exploration) -> None:
        ahead = foreseen(bits=BITS[::-1])
        assert [point.bits for point in ahead.entries] == BITS
        assert {(point.network, point.bits): cost for point, (cost, _) in ahead.entries.items()} == found.costs
        assert all(seconds > 0 for _, seconds in ahead.entries.values())
        assert not ahead.left_out
        assert json.loads(json.dumps(ahead.to_table()))["networks"][0]["network"] == NAME

    def test_leaves_nothing_on_the_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        foreseen()
        assert not list(tmp_path.iterdir())

    def test_below_leaves_out_exactly_those_above(self, found: Exploration) -> None:
        energies = [found.costs[NAME, bits].energy_pj["moons2017"] or 0 for bits in BITS]
        for count in (1, 3):
            ahead = foreseen(bits=BITS, below_pj=energies[count - 1])
            assert [point.bits for point in ahead.entries] == BITS[:count]
            assert [point.bits for point in ahead.left_out] == BITS[count:]
        told = r"^no network of the grid costs 8\.81 nJ or less; the cheapest costs 8\.82 nJ$"
        with pytest.raises(InputError, match=told):
            foreseen(bits=BITS, below_pj=energies[0] - 10)

    def test_what_a_platform_has_no_figure_for_is_left_out(self) -> None:
        ahead = foreseen(bits=[8, 32], platform="envision")
        assert [point.bits for point in ahead.entries] == [8]
        assert [point.bits for point in ahead.left_out] == [32]
        with pytest.raises(PlatformError, match=r"^platform 'envision' has no figure for any of these networks$"):
            foreseen(bits=[32], platform="envision")


class TestTimeBudget:
    """Trainings are taken to last as long as a test says: the machine has its own pace."""

    @pytest.fixture
    def taking(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
        """By network, how many seconds a training is foreseen to take."""
        seconds: dict[str, float] = {}
        monkeypatch.setattr(sweep.Sweep, "seconds", lambda self, point: seconds[point.network])
        return seconds

    def test_none_that_is_less_than_any_takes(self, taking: dict[str, float], tmp_path: Path) -> None:
        taking[NAME] = 90.0
        told = (
            r"^a time budget of 59.0 s is less than any of these trainings takes, at least about 2 min; give more, or"
        )
        with pytest.raises(InputError, match=told):
            swept(tmp_path, time_budget=59.0)
        assert not (tmp_path / "trials").exists()

    def test_what_does_not_fit_is_left_to_the_next_call(self, taking: dict[str, float], tmp_path: Path) -> None:
        taking |= {NAME: 0.01, "lenet-300-100-x0.1": 1e6}
        heard: list[Progress] = []
        first = swept(tmp_path, widths=[0.1, 0.05], time_budget=1000.0, listener=heard.append)
        assert states(first) == [(f"{NAME}-4bit-seed0", "complete"), ("lenet-300-100-x0.1-4bit-seed0", "waiting")]
        (remark,) = (event.stage for event in heard if event.remark)
        assert remark == "the time is over with 1 of 2 networks left to train"
        assert Exploration.load(tmp_path) == first
        second = swept(tmp_path, widths=[0.1, 0.05])
        assert {each.state for each in second.trials} == {"complete"}
        assert second.trials[0] == first.trials[0]

    def test_nothing_is_left_to_refuse_once_all_is_trained(self, found: Exploration, place: Path) -> None:
        assert swept(place, bits=[1, 4], seeds=[3], time_budget=0.0).trials == found.trials


class TestFailures:
    def test_points_that_diverge_do_not_stop_the_next_and_are_not_tried_again(self, tmp_path: Path) -> None:
        text = SHORT.text
        for old, new in WILD.items():
            text = text.replace(old, new)
        (tmp_path / "wild.toml").write_text(text)
        both = swept(tmp_path / "out", bits=[32, 2], recipe=tmp_path / "wild.toml", epochs=3)
        assert [(each.point.bits, each.state) for each in both.trials] == [(2, "failed"), (32, "failed")]
        for trial in both.trials:
            assert trial.why.startswith("training diverged: the loss is ")
            assert 0 < len(trial.curve) < 3
        assert not both.candidates
        again = swept(tmp_path / "out", bits=[32, 2], recipe=tmp_path / "wild.toml", epochs=3)
        assert again == both

    def test_who_is_hopeless_is_pruned(self, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(worker, "hopeless", lambda curve, epochs, cheaper: len(curve) == 2)
        pruned = swept(tmp_path, epochs=3)
        (trial,) = pruned.trials
        assert (trial.state, len(trial.curve)) == ("pruned", 2)
        assert trial.why == "behind the median of cheaper networks at 4 bits after 2 epochs"
        assert not (folder(tmp_path, trial) / "result.json").exists()
        assert swept(tmp_path, epochs=3) == pruned
        assert Exploration.load(whole).trials[0].state == "complete"

    @pytest.mark.parametrize(
        ("grid", "compared"),
        [({"widths": [0.03, WIDTH], "bits": [2, 4]}, [0, 0, 1, 1]), ({"seeds": [0, 1]}, [0, 0])],
        ids=["cheaper ones of the same bits", "no other seed"],
    )
    def test_who_is_compared_with(
        self, grid: dict[str, Any], compared: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[list[Any]] = []
        monkeypatch.setattr(worker, "hopeless", lambda curve, epochs, cheaper: bool(seen.append([*cheaper])))
        done = swept(tmp_path, **grid)
        assert sorted(map(len, seen)) == compared
        curves = {each.point: each.curve for each in done.trials}
        expected = [[curves[Point("lenet-300-100-x0.03", bits)]] for bits in (2, 4)] if "widths" in grid else []
        assert [each for each in seen if each] == expected


class TestSurvival:
    def interrupted(self, out: Path, monkeypatch: pytest.MonkeyPatch, at: int, by: BaseException) -> Trial:
        """Sweep until just after the checkpoint of that epoch, and give the one trial of the study then."""
        save = Checkpoint.save

        def saving(checkpoint: Checkpoint, path: Path) -> None:
            save(checkpoint, path)
            if checkpoint.epochs == at:
                raise by

        with monkeypatch.context() as patch:
            patch.setattr(Checkpoint, "save", saving)
            with pytest.raises(type(by)):
                swept(out, epochs=3, bits=[4])
        (trial,) = Study.open(out / STUDY, {}).trials()
        return trial

    @pytest.mark.parametrize("at", [2, 3])
    def test_goes_on_to_the_bit(self, at: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stopped in the middle, and at the end when only measuring is left."""
        stopped = self.interrupted(tmp_path, monkeypatch, at, KeyboardInterrupt())
        assert stopped.state == "stopped"
        assert not (tmp_path / FILE).exists()
        one, undisturbed = swept(tmp_path, epochs=3), Exploration.load(whole).trials[0]
        (done,) = (each for each in one.trials if each.state == "complete")
        assert [each.state for each in one.trials if each != done] == ["stopped"]
        assert [(each.curve, each.searched, each.reported) for each in (done, undisturbed)] == 2 * [
            (undisturbed.curve, undisturbed.searched, undisturbed.reported)
        ]
        assert len(done.curve) == 3
        for name in ("result.json", "weights.safetensors", "ranges.json"):
            here, there = (folder(place, done) / name for place in (tmp_path, whole))
            assert here.read_bytes() == there.read_bytes(), name

    def test_a_full_disk_is_not_the_trials_fault(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        stopped = self.interrupted(tmp_path, monkeypatch, 1, FileError("no space"))
        assert (stopped.state, stopped.searched) == ("stopped", None)

    def test_a_fault_is_not_tried_for_ever(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        died = self.interrupted(tmp_path, monkeypatch, 1, RuntimeError("out of memory"))
        assert (died.state, died.why) == ("died", "RuntimeError('out of memory')")


class TestOwnNetworks:
    @pytest.fixture
    def model(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        small.write_model(tmp_path)
        monkeypatch.chdir(tmp_path)
        return "net.py:Small"

    def test_are_trained_at_bits_and_run_by_nobody_who_does_not_name_them(self, model: str) -> None:
        """A study may be a stranger's, and name anything."""
        done = swept("out", networks=[model], widths=[1], bits=[2])
        (trial,) = done.trials
        assert (str(trial.point), trial.state) == ("net.py-Small-2bit-seed0", "complete")
        assert done.costs[model, 2].macs == 4 * 36 * 9 + 360
        Path("net.py").write_text("raise SystemExit('this was run')")
        assert [each.point.network for each in swept("out", bits=[2]).trials] == [NAME]

    def test_have_no_widths(self, model: str) -> None:
        with pytest.raises(InputError, match=r"^network 'net.py:Small' is your own and has one width and depth; leave"):
            swept("out", networks=[model], widths=[0.5])


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"networks": []}, "the grid is empty; give at least one network"),
            ({"networks": ["lenet6"]}, "network 'lenet6' is not known; give one of lenet5"),
            ({"networks": ["lenet5"]}, "network 'lenet5-x0.05' reads inputs of 12x12 or more, not 8x8; choose another"),
            ({"networks": ["net.py:f"], "widths": [1]}, "'net.py:f': there is no file 'net.py'"),
            ({"bits": [0]}, "bits 0 cannot be trained at"),
            ({"threads": 0}, "threads 0 cannot be used; give a whole number of at least 1"),
            ({"threads": 1.0}, "threads 1.0 cannot be used; give a whole number of at least 1"),
            ({"epochs": 0}, "epochs 0 cannot be trained for; give a whole number of at least 1"),
            ({"recipe": "slow"}, "recipe 'slow' is not known; choose one of "),
            ({"platform": "abacus"}, "no platform 'abacus'; choose one of "),
            ({"activation": "gelu"}, "activation 'gelu' is not known; choose one of relu, hardtanh"),
            ({"device": "abacus"}, "device 'abacus' cannot be used; give cpu"),
            ({"below_pj": 0}, "below_pj 0 cannot be used; give an energy in pJ above 0"),
            ({"below_pj": float("nan")}, "below_pj nan cannot be used; give an energy in pJ above 0"),
            ({"below_pj": float("inf")}, "below_pj inf cannot be used; give an energy in pJ above 0"),
        ],
    )
    def test_options(self, options: dict[str, Any], said: str, tmp_path: Path) -> None:
        for use in (prospect, explore):
            with pytest.raises(InputError, match=f"^{re.escape(said)}"):
                use(**given(**options), **({"out": tmp_path / "out"} if use is explore else {}))
        assert not list(tmp_path.iterdir())

    def test_data(self, tmp_path: Path) -> None:
        train = digits().train
        assert train is not None
        odd = {
            "the data has no samples to train on; give a pair (train, held-out)": Loaded(None, digits().held_out),
            "the recipe's batch of 50 is larger than the 49 samples to train on": Loaded(
                train.first(49), digits().held_out
            ),
            "the samples to train on have none of class 3, of the network's 10": Loaded(
                Samples(train.x[train.y != 3], train.y[train.y != 3]), digits().held_out
            ),
        }
        for said, data in odd.items():
            with pytest.raises(DataError, match=f"^{re.escape(said)}"):
                swept(tmp_path, data=data)
        assert not list(tmp_path.iterdir())

    def test_a_place_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        with pytest.raises(FileError, match=r"'.*file' is a file; choose another folder$"):
            swept(tmp_path / "file")
        assert (tmp_path / "file").read_text() == "mine"

    def test_a_study_of_something_else(self, found: Exploration, place: Path) -> None:
        before = (place / FILE).read_bytes()
        for options, what in (
            ({"epochs": 2}, "number of epochs"), ({"data": small.digits(), "recipe": "modern"}, "data and recipe"),
        ):  # fmt: skip
            with pytest.raises(FileError, match=f"is of another {what}; choose another place for this one$"):
                swept(place, **options)
        assert (place / FILE).read_bytes() == before
