"""Timing for benchmarks: contenders take turns, so that a busy neighbour slows all of them alike.

A contender is a name and a function without arguments. Each round times every contender once; a ratio is taken within
its round, and its least, median and greatest over the rounds are shown, beside the ratio of the least times.
"""

import logging
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch

Contenders = Mapping[str, Callable[[], object]]
Times = dict[str, list[float]]


def interleaved(contenders: Contenders, rounds: int, calls: int = 1) -> Times:
    """Seconds of each contender, round by round, each time the mean of so many calls; a first call is not counted."""
    for contender in contenders.values():
        contender()
    times: Times = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            begun = time.perf_counter()
            for _ in range(calls):
                contender()
            times[name].append((time.perf_counter() - begun) / calls)
    return times


def importable(builders: Mapping[str, Callable[[], Callable[[], object]]]) -> Contenders:
    """The contenders that can be built here; any other is named, once, with the reason."""
    found = {}
    logging.disable(logging.WARNING)  # what packages say of kernels for other chips
    with warnings.catch_warnings(action="ignore"):
        for name, build in builders.items():
            try:
                found[name] = build()
            except Exception as error:  # a package that compiles itself on import may raise anything
                _leave_out(name, str(error).strip().rpartition("\n")[2] or type(error).__name__)
    logging.disable(logging.NOTSET)
    return found


@cache
def _leave_out(name: str, reason: str) -> None:
    print(f"{name} is left out: {reason}")


def ratio(times: Times, name: str, to: str) -> str:
    """`2.03  (1.98 / 2.05 / 2.40)`: the ratio of the least times; least, median and greatest ratio of a round."""
    rounds = sorted(one / other for one, other in zip(times[name], times[to], strict=True))
    best = min(times[name]) / min(times[to])
    return f"{best:6.2f}  ({rounds[0]:.2f} / {statistics.median(rounds):.2f} / {rounds[-1]:.2f})"


def machine() -> str:
    """The processor, its cores, how busy it is, and the versions that matter."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    return f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores, {load}; torch {torch.__version__}"
