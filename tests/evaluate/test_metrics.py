"""Top-1 and top-5 against a stable sort, ties and NaN included; labels and scores that cannot be used."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from picojoule.data import Samples
from picojoule.errors import DataError, InputError
from picojoule.evaluate import METRICS, check_labels, scores, top1, top5


def brute_force(row: list[float], target: int, k: int) -> float:
    """A stable sort, largest first: of equal outputs the first leads."""
    if any(math.isnan(value) for value in row):
        return 0.0
    order = sorted(range(len(row)), key=lambda index: -row[index])
    return float(target in order[:k])


outputs = st.integers(1, 8).flatmap(
    lambda classes: st.lists(
        st.tuples(
            st.lists(
                st.sampled_from([-math.inf, -1.0, -0.0, 0.0, 0.5, 1.0, math.inf, math.nan]),
                min_size=classes,
                max_size=classes,
            ),
            st.integers(0, classes - 1),
        ),
        min_size=1,
        max_size=6,
    )
)


@settings(max_examples=300)
@given(outputs)
def test_against_a_stable_sort(rows: list[tuple[list[float], int]]) -> None:
    values = torch.tensor([row for row, _ in rows])
    targets = torch.tensor([target for _, target in rows])
    for metric, k in ((top1, 1), (top5, 5)):
        found = metric(values, targets)
        assert found.dtype == torch.float64
        assert found.tolist() == [brute_force(row, target, k) for row, target in rows]


def test_of_equal_outputs_the_first_counts() -> None:
    tied = torch.zeros(10, 10)
    targets = torch.arange(10)
    assert top1(tied, targets).tolist() == [1] + 9 * [0]
    assert top5(tied, targets).tolist() == 5 * [1] + 5 * [0]


def test_an_output_with_nan_is_wrong() -> None:
    values = torch.tensor([[5.0, math.nan, 0.0], [5.0, 1.0, 0.0]])
    assert top1(values, torch.tensor([0, 0])).tolist() == [0, 1]
    assert top5(values, torch.tensor([0, 0])).tolist() == [0, 1]


def test_the_metrics_by_name() -> None:
    assert dict(METRICS) == {"top1": top1, "top5": top5}


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (10, "the data has the label 10, outside 0..9, the classes of the network's 10 outputs"),
        (-1, "the data has the label -1, outside 0..9, the classes of the network's 10 outputs"),
    ],
)
def test_labels_out_of_range(label: int, message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        check_labels((10,), torch.tensor([0, 9, label, label]))
    check_labels((10,), torch.tensor([0, 9]))


@pytest.mark.parametrize("shape", [(), (10, 4, 4)])
def test_outputs_that_are_not_one_row_of_classes(shape: tuple[int, ...]) -> None:
    written = ", ".join(map(str, ("n", *shape)))
    message = f"the network's output has shape [{written}]; top1 and top5 need [n, classes]: give another --metric"
    with pytest.raises(InputError, match=re.escape(message)):
        check_labels(shape, torch.tensor([0]))


SAMPLES = Samples(torch.arange(12.0).reshape(6, 2), torch.tensor([0, 1, 0, 1, 0, 1]))


def test_a_users_metric_gives_fractional_scores() -> None:
    def near(values: Tensor, targets: Tensor) -> Tensor:
        return 1 / (1 + values[:, 0] + targets)

    found = scores(torch.nn.Identity(), SAMPLES, near)
    assert found.dtype == torch.float64
    expected = torch.tensor([1 / (1 + 2 * index + index % 2) for index in range(6)], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (torch.zeros(6, 2), "the metric gave [6, 2] for 6 samples; it must give a tensor of one real score for each"),
        (torch.tensor(1.0), "the metric gave [] for 6 samples; it must give a tensor of one real score for each"),
        (1.0, "the metric gave float for 6 samples; it must give a tensor of one real score for each"),
        ([1.0] * 6, "the metric gave list for 6 samples; it must give a tensor of one real score for each"),
        (
            torch.zeros(6, dtype=torch.complex64),
            "the metric gave [6] for 6 samples; it must give a tensor of one real score for each",
        ),
        (torch.tensor([0, 0, 0, 0, 0, 1.5]), "the metric gave a score that is not between 0 and 1"),
        (torch.tensor([0, 0, 0, 0, 0, -0.5]), "the metric gave a score that is not between 0 and 1"),
        (torch.tensor([0, 0, 0, 0, 0, math.nan]), "the metric gave a score that is not between 0 and 1"),
    ],
)
def test_a_users_metric_that_gives_something_else(result: object, message: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        scores(torch.nn.Identity(), SAMPLES, lambda *_: result)  # type: ignore[arg-type, return-value]


def test_a_users_metric_cannot_change_the_labels() -> None:
    for _ in range(2):
        assert scores(torch.nn.Identity(), SAMPLES, lambda _, targets: targets.mul_(0)).tolist() == [0] * 6
    assert SAMPLES.y.tolist() == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.float16])
def test_scores_of_any_type_count(kind: torch.dtype) -> None:
    found = scores(torch.nn.Identity(), SAMPLES, lambda _, targets: targets.to(kind))
    assert found.tolist() == [0, 1, 0, 1, 0, 1]
