"""The main job: a trained network and accuracy floors in, for each floor a plan with its proof and its energy out.

The three splits keep the floor honest: ranges come from the calibration split, every decision from the search split,
and what is stated in the end from the report split, which nothing was decided on.
"""

import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from picojoule import files
from picojoule.data import Splits
from picojoule.energy import Platform
from picojoule.errors import InputError, UnreachableFloorError
from picojoule.evaluate import METRICS, Metric, check_keep, check_labels, chosen
from picojoule.jobs.progress import Listener, Meter, silent
from picojoule.jobs.searching.run import Run
from picojoule.jobs.searching.ways import Ways
from picojoule.jobs.setup import check_about, set_up
from picojoule.network import Network
from picojoule.report.document import document
from picojoule.report.page import page
from picojoule.search import Journal, Result


def search(
    model: nn.Module | Network,
    data: object,
    *,
    keep: float | Sequence[float] = 0.99,
    strategy: str = "descent",
    confidence: float | str | None = None,
    rescale: str = "layer",
    observer: str | None = None,
    prepare: str | None = None,
    signed: str = "auto",
    bits: tuple[int, int] = (1, 16),
    formats: str = "fixed",
    inputs: str | None = None,
    max_weight_bytes: int | None = None,
    max_ram_bytes: int | None = None,
    platform: str | os.PathLike[str] | Platform = "moons2017",
    metric: str | Metric = "top1",
    time_budget: float | None = None,
    seed: int = 0,
    splits: Splits | None = None,
    device: str | torch.device = "cpu",
    jobs: int | None = None,
    cache_gb: float = 1.0,
    out: Path | str | None = None,
    listener: Listener = silent,
    about: dict[str, Any] | None = None,
) -> Result:
    """Search the fewest bits that keep a trained network as accurate as asked, and price them.

    `strategy` is `descent`, `greedy` or `uniform`. `confidence` says how sure a floor must be, such as 0.95, in the
    paired comparison with the float network; "point" is the count alone. `observer`, `prepare` and `confidence` are the
    strategy's own where they are not given. `formats` are the families that each site chooses from, such as
    "fixed,float,nf", or formats by name; `inputs` are those of inputs, where they are others than those of weights.
    Only descent keeps `max_weight_bytes` and `max_ram_bytes`. `jobs` cores and `cache_gb` of memory are used; what
    comes out depends on neither.

    `data` is anything `picojoule.data.as_loaded` takes: a spec such as `"idx:mnist"`, a torch Dataset, a pair of
    them (train, held-out), or a pair of arrays (x, y); `splits` are three ready-made splits instead. `keep` is one or
    several relative accuracies; the first one's plan is selected in the result. `time_budget` is in seconds: past it no
    evaluation begins, and each floor ends with the best plan found so far. With `out` the run folder is written, and a
    second run there resumes from its journal. `about` is kept in the result's settings as it is.

    Raises:
        InputError: anything the user gave that cannot be used.
        UnreachableFloorError: a floor does not hold even with the most bits; its `result` has the best found.
        KeyboardInterrupt: after the best so far is saved to `out`.
    """
    keeps = _keeps(keep)
    check_about(about)
    if time_budget is not None and not (isinstance(time_budget, int | float) and time_budget >= 0):
        raise InputError(f"time_budget {time_budget!r} cannot be used; give seconds, 0 or more")
    ways = Ways.settled(
        strategy=strategy, confidence=confidence, rescale=rescale, observer=observer, prepare=prepare, signed=signed,
        bits=bits, max_weight_bytes=max_weight_bytes, max_ram_bytes=max_ram_bytes, formats=formats,
        inputs=inputs,
    )  # fmt: skip
    folder = None if out is None else Path(out)
    if folder is not None:
        files.check_place(folder)
    scored, name, identity = chosen(metric)
    meter = Meter(listener)
    setup = set_up(model, data, ways.ranges, platform, seed, splits, device, meter)
    if identity in METRICS:
        for part in (setup.splits.search, setup.splits.report):
            check_labels(setup.network.output_shape, part.y)
    meter.deadline = None if time_budget is None else time.monotonic() + time_budget
    with (
        nullcontext() if folder is None else files.claimed(folder),
        Journal(None if folder is None else folder / "journal.sqlite") as journal,
    ):
        if journal.set_aside is not None:
            meter.remark(f"the journal was damaged; it is set aside as '{journal.set_aside}'")
        run = Run(setup, ways, (scored, identity), {"jobs": jobs, "cache_gb": cache_gb}, journal)
        asked = {"keep": list(keeps), **ways.described(), "metric": name, "seed": seed}
        result = run.finished(partial(run.result, keeps, {**(about or {}), **setup.described(), **asked}))
        if folder is not None:
            drawn = run.finished(lambda: page(document({str(out): result})))
            run.finished(lambda: result.save(folder, {"report.html": drawn.encode()}))
    if run.interrupted:
        raise KeyboardInterrupt
    if not result.holds:
        raise UnreachableFloorError("\n".join(result.unreached), result)
    return result


def _keeps(keep: float | Sequence[float]) -> tuple[float, ...]:
    try:
        keeps = (float(keep),) if isinstance(keep, int | float) else tuple(map(float, keep))
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"keep {keep!r} is not understood; give a number such as 0.99, or several") from None
    if not keeps:
        raise InputError("give at least one relative accuracy to keep, such as 0.99")
    for value in keeps:
        check_keep(value)
    return tuple(dict.fromkeys(keeps))
