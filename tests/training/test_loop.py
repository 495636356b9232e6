"""One epoch after the other, each following from what was before and its number alone."""

import dataclasses
import re

import pytest
import torch
from tests.training import nets
from torch import Tensor, nn

from picojoule.errors import InputError
from picojoule.training import Course, Epoch, Norm, Recipe, trainable
from picojoule.training.loop import augmented, moved

SHORT = Recipe.load("short")


def course(**changes: object) -> Course:
    return dataclasses.replace(Course(nets.train(), SHORT, 4, seed=3), **changes)  # type: ignore[arg-type]


def run(epochs: Course, bits: int = 4) -> tuple[dict[str, Tensor], list[Epoch]]:
    module = trainable(nets.made(nets.Chain), nets.train().x, bits)
    optimizer, heard = epochs.recipe.optimizer_of(module), list[Epoch]()
    for number in range(2):
        epochs.run(module, optimizer, number, heard.append)
    return module.state_dict(), heard


def test_the_same_again() -> None:
    one, other = run(course()), run(course())
    assert one[1] == other[1]
    assert all(torch.equal(one[0][name], other[0][name]) for name in one[0])


@pytest.mark.parametrize("change", [{"seed": 4}, {"epochs": 5}])
def test_another_course_is_another_training(change: dict[str, int]) -> None:
    assert run(course())[1] != run(course(**change))[1]


def test_tells_where_it_is() -> None:
    _, heard = run(course())
    assert [epoch.number for epoch in heard] == [0] * 20 + [1] * 20
    assert [epoch.samples for epoch in heard[:20]] == list(range(50, 1001, 50))
    assert heard[-1].accuracy > 0.8
    assert heard[-1].loss < heard[0].loss


def test_epochs_differ_and_visit_every_sample_once() -> None:
    seen: list[Tensor] = []

    class Notes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(64, 10)

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach().clone())
            out: Tensor = self.fc(x.flatten(1))
            return out

    module = Notes()
    for number in range(2):
        course().run(module, torch.optim.SGD(module.parameters(), 0.1), number, lambda _: None)
    first, second = torch.cat(seen[:20]), torch.cat(seen[20:])
    assert not torch.equal(first, second)
    order = [each.flatten(1).double() @ torch.arange(64.0).double() for each in (first, second, nets.train().x)]
    assert torch.equal(order[0].sort().values, order[2].sort().values)
    assert torch.equal(order[1].sort().values, order[2].sort().values)


@pytest.mark.parametrize(
    ("folded", "epochs", "at"), [(0.25, 4, 3), (0.0, 4, 4), (1.0, 4, 1), (0.25, 1, 1), (0.2, 40, 32)]
)
def test_fold_at(folded: float, epochs: int, at: int) -> None:
    assert course(recipe=dataclasses.replace(SHORT, folded=folded), epochs=epochs).fold_at == at


def test_divergence_names_the_epoch() -> None:
    recipe = dataclasses.replace(SHORT, loss="squared_hinge", optimizer="sgd", learning_rate=1e3)
    told = "training diverged: the loss is inf in epoch 1; give a recipe with a lower learning_rate"
    with pytest.raises(InputError, match=re.escape(told)):
        run(course(recipe=recipe))


def test_settled_statistics_count_all_samples_alike() -> None:
    module = trainable(nets.made(nets.Chain), nets.train().x, 4)
    course().settle(module)
    norm = next(each for each in module.modules() if isinstance(each, Norm)).norm
    sums: list[Tensor] = []
    module.body.tap("conv.outputs").register_forward_hook(lambda *given: sums.append(given[1][0]))
    with torch.no_grad():
        module.eval()(nets.train().x)
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, sums[0].mean((0, 2, 3)), rtol=1e-4, atol=1e-5)


class TestImages:
    def test_moved(self) -> None:
        x = torch.arange(1.0, 19).reshape(2, 1, 3, 3)
        by = torch.tensor([[0, 2], [1, 1]])
        down, up = moved(x, by, 1)
        assert down.tolist() == [[[0, 0, 0], [1, 2, 3], [4, 5, 6]]]
        assert up.tolist() == [[[13, 14, 15], [16, 17, 18], [0, 0, 0]]]
        assert moved(x, by, 1).is_contiguous()

    def test_each_image_on_its_own(self) -> None:
        recipe = dataclasses.replace(SHORT, shift=2, mirror="always")
        x = torch.rand(100, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        found = augmented(x, recipe, torch.Generator().manual_seed(0))
        assert found.shape == x.shape
        same = (found == x).flatten(1).all(1).sum()
        assert 0 < same < 10
        mirrored = augmented(x, dataclasses.replace(recipe, shift=0), torch.Generator().manual_seed(0))
        flipped = (mirrored == x.flip(3)).flatten(1).all(1)
        assert 30 < flipped.sum() < 70
        assert torch.equal(mirrored[~flipped], x[~flipped])

    def test_what_is_no_image_stays(self) -> None:
        x = torch.rand(5, 8)
        recipe = dataclasses.replace(SHORT, shift=2, mirror="always")
        assert torch.equal(augmented(x, recipe, torch.Generator()), x)
        assert torch.equal(augmented(nets.train().x, SHORT, torch.Generator()), nets.train().x)
