"""Work in threads: in order, on one core each, called off when nobody wants more."""

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from picojoule.execute.workers import ordered


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_results_come_in_order(jobs: int) -> None:
    def slow(item: int) -> int:
        time.sleep(0.001 * (item % 3))
        return item * item

    assert list(ordered(slow, range(20), jobs)) == [item * item for item in range(20)]
    assert list(ordered(slow, [], jobs)) == []


@pytest.mark.parametrize("jobs", [1, 3])
def test_each_thread_computes_on_one_core(jobs: int) -> None:
    before = torch.get_num_threads()
    found = set(ordered(lambda _: (torch.get_num_threads(), threading.current_thread().name), range(50), jobs))
    assert {threads for threads, _ in found} == {1}
    assert len(found) <= jobs
    assert threading.current_thread().name not in {name for _, name in found}
    assert torch.get_num_threads() == before


def test_others_threads_begin_with_as_many_as_before() -> None:
    list(ordered(lambda item: item, range(4), 2))
    found: list[int] = []
    other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert found == [torch.get_num_threads()]


def test_whoever_has_enough_calls_the_rest_off() -> None:
    begun: list[int] = []
    results = ordered(lambda item: begun.append(item) or item, range(1000), 2)
    assert [next(results), next(results)] == [0, 1]
    results.close()  # type: ignore[attr-defined]
    time.sleep(0.02)
    assert len(begun) <= 6


def test_few_items_are_taken_before_they_are_wanted() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    results = ordered(lambda item: item, items(), 2)
    next(results)
    assert len(taken) <= 4


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_error_reaches_the_caller_and_the_threads_go_on(error: BaseException) -> None:
    def failing(item: int) -> int:
        if item == 5:
            raise error
        return item

    with pytest.raises(type(error)):
        list(ordered(failing, range(20), 2))
    assert list(ordered(lambda item: item, range(5), 2)) == list(range(5))
