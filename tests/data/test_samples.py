import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from picojoule.data import Loaded, Samples, Splits, as_samples, split
from picojoule.errors import DataError


def numbered(count: int, start: int = 0) -> Samples:
    """Samples whose value says which they are."""
    return Samples(torch.arange(start, start + count, dtype=torch.float32)[:, None], torch.zeros(count).long())


def values(samples: Samples) -> list[int]:
    return samples.x[:, 0].int().tolist()


def test_samples_say_what_they_are() -> None:
    samples = Samples(torch.zeros(5, 3, 4, 4), torch.tensor([0, 3, 1, 0, 2]))
    assert (len(samples), samples.shape, samples.classes) == (5, (3, 4, 4), 4)


def test_take_and_first_keep_the_order_asked_for() -> None:
    assert values(numbered(5).take([3, 0])) == [3, 0]
    assert values(numbered(5).take(torch.tensor([4]))) == [4]
    assert values(numbered(5).first(2)) == [0, 1]
    assert values(numbered(5).first(9)) == [0, 1, 2, 3, 4]


def test_batches_cover_everything_once_and_the_last_may_be_smaller() -> None:
    assert [x[:, 0].int().tolist() for x, _ in numbered(5).batches(2)] == [[0, 1], [2, 3], [4]]
    with pytest.raises(DataError, match="a batch of 0 samples is not possible; give at least 1"):
        numbered(5).batches(0)


def test_digest_depends_on_type_shape_and_content_only() -> None:
    samples = numbered(4)
    assert samples.digest() == numbered(8).take([0, 1, 2, 3]).digest()
    others = [
        numbered(3),
        numbered(4, start=1),
        Samples(samples.x[:, :, None], samples.y),
        Samples(samples.x, samples.y + 1),
    ]
    assert len({samples.digest(), *(other.digest() for other in others)}) == 5
    strided = Samples(torch.arange(8.0).reshape(2, 4).T, torch.zeros(4).long())
    assert strided.digest() == Samples(strided.x.contiguous(), strided.y).digest()


def test_nan_and_infinities_are_counted_per_sample() -> None:
    x = torch.zeros(100, 2, 2)
    x[17, 0, 0], x[17, 1, 1], x[40, 0, 1], x[99, 1, 0] = torch.nan, torch.inf, -torch.inf, torch.nan
    with pytest.raises(DataError, match=re.escape("data has NaN or Inf in 3 of 100 samples (first: sample 17)")):
        Samples(x, torch.zeros(100).long())


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.zeros(3, 1), torch.zeros(2).long(), "data has 3 samples but 2 labels"),
        (torch.zeros(0, 1), torch.zeros(0).long(), "data is empty: x has shape (0, 1)"),
        (torch.zeros(2, 0), torch.zeros(2).long(), "data is empty: x has shape (2, 0)"),
        (torch.zeros(2, 1), torch.zeros(2, 1).long(), "y of shape (2, 1); give x of [n, ...] and y of [n], one class"),
        (torch.zeros(2), torch.zeros(2).long(), "data has x of shape (2,) and y of shape (2,); give x of [n, ...]"),
        (torch.tensor(1.0), torch.zeros(1).long(), "data has x of shape () and y of shape (1,)"),
        (torch.zeros(2, 1).double(), torch.zeros(2).long(), "data has x of torch.float64 on 'cpu'; expected a dense"),
        (torch.zeros(2, 1), torch.zeros(2), "data has y of torch.float32 on 'cpu'; expected a dense tensor of torch.i"),
        (torch.zeros(2, 1, device="meta"), torch.zeros(2).long(), "data has x of torch.float32 on 'meta'; expected a"),
        (torch.zeros(2, 1).to_sparse(), torch.zeros(2).long(), "expected a dense tensor of torch.float32 on 'cpu'"),
        ([[0.0]], torch.zeros(1).long(), "data has x of list; expected a tensor of torch.float32"),
        (torch.zeros(2, 1), torch.tensor([0, -1]), "data has the label -1 at sample 1; labels count from 0"),
    ],
)
def test_unusable_samples_are_refused(x: Any, y: torch.Tensor, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        Samples(x, y)


def test_as_samples_scales_bytes_and_nothing_else() -> None:
    assert as_samples(np.array([[0], [255]], np.uint8), [0, 1]).x.tolist() == [[0.0], [1.0]]
    assert as_samples(torch.tensor([[51]], dtype=torch.uint8), torch.tensor([0])).x.item() == pytest.approx(0.2)
    assert as_samples(np.array([[200.0]], ">f8"), np.array([7], ">i2")).x.item() == 200.0
    assert as_samples(torch.tensor([[0.5]], dtype=torch.float64), np.array([7])).classes == 8


def test_as_samples_takes_arrays_that_torch_does_not() -> None:
    reversed_view = np.arange(4, dtype=np.float32)[::-1, None]
    assert as_samples(reversed_view, np.zeros(4, np.uint8)).x[:, 0].tolist() == [3, 2, 1, 0]
    read_only = np.frombuffer(bytes(4), np.uint8)[:, None]
    assert as_samples(read_only, np.zeros(4, bool)).x.sum() == 0


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((1, 1), np.int64), [0], "data has x of torch.int64; give floats, or uint8 (which is divided by 255)"),
        (np.zeros((1, 1), complex), [0], "data has x of torch.complex128"),
        (np.zeros((1, 1), np.float32), [0.5], "data has y of torch.float32; labels are whole numbers: give integers"),
        (
            torch.zeros(1, 1).to_sparse(),
            [0],
            "data has x that is sparse, nested or without values; give a dense tensor",
        ),
        (torch.zeros(1, 1, device="meta"), [0], "data has x that is sparse, nested or without values"),
        (np.array([["a"]]), [0], "data has x of <U1; give numbers"),
        (np.array([[1e300]]), [0], "data has NaN or Inf in 1 of 1 samples (first: sample 0)"),
    ],
)
def test_as_samples_refuses_what_has_no_one_meaning(x: object, y: object, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        as_samples(x, y)


def test_both_sets_have_one_shape() -> None:
    with pytest.raises(DataError, match=r"training samples of shape \(1,\) and held-out samples of shape \(2,\)"):
        Loaded(numbered(3), Samples(torch.zeros(3, 2), torch.zeros(3).long()))


def test_the_three_splits_have_one_shape() -> None:
    other = Samples(torch.zeros(3, 2), torch.zeros(3).long())
    with pytest.raises(DataError, match=re.escape("the splits have samples of shapes (1,), (2,), (1,); they must")):
        Splits(numbered(3), other, numbered(3))


def test_default_cuts() -> None:
    alone = split(Loaded(None, numbered(1000)))
    assert [len(part) for part in (alone.calibration, alone.search, alone.report)] == [100, 450, 450]
    large = split(Loaded(None, numbered(9000)))
    assert [len(part) for part in (large.calibration, large.search, large.report)] == [512, 4244, 4244]
    both = split(Loaded(numbered(600), numbered(101)))
    assert [len(part) for part in (both.calibration, both.search, both.report)] == [512, 50, 51]


def test_counts_given_for_one_half_leave_the_rest_to_the_other() -> None:
    loaded = Loaded(numbered(10), numbered(10))
    assert [len(split(loaded, search=3).report), len(split(loaded, report=4).search)] == [7, 6]
    assert [len(part) for part in vars(split(loaded, calibration=2, search=3, report=4)).values()] == [2, 3, 4]


@given(st.integers(3, 200), st.one_of(st.none(), st.integers(1, 700)), st.integers(0, 2**32 - 1))
def test_splits_are_disjoint_and_deterministic(held_out: int, train: int | None, seed: int) -> None:
    loaded = Loaded(None if train is None else numbered(train, start=1000), numbered(held_out))
    splits = split(loaded, seed)
    parts = [*values(splits.calibration), *values(splits.search), *values(splits.report)]
    assert len(set(parts)) == len(parts)
    assert set(values(splits.search) + values(splits.report)) <= set(range(held_out))
    assert all(value >= 1000 for value in values(splits.calibration)) == (train is not None)
    assert split(loaded, seed).digest() == splits.digest()


def test_another_seed_gives_other_splits_and_the_order_is_frozen() -> None:
    loaded = Loaded(None, numbered(20))
    assert split(loaded, 0).digest() != split(loaded, 1).digest()
    assert values(split(loaded, 0).calibration) == [18, 1]


@pytest.mark.parametrize(
    ("train", "counts", "message"),
    [
        (
            None,
            {"calibration": 11},
            "10 samples cannot be cut into 11 for calibration, 0 for search, 0 for report; each",
        ),
        (None, {"calibration": 0}, "10 samples cannot be cut into 0 for calibration, 5 for search, 5 for report"),
        (None, {"calibration": -1}, "10 samples cannot be cut into 0 for calibration, 5 for search, 5 for report"),
        (None, {"calibration": 10}, "10 samples cannot be cut into 10 for calibration, 0 for search, 0 for report"),
        (10, {"calibration": 11}, "10 samples cannot be cut into 11 for calibration; each split needs at least 1"),
        (10, {"search": 8, "report": 5}, "10 samples cannot be cut into 8 for search, 5 for report"),
        (10, {"search": 10}, "10 samples cannot be cut into 10 for search, 0 for report"),
        (10, {"report": 12}, "10 samples cannot be cut into 0 for search, 12 for report"),
        (10, {"seed": -1}, "seed -1 cannot be used; give a whole number from 0 to 4294967295"),
        (10, {"seed": 1.5}, "seed 1.5 cannot be used; give a whole number from 0 to 4294967295"),
    ],
)
def test_cuts_that_do_not_work_out_are_refused(train: int | None, counts: dict[str, int], message: str) -> None:
    loaded = Loaded(None if train is None else numbered(train), numbered(10))
    with pytest.raises(DataError, match=re.escape(message)):
        split(loaded, **counts)
