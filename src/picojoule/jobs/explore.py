"""Explore: train networks over bits, width and depth, and find the least energy for each accuracy.

What a network costs is known before it is trained, and so is about how long that takes. Workers, on one machine or
many, share a study; each trial is a training of its own, in a folder of its own, which goes on where it was left.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from picojoule import files
from picojoule.energy import Platform
from picojoule.explore import Exploration, Study, grid
from picojoule.explore.exploration import FILE
from picojoule.jobs.exploring.sweep import Prospect, Sweep
from picojoule.jobs.exploring.worker import Worker
from picojoule.jobs.progress import Listener, silent
from picojoule.jobs.setup import check_about, check_device
from picojoule.models import is_own
from picojoule.report.page import page
from picojoule.report.study import document
from picojoule.training import Recipe

STUDY = "study.sqlite"


def explore(
    networks: Sequence[str],
    data: object,
    *,
    bits: Sequence[int] = (1, 2, 4, 8, 16),
    widths: Sequence[float | str] = (1,),
    depths: Sequence[int] = (1,),
    seeds: Sequence[int] = (0,),
    recipe: str | os.PathLike[str] | Recipe = "modern",
    epochs: int | None = None,
    activation: str = "relu",
    platform: str | os.PathLike[str] | Platform = "moons2017",
    below_pj: float | None = None,
    prune: bool = True,
    time_budget: float | None = None,
    study: Path | str | None = None,
    threads: int = 1,
    device: str | torch.device = "cpu",
    out: Path | str = "runs/explore",
    listener: Listener = silent,
    about: Mapping[str, Any] | None = None,
) -> Exploration:
    """Train every network at every width, depth, bit count and seed, and say which needs least energy when.

    `networks` are names as `picojoule train` takes them. Trials lie in a study, `study.sqlite` in `out` unless `study`
    names another file or a URL such as `postgresql://user@host/name`: any number of processes that call this with the
    same study share the trials, and end with the same result. A trial that died with its process is trained again, from
    its last epoch where `out` is the same folder. Where `below_pj` is given, no network is trained whose energy is
    above; with `prune`, a training that is hopelessly behind cheaper ones of the same bits is given up. `time_budget`
    is in seconds: no trial is begun that would not end in time. A worker uses so many `threads`; for more cores, start
    more workers.

    `study.json` and `report.html` are written to `out`.

    Raises:
        InputError: anything the user gave that cannot be used, or a study that is gone.
        KeyboardInterrupt: with each trial's last epoch kept.
    """
    folder, points = Path(out), grid(networks, bits, widths, depths, seeds)
    files.check_place(folder)
    check_device(device)
    check_about(about)
    sweep = Sweep(data, recipe, epochs, activation, platform, threads, device, listener)
    with sweep.threads():
        prospect = sweep.prospect(points, below_pj)
        shared = Study.open(folder / STUDY if study is None else study, sweep.facts, sweep.remark)
        worker = Worker(sweep, prospect, shared, folder, prune, time_budget)
        worker.work()
        # A name that a study holds may stand for code, and none is run that this call did not name.
        named = {point.network for point in points}
        trials = [each for each in shared.trials() if not is_own(each.point.network) or each.point.network in named]
        costs = {(each.point.network, each.point.bits): sweep.cost(each.point) for each in trials}
    settings = {**(about or {}), **prospect.settings, "study": shared.place}
    result = Exploration(settings, costs, tuple(sorted(trials, key=lambda each: (each.point, each.number))))
    drawn = page(document(str(out), result))
    files.write_together({folder / "report.html": drawn.encode(), folder / FILE: result.to_json().encode()})
    return result


def prospect(
    networks: Sequence[str],
    data: object,
    *,
    bits: Sequence[int] = (1, 2, 4, 8, 16),
    widths: Sequence[float | str] = (1,),
    depths: Sequence[int] = (1,),
    seeds: Sequence[int] = (0,),
    recipe: str | os.PathLike[str] | Recipe = "modern",
    epochs: int | None = None,
    activation: str = "relu",
    platform: str | os.PathLike[str] | Platform = "moons2017",
    below_pj: float | None = None,
    threads: int = 1,
    device: str | torch.device = "cpu",
    listener: Listener = silent,
) -> Prospect:
    """What `explore` would train: the grid with its costs, and about how long each training takes. Nothing is trained.

    Raises:
        InputError: anything the user gave that cannot be used.
    """
    check_device(device)
    sweep = Sweep(data, recipe, epochs, activation, platform, threads, device, listener)
    with sweep.threads():
        return sweep.prospect(grid(networks, bits, widths, depths, seeds), below_pj)
