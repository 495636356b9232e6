"""How many bytes a plan takes: by hand, by an interval for each value, and what is refused."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan.networks import forked, twice
from torch import Tensor, nn

from picojoule.errors import InputError
from picojoule.network import Network, capture
from picojoule.plan import Limits, Plan, compression, ram_bytes, weight_bytes

TEXTS = ["binary", "fixed1", "fixed2", "fixed3", "fixed5", "fixed8", "fixed16"]


def plan(network: Network, **formats: str) -> Plan:
    """A plan of eight bits but for some sites, `left_inputs="fixed3"`."""
    return Plan.parse({"*": "fixed8", **{site.replace("_", "."): text for site, text in formats.items()}}).expand(
        network
    )


class Chain(nn.Module):
    """Three layers of 8, 4 and 2 inputs, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 4), nn.Linear(4, 2), nn.Linear(2, 9)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c(torch.relu(self.b(torch.relu(self.a(x)))))
        return out


class Blocks(nn.Module):
    """Two residual blocks of one layer each, all values of 6 elements, and a concatenation before the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(x + self.a(x))
        z = torch.relu(y + self.b(y))
        out: Tensor = self.c(torch.cat([x, z], dim=1))
        return out


@cache
def of(module: Callable[[], nn.Module], inputs: int) -> Network:
    with torch.random.fork_rng(devices=[]):
        return capture(module().eval(), torch.zeros(1, inputs))


NETWORKS: dict[str, Callable[[], Network]] = {
    "chain": lambda: of(Chain, 8),
    "blocks": lambda: of(Blocks, 6),
    "forked": lambda: forked()[1],
    "twice": twice,
}


class TestWeights:
    def test_each_layer_is_packed_and_rounded_up_on_its_own(self) -> None:
        _, network = forked()  # 27, 81, 9 and 192 weights
        assert weight_bytes(network, plan(network)) == 27 + 81 + 9 + 192
        assert weight_bytes(network, Plan.uniform(network, "fixed4")) == 14 + 41 + 5 + 96
        mixed = plan(network, stem_weights="fixed3", left_weights="binary", right_weights="fixed16")
        assert weight_bytes(network, mixed) == 11 + 11 + 18 + 192
        assert weight_bytes(network, Plan.uniform(network, "float32")) == 4 * (27 + 81 + 9 + 192)

    def test_weights_that_two_layers_share_are_there_once(self) -> None:
        assert weight_bytes(twice(), Plan.uniform(twice(), "fixed4")) == 8

    def test_inputs_do_not_count(self) -> None:
        _, network = forked()
        assert weight_bytes(network, plan(network, left_inputs="fixed1")) == weight_bytes(network, plan(network))


class TestRam:
    @pytest.mark.parametrize(
        ("formats", "most"),
        [
            ({}, 12),  # a's inputs and what it makes of them
            ({"a_inputs": "fixed4"}, 8),  # 4 + 4
            ({"a_inputs": "fixed1"}, 6),  # 1 + 4, and then 4 + 2
            ({"b_inputs": "fixed4"}, 10),
            ({"a_inputs": "fixed2", "b_inputs": "fixed1", "c_inputs": "fixed16"}, 5),  # 2 + 1, 1 + 4
        ],
    )
    def test_a_chain(self, formats: dict[str, str], most: int) -> None:
        """A layer's inputs and outputs stand side by side; what the last one makes is not counted."""
        network = of(Chain, 8)
        assert ram_bytes(network, plan(network, **formats)) == most

    @pytest.mark.parametrize(
        ("formats", "most"),
        [
            ({}, 96),  # what stem makes is read by two layers and a sum, until fc's inputs are made of all three
            ({"left_inputs": "fixed4"}, 72),  # 24 + 48
            ({"fc_inputs": "fixed2"}, 64),  # 48 + 12, and before 16 + 48
            ({"fc_inputs": "fixed2", "stem_inputs": "fixed1"}, 60),
        ],
    )
    def test_a_value_with_several_readers_stays(self, formats: dict[str, str], most: int) -> None:
        _, network = forked()
        assert ram_bytes(network, plan(network, **formats)) == most

    @pytest.mark.parametrize(
        ("formats", "most"),
        [
            ({}, 24),  # the first waits for the concatenation, the second too, since it is in the sum that goes there
            ({"c_inputs": "fixed4"}, 18),
            ({"c_inputs": "fixed1"}, 14),  # 6 + 6 + 12 / 8
            ({"a_inputs": "fixed4", "c_inputs": "fixed4"}, 15),
        ],
    )
    def test_a_shortcut_holds_its_value_until_it_is_read(self, formats: dict[str, str], most: int) -> None:
        network = of(Blocks, 6)
        assert [site.count for site in network.sites.values() if site.kind == "inputs"] == [6, 6, 12]
        assert ram_bytes(network, plan(network, **formats)) == most

    def test_a_layer_called_twice(self) -> None:
        assert ram_bytes(twice(), Plan.uniform(twice(), "fixed8")) == 8
        assert ram_bytes(twice(), Plan.parse({"*": "fixed8", "fc@2.inputs": "fixed2"}).expand(twice())) == 5


def by_intervals(network: Network, chosen: Plan) -> int:
    """Each value from the step that makes it to the last that anything not yet quantised again comes from it."""
    nodes = [node for node in network.nodes if node.op not in ("parameter", "buffer", "aten.sym_size.int")]
    made = {site.tensor: site for site in network.sites.values() if site.kind == "inputs"}
    readers: dict[str, list[str]] = {node.name: [] for node in nodes}
    for node in nodes:
        for ref in node.refs():
            if ref in readers:
                readers[ref].append(node.name)
    place = {node.name: index for index, node in enumerate(nodes)}

    def end(name: str) -> int:
        return max((max(place[reader], -1 if reader in made else end(reader)) for reader in readers[name]), default=-1)

    spans = {name: (place[name], max(place[name], end(name))) for name in made}
    sizes = {name: -(-site.count * chosen.formats[site.name].bits // 8) for name, site in made.items()}
    return max(
        sum(sizes[name] for name, (first, last) in spans.items() if first <= step <= last) for step in range(len(nodes))
    )


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=60)
@given(data=st.data())
def test_memory_is_that_of_the_values_whose_times_overlap(name: str, data: st.DataObject) -> None:
    network = NETWORKS[name]()
    chosen = Plan.parse({site: data.draw(st.sampled_from(TEXTS)) for site in network.sites})
    assert ram_bytes(network, chosen) == by_intervals(network, chosen)


@pytest.mark.parametrize("size", [weight_bytes, ram_bytes])
@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=60)
@given(data=st.data())
def test_fewer_bits_never_take_more(name: str, size: Callable[[Network, Plan], int], data: st.DataObject) -> None:
    network = NETWORKS[name]()
    more = {site: data.draw(st.integers(1, 16)) for site in network.sites}
    fewer = {site: data.draw(st.integers(1, bits)) for site, bits in more.items()}
    large, small = (Plan.parse({site: f"fixed{bits}" for site, bits in each.items()}) for each in (more, fewer))
    assert size(network, small) <= size(network, large)
    limits = Limits(weight_bytes(network, small), ram_bytes(network, small))
    assert limits.excess(network, small) == 0
    assert (limits.excess(network, large) > 0) == (
        weight_bytes(network, large) > weight_bytes(network, small)
        or ram_bytes(network, large) > ram_bytes(network, small)
    )


class TestLimits:
    def test_what_exceeds_them(self) -> None:
        network = of(Chain, 8)  # 58 weights; 8, 4 and 2 inputs
        eight = plan(network)
        assert Limits().excess(network, eight) == 0
        assert Limits(58, 12).excess(network, eight) == 0
        assert Limits(weight_bytes=29).excess(network, eight) == 1
        assert Limits(weight_bytes=57, ram_bytes=12).excess(network, eight) == pytest.approx(1 / 57)

    def test_every_step_that_takes_too_much_counts(self) -> None:
        """Else nothing would be gained by one of two steps that take the same, and a search be stuck between them."""
        network = of(Chain, 8)
        both = plan(network, a_inputs="fixed2")  # 2 + 4 bytes, and then 4 + 2
        limits = Limits(ram_bytes=5)
        assert ram_bytes(network, both) == 6
        one = plan(network, a_inputs="fixed1")
        assert ram_bytes(network, one) == 6
        assert 0 < limits.excess(network, one) < limits.excess(network, both)

    def test_any_of_them_makes_them_true(self) -> None:
        assert not Limits()
        assert Limits(weight_bytes=1)
        assert Limits(ram_bytes=1)

    @pytest.mark.parametrize("value", [0, -1, 1.5, "64k", True, float("nan")])
    @pytest.mark.parametrize("name", ["weight_bytes", "ram_bytes"])
    def test_what_is_no_number_of_bytes(self, name: str, value: Any) -> None:
        told = f"max_{name} {value!r} cannot be kept; give a whole number of bytes of at least 1"
        with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
            Limits(**{name: value})

    def test_a_refusal_says_what_would_be_needed(self) -> None:
        network = of(Chain, 8)
        one = Plan.uniform(network, "fixed1")
        weights = "max_weight_bytes 7 cannot be kept: with the fewest bits everywhere the network takes 8"
        ram = "max_ram_bytes 1 cannot be kept: with the fewest bits everywhere the network takes 2"
        end = "; allow more bytes, or fewer bits"
        assert (weight_bytes(network, one), ram_bytes(network, one)) == (4 + 1 + 3, 2)
        assert Limits(weight_bytes=7).refusal(network, one) == weights + end
        assert Limits(ram_bytes=1).refusal(network, one) == ram + end
        assert Limits(7, 1).refusal(network, one) == f"{weights}; {ram}{end}"
        assert Limits(7, 2).refusal(network, one) == weights + end


class TestCompression:
    def test_of_a_layer_its_table_counts(self) -> None:
        _, network = forked()  # of 27, 81, 9 and 192 weights
        formats = plan(network, left_weights="lut4")
        assert compression(network, formats, "left") == 32 * 81 / (2 * 81 + 4 * 16)
        assert compression(network, formats, "stem") == 4

    def test_over_all_biases_count_on_both_sides(self) -> None:
        network = of(Chain, 8)  # 8 to 4, 4 to 2, 2 to 9
        weights, biases = 32 + 8 + 18, 4 + 2 + 9
        assert compression(network, Plan.uniform(network, "float32")) == 1
        found = compression(network, Plan.uniform(network, "lut2"))
        assert found == 32 * (weights + biases) / (weights + 3 * 2 * 16 + 32 * biases)

    def test_weights_that_two_layers_share_count_once(self) -> None:
        formats = Plan.uniform(twice(), "lut2")  # 16 weights, 4 biases
        assert compression(twice(), formats) == 32 * (16 + 4) / (16 + 2 * 16 + 32 * 4)
        assert compression(twice(), formats, "fc") == compression(twice(), formats, "fc@2")


def test_blocks_take_their_scales_with_them() -> None:
    """conv [6, 3, 5, 5]: 150 runs of 3 channels, a scale each; fc [10, 100]: 4 blocks of 32 in each row."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 6, 5), nn.Linear(96, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.conv(x).flatten(1))  # type: ignore[no-any-return]

    network = capture(Net(), torch.zeros(1, 3, 8, 8))
    plan = Plan.uniform(network, "e2m1/32:e8m0")
    conv, fc = 450 * 4 + 150 * 8, 960 * 4 + 10 * 3 * 8
    assert weight_bytes(network, plan) == conv // 8 + fc // 8
    image, middle = 192 * 4 + 64 * 8, 96 * 4 + 16 * 8
    assert ram_bytes(network, plan) == (image + middle) // 8


def test_scales_are_those_of_blocks_along_what_a_layer_multiplies_over() -> None:
    """Five rows of eight features have two blocks of four each; along the rows there would be two for each feature."""
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    network = capture(model.eval(), torch.zeros(1, 5, 8))
    e2m1 = Plan.parse({"*": "e2m1/4:e8m0"}).expand(network)
    assert ram_bytes(network, e2m1) == 2 * (5 * 8 * 4 + 5 * 2 * 8) // 8
    assert weight_bytes(network, e2m1) == 2 * (8 * 8 * 4 + 8 * 2 * 8) // 8


def test_values_in_a_codebook_take_their_numbers_and_weights_their_indices_and_table() -> None:
    network = capture(nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2)), torch.zeros(1, 8))
    plan = Plan.uniform(network, "lut4")
    assert ram_bytes(network, plan) == 2 * (8 + 6)
    assert weight_bytes(network, plan) == (48 * 2 // 8 + 8) + (12 * 2 // 8 + 8)
