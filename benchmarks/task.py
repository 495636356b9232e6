"""The network and data that a benchmark is given on its command line, as `picojoule search` takes them."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from picojoule import data
from picojoule.data import Splits, split
from picojoule.models import load_model
from picojoule.network import Network, capture


class Task(NamedTuple):
    """A trained network, and the splits to search it on."""

    name: str
    network: Network
    splits: Splits


def parser(about: str | None) -> argparse.ArgumentParser:
    """A parser of the options that say which network and which data."""
    found = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("model")
    found.add_argument("--checkpoint", type=Path)
    found.add_argument("--data", required=True)
    found.add_argument("--resize", type=int)
    found.add_argument("--mean", type=_numbers)
    found.add_argument("--std", type=_numbers)
    found.add_argument("--samples", type=int, help="samples of the search split, at most all of the held-out part")
    found.add_argument("--seed", type=int, default=0)
    return found


def task(asked: argparse.Namespace) -> Task:
    """What was asked for. Where all held-out samples are searched on, there are none left to report on but the same."""
    loaded = data.Prepare(asked.mean, asked.std, asked.resize).apply(data.load(asked.data))
    if asked.samples is not None and asked.samples >= len(loaded.held_out):
        splits = replace(split(loaded, seed=asked.seed), search=loaded.held_out, report=loaded.held_out)
    else:
        splits = split(loaded, seed=asked.seed, search=asked.samples)
    network = capture(load_model(asked.model, asked.checkpoint), splits.calibration.x[:1])
    return Task(asked.model.rpartition(":")[2], network, splits)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(",")))
