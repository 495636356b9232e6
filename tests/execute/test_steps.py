"""The steps of a graph: what is taken together, what a value depends on, and what each costs."""

import pytest
import torch
from tests.quantize.graphs import GRAPHS, network
from torch import nn

from picojoule.execute.steps import steps_of
from picojoule.network import capture


@pytest.mark.parametrize("name", GRAPHS)
def test_every_node_is_a_step_a_size_stored_or_taken_in(name: str) -> None:
    graph = network(name)
    steps = steps_of(graph)
    own = [step.name for step in steps.steps]
    taken = [step.node.name for step in steps.steps if step.relu]
    rest = [*steps.stored, *(node.name for node in steps.sizes)]
    assert sorted(own + taken + rest) == sorted(node.name for node in graph.nodes)
    known = {*rest}
    for step in steps.steps:
        assert set(step.reads) <= known
        assert set(step.refs) <= known
        known.add(step.name)
    assert graph.output in own
    assert {step.site for step in steps.steps if step.site} | {site for site in steps.stored.values() if site} == {
        *graph.sites
    }


@pytest.mark.parametrize("name", GRAPHS)
def test_all_multiplications_are_counted(name: str) -> None:
    graph = network(name)
    assert sum(step.macs for step in steps_of(graph).steps) == graph.macs


def test_what_a_value_depends_on() -> None:
    steps = {step.name: step for step in steps_of(network("Residual")).steps}
    sites = network("Residual").sites
    upstream = {site.name: steps[site.tensor].upstream for site in sites.values() if site.kind == "inputs"}
    so_far = ["stem.inputs", "stem.weights", "a.inputs", "a.weights", "b.inputs", "b.weights", "c.inputs", "c.weights"]
    assert upstream == {
        "stem.inputs": (),
        "a.inputs": tuple(so_far[:2]),
        "b.inputs": tuple(so_far[:4]),
        "c.inputs": tuple(so_far[:6]),
        "fc.inputs": tuple(so_far),
    }


def test_a_rectifier_is_taken_in_where_it_alone_reads() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            a, b = self.a(x), self.b(x)
            sums: torch.Tensor = (a.relu() + b.relu()).relu() + a
            return sums

    steps = steps_of(capture(Both(), torch.zeros(1, 3))).steps
    found = sorted((step.short, step.relu) for step in steps)
    assert found == [
        ("add", False),
        ("add", True),
        ("input", False),
        ("linear", False),
        ("linear", True),
        ("relu", False),
    ]


@pytest.mark.parametrize(
    ("layer", "runs"),
    [
        (nn.Conv2d(2, 4, 3, stride=2, dilation=(1, 2), groups=2), True),
        (nn.Conv2d(2, 4, 3, padding="same"), False),
        (nn.Linear(8, 2), False),
    ],
)
def test_which_layers_may_run_on_bytes(layer: nn.Module, runs: bool) -> None:
    graph = capture(layer.eval(), torch.zeros(1, 2, 8, 8))
    (step,) = [step for step in steps_of(graph).steps if step.weights]
    assert (step.how is not None) == runs
    if isinstance(layer, nn.Conv2d) and runs and step.how:
        assert tuple(step.how.stride) == layer.stride
        assert tuple(step.how.dilation) == layer.dilation
        assert step.how.groups == layer.groups


def test_what_may_be_nan_has_no_bytes() -> None:
    steps = {step.weights: step for step in steps_of(network("Normed")).steps if step.weights}
    assert steps["conv.weight"].finite
    assert not steps["line.weight"].finite
