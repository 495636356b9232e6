"""Whatever ran before, a plan gives what it gives alone; and no step is taken that need not be."""

import random

import pytest
import torch
from tests.quantize.graphs import GRAPHS, images, network
from torch import Tensor

from picojoule.calibration import Calibration, Settings
from picojoule.execute import Runner, runner
from picojoule.formats import parse
from picojoule.network import NetworkModule
from picojoule.plan import Plan
from picojoule.quantize import quantize

TEXTS = ("float32", "fixed16", "fixed8", "fixed5", "fixed3", "fixed2", "binary", "lut16", "lut4:fp16")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks, the last of them smaller."""
    monkeypatch.setattr(runner, "MOST", 8)


def calibration(name: str, granularity: str = "layer", prepare: str = "none") -> Calibration:
    return Calibration.of(network(name), images(40), Settings(granularity=granularity, prepare=prepare))


def walk(name: str, steps: int) -> list[Plan]:
    """Plans as a search tries them: mostly one site is changed, sometimes that is kept, sometimes all are new."""
    graph, draw = network(name), random.Random(0)
    plan = Plan.uniform(graph, "fixed8")
    plans = [plan]
    for _ in range(steps):
        tried = plan.replace(draw.choice([*graph.sites]), parse(draw.choice(TEXTS)))
        plans.append(tried)
        if draw.random() < 0.3:
            plan = tried
        if draw.random() < 0.1:
            plan = Plan({site: parse(draw.choice(TEXTS)) for site in graph.sites})
    return plans


@pytest.mark.parametrize(
    ("granularity", "prepare"), [("network", "none"), ("layer", "none"), ("channel", "none"), ("layer", "bias")]
)
@pytest.mark.parametrize("name", GRAPHS)
def test_what_ran_before_does_not_matter(name: str, granularity: str, prepare: str) -> None:
    """Nor do the memory and the number of cores: bit for bit, NaN included."""
    measured, x = calibration(name, granularity, prepare), images(37, seed=1)
    runners = [
        Runner(network(name), measured.ranges, x, cache_gb=cache_gb, jobs=jobs)
        for cache_gb, jobs in ((1, 1), (1, 3), (2e-5, 2), (0, 2))
    ]
    for plan in walk(name, 10):
        alone = Runner(network(name), measured.ranges, x, cache_gb=0, jobs=1).outputs(plan)
        for each in runners:
            assert torch.equal(each.outputs(plan).view(torch.int32), alone.view(torch.int32))


@pytest.mark.parametrize("prepare", ["none", "bias"])
@pytest.mark.parametrize("name", ["Residual", "Branches", "PreActivation", "Dense"])
def test_it_is_the_quantised_network(name: str, prepare: str) -> None:
    measured, x = calibration(name, prepare=prepare), images(37, seed=1)
    together = Runner(network(name), measured.ranges, x)
    for text in TEXTS:
        plan = Plan.uniform(network(name), text)
        with torch.no_grad():
            expected = quantize(network(name), plan, measured.ranges(plan))(x)
        # A last bit that differs may make a value round to the next number of its grid.
        torch.testing.assert_close(together.outputs(plan), expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def made(runner: Runner, plan: Plan) -> int:
    """The multiply-accumulates per sample that a plan really takes."""
    before = runner.macs
    runner.outputs(plan)
    return (runner.macs - before) // 20


def test_only_what_changed_is_worked_out_anew() -> None:
    graph = network("Residual")
    macs = {layer.name: layer.macs for layer in graph.layers}
    runner = Runner(graph, calibration("Residual").ranges, images(20), jobs=1)
    base = Plan.uniform(graph, "fixed8")

    def after(*layers: str) -> int:
        return sum(macs[layer] for layer in layers)

    def changed(site: str, text: str) -> int:
        return made(runner, base.replace(site, parse(text)))

    assert made(runner, base) == graph.macs
    assert changed("fc.weights", "fixed4") == graph.macs  # asked for a second time, and so kept
    assert changed("fc.weights", "fixed3") == after("fc")
    assert changed("c.weights", "fixed4") == after("c", "fc")
    assert changed("c.inputs", "fixed4") == after("b", "c", "fc")  # the value before it was rounded is now kept too
    assert changed("c.inputs", "fixed3") == after("c", "fc")
    assert changed("a.weights", "fixed4") == after("a", "b", "c", "fc")
    assert changed("fc.inputs", "fixed4") == after("c", "fc")
    assert changed("stem.inputs", "fixed4") == graph.macs
    assert made(runner, base) == after("fc")
    without = Runner(graph, calibration("Residual").ranges, images(20), cache_gb=0)
    assert [made(without, base) for _ in range(3)] == 3 * [graph.macs]


def test_a_value_that_is_no_site_is_kept_where_the_plans_part() -> None:
    """The raw sum that the shortcut carries on."""
    graph = network("PreActivation")
    macs = {layer.name: layer.macs for layer in graph.layers}
    runner = Runner(graph, calibration("PreActivation").ranges, images(20))
    base = Plan.uniform(graph, "fixed8")
    plans = [base, *(base.replace("b.weights", parse(f"fixed{bits}")) for bits in (7, 6, 5))]
    assert [made(runner, plan) for plan in plans] == 2 * [graph.macs] + 2 * [macs["b"] + macs["fc"]]


def test_a_range_that_changes_elsewhere_is_not_overlooked() -> None:
    """With one exponent for all inputs, which the quantised sites decide, one site's format changes others' ranges."""
    graph, measured = network("Residual"), calibration("Residual", "network")
    plan = Plan.uniform(graph, "fixed8")
    runner = Runner(graph, measured.ranges, images(20))
    runner.outputs(plan)
    changing = 0
    for site in graph.sites:
        other = plan.replace(site, parse("float32"))
        first = {
            name for name in graph.sites if measured.ranges(other).sites[name] != measured.ranges(plan).sites[name]
        }
        changing += bool(first - {site})
        alone = Runner(graph, measured.ranges, images(20)).outputs(other)
        assert torch.equal(runner.outputs(other), alone)
    assert changing


def test_the_order_of_samples() -> None:
    measured, x = calibration("Branches"), images(37, seed=1)
    order = torch.randperm(37, generator=torch.Generator().manual_seed(0))
    plan = Plan.uniform(network("Branches"), "fixed6")
    mixed = Runner(network("Branches"), measured.ranges, x, order=order)
    assert torch.equal(torch.cat(mixed.chunks), order)
    plain = Runner(network("Branches"), measured.ranges, x).outputs(plan)
    torch.testing.assert_close(mixed.outputs(plan), plain[order], rtol=1e-5, atol=1e-5)


def test_who_has_seen_enough_stops() -> None:
    heard: list[int] = []
    runner = Runner(network("Dense"), calibration("Dense").ranges, images(100), ran=heard.append, jobs=1)
    outputs = runner.run(Plan.uniform(network("Dense"), "fixed8"))
    next(outputs)
    next(outputs)
    outputs.close()  # type: ignore[attr-defined]
    assert heard == [8]
    heard.clear()
    runner.outputs(Plan.uniform(network("Dense"), "fixed8"))
    assert heard == 12 * [8] + [4]


@torch.no_grad()
def counted(module: NetworkModule, x: Tensor) -> dict[str, float]:
    """The share of zeros at every site."""
    zeros: dict[str, float] = {}
    for site in module.network.sites:
        module.tap(site).register_forward_hook(
            lambda _module, _x, y, site=site: zeros.update({site: 1 - y.count_nonzero().item() / y.numel()})
        )
    module(x)
    return zeros


@pytest.mark.parametrize("name", GRAPHS)
def test_zeros_are_counted_as_plans_go_by(name: str) -> None:
    measured, x = calibration(name), images(37, seed=1)
    counting = Runner(network(name), measured.ranges, x, count_zeros=True)
    for index, plan in enumerate(walk(name, 8)):
        if index % 2:
            counting.outputs(plan)
        zeros = counted(quantize(network(name), plan, measured.ranges(plan)), x)
        assert counting.sparsity(plan).zeros == pytest.approx(zeros, abs=2e-3)  # sums differ in their last bits
        before = counting.macs
        assert counting.sparsity(plan) == counting.sparsity(plan)
        assert counting.macs == before
