"""The page in a real Chromium: it shows the result's numbers, follows the selection, and asks nothing of anyone."""

import base64
import copy
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from tests.jobs import small
from tests.report.browser import Reader, changed, saved, table, tile
from tests.report.conftest import mixed

import picojoule as pj
from picojoule import units
from picojoule.report.document import document
from picojoule.report.page import GENERATOR, page
from picojoule.report.trained import BEFORE

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\"><!--"


# -- the text ---------------------------------------------------------------------------------------------------------


def test_it_is_one_text_that_names_its_maker_and_points_nowhere(one: dict[str, Any]) -> None:
    text = page(one)
    assert text == page(copy.deepcopy(one))
    assert f'{GENERATOR} {pj.__version__}">' in text[:4096]
    assert re.findall(r"<link[^>]*>|\bsrc=|@import|url\(", text) == [
        re.search(r"<link[^>]*href=\"data:[^>]*>", text)[0]
    ]  # type: ignore[index]
    assert json.loads(re.search(r'id="document">(.*?)</script>', text, re.DOTALL)[1]) == one  # type: ignore[index]


def test_its_policy_allows_its_own_script_and_style_alone(one: dict[str, Any]) -> None:
    text = page(one)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]  # type: ignore[index]
    kinds = {"default-src", "style-src", "script-src", "img-src", "base-uri", "form-action"}
    directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert directives.keys() == kinds
    assert directives["default-src"] == directives["base-uri"] == directives["form-action"] == "'none'"
    assert directives["img-src"] == "data:"
    for kind, opening, closing in (("script", '<script type="module">', "</script>"), ("style", "<style>", "</style>")):
        (body,) = re.findall(f"{opening}(.*?){closing}", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert directives[f"{kind}-src"] == f"'sha256-{digest}'"


def test_any_text_can_be_written_and_none_ends_its_element(one: dict[str, Any]) -> None:
    bad = changed(one, lambda text: text.replace("net.py", f"{HOSTILE}&\u2028\ud800$title${{style}}"))
    text = page(bad).encode().decode()
    assert text.count("<script") == text.count("</script>") == page(one).count("<script")
    assert "<img" not in text
    assert json.loads(re.search(r'id="document">(.*?)</script>', text, re.DOTALL)[1]) == bad  # type: ignore[index]


# -- what it shows ----------------------------------------------------------------------------------------------------


def test_every_section_is_drawn(reader: Reader, one: dict[str, Any]) -> None:
    opened = reader.open(one)
    headings = opened.locator("h2:visible").all_inner_texts()
    assert headings == [
        "At keep 0.97", "Energy against accuracy", "Do the floors hold?", "Layer by layer", "Why these bits",
        "On every platform", "Left in float", "Run it again", "The data",
    ]  # fmt: skip
    assert opened.title() == "net.py:trained on digits - picojoule"
    assert opened.locator("[data-slot]:visible").count() >= 12
    for section in ("front", "layers", "decisions"):
        assert opened.locator(f"#{section} svg.chart").count() > 0
    assert opened.locator("#float li").all_inner_texts() == one["runs"][0]["points"][0]["in_float"]


def test_the_headline_states_the_result(reader: Reader, greedy: pj.Result, one: dict[str, Any]) -> None:
    opened = reader.open(one)
    point, sixteen = greedy.point, greedy.baselines["fixed16"].energy
    assert point.energy is not None
    assert sixteen is not None
    share = point.energy.total_pj / sixteen.total_pj
    low, high = point.report.interval()
    assert units.energy(point.energy.total_pj) in tile(opened, "energy per inference")
    assert units.percent(1 - share, 1) + " less" in tile(opened, "against 16 bits")
    assert f"{share:.3f} of {units.energy(sixteen.total_pj)}" in tile(opened, "against 16 bits")
    assert units.percent(point.report.value) in tile(opened, "accuracy, report split")
    assert f"{100 * low:.1f}–{100 * high:.1f}\u00a0%" in tile(opened, "accuracy, report split")
    assert f"{point.report.correct:.0f} of {point.report.total} right" in tile(opened, "accuracy, report split")
    assert "✓ holds" in tile(opened, "accuracy floor 0.97")
    facts = opened.locator("#headline dl").inner_text().split("\n")
    assert facts == [text for fact in one["runs"][0]["facts"] for text in fact]


def test_the_tables_print_as_the_terminal_does(reader: Reader, greedy: pj.Result, one: dict[str, Any]) -> None:
    opened = reader.open(one)
    points = [*greedy.points, *greedy.baselines.values()]
    shown = table(opened, "points")
    assert [row[0] for row in shown] == [point.label for point in points]
    assert [row[2] for row in shown] == [units.energy(point.energy.total_pj) for point in points if point.energy]
    assert [row[7] for row in shown] == [units.percent(point.report.value) for point in points]
    layers = table(opened, "layer")
    assert [row[0] for row in layers] == [layer.name for layer in greedy.captured.layers]
    for row, layer in zip(layers, greedy.energy.layers.values(), strict=True):
        parts = (layer.compute_pj, layer.weights_pj, layer.activations_pj, layer.dram_pj, layer.total_pj)
        assert row[8:] == [units.energy(part) for part in parts]
        assert (row[2], row[5]) == (str(layer.input_bits), str(layer.weight_bits))
    assert opened.locator("#layer tfoot td").last.inner_text() == units.energy(greedy.energy.total_pj)


@pytest.mark.parametrize("layer", [0, 1])
def test_histograms_have_the_grid_the_zeros_and_the_ends_drawn_in(
    reader: Reader, one: dict[str, Any], layer: int
) -> None:
    opened = reader.open(one)
    chosen = one["runs"][0]["points"][0]["layers"][layer]
    opened.locator("#layer-choice").select_option(chosen["layer"])
    for site in (chosen["inputs"], chosen["weights"]):
        spread = one["runs"][0]["histograms"][site["site"]]
        box = opened.locator(f"[data-site='{site['site']}'].histogram")
        assert box.locator(".member").count() == len(_in_view(one, site, spread))
        assert box.locator(".bin").count() == sum(count > 0 for count in spread["counts"])
        assert box.locator(".zero").count() == (spread["zeros"] > 0)
        assert box.locator(".bound").count() == (2 if site["signed"] else 1) + (not site["signed"])
        least, most = _ends(site)
        size = (spread["high"] - spread["low"]) / len(spread["counts"])
        middles = [spread["low"] + (index + 0.5) * size for index in range(len(spread["counts"]))]
        clipped = [n for n, x in zip(spread["counts"], middles, strict=True) if n and not least <= x <= most]
        assert box.locator(".outside").count() == len(clipped)


def _ends(site: Mapping[str, Any]) -> tuple[float, float]:
    top = 2.0 ** max(site["exponents"])
    return (-top if site["signed"] else 0.0), top


def _in_view(document: Mapping[str, Any], site: Mapping[str, Any], spread: Mapping[str, Any]) -> list[float]:
    """The grid's members among the values and the range's ends, which for these sites lie near the values."""
    low, high = min(spread["low"], _ends(site)[0]), max(spread["high"], _ends(site)[1])
    assert _ends(site)[1] <= 2.5 * max(abs(spread["low"]), abs(spread["high"]))
    grid = document["formats"][site["format"]]["signed" if site["signed"] else "unsigned"]
    members = [member * 2.0 ** max(site["exponents"]) for member in grid]
    return [member for member in members if low <= member <= high]


def test_blocks_and_small_floats_are_drawn(reader: Reader, descent: pj.Result) -> None:
    drawn = document({"here": mixed(descent)})
    opened = reader.open(drawn)
    layer = drawn["runs"][0]["points"][0]["layers"][0]
    assert (layer["weights"]["format"], layer["inputs"]["format"]) == ("e2m1/32:e8m0", "e4m3")
    opened.locator("#layer-choice").select_option(layer["layer"])
    blocks, floats = (opened.locator(f"[data-site='{layer[k]['site']}'].histogram") for k in ("weights", "inputs"))
    assert blocks.locator(".bin").count() > 0
    assert floats.locator(".member").count() > 1
    for box in (blocks, floats):
        assert box.locator(".outside").count() == 0
    assert (blocks.locator(".member").count(), blocks.locator(".bound").count()) == (0, 0)


def test_a_codebooks_numbers_are_drawn_over_its_values(reader: Reader, clustered: pj.Result) -> None:
    drawn = document({"here": clustered})
    opened = reader.open(drawn)
    layer = drawn["runs"][0]["points"][0]["layers"][0]
    assert layer["weights"]["format"] == "lut16"
    opened.locator("#layer-choice").select_option(layer["layer"])
    box = opened.locator(f"[data-site='{layer['weights']['site']}'].histogram")
    places = box.locator(".member").evaluate_all("all => all.map((one) => Number(one.getAttribute('x1')))")
    members = layer["weights"]["members"]
    steps = [(right - left) / (after - before) for (left, right), (before, after) in
             zip(pairwise(places), pairwise(members), strict=True)]  # fmt: skip
    assert len(places) == 16
    assert steps == pytest.approx([steps[0]] * 15)
    for kind in (".outside", ".bound", ".beyond"):
        assert box.locator(kind).count() == 0
    told = opened.locator("#values").inner_text()
    assert "The strokes are the 16 numbers of the table; each value goes to the nearest." in told
    assert f"weights: lut16, {layer['weights']['range'].replace('-', '−')}" in told
    assert table(opened, "layer")[0][6] == layer["weights"]["range"].replace("-", "−")


def test_a_table_of_codebooks_is_no_wider_than_the_page(reader: Reader, clustered: pj.Result) -> None:
    opened = reader.open(document({"here": clustered}), width=1200)
    frame = opened.locator(".scroll:has(#layer)")
    assert frame.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_weights_that_were_retrained_kept_their_numbers(reader: Reader, clustered: pj.Result) -> None:
    """Inputs go to the nearest even so, and so do the weights of the plan before."""
    before = replace(clustered.point, label=BEFORE, keep=None)
    opened = reader.open(document({"here": replace(clustered, baselines={**clustered.baselines, BEFORE: before})}))
    nearest = "The strokes are the 16 numbers of the table; each value goes to the nearest."
    kept = "The strokes are the 16 numbers of the table as retrained; each weight kept the one it had."
    opened.locator("#layer-choice").select_option("conv")
    inputs, weights = opened.locator("#values .columns > div").all_inner_texts()
    assert nearest not in weights
    assert kept in weights
    assert kept not in inputs
    opened.locator("#point-choice").select_option(label=BEFORE)
    assert nearest in opened.locator("#values").inner_text()
    assert kept not in opened.locator("#values").inner_text()
    told = opened.locator("#decisions").inner_text()
    assert "The plan that the search ended with, before anything was retrained." in told


def test_what_was_decided_of_the_weights_is_not_told_of_inputs(reader: Reader, clustered: pj.Result) -> None:
    """Inputs may have formats of their own: here they have more, and stand for both."""
    drawn = document({"here": clustered})
    point = drawn["runs"][0]["points"][0]
    (decision,) = point["log"]
    opened = reader.open(drawn)
    told = opened.locator("#values").inner_text()
    inputs, weights = (point["layers"][0][kind] for kind in ("inputs", "weights"))
    assert decision["format"] == inputs["format"] == "fixed4"
    assert weights["format"] == "lut16"
    assert f"Why {inputs['site']} has fixed4" in told
    assert f"Why {weights['site']}" not in told


def test_a_wide_range_and_values_beyond_a_narrow_one_are_told(reader: Reader, one: dict[str, Any]) -> None:
    far = copy.deepcopy(one)
    layer = far["runs"][0]["points"][0]["layers"][0]
    layer["weights"]["exponents"], layer["inputs"]["exponents"] = [12], [-1]
    far["runs"][0]["histograms"][layer["inputs"]["site"]] = {"low": 0.0, "high": 1.0, "counts": [2, 4, 2], "zeros": 8}
    opened = reader.open(far)
    opened.locator("#layer-choice").select_option(layer["layer"])
    told = opened.locator("#values").inner_text()
    assert "About 25.00 % lie beyond the range and saturate." in told
    assert "50.0 % of them exactly zero" in told
    assert "The range ends out of sight, at 2¹²." in told
    box = opened.locator(f"[data-site='{layer['weights']['site']}']")
    assert (box.locator(".member").count(), box.locator(".bound").count()) == (1, 0)  # of the grid only 0 is in view


def test_ranges_by_channel_are_told(reader: Reader, uniform: pj.Result) -> None:
    opened = reader.open(document({"runs/uniform": uniform}))
    exponents = uniform.ranges.sites["fc.weights"].exponents
    assert len(set(exponents)) > 1
    opened.locator("#layer-choice").select_option("fc")
    expect(opened.locator("#values")).to_contain_text(f"The {len(exponents)} channels have ranges of their own")
    assert opened.locator("[data-site='fc.weights'] .narrowest").count() == 2


def test_decisions_show_what_was_tried_and_why_it_ended(reader: Reader, one: dict[str, Any]) -> None:
    opened = reader.open(one)
    point = one["runs"][0]["points"][0]
    cards = opened.locator("#decisions .card")
    assert cards.count() == len(point["log"])
    reasons = 0
    for index, decision in enumerate(point["log"]):
        card = cards.nth(index)
        assert card.locator("h3 b").inner_text() == decision["site"]
        held = sum(trial["holds"] for trial in decision["trials"])
        assert card.locator(".held").count() == held
        assert card.locator(".failed").count() == len(decision["trials"]) - held
        assert card.locator(".taken").count() == 1
        for trial in decision["trials"]:
            assert _told(trial) in (card.locator("svg").get_attribute("aria-label") or "")
        narrower = [trial for trial in decision["trials"] if not trial["holds"]]
        if narrower:
            gap = 100 * (point["needed"] - narrower[0]["accuracy"])
            below = f"{'at least ' if narrower[0]['bound'] else ''}{gap:.2f} points below the floor"
            assert f"gave {_told(narrower[0])}, {below}" in card.inner_text()
            reasons += 1
    assert reasons > 0
    assert opened.locator("#decisions .says").inner_text().startswith("What was tried at each site, in order")
    assert (
        opened.locator("#decisions .says")
        .inner_text()
        .endswith(f"The floor is {units.percent(point['needed'])}, 97 % of the float network's.")
    )


def _told(trial: Mapping[str, Any]) -> str:
    return f"{trial['bound']} {units.percent(trial['accuracy'])}".strip()


def test_a_bound_is_told_wherever_the_accuracy_is(reader: Reader, one: dict[str, Any]) -> None:
    early = copy.deepcopy(one)
    log = early["runs"][0]["points"][0]["log"]
    for decision in log:
        for trial in decision["trials"]:
            trial |= {"bound": "at least" if trial["holds"] else "at most", "seen": 7}
    opened = reader.open(early)
    trials = [trial for decision in log for trial in decision["trials"]]
    assert opened.locator("#decisions .card .bounded").count() == len(trials)
    expect(opened.locator("#decisions .legend")).to_contain_text("certain before every sample was seen")
    opened.locator("#decisions .card .hit").first.hover()
    tip = opened.locator("#tip").inner_text()
    total = early["runs"][0]["points"][0]["search"]["total"]
    assert f"at least {units.percent(trials[0]['accuracy'])} on the search split" in tip
    assert f"certain after 7 of {total} samples: 0 lost, 0 gained" in tip
    opened.locator("#decisions summary").click()
    assert [row[3] for row in table(opened, "trial")] == [_told(trial) for trial in trials]
    assert [(row["bound"], row["seen"]) for row in saved(opened, "trial")] == [(t["bound"], "7") for t in trials]
    for decision in log:
        for trial in decision["trials"]:
            trial |= {"bound": "", "seen": total}
    opened = reader.open(early)
    assert opened.locator("#decisions .bounded").count() == 0


def test_sites_decided_together_tell_what_one_bit_fewer_would_give(reader: Reader, curved: dict[str, Any]) -> None:
    opened = reader.open(curved)
    point = curved["runs"][0]["points"][0]
    says = opened.locator("#decisions .says").inner_text()
    assert says.startswith("All sites were decided together")
    assert "with 95 % confidence" in says
    told = []
    for index, decision in enumerate(point["log"]):
        text = opened.locator("#decisions .card").nth(index).inner_text()
        tried = decision["trials"][1:]
        told.append("One bit fewer was not tried here" if not tried else f"would give {_told(tried[0])}")
        assert told[-1] in text
    assert any(text.startswith("would give") for text in told)
    assert f"Why {point['log'][0]['site']} has" in opened.locator("#values").inner_text()


def test_a_trial_above_a_confident_floor_that_is_not_sure_of_it_is_told_so(
    reader: Reader, curved: dict[str, Any]
) -> None:
    close = copy.deepcopy(curved)
    point = close["runs"][0]["points"][0]
    decision = next(decision for decision in point["log"] if len(decision["trials"]) > 1)
    decision["trials"][1] |= {"accuracy": point["needed"] + 0.001, "bound": "at most", "holds": False}
    other = point["log"][0] if point["log"][0] is not decision else point["log"][1]
    other["trials"] = [other["trials"][0], {**other["trials"][0], "format": "fixed2", "holds": True}]
    other["format"] = other["trials"][0]["format"]
    close["formats"]["fixed2"] = {"bits": 2, "family": "fixed", "signed": None, "unsigned": None}
    cards = reader.open(close).locator("#decisions")
    told = f"would give at most {units.percent(point['needed'] + 0.001)}, which is not surely above the floor."
    assert told in cards.locator(f"[data-site='{decision['site']}']").inner_text()
    assert "2 bits would hold the floor too" in cards.locator(f"[data-site='{other['site']}']").inner_text()
    last = copy.deepcopy(curved)
    last["runs"][0]["least_bits"] = 3
    for each in last["runs"][0]["points"][0]["log"]:
        each["trials"] = each["trials"][:1]
        each["format"] = each["trials"][0]["format"] = "fixed3"
    assert "No fewer bits were searched." in reader.open(last).locator("#decisions .card").first.inner_text()


def test_floors_stand_side_by_side_on_both_splits(
    reader: Reader, descent: pj.Result, curved: dict[str, Any], one: dict[str, Any]
) -> None:
    opened = reader.open(curved)
    told = curved["runs"][0]["points"]
    words = {True: "confirmed", False: "above, not surely"}
    for row, point, known in zip(table(opened, "floor"), descent.points, told, strict=False):
        search, report = (
            [*map(_figure, (tally.lost, tally.gained)), f"{known[split]['kept']:.3f}", f"{known[split]['proven']:.4f}"]
            for split, tally in (("search", point.searched), ("report", point.reported))
        )
        assert row == [point.label, *search, "holds", *report, words[known["report"]["holds"]]]
    assert "Every floor on both splits, with 95 % confidence" in opened.locator("#floors").inner_text()
    assert opened.locator("#floors .standing p").all_inner_texts() == told[0]["standing"]
    assert "with 95 % confidence" in tile(opened, "accuracy floor 0.95")
    opened.locator("[data-key='floor-0-0.8']").click()
    assert opened.locator("#floors .standing p").all_inner_texts() == told[1]["standing"]
    opened.locator("#point-choice").select_option(label="fixed8 everywhere")
    assert opened.locator("#floors .standing p").count() == 0
    rows = saved(opened, "floor")
    assert [float(row["report_proven"]) for row in rows] == [p["report"]["proven"] for p in told if p["keep"]]
    opened = reader.open(one)
    assert "surely kept" not in opened.locator("#floors").inner_text()
    assert [row[-1] for row in table(opened, "floor")] == [
        "confirmed" if point["report"]["holds"] else "below" for point in one["runs"][0]["points"] if point["keep"]
    ]


def _figure(value: float) -> str:
    return f"{value:.0f}"


def test_the_curve_is_drawn_behind_the_points(reader: Reader, curved: dict[str, Any]) -> None:
    opened = reader.open(curved)
    path = curved["runs"][0]["path"]
    bottom = float(opened.locator("#front .axis").last.get_attribute("y1") or 0)
    dots = opened.locator("#front .stop .waypoint")
    assert 5 < dots.count() <= len(path)
    assert all(float(dots.nth(index).get_attribute("cy") or 0) <= bottom for index in range(dots.count()))
    assert sum(plan["report"]["kept"] >= 0.95 for plan in path) <= dots.count()
    assert opened.locator("#front .curve").count() == 2  # one in the legend
    expect(opened.locator("#front .legend")).to_contain_text("plans between the floors")
    first = path[0]
    opened.locator("#front .stop").first.dispatch_event("pointerenter")
    tip = opened.locator("#tip").inner_text()
    assert f"plan 1 of the {len(path)} between the floors" in tip
    assert units.energy(first["energy_pj"]) in tip
    assert f"{units.percent(first['report']['value'])} on the report split" in tip
    assert f"Bits of inputs/weights, conv first: {' '.join(first['bits'])}" in tip


def test_the_plans_of_the_curve_are_a_table(reader: Reader, curved: dict[str, Any], one: dict[str, Any]) -> None:
    opened = reader.open(curved)
    path = curved["runs"][0]["path"]
    opened.get_by_text(f"The {len(path)} plans between the floors as a table").click()
    for row, plan in zip(table(opened, "path"), path, strict=True):
        assert row[1] == units.energy(plan["energy_pj"])
        assert (row[3], row[5]) == tuple(units.percent(plan[split]["value"]) for split in ("search", "report"))
        assert row[7:] == [f"{plan['inputs_bits']:.2f}", f"{plan['weights_bits']:.2f}", " ".join(plan["bits"])]
    for saved_row, plan in zip(saved(opened, "path"), path, strict=True):
        assert float(saved_row["energy_pj"]) == plan["energy_pj"]
        assert float(saved_row["report_kept"]) == plan["report"]["kept"]
    opened.locator("#point-choice").select_option(label="keep 0.8")
    assert opened.locator("#path").is_visible()  # what was unfolded stays so
    assert reader.open(one).locator("#front details, #front .curve").count() == 0


def test_a_curve_stands_with_each_run_that_has_one(reader: Reader, descent: pj.Result, greedy: pj.Result) -> None:
    opened = reader.open(document({"a": descent, "b": greedy, "c": descent.at(0.8)}))
    assert opened.locator("#front [data-slot=picture] .curve").count() == 2
    folded = f"The {len(descent.path)} plans between the floors of a as a table"
    assert folded in opened.locator("#front").inner_text()
    opened.get_by_label("share of the same network's 16-bit energy").check()
    assert opened.locator("#front [data-slot=picture] .curve").count() == 2
    opened.locator("#run-choice").select_option(label="b")
    assert opened.locator("#front details").count() == 0
    told = [(row[0], row[1], row[2]) for row in table(opened, "floor")]
    assert told == [
        *(("a", label, "with 95 % confidence") for label in ("0.95", "0.8")),
        *(("b", label, "by point estimate") for label in ("0.97", "0.8")),
        *(("c", label, "with 95 % confidence") for label in ("0.95", "0.8")),
    ]


def test_the_ranking_has_the_own_platform_first_and_says_where_the_order_differs(
    reader: Reader, one: dict[str, Any]
) -> None:
    opened = reader.open(one)
    ranking = one["runs"][0]["ranking"]
    shown = table(opened, "platform")
    assert [row[0] for row in shown] == ["moons2017 (this run's)"] + [each["platform"] for each in ranking[1:]]
    for row, each in zip(shown, ranking, strict=True):
        known = sorted(pj for pj in each["energies"].values() if pj is not None)
        cells = [
            "no figure" if pj is None else f"{units.energy(pj)}rank {known.index(pj) + 1}"
            for pj in each["energies"].values()
        ]
        assert row[1:] == cells
    other = copy.deepcopy(one)
    for each in other["runs"][0]["ranking"]:
        each["energies"] = {"0.97": 2.0, "0.8": 1.0, "fixed16": 4.0, "fixed8": 3.0, "float32": None}
    assert (
        reader.open(other).locator("#platforms [data-slot=order]").inner_text()
        == "Every platform orders these plans alike."
    )
    other["runs"][0]["ranking"][1]["energies"]["0.8"] = 2.5
    assert reader.open(other).locator("#platforms [data-slot=order]").inner_text() == (
        f"On {ranking[1]['platform']} the order differs: "
        "keep 0.97 takes less than keep 0.8 there, and more on moons2017."
    )


def test_a_point_without_a_figure_is_said_not_drawn(reader: Reader, uniform: pj.Result) -> None:
    opened = reader.open(document({"runs/uniform": uniform}))
    assert opened.get_by_role("option").count() >= 3
    assert opened.locator("#front .point").count() == 3
    expect(opened.locator("#front .legend")).to_contain_text("1 without a figure on the platform, not drawn")
    opened.locator("#point-choice").select_option(label="float32 everywhere")
    assert "no figure" in tile(opened, "energy per inference")
    assert table(opened, "layer")[0][8:] == ["no figure"] * 5
    assert opened.locator("#layers svg.chart .compute").count() == 0
    assert opened.locator("#front .point[tabindex='0']").count() == 1


def test_one_decision_for_all_sites_is_shown_as_one(reader: Reader, uniform: pj.Result) -> None:
    opened = reader.open(document({"runs/uniform": uniform}))
    assert opened.locator("#decisions .card h3 b").all_inner_texts() == ["all sites together"]
    assert opened.locator("#decisions .says").inner_text().startswith("What was tried for all sites at once")
    assert "Why conv.weights has" in opened.locator("#values").inner_text()


def test_a_floor_out_of_reach_is_plain_to_see(reader: Reader, unreachable: pj.Result) -> None:
    opened = reader.open(document({"runs/unreachable": unreachable}))
    assert "✗ out of reach" in tile(opened, "accuracy floor 1")
    assert opened.locator("#headline .remarks li").first.inner_text() == unreachable.unreached[0]
    assert "Even the most bits do not hold it" in opened.locator("#decisions .says").inner_text()
    assert all(site in opened.locator("#decisions .says").inner_text() for site in unreachable.point.blockers)
    assert "✗ ↓" in (opened.locator("#front .point[aria-selected=true]").text_content() or "")


def test_a_search_that_was_stopped_at_once_has_an_empty_log(reader: Reader) -> None:
    stopped = pj.search(small.trained(), small.few(), keep=0.5, strategy="greedy", time_budget=0)
    opened = reader.open(document({"runs/stopped": stopped}))
    assert "holds, stopped" in tile(opened, "accuracy floor 0.5")
    assert "stopped before its first decision" in opened.locator("#decisions .says").inner_text()
    assert opened.locator("#decisions .card").count() == 0
    assert "asked for in Python" in opened.locator("#rerun").inner_text()


def test_layers_left_in_float_have_their_row(reader: Reader, one: dict[str, Any]) -> None:
    partly = copy.deepcopy(one)
    for layer in (layer for point in partly["runs"][0]["points"] for layer in point["layers"][1:]):
        layer["inputs"] = layer["weights"] = None
    opened = reader.open(partly)
    row = table(opened, "layer")[1]
    assert row[2:8] == ["32", "", "", "32", "", ""]
    opened.locator("#layer-choice").select_option("fc")
    assert "inputs: left in float32" in opened.locator("#values").inner_text()
    assert saved(opened, "layer")[1]["weights_format"] == "float32"


# -- the selection ----------------------------------------------------------------------------------------------------


def _energy_shown(opened: Page) -> str:
    return opened.locator("[data-tile='energy per inference'] .value").inner_text()


def test_a_click_on_a_point_changes_all_that_follows(reader: Reader, greedy: pj.Result, one: dict[str, Any]) -> None:
    opened = reader.open(one)
    before = table(opened, "layer")
    opened.locator("[data-key='front-0-fixed8'] .hit").click()
    eight = greedy.baselines["fixed8"].energy
    assert eight is not None
    assert _energy_shown(opened) == units.energy(eight.total_pj)
    assert [(row[2], row[5]) for row in table(opened, "layer")] == [("8", "8"), ("8", "8")]
    assert table(opened, "layer") != before
    assert opened.locator("#front [aria-selected=true]").get_attribute("data-key") == "front-0-fixed8"
    assert opened.locator("#points [aria-current=true] th").inner_text() == "fixed8"
    assert (
        opened.locator("#decisions .says").inner_text() == "A baseline: one format everywhere, and nothing to decide."
    )
    assert opened.url.endswith("#point=fixed8")


def test_the_keyboard_walks_the_points_and_selects(reader: Reader, greedy: pj.Result, one: dict[str, Any]) -> None:
    opened = reader.open(one)
    priced = sorted((p.energy.total_pj, p.label) for p in (*greedy.points, *greedy.baselines.values()) if p.energy)
    opened.locator("#front .point[tabindex='0']").focus()
    opened.keyboard.press("Home")
    for _, label in priced:
        focused = opened.evaluate("document.activeElement.dataset.key")
        assert focused == f"front-0-{label}"
        expect(opened.locator("#tip")).to_contain_text(label)
        opened.keyboard.press("ArrowRight")
    opened.keyboard.press("Enter")
    assert _energy_shown(opened) == units.energy(priced[-1][0])
    assert opened.evaluate("document.activeElement.dataset.key") == f"front-0-{priced[-1][1]}"  # the focus stays
    opened.keyboard.press("Escape")
    expect(opened.locator("#tip")).to_be_hidden()


def test_everything_that_acts_is_reached_by_tab(reader: Reader, one: dict[str, Any]) -> None:
    opened = reader.open(one)
    reached = set()
    for _ in range(opened.locator("button, select, a, summary, [tabindex='0']").count() + 5):
        opened.keyboard.press("Tab")
        reached.add(opened.evaluate("document.activeElement.dataset.key ?? document.activeElement.id ?? ''"))
    assert {
        "theme",
        "point-choice",
        "front-0-0.97",
        "points-csv",
        "layer-conv",
        "layer-energy_pj",
        "layer-choice",
    } <= reached


def test_the_address_keeps_the_selection_and_back_undoes_it(reader: Reader, one: dict[str, Any]) -> None:
    opened = reader.open(one, "#point=0.8")
    first = _energy_shown(opened)
    assert first == units.energy(one["runs"][0]["points"][1]["energy_pj"])
    opened.locator("#point-choice").select_option(label="fixed16 everywhere")
    assert _energy_shown(opened) != first
    opened.go_back()
    expect(opened.locator("[data-tile='energy per inference'] .value")).to_have_text(first)
    for other in ("#point=no", "#run=no&point=0.8", "#layers", "#%"):
        opened.evaluate("(hash) => { location.hash = hash; }", other)
    expect(opened.locator("[data-tile='energy per inference'] .value")).to_have_text(first)


def test_picking_a_layer_shows_its_values(reader: Reader, one: dict[str, Any]) -> None:
    opened = reader.open(one)
    for act in (
        lambda: opened.locator("[data-key='layer-fc']").click(),
        lambda: opened.locator("#layers .row").first.click(),
    ):
        act()
        layer = opened.locator("#layer-choice").input_value()
        assert opened.locator(".histogram").evaluate_all("all => all.map((one) => one.dataset.site)") == [
            site["site"] for each in one["runs"][0]["points"][0]["layers"] if each["layer"] == layer
            for site in (each["inputs"], each["weights"])
        ]  # fmt: skip
        assert opened.locator("#layer [aria-current=true] th").inner_text() == layer
    assert layer == "conv"


# -- tables and files -------------------------------------------------------------------------------------------------


def test_a_heading_sorts_down_then_up_then_as_it_was(reader: Reader, one: dict[str, Any]) -> None:
    opened = reader.open(one)
    points = one["runs"][0]["points"]
    as_given = [point["label"] for point in points]
    cheapest_first = [point["label"] for point in sorted(points, key=lambda point: point["energy_pj"])]
    heading = opened.locator("#points").get_by_role("columnheader", name="energy", exact=True)
    for order, labels in (("descending", cheapest_first[::-1]), ("ascending", cheapest_first), ("none", as_given)):
        heading.get_by_role("button").press("Enter")
        assert [row[0] for row in table(opened, "points")] == labels
        assert heading.get_attribute("aria-sort") == order
    opened.locator("[data-key='points-keep']").click()
    assert [row[0] for row in table(opened, "points")] == ["0.8", "0.97", "fixed8", "fixed16", "float32"]
    opened.locator("[data-key='point-0-0.8']").click()
    assert table(opened, "points")[0][0] == "0.8"  # a selection leaves the order


def test_each_table_downloads_as_csv(reader: Reader, one: dict[str, Any]) -> None:
    opened = reader.open(one)
    run = one["runs"][0]
    point = run["points"][0]
    for row, told in zip(saved(opened, "points"), run["points"], strict=True):
        assert row["keep"] == told["label"]
        assert float(row["energy_pj"]) == told["energy_pj"]
        assert (float(row["report_low"]), float(row["report_high"])) == (told["report"]["low"], told["report"]["high"])
    for row, layer in zip(saved(opened, "layer"), point["layers"], strict=True):
        assert (row["layer"], int(row["macs"])) == (layer["layer"], layer["macs"])
        assert all(
            float(row[f"{part}_pj"]) == layer[f"{part}_pj"]
            for part in ("compute", "weights", "activations", "dram", "energy")
        )
        for kind in ("inputs", "weights"):
            assert row[f"{kind}_format"] == layer[kind]["format"]
            assert float(row[f"{kind}_zeros"]) == layer[kind]["zeros"]
            assert int(row[f"{kind}_exponent_high"]) == max(layer[kind]["exponents"])
    opened.locator("#decisions summary").click()
    trials = [(d["site"], t["format"], t["accuracy"]) for d in point["log"] for t in d["trials"]]
    assert [(row["site"], row["format"], float(row["accuracy"])) for row in saved(opened, "trial")] == trials
    for row, each in zip(saved(opened, "platform"), run["ranking"], strict=True):
        assert {label: float(row[f"{label}_pj"]) if row[f"{label}_pj"] else None for label in each["energies"]} == each[
            "energies"
        ]


def test_the_json_is_copied_shown_and_downloaded_whole(reader: Reader, one: dict[str, Any]) -> None:
    opened = reader.open(one)
    opened.get_by_role("button", name="Copy JSON").click()
    expect(opened.get_by_role("button", name="Copied")).to_be_visible()
    assert json.loads(opened.evaluate("navigator.clipboard.readText()")) == one
    with opened.expect_download() as started:
        opened.get_by_role("button", name="Download JSON").click()
    assert json.loads(started.value.path().read_text()) == one
    opened.locator("#data summary").click()
    expect(opened.locator("#data textarea")).not_to_have_value("")
    assert json.loads(opened.locator("#data textarea").input_value()) == one


def test_the_commands_are_copied_word_for_word(reader: Reader, one: dict[str, Any]) -> None:
    opened = reader.open(one)
    for name, text in (
        ("Copy command", one["runs"][0]["rerun"]["shell"]),
        ("Copy Python", one["runs"][0]["rerun"]["python"]),
    ):
        opened.get_by_role("button", name=name).click()
        assert opened.evaluate("navigator.clipboard.readText()") == text
    assert opened.locator("#rerun code").first.text_content() == one["runs"][0]["rerun"]["shell"]


# -- several runs -----------------------------------------------------------------------------------------------------


def test_several_runs_stand_side_by_side(reader: Reader, three: dict[str, Any]) -> None:
    opened = reader.open(three)
    assert opened.locator("h1").inner_text() == "3 runs side by side"
    floors = [(run["name"], point["label"]) for run in three["runs"] for point in run["points"] if point["keep"]]
    assert [(row[0], row[1]) for row in table(opened, "points")] == floors
    assert [(row["run"], row["keep"], row["platform"]) for row in saved(opened, "points")] == [
        (*floor, {"runs/uniform": "envision"}.get(floor[0], "moons2017")) for floor in floors
    ]
    assert opened.locator("#front .point").count() == sum(
        p["energy_pj"] is not None for r in three["runs"] for p in r["points"]
    )
    assert opened.locator("#bits svg.chart").count() == 3
    opened.locator("#run-choice").select_option(label="runs/uniform")
    assert "on envision" in tile(opened, "energy per inference")
    assert "run=runs%2Funiform" in opened.url
    opened.locator("[data-key='point-0-0.8']").click()
    assert _energy_shown(opened) == units.energy(three["runs"][0]["points"][1]["energy_pj"])
    opened.locator("#run-choice").select_option(label="runs/uniform")
    opened.locator("#run-choice").select_option(label="runs/greedy")
    assert opened.locator("#point-choice").input_value() == "1"  # each run keeps its own selection
    assert "keep 0.8" in opened.locator("#bits [data-run='0']").inner_text()


def test_the_front_of_several_runs_can_be_relative(reader: Reader, three: dict[str, Any]) -> None:
    opened = reader.open(three)
    assert "energy per inference" in (opened.locator("#front svg.chart").text_content() or "")
    opened.get_by_label("share of the same network's 16-bit energy").check()
    assert "of the same network's in 16 bits" in (opened.locator("#front svg.chart").text_content() or "")
    sixteen = opened.locator("#front .point[data-key$='fixed16'] .hit").evaluate_all(
        "all => all.map((one) => one.getAttribute('cx'))"
    )
    assert len(sixteen) == 3
    assert len(set(sixteen)) == 1  # each is its own measure


def test_a_link_leads_to_a_point_of_one_of_several_runs(reader: Reader, three: dict[str, Any]) -> None:
    opened = reader.open(three, "#run=runs%2Funreachable&point=1")
    assert "✗ out of reach" in tile(opened, "accuracy floor 1")


# -- strangers, small screens, all eyes, paper ------------------------------------------------------------------------


def test_hostile_names_stay_text(reader: Reader, three: dict[str, Any]) -> None:
    def hostile(text: str) -> str:
        return re.sub(r"conv|greedy|net\.py", lambda found: f"{found[0]}{HOSTILE}", text)

    opened = reader.open(changed(three, hostile))
    assert opened.locator("img").count() == 0
    assert opened.locator("script").count() == 2
    assert HOSTILE in opened.title()
    assert table(opened, "points")[0][0] == f"runs/greedy{HOSTILE}"
    opened.locator("#layers .row").first.hover()
    assert HOSTILE in opened.locator("#tip").inner_text()
    opened.locator("#layer-choice").select_option(f"conv{HOSTILE}")
    opened.locator("#run-choice").select_option(index=1)
    assert opened.locator("img").count() == 0


def test_a_name_cannot_become_a_formula_in_a_spreadsheet(reader: Reader, one: dict[str, Any]) -> None:
    rows = saved(reader.open(changed(one, lambda text: re.sub("^conv$", '=1+"a",\n2', text))), "layer")
    assert [row["layer"] for row in rows] == ['\'=1+"a",\n2', "fc"]


@pytest.mark.parametrize("runs", ["three", "curved", "coloured"])
@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_scrolls_down_only(reader: Reader, request: pytest.FixtureRequest, runs: str, width: int) -> None:
    long = "a_long.name_of.a_layer_in.a_deep.network.conv"
    document = request.getfixturevalue(runs)
    opened = reader.open(changed(document, lambda text: text.replace("conv", long)), width=width)
    for folded in opened.locator("summary").all():
        folded.click()
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    inner = opened.locator(".scroll").evaluate_all("all => all.map((one) => one.scrollWidth > one.clientWidth)")
    assert any(inner)  # what is wide scrolls in its own box
    opened.set_viewport_size({"width": 900, "height": 900})  # pictures are drawn anew
    expect(opened.locator("#front svg.chart")).to_have_attribute(
        "width", str(opened.locator("#front [data-slot=picture]").evaluate("one => one.clientWidth"))
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("runs", ["one", "three", "curved", "coloured"])
def test_axe_finds_nothing(reader: Reader, request: pytest.FixtureRequest, runs: str, scheme: str) -> None:
    opened = reader.open(request.getfixturevalue(runs), scheme=scheme)
    for folded in opened.locator("summary").all():
        folded.click()
    found = Axe().run(opened).response
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == []
    assert len(found["passes"]) > 20


def test_the_theme_follows_the_reader_and_the_button(reader: Reader, one: dict[str, Any]) -> None:
    opened = reader.open(one, scheme="dark")
    dark = _background(opened)
    button = opened.locator("#theme")
    assert button.inner_text() == "Light theme"
    button.click()
    assert _background(opened) == "rgb(255, 255, 255)" != dark
    assert button.inner_text() == "Dark theme"
    button.click()
    assert _background(opened) == dark


def _background(opened: Page) -> str:
    found: str = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    return found


def test_paper_is_light_without_controls_and_drawn_to_its_width(reader: Reader, one: dict[str, Any]) -> None:
    opened = reader.open(one, scheme="dark")
    opened.emulate_media(media="print")
    assert _background(opened) == "rgb(255, 255, 255)"
    assert opened.locator("select:visible, summary:visible, #theme:visible, .quiet:visible").count() == 0
    assert opened.locator("#values .paper").is_visible()
    opened.emulate_media(media="screen")
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.locator("#front svg.chart").get_attribute("width") == "690"
    opened.evaluate("dispatchEvent(new Event('afterprint'))")
    assert float(opened.locator("#front svg.chart").get_attribute("width") or math.nan) > 900
    assert opened.pdf(prefer_css_page_size=True).startswith(b"%PDF")


# -- the tutorial -----------------------------------------------------------------------------------------------------


def test_the_python_of_the_tutorial_runs(
    greedy: pj.Result, one: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "docs/tutorials/report.md").read_text()
    (source,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    greedy.save("runs/lenet5")
    names: dict[str, Any] = {}
    exec(source, names)
    assert names["drawn"]["runs"][0]["points"] == one["runs"][0]["points"]
    assert names["html"] == page(names["drawn"])
