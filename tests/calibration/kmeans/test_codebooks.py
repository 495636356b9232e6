import pytest
import torch
from torch import Tensor

from picojoule.calibration import kmeans
from picojoule.errors import DataError
from picojoule.formats import Lut


def values() -> Tensor:
    return 3 * torch.randn(5000, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("count", [2, 16, 256])
def test_the_numbers_are_the_centroids_in_16_bits(count: int) -> None:
    x = values()
    exponent, members = kmeans.codebook(x, Lut(count), signed=True)
    centroids = kmeans.fit(x, count) * 2.0**-exponent
    assert 0.5 < float(centroids.abs().amax()) <= 1
    torch.testing.assert_close(torch.tensor(members, dtype=torch.float64), centroids, rtol=0, atol=2**-15)
    assert all(member * 2**15 == int(member * 2**15) for member in members)


def test_zero_stays_zero_where_more_than_one_in_k_is_zero() -> None:
    x = values().relu()
    exponent, members = kmeans.codebook(x, Lut(4), signed=False)
    assert members[0] == 0
    rounded = Lut(4).with_members(members).quantize(x, exponent, signed=False)
    assert bool((rounded[x == 0] == 0).all())


def test_a_rare_zero_is_a_value_like_others() -> None:
    x = torch.cat([torch.zeros(1), torch.full((50,), 1.0), torch.full((50,), 2.0)])
    assert kmeans.codebook(x, Lut(2), signed=False) == (1, (50 / 51 * 0.5 // 2**-16 * 2**-16, 1 - 2**-16))


@pytest.mark.parametrize(("constant", "exponent", "members"), [(0.0, 0, (0.0,)), (-3.0, 2, (-0.75,))])
def test_a_constant_has_one_number(constant: float, exponent: int, members: tuple[float, ...]) -> None:
    assert kmeans.codebook(torch.full((7,), constant), Lut(16), signed=constant < 0) == (exponent, members)


def test_values_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="1 of 2 values to cluster are NaN or Inf"):
        kmeans.codebook(torch.tensor([1.0, torch.inf]), Lut(4), signed=True)
    with pytest.raises(DataError, match="there are no values to cluster"):
        kmeans.codebook(torch.ones(0), Lut(4), signed=True)


def test_sparse_weights_keep_more_than_zeros() -> None:
    x = torch.cat([torch.zeros(6), torch.tensor([-1.0, 1.0, -1.0, 1.0])])
    assert kmeans.codebook(x, Lut(2), signed=True).members in ((-1.0, 0.0), (0.0, 1 - 2**-15))
