"""Work divided among threads, as many as torch may use, without OpenMP: no barrier spins, nobody waits for a sleeper.

The caller works too. Whoever is free takes the next part, so a helper that a busy machine wakes late costs nothing:
when no part is left, helpers that have not begun are called off.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch

PARTS = 4
"""Parts for each thread: enough for a fast one to take over from a slow one."""


def spread(work: Callable[[int, int], None], total: int, step: int) -> None:
    """Call `work(start, stop)` until [0, total) is done; parts begin at multiples of `step`.

    `work` must let other threads run, keep alive what it works on, and not raise.
    """
    threads = torch.get_num_threads()
    length = -(-total // (threads * PARTS * step)) * step
    starts = deque(range(0, total, length))

    def take() -> None:
        while True:
            try:
                start = starts.popleft()
            except IndexError:
                return
            work(start, min(start + length, total))

    helpers = [_pool().submit(take) for _ in range(min(threads, len(starts)) - 1)]
    take()
    for helper in helpers:
        if not helper.cancel():
            helper.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), thread_name_prefix="picojoule")


# A forked process has no threads but the one that forked it.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
