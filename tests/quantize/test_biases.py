"""Biases become whole numbers of steps, each layer its own, with the shifts of ranges in them."""

import pytest
import torch
from torch import Tensor, nn

from picojoule.calibration import Range, Ranges
from picojoule.network import Network, capture
from picojoule.plan import Plan
from picojoule.quantize import choices, quantize, settled
from picojoule.quantize.biases import layers_by_node, sum_steps


class Twice(nn.Module):
    """One layer called twice, and a last one."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.a(torch.relu(self.a(x))))
        out: Tensor = self.b(x)
        return out


def network(**biases: list[float]) -> Network:
    found = capture(Twice().eval(), torch.zeros(1, 3))
    tensors = {name: torch.full_like(each, 0.5) for name, each in found.tensors.items()}
    return Network(found.nodes, tensors | {f"{name}.bias": torch.tensor(each) for name, each in biases.items()},
                   found.output)  # fmt: skip


def ranges(of: Network, **exponents: int) -> Ranges:
    """Every range [-1, 1), but for what is given: `b_weights=-1`."""
    sites = {site: Range((exponents.get(site.replace(".", "_"), 0),), signed=True) for site in of.sites}
    return Ranges(sites, of.input_shape)


def test_they_are_rounded_half_to_even() -> None:
    """At 3 bits weights and inputs are multiples of 1/4, sums of 1/16."""
    of = network(b=[1.5 / 16, 2.5 / 16])
    whole = settled(of, Plan.parse({"*": "fixed3"}), ranges(of))
    assert (whole.network.tensors["b.bias"] * 16).tolist() == [2, 2]


def test_a_step_for_each_channel() -> None:
    of = network(b=[0.3, 0.3])
    given = ranges(of)
    sites = {**given.sites, "b.weights": Range((-2, 1), signed=True)}
    whole = settled(of, Plan.parse({"*": "fixed3"}), Ranges(sites, given.input_shape))
    assert (whole.network.tensors["b.bias"] * 16).tolist() == [4.75, 4]


def test_where_only_signs_see_them_they_are_rounded_down() -> None:
    class Signs(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(3, 4), nn.Hardtanh(), nn.Linear(4, 1))

    found = capture(Signs().eval(), torch.zeros(1, 3))
    tensors = {**found.tensors, "0.bias": torch.tensor([-0.1, 0.9, 3.0, -2.5])}
    of = Network(found.nodes, tensors, found.output)
    whole = settled(of, Plan.parse({"*": "binary"}), ranges(of))
    assert whole.network.tensors["0.bias"].tolist() == [-1, 0, 3, -3]


def test_a_bias_beyond_float32s_whole_steps_stays() -> None:
    """Of 2^-30 each: the bias is a whole number of them already."""
    of = network(b=[1.25, -0.3])
    whole = settled(of, Plan.parse({"*": "fixed16"}), ranges(of, b_weights=-40))
    assert torch.equal(whole.network.tensors["b.bias"], of.tensors["b.bias"])


def test_shifts_go_into_them() -> None:
    of = network(b=[0.0, 0.0])
    given = ranges(of)
    sites = {**given.sites, "b.weights": Range((0,), True, shift=(0.26, -0.26))}
    whole = settled(of, Plan.parse({"*": "fixed3"}), Ranges(sites, given.input_shape))
    assert whole.network.tensors["b.bias"].tolist() == [0.25, -0.25]
    assert not any(each.shift for each in whole.ranges.sites.values())
    assert quantize(whole.network, Plan.parse({"*": "fixed3"}), whole.ranges)(torch.zeros(1, 3)).shape == (1, 2)


def test_what_two_layers_share_each_has_for_itself() -> None:
    of = network(a=[0.3, 0.3, 0.3])
    sites = [site for site, each in of.sites.items() if each.kind == "inputs"]
    whole = settled(of, Plan.parse({"*": "fixed3"}), ranges(of, **{sites[1].replace(".", "_"): 2}))
    layers = layers_by_node(whole.network)
    biases = [whole.network.tensors[[*whole.network.by_name[node].refs()][2]] for node in layers]
    assert [each[0].item() for each in biases[:2]] == [5 / 16, 1 / 4]
    assert set(of.tensors) < set(whole.network.tensors)
    assert [*whole.network.sites] == [*of.sites]


def test_layers_in_floating_point_are_left_alone() -> None:
    of = network(b=[0.3, 0.31])
    plan = Plan.parse({"*": "fixed3", "b.weights": "float32"}).expand(of)
    whole = settled(of, plan, ranges(of))
    assert torch.equal(whole.network.tensors["b.bias"], of.tensors["b.bias"])
    chosen = choices(of, plan, ranges(of))
    assert sum_steps(chosen["b.weights"], chosen[of.layer("b").inputs], of.tensors["b.weight"]) is None


@pytest.mark.parametrize("signed", [True, False])
def test_steps_follow_the_signs_of_ranges(signed: bool) -> None:
    of = network()
    sites = {site: Range((0,), signed) for site in of.sites}
    plan = Plan.parse({"*": "fixed3"}).expand(of)
    chosen = choices(of, plan, Ranges(sites, of.input_shape))
    for layer in of.layers:
        tensor = of.tensors[of.sites[layer.weights].tensor]
        found = sum_steps(chosen[layer.weights], chosen[layer.inputs], tensor)
        assert found is not None
        assert found.tolist() == [2.0**-4 if signed else 2.0**-6]
