"""Studies out of thin air: points, costs and trials, few enough of each kind that ties are common."""

from hypothesis import settings
from hypothesis import strategies as st

from picojoule.evaluate import Accuracy
from picojoule.explore import Cost, Exploration, Point, Trial
from picojoule.explore.trial import STATES

PLATFORMS = ("abacus", "envision", "moons2017")
NETWORKS = ("a", "b-x0.5", "mine.py:net", "qnn-1x8-1x8-1x8")

quietly = settings(max_examples=100)

finite = st.floats(0, 1e6).filter(lambda x: x == 0 or x > 1e-100)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)
points = st.builds(Point, st.sampled_from(NETWORKS), st.sampled_from((1, 4, 8, 32)), st.integers(0, 2))
energies = st.none() | st.sampled_from((1.0, 2.0, 3.0, 3.5)) | st.floats(1e-3, 1e12)
costs = st.builds(
    Cost, *[st.integers(0, 2**40)] * 3, st.dictionaries(st.sampled_from(PLATFORMS), energies, min_size=3)
)  # fmt: skip
accuracies = st.builds(Accuracy, st.integers(0, 20).map(float), st.just(20))


@st.composite
def trials(draw: st.DrawFn, number: int = 0) -> Trial:
    """Any trial; a complete one has accuracies, and others may."""
    state = draw(st.sampled_from(("complete", "complete", *STATES)))
    scored = accuracies if state == "complete" else st.none() | accuracies
    curve = draw(st.lists(st.tuples(finite, st.floats(0, 1).filter(lambda x: x == 0 or x > 1e-100)), max_size=3))
    return Trial(
        number, draw(points), state, tuple(curve), draw(scored), draw(scored), draw(finite), draw(texts), draw(texts)
    )


@st.composite
def explorations(draw: st.DrawFn) -> Exploration:
    """Any study: its trials in the order of their numbers, a cost for each and some for none."""
    found = [draw(trials(number)) for number in range(draw(st.integers(0, 4)))]
    keys = {(each.point.network, each.point.bits) for each in found} | {("left out", 8)}
    settings = draw(st.dictionaries(texts, st.none() | texts | st.lists(st.integers(0, 9), max_size=2), max_size=2))
    return Exploration(settings, {key: draw(costs) for key in sorted(keys)}, tuple(found))


_RIGHTS = st.lists(
    st.tuples(points, st.sampled_from(("complete", "complete", "complete", "pruned")), st.integers(0, 12)),
    min_size=1, max_size=14,
)  # fmt: skip
_PJ = st.lists(st.sampled_from((None, 1.0, 1.0, 2.0, 2.5, 3.0, 1e6)), min_size=16, max_size=16)


@st.composite
def results(draw: st.DrawFn) -> Exploration:
    """A study of little but energies and accuracies; a point may even have two complete trials."""
    found = [
        Trial(number, point, state, (), Accuracy(correct, 12), Accuracy(12 - correct, 12))
        for number, (point, state, correct) in enumerate(draw(_RIGHTS))
    ]
    pj = iter(draw(_PJ))
    keys = dict.fromkeys((each.point.network, each.point.bits) for each in found)
    return Exploration({}, {key: Cost(1, 1, 1, {"abacus": next(pj)}) for key in keys}, tuple(found))
