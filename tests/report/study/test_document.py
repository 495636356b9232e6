"""The data of a sweep's page against a recomputation by brute force."""

import json
from dataclasses import replace
from random import Random
from statistics import mean, median
from typing import Any

import pytest
from tests.report import sweep as by_hand

from picojoule import units
from picojoule.explore import Exploration, Trial
from picojoule.report.study import document

PLATFORMS = ("moons2017", "envision", "eyeriss")


def _known(found: Exploration, platform: str) -> list[tuple[float, float, int, str]]:
    """Energy, mean accuracy on the search split, bits and network of all that are trained and priced."""
    accuracies: dict[tuple[str, int], list[float]] = {}
    for trial in found.trials:
        if trial.state == "complete" and trial.searched is not None:
            accuracies.setdefault((trial.point.network, trial.point.bits), []).append(trial.searched.value)
    priced = {key: found.costs[key].energy_pj[platform] for key in accuracies}
    return [(pj, mean(accuracies[key]), key[1], key[0]) for key, pj in priced.items() if pj is not None]


def _named(drawn: dict[str, Any], places: list[int]) -> list[tuple[int, str]]:
    return [(drawn["candidates"][place]["bits"], drawn["candidates"][place]["network"]) for place in places]


def test_it_is_plain_json_and_always_the_same(found: Exploration, drawn: dict[str, Any]) -> None:
    text = json.dumps(drawn, allow_nan=False)
    assert json.loads(text) == drawn
    assert json.dumps(document("runs/sweep", Exploration.parse(found.to_json(), "here"))) == text


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_trials_changes_nothing(found: Exploration, drawn: dict[str, Any], seed: int) -> None:
    trials = list(found.trials)
    Random(seed).shuffle(trials)
    assert document("runs/sweep", replace(found, trials=tuple(trials))) == drawn


@pytest.mark.parametrize("place", [0, 7, 12, 14])
@pytest.mark.parametrize(
    "change", [{"state": "waiting"}, {"curve": ((1.0, 0.5),)}, {"why": "for once"}, {"worker": "other"}, {"number": 99}]
)
def test_whatever_else_changes_is_seen(
    found: Exploration, drawn: dict[str, Any], place: int, change: dict[str, Any]
) -> None:
    trials: list[Trial] = list(found.trials)
    trials[place] = replace(trials[place], **change)
    assert document("runs/sweep", replace(found, trials=tuple(trials))) != drawn


@pytest.mark.parametrize("platform", PLATFORMS)
def test_fronts_are_those_that_no_other_beats(found: Exploration, drawn: dict[str, Any], platform: str) -> None:
    told = next(each for each in drawn["platforms"] if each["name"] == platform)
    known = _known(found, platform)
    for bits, places in [(None, told["front"]), *((int(key), each) for key, each in told["fronts"].items())]:
        among = [each for each in known if bits in (None, each[2])]
        best = [
            (pj, b, name)
            for pj, accuracy, b, name in among
            if not any((p <= pj and a > accuracy) or (p < pj and a >= accuracy) for p, a, _, _ in among)
        ]
        assert len({pj for pj, _, _ in best}) == len(best)  # nothing here is a matter of ties
        assert _named(drawn, places) == [(b, name) for _, b, name in sorted(best)]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_levels_and_what_they_save(found: Exploration, drawn: dict[str, Any], platform: str) -> None:
    told = next(each for each in drawn["platforms"] if each["name"] == platform)
    known = _known(found, platform)
    eights = sorted(each for each in known if each[2] == 8)
    assert [level["accuracy"] for level in told["levels"]] == [accuracy for _, accuracy, _, _ in eights]
    saves: dict[int, list[float]] = {}
    for level, (reference, accuracy, _, _) in zip(told["levels"], eights, strict=True):
        reached = set()
        for bits in (1, 4, 8, 32):
            cheapest = min((each for each in known if each[2] == bits and each[1] >= accuracy), default=None)
            if cheapest is not None:
                reached.add(str(bits))
                cell = level["by_bits"][str(bits)]
                assert _named(drawn, [cell["candidate"]]) == [(bits, cheapest[3])]
                assert cell["saves"] == reference / cheapest[0]
                saves.setdefault(bits, []).append(reference / cheapest[0])
        assert level["by_bits"].keys() == reached
    for bits in (1, 4, 8, 32):
        some = saves.get(bits)
        assert told["saves"][str(bits)] == (
            {"least": min(some), "median": median(some), "most": max(some), "levels": len(some)} if some else None
        )


def test_the_levels_of_the_hand_made_sweep(drawn: dict[str, Any]) -> None:
    """Once more in plain figures: 1 bit reaches no accuracy of 8 bits, 4 bits the first two with their next size."""
    first = drawn["platforms"][0]
    assert (first["name"], first["own"]) == ("moons2017", True)
    assert first["saves"]["1"] is None
    ratios = {bits: [level["by_bits"].get(bits, {}).get("saves") for level in first["levels"]] for bits in ("4", "32")}
    assert ratios["4"] == [pytest.approx(100 / 120), pytest.approx(200 / 300), None]
    assert ratios["32"] == [pytest.approx(1 / 6)] * 3


def test_candidates_take_their_seeds_together(found: Exploration, drawn: dict[str, Any]) -> None:
    told = next(each for each in drawn["candidates"] if (each["network"], each["bits"]) == ("middle", 4))
    trials = [drawn["trials"][place] for place in told["trials"]]
    assert [trial["seed"] for trial in trials] == [0, 1]
    assert told["searched"]["value"] == pytest.approx(0.89)
    assert (told["searched"]["least"], told["searched"]["most"]) == (0.88, 0.90)
    own = [trial for trial in found.trials if (trial.point.network, trial.point.bits) == ("middle", 4)]
    ends = [trial.reported.interval() for trial in own if trial.reported is not None]
    assert (told["reported"]["low"], told["reported"]["high"]) == (min(ends)[0], max(high for _, high in ends))
    assert told["weights"] == units.size(8 * told["weight_bytes"]) == "9.77 KiB"


def test_trials_state_what_the_study_holds(found: Exploration, drawn: dict[str, Any]) -> None:
    by_number = {trial.number: trial for trial in found.trials}
    assert [trial["number"] for trial in drawn["trials"]] == [
        trial.number for trial in sorted(found.trials, key=lambda each: (each.point, each.number))
    ]
    for told in drawn["trials"]:
        trial = by_number[told["number"]]
        assert (told["state"], told["why"], told["worker"]) == (trial.state, trial.why, trial.worker)
        assert [(epoch["loss"], epoch["accuracy"]) for epoch in told["curve"]] == list(trial.curve)
        assert told["searched"] == (None if trial.searched is None else trial.searched.value)
        assert told["took"] == (units.duration(trial.seconds) if trial.state == "complete" else "")
        assert told["energy_pj"] == found.costs[trial.point.network, trial.point.bits].energy_pj


def test_odd_sweeps_have_a_document(found: Exploration) -> None:
    waiting = replace(found, trials=tuple(replace(each, state="waiting") for each in found.trials))
    nothing = document("here", waiting)
    assert nothing["candidates"] == []
    assert [each["front"] for each in nothing["platforms"]] == [[], [], []]
    assert nothing["bits"] == [1, 4, 8, 32]
    without = document("here", by_hand.only(1, 4))["platforms"][0]
    assert (without["levels"], without["saves"]) == ([], {"1": None, "4": None})
    empty = document("here", Exploration({}, {}, ()))
    assert (empty["title"], empty["platforms"], empty["trials"], empty["remarks"]) == ("networks", [], [], [])
    assert empty["rerun"]["shell"] is None
