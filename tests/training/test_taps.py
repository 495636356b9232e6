"""Latent weights and batch norm, as they are tapped into a network."""

import copy
from collections.abc import Callable

import pytest
import torch
from tests.training import nets
from torch import Tensor, nn

from picojoule.formats import Binary, Fixed, Float32, Format
from picojoule.quantize import quantize
from picojoule.training import Latent, Norm, Trainable, trainable
from picojoule.training.taps import LEAST_GAMMA

Optimizer = Callable[[list[Tensor]], torch.optim.Optimizer]
OPTIMIZERS: list[Optimizer] = [
    lambda given: torch.optim.SGD(given, 0.5, momentum=0.9),
    lambda given: torch.optim.Adam(given, 0.2),
    lambda given: torch.optim.AdamW(given, 0.2, weight_decay=0.1),
]


class TestLatent:
    @pytest.mark.parametrize("make", OPTIMIZERS)
    @pytest.mark.parametrize("format", [Binary(), Fixed(2), Fixed(4)], ids=str)
    def test_trains_as_with_clipping_after_each_step(self, format: Format, make: Optimizer) -> None:
        """The published loop: q = round(w), g_w = g_q where |w| <= 1, and w clipped after the step."""
        random = torch.Generator().manual_seed(0)
        start = 2 * torch.rand(6, 5, generator=random) - 1
        x, y = torch.randn(30, 5, generator=random), 4 * torch.randn(30, 6, generator=random)
        ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
        optimizers = make([ours]), make([theirs])
        latent = Latent(format).train()
        clipped = 0
        for _ in range(30):
            losses = (
                (x @ latent(ours).T - y).square().mean(),
                (x @ (theirs + (format.quantize(theirs.detach()) - theirs.detach())).T - y).square().mean(),
            )
            for optimizer, loss in zip(optimizers, losses, strict=True):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            clipped += int((theirs.abs() > 1).sum())
            with torch.no_grad():
                theirs.clamp_(-1, 1)
        assert clipped > 20
        torch.testing.assert_close(ours.detach().clamp(-1, 1), theirs.detach(), rtol=0, atol=1e-4)

    def test_the_gradient_passes_at_the_ends(self) -> None:
        weights = torch.tensor([[-1.0, 1.0, 1.5, -7.0]], requires_grad=True)
        latent = Latent(Fixed(4)).train()
        latent(weights).sum().backward()
        assert torch.equal(weights.grad, torch.ones(1, 4))  # type: ignore[arg-type]
        assert weights.tolist() == [[-1.0, 1.0, 1.0, -1.0]]

    def test_in_evaluation_nothing_is_changed(self) -> None:
        weights = torch.tensor([[3.0, -0.3]])
        assert Latent(Fixed(2)).eval()(weights).tolist() == [[0.5, -0.5]]
        assert weights.tolist() == [[3.0, torch.tensor(-0.3).item()]]

    def test_sign_of_zero_is_plus(self) -> None:
        assert Latent(Binary()).eval()(torch.tensor([[0.0, -0.0, -0.1]])).tolist() == [[1.0, 1.0, -1.0]]

    def test_floating_point_is_not_clipped(self) -> None:
        weights = torch.tensor([[3.0, -5.0]])
        assert Latent(Float32()).train()(weights).tolist() == [[3.0, -5.0]]
        assert weights.tolist() == [[3.0, -5.0]]

    def test_two_passes_before_one_gradient(self) -> None:
        weights = torch.tensor([[0.3, 2.0]], requires_grad=True)
        latent = Latent(Fixed(4)).train()
        (latent(weights).sum() + 2 * latent(weights).sum()).backward()
        assert weights.grad is not None
        assert weights.grad.tolist() == [[3.0, 3.0]]

    def test_exponents_scale_channels(self) -> None:
        latent = Latent(Fixed(3), (1, -2)).eval()
        weights = torch.tensor([[0.3, -1.0], [0.3, -1.0]])
        assert latent(weights).tolist() == [[0.5, -2.0], [0.0625, -0.25]]
        assert latent.range.exponents == (1, -2)


class TestNorm:
    @pytest.mark.parametrize(
        ("shape", "images", "last", "over"),
        [((8, 3), False, False, 0), ((8, 3, 5), False, False, (0, 2)), ((8, 3, 5, 4), True, False, (0, 2, 3)),
         ((8, 5, 3), False, True, (0, 1))],
    )  # fmt: skip
    def test_normalises_channels(self, shape: tuple[int, ...], images: bool, last: bool, over: int) -> None:
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 5
        norm = Norm(3, images, last).train()
        nn.init.constant_(norm.norm.weight, 1.0)
        y = norm(x)
        assert y.shape == x.shape
        assert y.mean(over).abs().max() < 1e-5
        assert (y.std(over, unbiased=False) - 1).abs().max() < 1e-4

    def test_affine_is_what_it_computes(self) -> None:
        random = torch.Generator().manual_seed(0)
        norm = Norm(3, images=False, last=False).train()
        for _ in range(20):
            norm(torch.randn(50, 3, generator=random) * 4 - 2)
        x = torch.randn(50, 3, generator=random)
        scale, mean, offset = norm.affine()
        torch.testing.assert_close(norm.eval()(x).double(), scale * (x - mean) + offset)

    def test_scales_stay_above_zero(self) -> None:
        norm = Norm(2, images=False, last=False).train()
        norm.norm.weight.data = torch.tensor([-3.0, 0.5])
        norm(torch.randn(4, 2))
        assert norm.norm.weight.tolist() == [LEAST_GAMMA, 0.5]


@pytest.mark.parametrize("kind", [nets.Residual, nets.Chain])
def test_batch_norm_may_be_made_torchs_synchronised_one(kind: type[nn.Module]) -> None:
    """Where each process sees a part of the batch. Only GPUs exchange anything; alone it is batch norm as ever."""
    plain = nets.trained(trainable(nets.made(kind), nets.train().x, 4), 5)
    synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(plain))
    assert not any(isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d) for each in synchronised.modules())
    x = nets.train().x[:64]
    with torch.no_grad():
        assert torch.equal(synchronised(x), plain(x))
    nets.trained(plain, 5)
    nets.trained(synchronised, 5)
    assert isinstance(plain, Trainable)
    assert isinstance(synchronised, Trainable)
    with torch.no_grad():
        torch.testing.assert_close(synchronised(x), plain(x))
        expected = plain.folded().eval()(x)
        assert torch.equal(synchronised.folded().eval()(x), expected)
        assert torch.equal(quantize(*synchronised.deployed())(x), quantize(*plain.deployed())(x))
