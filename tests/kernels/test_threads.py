"""Work divided among threads: all of it once, whoever comes, with forks in between."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from tests.kernels.paths import bits

from picojoule.kernels import compiled, grid
from picojoule.kernels.block import Floats, Scales, maxima, round_in_blocks
from picojoule.kernels.gate import pass_within
from picojoule.kernels.minifloat import round_to_minifloat
from picojoule.kernels.table import Table, round_to_table
from picojoule.kernels.threads import spread


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two threads, for tensors of any size."""
    monkeypatch.setattr(compiled, "SPREAD", 64)
    monkeypatch.setattr(compiled, "ENOUGH", 0)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("step", [1, 64])
@pytest.mark.parametrize("total", [1, 2, 63, 64, 65, 1000, 4096])
def test_all_is_done_once(total: int, step: int) -> None:
    done = Counter[int]()

    def work(start: int, stop: int) -> None:
        assert start % step == 0
        done.update(range(start, stop))

    spread(work, total, step)
    assert done == Counter(range(total))


@pytest.mark.usefixtures("two_threads")
def test_it_takes_no_more_threads_than_torch_may() -> None:
    at_work, most, lock = 0, 0, threading.Lock()

    def work(start: int, stop: int) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(1e-4)
        with lock:
            at_work -= 1

    for threads in (1, 2):
        torch.set_num_threads(threads)
        most = 0
        spread(work, 1 << 12, 1)
        assert most <= threads


def results(x: torch.Tensor) -> list[torch.Tensor]:
    """What every kind of loop makes of x [4, n]: rows of one and of their own parameters, in place and apart."""
    rows = torch.tensor([[1.0], [2.0], [4.0], [8.0]])
    table = Table([index / 8 for index in range(-8, 8)])
    return [
        grid.round_to_grid(x, 4.0, -8, 7),
        grid.round_to_grid(x, rows, -8, 7),
        grid.round_to_grid(x.clone(), rows, -8, 7, out=x.clone()),
        round_to_table(x, table, 0.5),
        round_to_table(x, table, rows),
        pass_within(x, x, -1.0, 1.0),
        pass_within(x, x, -rows, rows),
        round_to_minifloat(x, 3, -6, 448.0),
        round_to_minifloat(x, 3, -6, 448.0, rows),
        maxima(x, 16),
        round_in_blocks(x, 16, Scales(), table),
        round_in_blocks(x, 16, Scales(4.0, powers=True), Floats(1, 0, 6.0)),
        round_in_blocks(x, 16, maxima(x, 16), Floats(1, 0, 6.0), out=x.clone()),
        round_in_blocks(x.flatten(), 16, Scales(), table),
    ]


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("size", [16, 17, 1000, 8001])
def test_any_number_of_threads_gives_the_same(size: int) -> None:
    x = torch.randn(4, size, generator=torch.Generator().manual_seed(0))
    found = results(x)
    torch.set_num_threads(1)
    for one, other in zip(found, results(x), strict=True):
        assert torch.equal(bits(one), bits(other))


@pytest.mark.usefixtures("two_threads")
def test_callers_from_many_threads_do_not_meet() -> None:
    tensors = [torch.randn(4, 3000, generator=torch.Generator().manual_seed(seed)) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(results, tensors * 4))
    for x, found in zip(tensors * 4, together, strict=True):
        assert all(torch.equal(bits(one), bits(other)) for one, other in zip(found, results(x), strict=True))


@pytest.mark.usefixtures("two_threads")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system that does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # Python 3.12 on
def test_a_forked_process_has_threads_of_its_own() -> None:
    x = torch.randn(4, 3000, generator=torch.Generator().manual_seed(0))
    want = grid.round_to_grid(x, 4.0, -8, 7).numpy().tobytes()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(30)  # rather than wait for threads that are not there
        os._exit(0 if grid.round_to_grid(x, 4.0, -8, 7).numpy().tobytes() == want else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert grid.round_to_grid(x, 4.0, -8, 7).numpy().tobytes() == want
