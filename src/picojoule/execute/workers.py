"""Threads that each compute on one core, so that what comes out does not depend on how many of them there are."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

S = TypeVar("S")
T = TypeVar("T")

_LARGE = 7 << 20
"""Numbers of a tensor that is made and let go, 28 MiB: from then on glibc keeps blocks of up to that size for the next
tensor, where it would give each back to the system. A fresh page costs as much as to compute what it holds."""


def ordered(work: Callable[[S], T], items: Iterable[S], jobs: int) -> Iterator[T]:
    """What `work` makes of each item, in order, from so many threads; few items are begun before they are wanted.

    Who has enough may close the iterator: what is not begun is called off. torch's operations let other threads run.
    """
    pool, ahead = _pool(jobs), deque[Future[T]]()
    try:
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) > jobs:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        for future in ahead:
            future.cancel()


@cache
def _pool(jobs: int) -> ThreadPoolExecutor:
    everybody = threading.Barrier(jobs)

    def alone() -> None:
        everybody.wait()
        torch.set_num_threads(1)

    torch.empty(_LARGE)
    pool, before = ThreadPoolExecutor(jobs, thread_name_prefix="evaluate"), torch.get_num_threads()
    for future in [pool.submit(alone) for _ in range(jobs)]:
        future.result()
    torch.set_num_threads(before)  # threads that others start later begin with what was set last, wherever that was
    return pool


if hasattr(os, "register_at_fork"):  # a forked process has no threads but the one that forked it
    os.register_at_fork(after_in_child=_pool.cache_clear)
