import re

import pytest
import torch

from picojoule.data import Loaded, Prepare, Samples
from picojoule.errors import DataError

IMAGES = Samples(torch.arange(24.0).reshape(2, 3, 2, 2), torch.tensor([0, 1]))
GREY = Samples(torch.ones(2, 1, 2, 2), torch.tensor([0, 1]))
ROWS = Samples(torch.ones(2, 3), torch.tensor([0, 1]))


def test_nothing_asked_for_changes_nothing() -> None:
    assert Prepare().apply_to(IMAGES).digest() == IMAGES.digest()
    assert Prepare(resize=2).apply_to(IMAGES).digest() == IMAGES.digest()


def test_mean_and_std_per_channel_or_for_all() -> None:
    x = Prepare((1.0, 2.0, 3.0), (1.0, 2.0, 4.0)).apply_to(IMAGES).x
    for channel, (mean, std) in enumerate([(1, 1), (2, 2), (3, 4)]):
        torch.testing.assert_close(x[:, channel], (IMAGES.x[:, channel] - mean) / std)
    torch.testing.assert_close(Prepare((0.5,)).apply_to(IMAGES).x, IMAGES.x - 0.5)
    assert Prepare((1.0, 2.0, 3.0), (2.0,)).apply_to(ROWS).x[0].tolist() == [0, -0.5, -1]


def test_resize_comes_first_and_is_bilinear() -> None:
    x = Prepare((1.0,), (2.0,), resize=4).apply_to(IMAGES).x
    assert x.shape == (2, 3, 4, 4)
    # Pixel centres: a row 0 1 becomes 0, 1/4, 3/4, 1.
    assert (2 * x[0, 0, 0] + 1).tolist() == [0, 0.25, 0.75, 1]


def test_both_sets_are_prepared_and_the_given_ones_stay() -> None:
    before = IMAGES.digest()
    both = Prepare((1.0,)).apply(Loaded(IMAGES, IMAGES))
    assert both.train is not None
    assert both.train.digest() == both.held_out.digest() != before == IMAGES.digest()
    assert Prepare().apply(Loaded(None, IMAGES)).train is None


@pytest.mark.parametrize(
    ("prepare", "samples", "message"),
    [
        ({"mean": (1.0, 2.0)}, IMAGES, "mean has 2 values, but the samples have 3 channels; give one for all, or 3"),
        ({"std": ()}, IMAGES, "std has 0 values, but the samples have 3 channels; give one for all, or 3"),
        ({"std": (1.0, 0.0, 1.0)}, IMAGES, "std 0.0 cannot be used; give a finite number above 0"),
        ({"mean": (float("nan"),)}, IMAGES, "mean nan cannot be used; give a finite number"),
        ({"resize": 0}, IMAGES, "resize to 0 pixels is not possible; give at least 1"),
        ({"resize": 8}, ROWS, "samples of shape (3,) cannot be resized; images are (channels, height, width)"),
        ({"mean": (1.0, 2.0)}, GREY, "mean has 2 values, but the samples have 1 channels; give one for all"),
        ({"std": (1e-45,)}, IMAGES, "data becomes NaN or Inf by its mean and std; give others"),
        ({"mean": (1e300,)}, IMAGES, "data becomes NaN or Inf by its mean and std; give others"),
        ({"resize": 10**8}, IMAGES, "resize to 100000000 pixels needs more memory than there is; give fewer"),
    ],
)
def test_what_does_not_fit_is_refused(prepare: dict[str, object], samples: Samples, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        Prepare(**prepare).apply_to(samples)  # type: ignore[arg-type]
