"""Training as a job: what comes out, what a kill leaves, and what is refused."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from tests.jobs import small
from tests.lives import Life

import picojoule as pj
from picojoule.data import Loaded, Samples, split
from picojoule.errors import DataError, FileError, InputError, PlatformError
from picojoule.evaluate import Accuracy
from picojoule.jobs.progress import Progress
from picojoule.jobs.train import CHECKPOINT, train
from picojoule.plan import Plan
from picojoule.search import Result
from picojoule.training import Checkpoint, Course, Recipe

WRITTEN = ("weights.safetensors", "plan.json", "ranges.json", "result.json", "report.html", CHECKPOINT)


def model() -> small.Small:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return small.Small()


def run(out: Path | None = None, **options: Any) -> Result:
    """A short training of the small network on the real digits."""
    given = {"model": model(), "data": small.digits(), "recipe": "short", "out": out, **options}
    return train(given.pop("model"), given.pop("data"), **given)


def accuracy(result: Result, samples: Samples) -> float:
    with torch.no_grad():
        return float((result.network(samples.x).argmax(1) == samples.y).double().mean())


@pytest.fixture(scope="module")
def result() -> Result:
    return run(bits=4, epochs=8)


@pytest.fixture(scope="module")
def searched() -> Result:
    way: dict[str, Any] = {"strategy": "uniform", "bits": (2, 2), "observer": "mse", "rescale": "channel"}
    return pj.search(small.trained(), small.digits(), keep=0.5, **way)


class TestResult:
    def test_is_accurate_and_measured_on_what_was_not_trained_on(self, result: Result) -> None:
        splits = split(small.digits(), seed=0)
        assert result.accuracy == Accuracy(
            round(accuracy(result, splits.report) * len(splits.report)), len(splits.report)
        )
        assert result.point.search.value == accuracy(result, splits.search)
        assert result.accuracy.value > 0.9

    def test_has_energy_beside_its_baselines(self, result: Result) -> None:
        energies = {label: point.energy for label, point in result.baselines.items()}
        assert list(energies) == ["fixed16", "fixed8", "float32"]
        assert energies["fixed8"] is not None
        assert 0 < result.energy.total_pj < energies["fixed8"].total_pj
        assert result.point.label == "trained"
        assert (result.point.keep, result.holds) == (None, True)

    def test_says_how_it_was_made(self, result: Result) -> None:
        settings = dict(result.settings)
        assert (settings["job"], settings["bits"], settings["activation"]) == ("train", 4, "relu")
        assert (settings["recipe"], settings["epochs"], settings["seed"]) == ("short", 8, 0)
        assert settings["recipe_toml"] == Recipe.load("short").text
        fold = settings["fold"]
        assert 0.5 < fold["after"]["correct"] / fold["after"]["total"] <= 1
        assert fold["before"]["total"] == result.point.search.total

    def test_biases_are_whole(self, result: Result) -> None:
        bias = result.captured.tensors["fc.bias"].double()
        exponents = torch.tensor(result.ranges.sites["fc.weights"].exponents).double()
        steps = bias / (exponents.exp2() * 2**-7)
        assert torch.equal(steps, steps.round())

    def test_the_same_again(self, result: Result) -> None:
        again = run(bits=4, epochs=8)
        assert again.to_json() == result.to_json()
        assert again.captured == result.captured

    def test_tells_where_it_is(self) -> None:
        heard: list[Progress] = []
        run(listener=heard.append)
        epochs = [(event.done, event.expected) for event in heard if event.stage == "training"]
        assert epochs[0] == (0, 4)
        assert epochs[-1] == (4, 4)
        *_, last = (event for event in heard if event.stage == "training")
        assert re.fullmatch(r"loss [\d.]+, accuracy [\d.]+ %", last.detail)
        assert last.seconds is not None
        (remark,) = (event.stage for event in heard if event.remark)
        assert re.fullmatch(r"batch norm is folded; accuracy on the search split: .* % before, .* % after", remark)

    @pytest.mark.parametrize("bits", [1, 32])
    def test_at_the_ends(self, bits: int) -> None:
        result = run(bits=bits, epochs=6)
        assert result.accuracy.value > (0.5 if bits == 1 else 0.85)
        formats = {str(format) for format in result.plan.formats.values()}
        assert formats == ({"binary", "fixed8"} if bits == 1 else {"float32"})

    def test_at_a_plan(self) -> None:
        plan = Plan.parse({"*": "fixed4", "fc.weights": "fixed2"})
        result = run(plan=plan, epochs=2)
        assert {site: str(format) for site, format in result.plan.formats.items()} == {
            "conv.inputs": "fixed4", "conv.weights": "fixed4", "fc.inputs": "fixed4", "fc.weights": "fixed2",
        }  # fmt: skip

    def test_by_name(self) -> None:
        x = torch.rand(120, 1, 28, 28, generator=torch.Generator().manual_seed(0))
        loaded = Loaded(Samples(x, torch.arange(120) % 10), Samples(x, torch.arange(120) % 10))
        one, other = (train("lenet5", loaded, recipe="short", epochs=1, seed=3) for _ in range(2))
        assert one.captured == other.captured


class TestRunFolder:
    def test_is_loaded_without_data(self, tmp_path: Path) -> None:
        result = run(tmp_path / "run")
        loaded = pj.load(tmp_path / "run")
        assert loaded.to_json() == result.to_json()
        x = small.digits().held_out.x
        with torch.no_grad():
            assert torch.equal(loaded.network(x), result.network(x))
        assert {path.name for path in (tmp_path / "run").iterdir()} == set(WRITTEN)

    def test_the_same_again_trains_nothing(self, tmp_path: Path) -> None:
        run(tmp_path / "run")
        before = {name: (tmp_path / "run" / name).read_bytes() for name in WRITTEN}
        heard: list[Progress] = []
        run(tmp_path / "run", listener=heard.append)
        assert {name: (tmp_path / "run" / name).read_bytes() for name in WRITTEN} == before
        assert not any(event.remark for event in heard)

    @pytest.mark.parametrize(
        ("options", "what"),
        [({"seed": 1}, "seed"), ({"bits": 3}, "plan"), ({"recipe": "finetune", "epochs": 4}, "recipe"),
         ({"epochs": 5}, "number of epochs"), ({"model": small.trained()}, "network")],
    )  # fmt: skip
    def test_of_another_training_is_kept(self, options: dict[str, Any], what: str, tmp_path: Path) -> None:
        run(tmp_path / "run")
        kept = (tmp_path / "run" / CHECKPOINT).read_bytes()
        with pytest.raises(
            FileError, match=f"is of a training with another (network and )?{what}; choose another folder"
        ):
            run(tmp_path / "run", **options)
        assert (tmp_path / "run" / CHECKPOINT).read_bytes() == kept


class TestFrom:
    def test_wins_accuracy_back(self, searched: Result, tmp_path: Path) -> None:
        result = train(None, small.digits(), start=searched, recipe="short", epochs=6, out=tmp_path / "run")
        assert result.plan == searched.plan
        assert result.point.keep == searched.point.keep
        assert result.point.search.value > searched.point.search.value + 0.01
        assert {label: point.search for label, point in result.baselines.items()} == {
            label: point.search for label, point in searched.baselines.items()
        }
        exponents = {site: found.exponents for site, found in searched.ranges.sites.items()}
        assert {site: found.exponents for site, found in result.ranges.sites.items()} == exponents
        assert pj.load(tmp_path / "run").to_json() == result.to_json()

    def test_from_a_folder_and_on_from_there(self, searched: Result, tmp_path: Path) -> None:
        searched.save(tmp_path / "first")
        one = train(None, small.digits(), start=tmp_path / "first", epochs=2, out=tmp_path / "second")
        two = train(None, small.digits(), start=tmp_path / "second", epochs=2)
        assert two.plan == one.plan
        assert two.captured != one.captured

    def test_whether_the_floor_holds_is_told(self, searched: Result) -> None:
        result = train(None, small.digits(), start=searched, epochs=1)
        point = result.point
        assert point.keep is not None
        assert point.holds == result.floor(point.keep).holds(point.searched)


@pytest.fixture(scope="module")
def clustered() -> Result:
    """Two numbers for each layer's weights, which is too few as they are."""
    way: dict[str, Any] = {"strategy": "uniform", "formats": "lut2", "inputs": "fixed16", "platform": "horowitz45"}
    return pj.search(small.trained(), small.digits(), keep=0.3, **way)


class TestFromCodebooks:
    @pytest.mark.parametrize("recipe", ["clusters", "finetune"])
    def test_numbers_win_accuracy_back_and_weights_stay_in_their_clusters(self, clustered: Result, recipe: str) -> None:
        result = train(None, small.digits(), start=clustered, recipe=recipe, epochs=4, platform="horowitz45")
        assert result.plan == clustered.plan
        assert result.point.search.value > clustered.point.search.value + 0.05
        was = clustered.network.state_dict()  # what is captured are the weights that the search began with
        for layer in result.captured.layers:
            site = layer.weights
            assert len(result.ranges.sites[site].members) == 2
            tensor = result.captured.sites[site].tensor
            old, new = was[tensor], result.captured.tensors[tensor]
            members = clustered.ranges.sites[site].members
            above = old > 2.0 ** clustered.ranges.sites[site].exponents[0] * sum(members) / 2
            assert float(new[above].min()) == float(new[above].max()) > float(new[~above].max())

    def test_on_from_its_checkpoint(self, clustered: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def again(folder: Path) -> Result:
            return train(None, small.digits(), start=clustered, recipe="clusters", epochs=3, out=folder,
                         platform="horowitz45")  # fmt: skip

        with monkeypatch.context() as patched:
            save, saved = Checkpoint.save, list[int]()

            def stops(checkpoint: Checkpoint, path: Path) -> None:
                save(checkpoint, path)
                saved.append(checkpoint.epochs)
                if len(saved) == 2:
                    raise KeyboardInterrupt

            patched.setattr(Checkpoint, "save", stops)
            with pytest.raises(KeyboardInterrupt):
                again(tmp_path / "run")
        assert again(tmp_path / "run").to_json() == again(tmp_path / "whole").to_json()


class TestSurvival:
    def kill(self, number: int, by: signal.Signals) -> Callable[[], None]:
        """Train in this process, which gets a signal just before the checkpoint after that epoch."""
        save = Checkpoint.save

        def killing(checkpoint: Checkpoint, path: Path) -> None:
            if checkpoint.epochs == number:
                os.kill(os.getpid(), by)
            save(checkpoint, path)

        def work() -> None:
            torch.set_num_threads(1)
            Checkpoint.save = killing  # type: ignore[method-assign]
            run(Path("run"))

        return work

    @pytest.mark.parametrize("number", [1, 2, 3, 4])
    def test_goes_on_to_the_bit(self, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Killed before the fold, at it, and after it."""
        monkeypatch.chdir(tmp_path)
        with Life(self.kill(number, signal.SIGKILL), tmp_path) as life:
            assert life.wait() == -signal.SIGKILL
        assert Path("run", CHECKPOINT).exists() == (number > 1)
        assert not Path("run", "result.json").exists()
        run(Path("run"))
        run(Path("whole"))
        for name in WRITTEN:
            one, other = (Path(folder, name).read_bytes() for folder in ("run", "whole"))
            assert one == other or name == "report.html", name  # which says where it is
        assert {path.name for path in Path("run").iterdir()} == set(WRITTEN)

    def test_ctrl_c_leaves_the_checkpoint(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        with Life(self.kill(3, signal.SIGINT), tmp_path) as life:
            assert life.wait() == 1
            assert "KeyboardInterrupt" in life.err
        with safe_open(Path("run", CHECKPOINT), "pt") as file:
            assert '"epochs": 2' in file.metadata()["picojoule.training"]

    def test_divergence_keeps_the_last_good_checkpoint(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("picojoule.training.recipe.LOSSES", {"cross_entropy": Sour()})
        monkeypatch.setattr("picojoule.training.loop.LOSSES", {"cross_entropy": Sour()})
        with pytest.raises(InputError, match=r"^training diverged: the loss is nan in epoch 3; give a recipe with"):
            run(tmp_path / "run")
        with safe_open(tmp_path / "run" / CHECKPOINT, "pt") as file:
            assert '"epochs": 2' in file.metadata()["picojoule.training"]
        assert {path.name for path in (tmp_path / "run").iterdir()} == {CHECKPOINT}


class Sour:
    """A loss that is none after fifty steps."""

    def __init__(self) -> None:
        self.steps = 0

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.steps += 1
        loss = torch.nn.functional.cross_entropy(outputs, targets)
        return loss * float("nan") if self.steps > 50 else loss


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"bits": 0}, "bits 0 cannot be trained at; give 1 to 16, or 32 for floating point"),
            ({"bits": 17}, "bits 17 cannot be trained at; give 1 to 16, or 32 for floating point"),
            ({"epochs": 0}, "epochs 0 cannot be trained for; give a whole number of at least 1"),
            (
                {"recipe": "slow"},
                "recipe 'slow' is not known; choose one of clusters, finetune, modern, published, short, sweep, or ",
            ),
            ({"activation": "gelu"}, "activation 'gelu' is not known; choose one of relu, hardtanh"),
            ({"model": None}, "there is nothing to train; give a model, or a run to start from"),
            ({"bits": 3, "plan": Plan.parse({"*": "fixed4"})}, "a plan says the bits of every site; give either that"),
            ({"plan": {"*": "fixed4"}}, "plan is of type dict, expected Plan; make it with Plan.load or Plan.parse"),
            ({"platform": "abacus"}, "no platform 'abacus'"),
            ({"device": "abacus"}, "device 'abacus' cannot be used; give cpu"),
            ({"about": {"a": {1, 2}}}, "about cannot be kept in a result: Object of type set"),
        ],
    )
    def test_options(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(InputError, match=f"^{re.escape(said)}"):
            run(**options)

    def test_nothing_to_train_on(self) -> None:
        with pytest.raises(DataError, match=r"^the data has no samples to train on; give a pair"):
            run(data=small.few())

    def test_a_class_missing(self) -> None:
        loaded = small.digits()
        assert loaded.train is not None
        some = loaded.train.take((loaded.train.y % 8 != 1).nonzero().flatten())
        with pytest.raises(
            DataError, match=r"^the samples to train on have none of class 1, 9, of the network's 10; give"
        ):
            run(data=Loaded(some, loaded.held_out))

    def test_a_batch_larger_than_the_data(self) -> None:
        loaded = small.digits()
        assert loaded.train is not None
        told = "^the recipe's batch of 50 is larger than the 49 samples to train on; give more samples, or a recipe"
        with pytest.raises(DataError, match=told):
            run(data=Loaded(loaded.train.first(49), loaded.held_out))

    def test_labels_beyond_the_outputs(self) -> None:
        loaded = small.digits()
        assert loaded.train is not None
        odd = Samples(loaded.train.x, loaded.train.y + 1)
        with pytest.raises(DataError, match=r"the data has the label 10, outside 0\.\.9"):
            run(data=Loaded(odd, loaded.held_out))

    def test_start_and_more(self) -> None:
        result = run(epochs=1)
        with pytest.raises(InputError, match=r"^a run to start from has a network of its own; give either"):
            run(start=result)
        with pytest.raises(InputError, match=r"^a run to start from has a plan and activations of its own; leave bits"):
            run(model=None, start=result, bits=4)

    @pytest.mark.parametrize("given", ["plan", "start"])
    def test_a_plan_without_a_figure_before_any_step(
        self, given: str, clustered: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def trained(*given: Any) -> None:
            pytest.fail("it was not refused before any training")

        monkeypatch.setattr(Course, "run", trained)
        options: dict[str, dict[str, Any]] = {
            "plan": {"plan": Plan.parse({"*": "e4m3"})},
            "start": {"model": None, "start": clustered, "recipe": "clusters"},
        }
        format = {"plan": "e4m3", "start": "lut2"}[given]
        told = f"platform 'moons2017' has no figure for {format} (layer 'conv'); give that layer a format it has, or"
        with pytest.raises(PlatformError, match=f"^{re.escape(told)}"):
            run(tmp_path / "run", **options[given])
        assert not (tmp_path / "run").exists()

    def test_nothing_is_written(self, tmp_path: Path) -> None:
        with pytest.raises(InputError):
            run(tmp_path / "run", bits=0)
        assert not (tmp_path / "run").exists()
