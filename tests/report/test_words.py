"""What a result says in sentences, by results whose counts are set to what each sentence is about."""

from dataclasses import replace
from typing import Any

import pytest

import picojoule as pj
from picojoule.calibration import Range
from picojoule.evaluate import Accuracy, Floor, Tally
from picojoule.formats import Fixed
from picojoule.plan import Plan
from picojoule.report import words
from picojoule.search import Decision, OperatingPoint, Trial

RIGHT = 950  # of 1000: what the float network has in these tests, on either split


def tally(lost: float, gained: float, total: int = 1000) -> Tally:
    """What a plan scores beside a float network that is right on 950 of 1000."""
    return Tally(total, total, RIGHT * total / 1000 - lost + gained, lost, gained)


def told(base: pj.Result, keep: float = 0.95, confidence: float | None = 0.95, **of_point: Any) -> pj.Result:
    """A result of one floor whose figures are made up."""
    reference = replace(base.baselines["float32"], searched=tally(0, 0), reported=tally(0, 0, 4000))
    point = replace(base.point, label=f"{keep:g}", keep=keep, log=(), holds=True, **of_point)
    settings = {**base.settings, "confidence": confidence}
    return replace(base, points=(point,), baselines={**base.baselines, "float32": reference}, settings=settings)


def said(result: pj.Result) -> tuple[list[str], list[str]]:
    return words.standing(result, result.point), words.remarks(result, result.point)


def test_a_floor_that_both_splits_prove(greedy: pj.Result) -> None:
    standing, remarks = said(told(greedy, searched=tally(12, 5), reported=tally(60, 15, 4000)))
    assert remarks == []
    assert standing == [
        "Keep 0.95 holds with 95 % confidence: on the 1 000 samples of the search split the plan lost 12 that the "
        "float network had right and gained 5 that it had wrong; at this confidence it keeps at least 0.9845 of the "
        "float network's accuracy.",
        "The report split, which decided nothing, confirms it by the same test: there it keeps 0.9881; of 4 000 "
        "samples it lost 60 and gained 15.",
    ]


def test_noise_on_the_report_split_is_no_alarm(greedy: pj.Result) -> None:
    standing, remarks = said(told(greedy, searched=tally(12, 5), reported=tally(190, 5, 4000)))
    assert remarks == []
    assert "agrees, but is no proof by itself: there it keeps 0.9513, too little above the floor" in standing[1]


@pytest.mark.parametrize("confidence", [0.95, None])
def test_a_report_split_below_the_floor_is_told_with_its_counts(greedy: pj.Result, confidence: float | None) -> None:
    result = told(greedy, confidence=confidence, searched=tally(12, 5), reported=tally(200, 9, 4000))
    standing, remarks = said(result)
    assert "does not confirm it: there it keeps 0.9497, below the floor" in standing[1]
    assert remarks == [
        "keep 0.95: on the report split, which decided nothing, the plan keeps only 0.9497: "
        "of 4 000 samples it lost 200 and gained 9"
    ]


def test_what_is_just_below_the_floor_does_not_look_like_it(greedy: pj.Result) -> None:
    standing, (remark,) = said(told(greedy, reported=Tally(4000, 4000, 3800 * 0.95 - 0.01, 190.01, 0)))
    assert "keeps only 0.9499" in remark
    assert "keeps 0.9499, below the floor" in standing[1]


def test_all_is_kept_where_no_sample_is_lost(greedy: pj.Result) -> None:
    standing, _ = said(told(greedy, keep=1.0, searched=tally(0, 0), reported=tally(0, 3, 4000)))
    assert standing[0].startswith("Keep 1 holds, as no sample is lost: on the")
    assert "lost none that the float network had right and gained none that it had wrong" in standing[0]
    assert standing[0].endswith("with 95 % confidence it keeps at least 0.9971 of the float network's accuracy.")
    assert "confirms it by the same test" in standing[1]


def test_a_point_estimate_has_no_margin(greedy: pj.Result) -> None:
    result = told(greedy, confidence=None, searched=tally(47, 0), reported=tally(180, 0.5, 4000))
    standing, _ = said(result)
    assert standing[0].startswith("Keep 0.95 holds by the count alone, without a margin for chance: on the")
    assert standing[0].endswith("lost 47 that the float network had right and gained none that it had wrong.")
    assert standing[1].endswith("confirms it: there it keeps 0.9527; of 4 000 samples it lost 180 and gained 0.5.")
    assert words.certainty(result).startswith("floors decided by point estimate")


def test_a_floor_out_of_reach(greedy: pj.Result) -> None:
    failing = told(greedy, searched=tally(60, 0), reported=tally(60, 0, 4000))
    failing = replace(failing, points=(replace(failing.point, holds=False, blockers=("fc.weights",)),))
    standing, remarks = said(failing)
    assert standing[0].startswith("Keep 0.95 does not hold with 95 % confidence: on the")
    assert "at this confidence it keeps at least 0.9225" in standing[0]
    assert standing[1].startswith("On the report split, which decided nothing, it keeps 0.9842")
    assert len(remarks) == 1
    assert "out of reach" in remarks[0]


def test_a_report_split_on_which_the_network_is_never_right_cannot_tell(greedy: pj.Result) -> None:
    result = told(greedy, reported=Tally(10, 10, 0, 0, 0))
    never = replace(result.baselines["float32"], reported=Tally(10, 10, 0, 0, 0))
    result = replace(result, baselines={**result.baselines, "float32": never})
    assert words.report_floor(result, result.point) is None
    assert said(result)[0][1] == (
        "The report split, which decided nothing, cannot tell: of 10 samples it lost 0 and gained 0."
    )


def test_baselines_have_no_floor_to_stand_to(greedy: pj.Result) -> None:
    assert words.standing(greedy, greedy.baselines["fixed8"]) == []


@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (3, 0), (12, 5), (50, 50), (949, 0), (950, 0), (0, 50)])
def test_what_is_proven_is_the_boundary_of_the_test(lost: int, gained: int) -> None:
    floor, found = Floor(0.5, Accuracy(RIGHT, 1000), 0.95), tally(lost, gained)
    proven = floor.proven(found)
    assert proven is not None
    shares = [part / 10_000 for part in range(1, 10_000)]
    holding = [share for share in shares if replace(floor, keep=share).holds(found)]
    assert proven == max(holding, default=0)
    assert holding == shares[: len(holding)]  # what holds one floor holds every lower one
    assert replace(floor, confidence=None).proven(found) is None


def _sweep(base: pj.Result, *decisions: Decision, bits: Any = (1, 8)) -> list[str]:
    point: OperatingPoint = replace(base.point, log=decisions, reported=base.baselines["float32"].reported)
    result = replace(base, points=(point,), settings={**base.settings, "bits": bits})
    return [remark for remark in words.remarks(result, point) if "bit fewer" in remark]


def _decision(site: str, bits: int, *failing: int, most: int = 8) -> Decision:
    held = Tally(135, 135, 132, 0, 0)
    tried = {most: True, bits: True} | dict.fromkeys(failing, False)
    trials = tuple(Trial(Fixed(each), holds, held) for each, holds in tried.items())
    return Decision(site, Fixed(bits), trials)


def test_sites_left_at_the_most_bits_are_named(greedy: pj.Result) -> None:
    spent = "one bit fewer fails the floor, the slack being spent on the sites before"
    low, high, other = _decision("conv.inputs", 3, 2), _decision("fc.inputs", 8, 7), _decision("fc.weights", 8, 7, 4)
    assert _sweep(greedy, low, high) == [f"keep 0.97: fc.inputs stays at 8 bits: {spent}"]
    assert _sweep(greedy, low, high, other) == [f"keep 0.97: fc.inputs, fc.weights stay at 8 bits: {spent}"]
    assert _sweep(greedy, low) == []
    assert _sweep(greedy, high, low) == ["keep 0.97: fc.inputs stays at 8 bits: one bit fewer fails the floor"]
    assert _sweep(greedy, _decision("fc.inputs", 8)) == []  # not tried lower
    assert _sweep(greedy, _decision("*", 8, 7)) == []
    many = [low, *(_decision(f"layer{index}.inputs", 8, 7) for index in range(9))]
    assert "layer5.inputs and 3 more stay at 8 bits" in _sweep(greedy, *many)[0]


@pytest.mark.parametrize("bits", [None, "1:8", [8], ["1", "8"], 8])
def test_bits_of_a_stranger_name_nothing(greedy: pj.Result, bits: Any) -> None:
    assert _sweep(greedy, _decision("fc.inputs", 8, 7), bits=bits) == []


def test_sites_decided_together_are_known_by_their_log(descent: pj.Result, greedy: pj.Result) -> None:
    assert all(words.together(point) for point in descent.points)
    assert not any(words.together(point) for point in greedy.points)
    assert not words.together(descent.baselines["fixed8"])


@pytest.mark.parametrize(
    ("inputs", "weights", "family", "numbers"),
    [
        ("fixed5 fixed5", "fixed5 fixed5", "fixed", "fixed5 everywhere"),
        ("float32 float32", "float32 float32", None, "float32 everywhere"),
        ("e4m3 e4m3", "e2m1/32:e8m0 e4m3", "float", "inputs e4m3; weights e2m1/32:e8m0, e4m3"),
        ("binary fixed1", "binary binary", "fixed", "inputs binary, fixed1; weights binary"),
        ("fixed4 float32", "fixed4 fixed4", "fixed", "inputs fixed4, float32; weights fixed4"),
        ("fixed8 nf4", "fixed4 e2m1", "mixed", "inputs nf4, fixed8; weights e2m1, fixed4"),
    ],
)
def test_a_plan_is_named_by_its_numbers(
    greedy: pj.Result, inputs: str, weights: str, family: str | None, numbers: str
) -> None:
    formats = {"inputs": iter(inputs.split()), "weights": iter(weights.split())}
    plan = Plan({site.name: pj.format(next(formats[site.kind])) for site in greedy.captured.sites.values()})
    assert (words.arithmetic(plan), words.numbers(greedy.captured, plan)) == (family, numbers)


@pytest.mark.parametrize(
    ("format", "exponents", "signed", "text"),
    [
        ("fixed4", [-1], True, "±2^-1"),
        ("fixed4", [3], False, "<2^3"),
        ("fixed4", [-3, 1, -2], True, "±2^-3..1"),
        ("e4m3", [-3], True, "±448·2^-3"),
        ("e4m3", [-3], False, "±448·2^-3"),
        ("e2m3", [0, 2], True, "±7.5·2^0..2"),
        ("bf16", [-90], True, "±3.3895e+38·2^-90"),
        ("nf4", [2], False, "±2^2"),
        ("binary", [0], False, "±2^0"),
        ("e2m1/16:e4m3", [-9], True, "±2688·2^-9"),
        ("e2m1/32:e8m0", [0], True, "its blocks' own"),
        ("nf4/64", [0], True, "its blocks' own"),
        ("float32", [0], True, ""),
    ],
)
def test_a_range_reaches_as_far_as_its_numbers(format: str, exponents: list[int], signed: bool, text: str) -> None:
    assert words.span(Range(tuple(exponents), signed), pj.format(format)) == text


def test_of_a_codebook_the_numbers_are_counted_and_their_ends_told(clustered: pj.Result) -> None:
    book = Range((-1,), True, (), (-1.0, 0.0, 0.125, 0.6412353515625))
    assert words.span(book, pj.format("lut4")) == words.span(book, pj.format("lut256")) == "4 from -0.5 to 0.321"
    assert words.span(Range((3,), False, (), (0.5,)), pj.format("lut2")) == "1 from 4 to 4"
    site = clustered.captured.layers[0].weights
    tensor = clustered.captured.tensors[clustered.captured.sites[site].tensor]
    count, _, low, _, high = words.span(clustered.ranges.sites[site], pj.format("lut16")).split()
    assert count == "16"
    assert float(tensor.min()) <= float(low) < float(high) <= float(tensor.max())


def test_families_that_could_not_be_tried_are_named(greedy: pj.Result, families: pj.Result) -> None:
    assert words.left_out(greedy) == words.left_out(families) == []
    moons = greedy.settings["platform_toml"]
    asked = replace(families, settings={**families.settings, "platform_toml": moons})
    why = "platform 'moons2017' has no figure for them"
    assert words.left_out(asked) == [f"formats '{name}' were left out: {why}" for name in ("float", "nf")]
    few = replace(families, settings={**families.settings, "bits": [5, 8]})
    assert words.left_out(few) == ["formats 'nf' were left out: none has 5 to 8 bits"]
    named = {**families.settings, "platform_toml": moons, "formats": "fixed,lut4", "inputs": "lut,fixed8"}
    told = [f"formats '{name}' were left out: {why}" for name in ("lut4", "lut")]
    assert words.left_out(replace(families, settings=named)) == told
    for stranger in ("posit", "fixed99", 7, "lut3"):
        given = {**families.settings, "formats": stranger, "inputs": stranger}
        assert words.left_out(replace(families, settings=given)) == []
    strange = {"platform_toml": "?", "formats": 7, "bits": [1, 8]}
    assert words.left_out(replace(families, settings=strange)) == []
