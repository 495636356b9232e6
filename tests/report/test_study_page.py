"""The page of a sweep in a real Chromium: the study's own figures, whatever is picked and whoever wrote it."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from tests.report import sweep as by_hand
from tests.report.browser import Reader, changed, saved, table, tile

from picojoule import units
from picojoule.explore import Exploration
from picojoule.report.page import GENERATOR, page
from picojoule.report.study import document

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\"><!--"


def _headings(opened: Page) -> list[str]:
    return opened.locator("h2:visible").all_inner_texts()


# -- what it shows ----------------------------------------------------------------------------------------------------


def test_it_is_one_text_that_names_its_maker(drawn: dict[str, Any]) -> None:
    text = page(drawn)
    assert f"{GENERATOR} " in text[:4096]
    assert "<title>small, middle, large on digits - picojoule</title>" in text
    assert json.loads(re.search(r'id="document">(.*?)</script>', text, re.DOTALL)[1]) == drawn  # type: ignore[index]


def test_every_section_is_drawn(reader: Reader, drawn: dict[str, Any]) -> None:
    opened = reader.open(drawn)
    assert _headings(opened) == [
        "On moons2017", "Energy against accuracy", "Energy at equal accuracy", "On every platform", "How they learned",
        "Trials that came to nothing", "All trials", "Run it again", "The data",
    ]  # fmt: skip
    assert opened.locator("#lede").inner_text() == "3 networks at 1, 4, 8 and 32 bits · 13 of 19 trials complete"
    assert opened.locator("#front .point").count() == len(drawn["candidates"]) == 12
    assert opened.locator("#front .stairs").count() == 4
    assert opened.locator("#front [data-slot=picture] .joint").count() == 1
    assert opened.locator("#headline .remarks li").all_inner_texts() == drawn["remarks"]
    assert opened.locator("#headline dl").inner_text().split("\n") == [text for fact in drawn["facts"] for text in fact]
    opened.get_by_text("The recipe, short").click()
    assert opened.locator("#headline code").inner_text() == drawn["recipe"]["toml"]
    assert opened.locator("#rerun code").text_content() == drawn["rerun"]["shell"]


def test_the_headline_states_the_result(reader: Reader, drawn: dict[str, Any]) -> None:
    opened = reader.open(drawn)
    best = tile(opened, "least energy at the best accuracy")
    assert "3.00 µJ" in best
    assert "large, 32 bits" in best
    assert "96.50 % on the search split, 95.50 % on the report split" in best
    assert "12" in tile(opened, "networks compared")
    assert "1.33× more" in tile(opened, "4 bits against 8")  # 0.75, the median of 100/120 and 200/300
    assert "1.20× to 1.50× more, at 2 of 3 accuracies" in tile(opened, "4 bits against 8")
    assert opened.locator("[data-tile]").count() == 4  # of 1 bit there is nothing to tell


def test_equal_accuracy_and_what_it_saves(reader: Reader, drawn: dict[str, Any]) -> None:
    opened = reader.open(drawn)
    rows = table(opened, "level")
    levels = drawn["platforms"][0]["levels"]
    for row, level in zip(rows, levels, strict=True):
        assert row[0] == units.percent(level["accuracy"])
        for cell, bits in zip(row[1:], ("1", "4", "8", "32"), strict=True):
            told = level["by_bits"].get(bits)
            if told is None:
                assert cell == ""
                continue
            candidate = drawn["candidates"][told["candidate"]]
            saves = "" if bits == "8" else f"{told['saves']:.2f}×"
            assert cell == units.energy(candidate["energy_pj"]["moons2017"]) + saves + candidate["network"]
    assert opened.locator("#level tbody b").all_inner_texts() == ["100 nJ", "200 nJ", "500 nJ"]
    assert opened.locator("#level tfoot td").all_inner_texts() == [
        "", "0.75×\n0.67 to 0.83, 2 of 3", "", "0.17×\n0.17 to 0.17, 3 of 3",
    ]  # fmt: skip
    assert "An empty cell: none of these bits is so accurate." in opened.locator("#levels .says").inner_text()
    for row, level in zip(saved(opened, "level"), levels, strict=True):
        four = level["by_bits"].get("4")
        assert row["4_bits_saves"] == ("" if four is None else str(four["saves"]))
        assert float(row["8_bits_pj"]) > 0


def test_another_platform_changes_all_that_follows(reader: Reader, found: Exploration, drawn: dict[str, Any]) -> None:
    opened = reader.open(drawn)
    before = table(opened, "level")
    opened.locator("#platform-choice").select_option(label="eyeriss")
    assert _headings(opened)[0] == "On eyeriss"
    assert "#platform=eyeriss&" in opened.url
    assert table(opened, "level") != before
    assert [row[0] for row in table(opened, "platform")] == ["moons2017 (explored on)", "envision", "eyeriss"]
    assert opened.locator("#platform [aria-current=true] th").inner_text() == "eyeriss"
    front = [each.network for each in found.front("eyeriss")]
    assert [row[0] for row in table(opened, "best")] == front
    opened.go_back()
    expect(opened.locator("#headline-title")).to_have_text("On moons2017")
    opened.locator("[data-key='platform-pick-envision']").click()
    assert _headings(opened)[0] == "On envision"
    assert opened.locator("#front .point").count() == 9
    expect(opened.locator("#front .legend")).to_contain_text("3 without a figure on the platform, not drawn")
    assert "32 bits" not in opened.locator("#levels").inner_text()


def test_both_splits_and_any_bits_can_be_drawn(reader: Reader, drawn: dict[str, Any]) -> None:
    opened = reader.open(drawn)
    assert "accuracy, search split" in (opened.locator("#front svg.chart").text_content() or "")
    opened.get_by_label("report split, which decides nothing").check()
    assert "accuracy, report split" in (opened.locator("#front svg.chart").text_content() or "")
    opened.locator("[data-key='bits-1']").uncheck()
    assert opened.locator("#front .point").count() == 9
    for bits in (4, 8, 32):
        opened.locator(f"[data-key='bits-{bits}']").uncheck()
    assert "All bit counts are taken out" in opened.locator("#front [data-slot=picture]").inner_text()
    opened.locator("[data-key='bits-4']").check()
    assert opened.locator("#front .point").count() == 3
    seeds = opened.locator("#front .point[aria-label^='middle, 4 bits']")
    assert seeds.locator(".interval").count() == 1
    seeds.hover()
    assert "89.00 % on the search split (2 seeds: 88.00 % to 90.00 %)" in opened.locator("#tip").inner_text()


# -- trials -----------------------------------------------------------------------------------------------------------


def test_a_picked_trial_shows_its_curve_before_those_of_its_bits(reader: Reader, drawn: dict[str, Any]) -> None:
    opened = reader.open(drawn)
    trial = next(each for each in drawn["trials"] if each["name"] == "large-1bit-seed1")
    opened.locator(f"[data-key='trial-pick-{trial['number']}']").click()
    told = opened.locator("#curves [data-slot=told]").inner_text()
    assert told == (
        "large, 1 bit, seed 1: pruned, behind the median of cheaper networks at 1 bits after 2 epochs; 1 epoch; 150 nJ."
    )
    for kind in ("loss", "accuracy"):
        box = opened.locator(f"#curves [data-kind={kind}]")
        assert box.locator(".trace").count() == 6  # of three networks, and of three that came to nothing
        assert box.locator(".trace.chosen").count() == 1
    assert opened.url.endswith(f"trial={trial['number']}")
    opened.locator("#trial-choice").select_option(str(len(drawn["trials"]) - 1))
    assert opened.locator("#curves [data-slot=told]").inner_text().startswith("small, 32 bits, seed 0: complete")


def test_a_mark_of_the_front_picks_its_trial(reader: Reader, drawn: dict[str, Any]) -> None:
    opened = reader.open(drawn)
    opened.locator("#front .point[tabindex='0']").focus()
    opened.keyboard.press("Home")
    expect(opened.locator("#tip")).to_contain_text("small, 1 bit")
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("Enter")
    assert opened.locator("#front [aria-selected=true]").get_attribute("aria-label") == (
        "small, 4 bits, 60.0 nJ, 81.00 % on the search split (95 %: 78.5–83.3\u00a0%), "
        "80.00 % on the report split (95 %: 77.4–82.4\u00a0%)"
    )
    assert opened.locator("#training [aria-current=true] th").inner_text() == "small"
    assert "small, 4 bits, seed 0: complete" in opened.locator("#curves").inner_text()
    assert opened.evaluate("document.activeElement.dataset.key").startswith("front-")  # the focus stays


def test_a_link_leads_to_a_trial(reader: Reader, drawn: dict[str, Any]) -> None:
    opened = reader.open(drawn, "#platform=eyeriss&trial=14")
    assert _headings(opened)[0] == "On eyeriss"
    assert (
        "seed 2: failed, the loss is not finite; give a lower learning rate" in opened.locator("#curves").inner_text()
    )
    for other in ("#platform=no", "#trial=no", "#front", "#%"):
        opened.evaluate("(hash) => { location.hash = hash; }", other)
    assert "seed 2: failed" in opened.locator("#curves").inner_text()


def test_all_trials_and_those_that_came_to_nothing(reader: Reader, drawn: dict[str, Any]) -> None:
    opened = reader.open(drawn)
    rows = saved(opened, "training")
    assert [int(row["number"]) for row in rows] == [trial["number"] for trial in drawn["trials"]]
    for row, trial in zip(rows, drawn["trials"], strict=True):
        assert (row["state"], row["why"], row["worker"]) == (trial["state"], trial["why"], trial["worker"])
        assert row["search_accuracy"] == ("" if trial["searched"] is None else str(trial["searched"]))
    assert [row[1:3] for row in table(opened, "lost-trial")] == [list(odd) for odd in by_hand.ODD[:4]]
    opened.locator("[data-key='training-search_accuracy']").click()
    assert [row[5] for row in table(opened, "training")][:3] == ["96.50 %", "96.00 %", "94.00 %"]


def test_many_trials_are_folded(reader: Reader, found: Exploration) -> None:
    more = tuple(replace(found.trials[-1], number=number) for number in range(50, 80))
    opened = reader.open(document("many", replace(found, trials=found.trials + more)))
    assert opened.locator("#training").is_hidden()
    opened.get_by_text("The 49 trials as a table").click()
    opened.locator("[data-key='trial-pick-0']").click()
    assert opened.locator("#training").is_visible()


# -- odd sweeps -------------------------------------------------------------------------------------------------------


def test_no_trial_is_complete(reader: Reader, found: Exploration) -> None:
    waiting = tuple(replace(each, state="waiting", curve=()) for each in found.trials)
    opened = reader.open(document("waiting", replace(found, trials=waiting)))
    assert _headings(opened) == ["On moons2017", "Energy against accuracy", "All trials", "Run it again", "The data"]
    assert opened.locator("#front [data-slot=picture]").inner_text() == "No trial is complete yet."
    assert "waiting to be trained" in opened.locator("#headline").inner_text()
    assert len(table(opened, "training")) == 19


def test_nothing_at_all(reader: Reader) -> None:
    opened = reader.open(document("nothing", Exploration({}, {}, ())))
    assert _headings(opened)[0] == "Nothing to compare yet"
    assert "asked for in Python" in opened.locator("#rerun").inner_text()


def test_one_trial_and_no_8_bits(reader: Reader, found: Exploration) -> None:
    alone = replace(found, trials=found.trials[1:2])
    opened = reader.open(document("alone", alone))
    assert opened.locator("#front .point").count() == 1
    assert "No network of 8 bits is trained" in opened.locator("#levels").inner_text()
    assert opened.locator("#curves .trace").count() == 2
    assert opened.locator("#lede").inner_text() == "1 network at 4 bits · 1 of 1 trials complete"


def test_a_platform_without_a_figure_for_any_network(reader: Reader, found: Exploration) -> None:
    opened = reader.open(document("floats", by_hand.only(8, 32)), "#platform=envision")
    assert [row[0] for row in table(opened, "best")] == ["small", "middle", "large"]
    floats = document("floats", by_hand.only(32))
    opened = reader.open(floats, "#platform=envision")
    assert "The platform has no figure for any of the networks." in opened.locator("#front").inner_text()
    assert opened.locator("[data-tile]").count() == 0


# -- strangers, small screens, all eyes, paper ------------------------------------------------------------------------


def test_hostile_names_stay_text(reader: Reader, drawn: dict[str, Any]) -> None:
    def hostile(text: str) -> str:
        return re.sub(r"^(large|eyeriss|there:7|digits)|finite", lambda found: f"{found[0]}{HOSTILE}", text)

    opened = reader.open(changed({**drawn, "title": "digits"}, hostile))
    assert HOSTILE in opened.title()
    assert HOSTILE in tile(opened, "least energy at the best accuracy")
    opened.locator("#platform-choice").select_option(label=f"eyeriss{HOSTILE}")
    opened.locator("#front .point").last.hover()
    assert HOSTILE in opened.locator("#tip").inner_text()
    assert HOSTILE in opened.locator("#lost-trial").inner_text()
    assert opened.locator("img").count() == 0
    assert opened.locator("script").count() == 2


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_scrolls_down_only(reader: Reader, drawn: dict[str, Any], width: int) -> None:
    long = "qnn-a_long_name-4x512-4x512-4x512-x0.125"
    opened = reader.open(changed(drawn, lambda text: text.replace("large", long)), width=width)
    for folded in opened.locator("summary").all():
        folded.click()
    assert opened.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(reader: Reader, drawn: dict[str, Any], scheme: str) -> None:
    opened = reader.open(drawn, scheme=scheme)
    for folded in opened.locator("summary").all():
        folded.click()
    response = Axe().run(opened).response
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in response["violations"]] == []
    assert len(response["passes"]) > 20


def test_paper_has_no_controls(reader: Reader, drawn: dict[str, Any]) -> None:
    opened = reader.open(drawn)
    opened.emulate_media(media="print")
    assert opened.locator("select:visible, summary:visible, input:visible, .quiet:visible").count() == 0
    assert opened.locator("#curves .paper").is_visible()
    assert opened.pdf(prefer_css_page_size=True).startswith(b"%PDF")
