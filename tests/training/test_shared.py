import pytest
import torch
from torch import Tensor

from picojoule.calibration import Range, kmeans
from picojoule.formats import Lut
from picojoule.quantize import Choice
from picojoule.training.shared import Shared


def weights(shape: tuple[int, ...] = (6, 4, 3, 3)) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def choice(format: Lut, x: Tensor) -> Choice:
    exponent, members = kmeans.codebook(x, format, signed=True)
    return Choice(format.with_members(members), Range((exponent,), True, members=members))


@pytest.mark.parametrize("text", ["fixed16", "fp16"])
def test_at_first_the_layer_sees_what_quantisation_gives(text: str) -> None:
    x = weights()
    found = choice(Lut(16, text), x)
    torch.testing.assert_close(Shared(found, x)(x), found.quantize(x), rtol=0, atol=0)


def test_the_gradient_of_a_number_is_the_sum_over_the_weights_that_have_it() -> None:
    x = weights()
    found = choice(Lut(8), x)
    shared, target = Shared(found, x), torch.randn(x.shape, generator=torch.Generator().manual_seed(4))
    (shared(x) * target).sum().backward()
    plain = shared.table.detach().clone().requires_grad_()
    (plain[shared.indices.long()] * 2.0 ** found.range.exponents[0] * target).sum().backward()
    torch.testing.assert_close(shared.table.grad, plain.grad)


def test_the_gradient_is_that_of_finite_differences() -> None:
    x = weights((5, 7))
    shared = Shared(choice(Lut(4), x), x).double()
    other = torch.randn(3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(5))

    def loss() -> Tensor:
        return (other @ shared(x).double().T).square().sum()

    loss().backward()
    assert shared.table.grad is not None
    step = 2.0**-15  # of the table: rounding then changes nothing
    for place in range(len(shared.table)):
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                shared.table[place] += sign * step
                ends.append(float(loss()))
                shared.table[place] -= sign * step
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(float(shared.table.grad[place]), rel=1e-6, abs=1e-6)


def test_what_trained_is_what_the_range_says_and_memberships_stay() -> None:
    x = weights()
    found = choice(Lut(8), x)
    shared = Shared(found, x)
    before = shared.indices.clone()
    optimizer = torch.optim.SGD([shared.table], lr=1e-4)
    for _ in range(3):
        optimizer.zero_grad()
        shared(x).square().sum().backward()
        optimizer.step()
    seen = shared(x).detach()
    again = Choice(Lut(8).with_members(shared.range.members), shared.range)
    torch.testing.assert_close(again.quantize(seen), seen, rtol=0, atol=0)
    assert torch.equal(shared.indices, before)
    assert float(seen.abs().sum()) < float(found.quantize(x).abs().sum())


def test_numbers_that_meet_in_training_are_one() -> None:
    x = weights()
    shared = Shared(choice(Lut(4), x), x)
    with torch.no_grad():
        shared.table[1] = shared.table[0]
    assert len(shared.range.members) == 3
