"""The page of plans of several families of formats: a hue, a shape, a dash and a curve each, told in words too."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.report.browser import Reader, saved, table

import picojoule as pj
from picojoule import units
from picojoule.plan import Plan
from picojoule.report import words
from picojoule.report.document import document

NAMES = {"fixed": "fixed point", "float": "floating point", "codebook": "codebooks"}
FRONT = "#front [data-slot=picture]"


def _looks(opened: Page, selector: str, what: str) -> list[str]:
    """A computed property of each element."""
    found: list[str] = opened.locator(selector).evaluate_all(
        "(all, what) => all.map((one) => getComputedStyle(one)[what])", what
    )
    return found


def test_each_family_has_its_curve_its_hue_and_its_dash(reader: Reader, coloured: dict[str, Any]) -> None:
    opened = reader.open(coloured)
    path = coloured["runs"][0]["path"]
    shown = opened.locator(f"{FRONT} .stop")
    assert opened.locator(f"{FRONT} .curve").count() == 3
    for what in ("stroke", "strokeDasharray"):
        assert len(set(_looks(opened, f"{FRONT} .curve", what))) == 3
    shapes = shown.locator(".shape").evaluate_all("all => all.map((one) => one.getAttribute('d'))")
    assert len(set(shapes)) == 3
    legend = opened.locator("#front .legend").inner_text()
    assert all(name in legend for name in NAMES.values())
    assert "plans of one format everywhere" in legend
    told = set()
    for index in range(shown.count()):
        shown.nth(index).dispatch_event("pointerenter")
        told.add(tuple(opened.locator("#tip div").all_inner_texts()))
    assert len(told) == shown.count()
    for title, price, accuracy, family in told:
        (plan,) = (each for each in path if each["numbers"] == title)
        assert family == f"{NAMES[plan['family']]}: {title}"
        assert units.energy(plan["energy_pj"]) in price
        assert units.percent(plan["report"]["value"]) in accuracy


def test_the_front_is_of_all_plans(reader: Reader, coloured: dict[str, Any]) -> None:
    told = copy.deepcopy(coloured)
    run = told["runs"][0]
    run["path"] = [each for each in run["path"] if each["report"]["kept"] >= 0.95]  # all of them in view
    opened = reader.open(told)
    expect(opened.locator("#front .legend")).to_contain_text("what no other beats in both")
    known = {(each["energy_pj"], each["report"]["value"]) for each in (*run["path"], *run["points"])}
    best = {(e, v) for e, v in known if not any(x <= e and y >= v and (x, y) != (e, v) for x, y in known)}
    assert len(best) > 1
    assert (opened.locator(f"{FRONT} .joint").get_attribute("d") or "").count("V") == len(best) - 1
    assert opened.locator(f"{FRONT} .stairs").count() == 0


def test_the_least_energy_of_each_family_is_a_table(reader: Reader, coloured: dict[str, Any]) -> None:
    opened = reader.open(coloured)
    run = coloured["runs"][0]
    assert opened.locator("#family thead tr").first.locator("th").all_inner_texts() == list(NAMES.values())
    for row, floor in zip(table(opened, "family"), run["least"], strict=True):
        expected = [floor]
        for family in NAMES:
            least = run["least"][floor].get(family)
            energy = units.energy(least["energy_pj"]) if least else ""
            expected += [least["numbers"].removesuffix(" everywhere") if least else "none holds it", energy]
        assert row == expected
    best = [min(each["energy_pj"] for each in families.values()) for families in run["least"].values()]
    assert opened.locator("#family strong").all_inner_texts() == [units.energy(pj_) for pj_ in best]
    none = copy.deepcopy(coloured)
    del none["runs"][0]["least"]["0.97"]["codebook"]
    again = reader.open(none)
    assert table(again, "family")[0][-2:] == ["none holds it", ""]
    assert saved(again, "family")[0]["codebook_pj"] == ""


def test_the_plans_of_one_format_are_a_table(reader: Reader, coloured: dict[str, Any]) -> None:
    opened = reader.open(coloured)
    path = coloured["runs"][0]["path"]
    opened.get_by_text(f"The {len(path)} plans of one format everywhere as a table").click()
    for row, plan in zip(table(opened, "path"), path, strict=True):
        assert row[1:4] == [
            NAMES[plan["family"]],
            plan["numbers"].removesuffix(" everywhere"),
            units.energy(plan["energy_pj"]),
        ]
        assert row[9] == ("yes" if plan["front"] else "")


@pytest.fixture
def through_mixed(families: pj.Result) -> pj.Result:
    """A descent through mixed plans, and a point of such a plan."""
    sites = list(families.captured.sites)
    plans = [
        Plan({site: pj.format(text) for site, text in zip(sites, texts, strict=True)})
        for texts in (["fixed8"] * 4, ["nf4", "fixed6", "fixed5", "e4m3"], ["fixed4", "fixed4", "nf4", "fixed4"])
    ]
    path = tuple(replace(old, plan=plan) for old, plan in zip(families.path[8:], plans, strict=False))
    return replace(families, points=(replace(families.point, plan=plans[1]), *families.points[1:]), path=path)


def test_a_curve_of_mixed_plans_stays_one_and_says_what_is_mixed(reader: Reader, through_mixed: pj.Result) -> None:
    told = document({"here": through_mixed})
    opened = reader.open(told)
    assert opened.locator(f"{FRONT} .curve").count() == 1
    expect(opened.locator("#front .legend")).to_contain_text("several families mixed")
    expect(opened.locator("#front .legend")).to_contain_text("plans between the floors")
    numbers = words.numbers(through_mixed.captured, through_mixed.plan)
    assert "nf4" in numbers
    assert "e4m3" in numbers
    point = opened.locator(f"{FRONT} .point[data-key='front-0-0.97']")
    point.dispatch_event("pointerenter")
    assert f"several families mixed: {numbers}" in opened.locator("#tip").inner_text()
    assert numbers in (point.get_attribute("aria-label") or "")


def test_of_several_runs_a_shape_is_the_runs_and_a_hue_the_familys(
    reader: Reader, families: pj.Result, descent: pj.Result
) -> None:
    opened = reader.open(document({"a": families, "b": descent}))
    assert opened.locator(f"{FRONT} .curve").count() == 4
    for run in (0, 1):
        own = opened.locator(f"{FRONT} .point[data-key^='front-{run}-'] .shape")
        shapes = own.evaluate_all("all => all.map((one) => one.getAttribute('d'))")
        assert len(set(shapes)) == 1
    fixed8 = [f"{FRONT} .point[data-key='front-{run}-fixed8'] .shape" for run in (0, 1)]
    assert _looks(opened, fixed8[0], "stroke") == _looks(opened, fixed8[1], "stroke")
    expect(opened.locator("#front .legend")).to_contain_text("plans of one format everywhere, plans between the floors")


def test_a_family_that_the_page_does_not_know_is_drawn_by_its_name(reader: Reader, coloured: dict[str, Any]) -> None:
    new = copy.deepcopy(coloured)
    for plan in new["runs"][0]["path"]:
        plan["family"] = "logarithmic" if plan["family"] == "float" else plan["family"]
    opened = reader.open(new)
    assert opened.locator(f"{FRONT} .curve").count() == 3
    assert len(set(_looks(opened, f"{FRONT} .curve", "stroke"))) == 3
    expect(opened.locator("#front .legend")).to_contain_text("logarithmic")


def test_ranges_and_left_out_families_are_told_as_in_the_terminal(reader: Reader, families: pj.Result) -> None:
    e4m3 = Plan(dict.fromkeys(families.captured.sites, pj.format("e4m3")))
    few = {**families.settings, "bits": [5, 8]}
    result = replace(families, points=(replace(families.point, plan=e4m3),), settings=few)
    opened = reader.open(document({"here": result}))
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    for row, layer in zip(table(opened, "layer"), families.captured.layers, strict=True):
        text = words.span(families.ranges.sites[layer.inputs], pj.format("e4m3"))
        product, exponent = text.split("^")
        assert product == "±448·2"
        assert row[3] == product + exponent.translate(raised)
        opened.locator("#layer-choice").select_option(layer.name)
        assert f"inputs: e4m3, {row[3]}" in opened.locator("#values").inner_text()
    assert words.left_out(result)[0] in opened.locator("#headline .remarks").inner_text()


def test_a_decision_among_families_names_formats(reader: Reader, coloured: dict[str, Any]) -> None:
    opened = reader.open(coloured)
    log = coloured["runs"][0]["points"][0]["log"]
    card = opened.locator("#decisions .card").first
    assert card.locator("h3 span").inner_text() == log[0]["format"]
    kinds = {coloured["formats"][trial["format"]]["family"] for trial in log[0]["trials"]}
    assert card.locator("svg .path").count() == len(kinds)
