"""The demonstration, made small: it trains, keeps its weights, and a second run goes on from them."""

import re
from pathlib import Path

import pytest
import torch
from tests.jobs import small
from torch.nn.functional import cross_entropy

import picojoule as pj
from picojoule import zoo
from picojoule.data import Loaded, Samples
from picojoule.errors import FileError
from picojoule.jobs import demo as demo_job
from picojoule.jobs.progress import Progress


def bars(count: int) -> Samples:
    """Images of ten classes that anyone can tell apart: a bright bar at the label's place, with some noise."""
    random = torch.Generator().manual_seed(count)
    y = torch.arange(count) % 10
    x = 0.1 * torch.rand(count, 1, 28, 28, generator=random)
    for index, label in enumerate(y.tolist()):
        x[index, :, 4 + 2 * label : 6 + 2 * label, 4:24] = 1
    return Samples(x, y)


def loss(model: torch.nn.Module, samples: Samples) -> float:
    model.eval()
    with torch.no_grad():
        return float(cross_entropy(model(samples.x), samples.y))


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few images, epochs and floors."""
    monkeypatch.setattr(demo_job, "EPOCHS", 3)
    monkeypatch.setattr(demo_job, "KEEP", (0.5,))
    monkeypatch.setattr(demo_job.data, "load", lambda _: Loaded(bars(100), bars(40)))
    monkeypatch.setattr(demo_job, "_shifted", lambda x, _: x)


def test_training_lowers_the_loss_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_job, "EPOCHS", 3)
    model, again = (zoo.create("lenet-300-100", seed=0) for _ in range(2))
    before, events = loss(model, bars(200)), list[Progress]()
    drawn = torch.get_rng_state()
    demo_job.train(model, bars(200), seed=5, listener=events.append)
    demo_job.train(again, bars(200), seed=5)
    assert loss(model, bars(200)) < 0.9 * before
    assert not model.training
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), again.parameters(), strict=True))
    assert torch.equal(torch.get_rng_state(), drawn)
    assert [(event.stage, event.done, event.expected) for event in events] == [
        ("training in float", epoch, 3) for epoch in range(3)
    ]


def test_shifts_are_by_up_to_two_pixels() -> None:
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 4] = 1
    random = torch.Generator().manual_seed(0)
    places = {tuple(demo_job._shifted(image, random)[0, 0].nonzero()[0].tolist()) for _ in range(300)}
    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}


@pytest.mark.usefixtures("little")
class TestDemo:
    @pytest.mark.slow
    def test_it_runs_and_resumes_with_the_kept_weights(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        events: list[Progress] = []
        first = demo_job.demo(tmp_path, listener=events.append)
        assert {path.name for path in tmp_path.iterdir()} == {*small.FILES, "lenet5-seed0.safetensors"}
        assert events[0].stage == "training in float"
        assert dict(first.settings)["model"] == "lenet5"
        assert dict(first.settings)["data"] == "mnist5k"
        assert [point.keep for point in first.points] == [0.5]
        assert pj.load(tmp_path).to_json() == first.to_json()

        def never(*_: object) -> None:
            pytest.fail("a second run trains again")

        monkeypatch.setattr(demo_job, "train", never)
        assert demo_job.demo(tmp_path).to_json() == first.to_json()

    def test_kept_weights_that_are_damaged(self, tmp_path: Path) -> None:
        kept = tmp_path / "lenet5-seed0.safetensors"
        kept.write_bytes(b"\x08\0\0\0\0\0\0\0{")
        with pytest.raises(FileError, match=re.escape(f"checkpoint '{kept}' is damaged, or no file of weights; ")):
            demo_job.demo(tmp_path)

    def test_a_folder_that_cannot_be_written_is_told_before_the_training(self, tmp_path: Path) -> None:
        (tmp_path / "run").write_text("")
        events: list[Progress] = []
        with pytest.raises(FileError, match=re.escape(f"cannot use the folder '{tmp_path / 'run'}': ")):
            demo_job.demo(tmp_path / "run", listener=events.append)
        assert events == []
