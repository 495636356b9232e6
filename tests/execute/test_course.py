"""Which values of a plan are worth keeping, on a chain and on a graph whose branches meet."""

from collections.abc import Iterable

from tests.quantize.graphs import network

from picojoule.calibration import Range
from picojoule.execute.course import Courses
from picojoule.execute.steps import steps_of
from picojoule.formats import parse
from picojoule.quantize import Choice


def taken(name: str, walk: Iterable[dict[str, str]]) -> list[tuple[set[str], set[str]]]:
    """For each plan of a walk the values to keep as they are read, and those to keep before they are quantised."""
    graph = network(name)
    courses, kept = Courses(steps_of(graph)), []
    for changed in walk:
        formats = dict.fromkeys(graph.sites, "fixed8") | changed
        stops = courses.take({site: Choice(parse(text), Range((0,), True)) for site, text in formats.items()})
        site = {site.tensor: site.name for site in graph.sites.values()}
        kept.append(
            (
                {site.get(stop.step.name, stop.step.short) for stop in stops if stop.keep},
                {site.get(stop.step.name, stop.step.short) for stop in stops if stop.keep_raw},
            )
        )
    return kept


def test_what_is_asked_for_once_is_not_kept() -> None:
    assert taken("Residual", [{}, {"stem.inputs": "fixed4"}]) == [(set(), set()), (set(), set())]


def test_what_is_asked_for_again_is_kept_up_to_where_the_plans_part() -> None:
    _, weights, inputs, same = taken("Residual", [{}, {"c.weights": "fixed4"}, {"c.inputs": "fixed4"}, {}])
    assert weights == ({"a.inputs", "b.inputs", "c.inputs", "pad"}, set())  # the sum reads what is padded, and is new
    assert inputs == ({"a.inputs", "b.inputs", "pad"}, {"c.inputs"})
    assert same == ({"a.inputs", "b.inputs", "c.inputs", "fc.inputs"}, set())


def test_a_value_without_a_site_is_kept_where_only_its_reader_is_new() -> None:
    """The raw sum, which the shortcut carries past the layer that changed."""
    _, changed, same = taken("PreActivation", [{}, {"b.weights": "fixed4"}, {}])
    assert changed == ({"a.inputs", "b.inputs", "add"}, set())
    assert same == ({"a.inputs", "b.inputs", "fc.inputs"}, set())


def test_equal_choices_have_equal_numbers() -> None:
    courses = Courses(steps_of(network("Dense")))
    one, other = (Choice(parse("fixed4"), Range((0,), signed)) for signed in (False, True))
    assert courses.number("a.inputs", one) == courses.number("a.inputs", Choice(parse("fixed4"), Range((0,), False)))
    assert len({courses.number(site, each) for site in ("a.inputs", "b.inputs") for each in (one, other)}) == 4
