"""Evaluators: a plan always has the same accuracy, and a judgement is the decision on all samples."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from picojoule.calibration import Calibration
from picojoule.data import Samples
from picojoule.errors import InputError
from picojoule.evaluate import (
    Accuracy,
    Evaluator,
    Floor,
    IncrementalEvaluator,
    PlainEvaluator,
    Tally,
    Verdict,
    scores,
    top1,
)
from picojoule.formats import Float32, parse
from picojoule.network import Network, capture
from picojoule.plan import Plan
from picojoule.quantize import quantize


@pytest.fixture(scope="module")
def network() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5))
    return capture(model, torch.zeros(1, 1, 6, 6))


@pytest.fixture(scope="module")
def samples() -> Samples:
    random = torch.Generator().manual_seed(1)
    return Samples(torch.randn(700, 1, 6, 6, generator=random), torch.randint(5, (700,), generator=random))


@pytest.fixture(scope="module")
def calibration(network: Network, samples: Samples) -> Calibration:
    return Calibration.of(network, samples.x[:100])


def plan(network: Network, weights: str, inputs: str) -> Plan:
    return Plan.parse({"*.weights": weights, "*.inputs": inputs}).expand(network)


PLANS = [("float32", "float32"), ("fixed8", "fixed8"), ("fixed3", "fixed2"), ("binary", "fixed1")]


@pytest.mark.parametrize(("weights", "inputs"), PLANS)
def test_it_counts_what_the_quantised_network_gets_right(
    network: Network, samples: Samples, calibration: Calibration, weights: str, inputs: str
) -> None:
    chosen = plan(network, weights, inputs)
    module = quantize(network, chosen, calibration.ranges(chosen))
    right = 0
    with torch.no_grad():
        for x, y in zip(samples.x.split(250), samples.y.split(250), strict=True):
            right += sum(int(row.argmax()) == label for row, label in zip(module(x), y.tolist(), strict=True))
    assert PlainEvaluator(calibration, samples).accuracy(chosen) == Accuracy(right, 700)


def test_it_is_deterministic(network: Network, samples: Samples, calibration: Calibration) -> None:
    first = PlainEvaluator(calibration, samples)
    forwards = [first.accuracy(plan(network, *texts)) for texts in PLANS]
    fresh = PlainEvaluator(Calibration.of(network, samples.x[:100]), samples)
    backwards = [fresh.accuracy(plan(network, *texts)) for texts in reversed(PLANS)]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) > 1


@pytest.mark.parametrize(("weights", "inputs"), PLANS)
def test_the_batch_size_does_not_matter(
    network: Network, samples: Samples, calibration: Calibration, weights: str, inputs: str
) -> None:
    chosen = plan(network, weights, inputs)
    module = quantize(network, chosen, calibration.ranges(chosen))
    samples = samples.first(120)
    expected = scores(module, samples)
    assert expected.shape == (120,)
    for batch in (1, 7, 1000):
        assert torch.equal(scores(module, samples, batch=batch), expected), batch


def test_it_tells_of_every_sample_as_it_runs(network: Network, samples: Samples, calibration: Calibration) -> None:
    ran: list[int] = []
    evaluator = PlainEvaluator(calibration, samples.first(250), ran=ran.append)
    for texts in PLANS[1:3]:
        evaluator.accuracy(plan(network, *texts))
    assert ran == [100, 100, 50] * 3  # the float network's once


def test_the_float_plan_is_the_float_network(network: Network, samples: Samples, calibration: Calibration) -> None:
    everywhere_float = Plan.uniform(network, Float32())
    module = quantize(network, everywhere_float, calibration.ranges(everywhere_float))
    right = int(scores(module, samples).sum())
    assert PlainEvaluator(calibration, samples).accuracy(everywhere_float) == Accuracy(right, 700)


def test_no_gradients_are_kept(network: Network, samples: Samples, calibration: Calibration) -> None:
    chosen = Plan.uniform(network, parse("fixed4"))
    seen: list[bool] = []

    def metric(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.append(outputs.requires_grad)
        return torch.ones(len(targets))

    assert PlainEvaluator(calibration, samples, metric).accuracy(chosen) == Accuracy(700, 700)
    assert seen
    assert not any(seen)


def incremental(calibration: Calibration, samples: Samples, **how: Any) -> IncrementalEvaluator:
    return IncrementalEvaluator(calibration, samples, **how)


def all_plans(network: Network) -> list[Plan]:
    """The plans above, and each with one site changed."""
    plans = [plan(network, *texts) for texts in PLANS]
    return plans + [each.replace(site, parse("fixed2")) for each in plans for site in network.sites]


@pytest.mark.parametrize("hardest_first", [False, True])
@pytest.mark.parametrize("jobs", [1, 3])
def test_the_incremental_one_counts_as_the_plain_one(
    network: Network, samples: Samples, calibration: Calibration, hardest_first: bool, jobs: int
) -> None:
    found = incremental(calibration, samples, hardest_first=hardest_first, jobs=jobs)
    plain = PlainEvaluator(calibration, samples)
    for chosen in all_plans(network):
        assert found.accuracy(chosen) == plain.accuracy(chosen)


@pytest.mark.parametrize("metric", ["top1", "in parts"])
@pytest.mark.parametrize("confidence", [None, 0.5, 0.95])
@pytest.mark.parametrize("hardest_first", [False, True])
def test_a_judgement_is_the_decision_on_all_samples(
    network: Network,
    samples: Samples,
    calibration: Calibration,
    metric: str,
    confidence: float | None,
    hardest_first: bool,
) -> None:
    def closeness(outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.softmax(1).gather(1, targets[:, None])[:, 0]

    score = top1 if metric == "top1" else closeness
    judging = incremental(calibration, samples, metric=score, hardest_first=hardest_first)
    counting = incremental(calibration, samples, metric=score)
    everywhere_float = Plan.uniform(network, Float32())
    reference, early, held = counting.accuracy(everywhere_float), 0, set()
    ours = scores(quantize(network, everywhere_float, calibration.ranges(everywhere_float)), samples, score)
    for chosen in all_plans(network):
        theirs = scores(quantize(network, chosen, calibration.ranges(chosen)), samples, score)
        complete = Tally(700, 0, 0, 0, 0).and_also(ours, theirs)
        for keep in (0.5, 0.9, 0.99, 1.0):
            floor = Floor(keep, reference, confidence)
            verdict = judging.judge(chosen, floor)
            assert verdict.holds == floor.holds(complete)
            tally = verdict.tally
            assert tally.low - 1e-4 <= counting.accuracy(chosen).correct <= tally.high + 1e-4
            assert floor.decide(tally) == verdict.holds
            early += tally.seen < 700
            held.add(verdict.holds)
    assert held == {False, True}
    assert early > 10


def test_the_hardest_samples_come_first(network: Network, samples: Samples, calibration: Calibration) -> None:
    """A plan that is wrong on everything is refused on the samples that the float network gets wrong, and few more."""
    everywhere_float = Plan.uniform(network, Float32())
    judging = incremental(calibration, samples, hardest_first=True)
    reference = judging.accuracy(everywhere_float)
    wrong = 700 - int(reference.correct)
    first = judging.judge(everywhere_float, Floor(1.0, reference))
    assert first.holds
    tally = judging.judge(everywhere_float, Floor(1e-9, reference)).tally
    assert tally.seen >= wrong
    assert tally.correct == tally.seen - wrong


def test_judgements_do_not_depend_on_the_cores(network: Network, samples: Samples, calibration: Calibration) -> None:
    judging = [incremental(calibration, samples, hardest_first=True, jobs=jobs) for jobs in (1, 2, 4)]
    floor = Floor(0.9, judging[0].accuracy(Plan.uniform(network, Float32())))
    for chosen in all_plans(network):
        assert len({each.judge(chosen, floor) for each in judging}) == 1


def test_it_tells_of_every_sample_it_runs(network: Network, samples: Samples, calibration: Calibration) -> None:
    heard: list[int] = []
    found = incremental(calibration, samples, ran=heard.append)
    found.accuracy(plan(network, "fixed8", "fixed8"))
    assert sum(heard) == 1400  # the float network's too
    assert found.macs == 1400 * network.macs
    found.accuracy(Plan.uniform(network, Float32()))
    assert sum(heard) == 1400


def test_a_metric_may_do_as_it_likes_with_targets(network: Network, samples: Samples, calibration: Calibration) -> None:
    before = samples.y.clone()
    found = incremental(calibration, samples, metric=lambda _, targets: targets.mul_(0), hardest_first=True)
    assert found.accuracy(plan(network, "fixed8", "fixed8")).correct == 0
    assert torch.equal(samples.y, before)


def test_a_metric_that_gives_something_else(network: Network, samples: Samples, calibration: Calibration) -> None:
    found = incremental(calibration, samples, metric=lambda outputs, _: outputs)
    with pytest.raises(InputError, match=r"the metric gave \[.*, 5\] for"):
        found.accuracy(plan(network, "fixed8", "fixed8"))


def test_ctrl_c_ends_it_and_it_can_be_asked_again(network: Network, samples: Samples, calibration: Calibration) -> None:
    pressed = [KeyboardInterrupt()]

    def ran(_: int) -> None:
        if pressed:
            raise pressed.pop()

    found, chosen = incremental(calibration, samples, ran=ran, jobs=2), plan(network, "fixed8", "fixed8")
    with pytest.raises(KeyboardInterrupt):
        found.accuracy(chosen)
    assert found.accuracy(chosen) == PlainEvaluator(calibration, samples).accuracy(chosen)


@pytest.mark.parametrize("metric", ["top1", "in parts"])
def test_tallies_are_those_of_the_scores(
    network: Network, samples: Samples, calibration: Calibration, metric: str
) -> None:
    """Sample by sample beside the float network's; of the float network itself nothing is lost or gained."""

    def closeness(outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.softmax(1).gather(1, targets[:, None])[:, 0]

    score = top1 if metric == "top1" else closeness
    evaluators: list[Evaluator] = [
        PlainEvaluator(calibration, samples, score),
        incremental(calibration, samples, metric=score, hardest_first=True),
    ]
    found = {}
    for chosen in (Plan.uniform(network, Float32()), plan(network, "fixed3", "fixed2")):
        found[chosen] = scores(quantize(network, chosen, calibration.ranges(chosen)), samples, score)
    ours, theirs = found.values()
    expected = {
        "correct": float(theirs.sum()),
        "lost": float((ours - theirs).clamp(min=0).sum()),
        "gained": float((theirs - ours).clamp(min=0).sum()),
    }
    assert min(expected.values()) > 0
    for evaluator in evaluators:
        alike, tally = map(evaluator.tally, found)
        assert (alike.lost, alike.gained) == (0, 0)
        assert alike.correct == pytest.approx(float(ours.sum()), rel=1e-6)
        assert (tally.total, tally.seen) == (700, 700)
        assert {name: getattr(tally, name) for name in expected} == pytest.approx(expected, rel=1e-6)
        assert evaluator.accuracy(chosen) == tally.accuracy


def test_an_evaluator_that_only_counts_judges_by_that(network: Network) -> None:
    class Made(Evaluator):
        def tally(self, plan: Plan) -> Tally:
            return Tally(100, 100, 90, 10, 0)

    verdict = Made().judge(Plan({}), Floor(0.9, Accuracy(100, 100)))
    assert verdict == Verdict(True, Tally(100, 100, 90, 10, 0))
    assert not Made().judge(Plan({}), Floor(0.9, Accuracy(100, 100), 0.95)).holds
    assert Made().accuracy(Plan({})) == Accuracy(90, 100)
