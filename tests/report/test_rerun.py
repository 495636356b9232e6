"""The command that a page tells, by the texts it is made of; `tests/cli/test_looks.py` runs one."""

import shlex

from picojoule.energy import Platform
from picojoule.report import rerun

SETTINGS = {
    "model": "my net.py:build", "data": "digits", "checkpoint": None, "mean": "0.5", "std": None, "resize": 28,
    "keep": [0.99, 0.9], "strategy": "greedy", "bits": [2, 8], "metric": "top5", "seed": 3, "rescale": "channel",
    "observer": "mse", "signed": "always", "device": "cpu", "platform": "eyeriss",
    "platform_toml": Platform.load("eyeriss").to_toml(), "samples": {"calibration": 5, "search": 6, "report": 7},
}  # fmt: skip


def test_every_setting_is_in_the_command() -> None:
    words = shlex.split(rerun.shell(SETTINGS, "runs/x") or "")
    assert words == shlex.split(
        "picojoule search 'my net.py:build' --data digits --mean 0.5 --resize 28 --keep 0.99 0.9 --strategy greedy "
        "--rescale channel --observer mse --signed always --bits 2:8 --metric top5 --seed 3 --device cpu "
        "--platform eyeriss --out runs/x"
    )


def test_in_python() -> None:
    assert rerun.python(SETTINGS, "runs/x") == (
        "pj.search(model, data, keep=[0.99, 0.9], strategy='greedy', rescale='channel', observer='mse', "
        "signed='always', bits=(2, 8), metric='top5', seed=3, device='cpu', platform='eyeriss', out='runs/x')"
    )


def test_the_demonstration_is_its_own_command() -> None:
    assert rerun.shell({**SETTINGS, "job": "demo"}, "runs/demo") == "picojoule demo --seed 3 --out runs/demo"


def test_without_a_model_there_is_no_command() -> None:
    assert rerun.shell({"keep": [0.9]}, "x") is None
    assert rerun.title({"keep": [0.9]}) == "network"


def test_a_platform_of_the_users_is_a_file() -> None:
    mine = {**SETTINGS, "platform_toml": "changed"}
    assert "--platform eyeriss.toml" in (rerun.shell(mine, "x") or "")


def test_facts_are_texts() -> None:
    told = dict(map(tuple, rerun.facts(SETTINGS)))
    assert told["samples"] == "calibration 5, search 6, report 7"
    assert told["ranges"] == "channel, observer mse, signed always"
    assert "checkpoint" not in told


def test_formats_of_inputs_are_told_where_they_were_given() -> None:
    given = {**SETTINGS, "formats": "lut", "inputs": "fixed16,fixed8"}
    assert "--formats lut --inputs fixed16,fixed8 " in (rerun.shell(given, "x") or "")
    assert "formats='lut', inputs='fixed16,fixed8', " in rerun.python(given, "x")
    assert ["of inputs", "fixed16,fixed8"] in rerun.facts(given)
    assert "of inputs" not in dict(map(tuple, rerun.facts(SETTINGS)))
