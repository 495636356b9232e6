"""What a network costs at a plan: the energy model of "Minimum Energy Quantized Neural Networks" (arXiv 1711.00215).

Per inference `E = E_C + E_W + E_A + E_DRAM`, summed over layers; each part is one small function here, with its
equation. Counts come from the network, bits from the plan, every constant from the platform. Memories hold and move
what a format stores, its scales with it; a datapath sees the elements' codes alone.

In the equations, Q and passes are the datapath's (`chip.py`); N_c, N_s and A_s are a layer's MACs, its weights and
biases, and its outputs before pooling; w, i and o are the bits of its weights, of what one pass fetches of its inputs,
and of its outputs; S is the number of units that share a fetch; E_L, E_M and E_D are the local, main and DRAM curves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from picojoule.energy.arithmetic import Arithmetic, arithmetic
from picojoule.energy.chip import FLOAT32
from picojoule.energy.platform import Platform
from picojoule.energy.report import EnergyReport, LayerEnergy
from picojoule.energy.sparsity import Sparsity
from picojoule.errors import InputError, PlanError, check_type

if TYPE_CHECKING:
    from picojoule.formats import Format
    from picojoule.network import Layer, Leftover, Network
    from picojoule.plan import Plan


def energy(network: Network, plan: Plan, platform: Platform, sparsity: Sparsity | None = None) -> EnergyReport:
    """The energy in pJ of one inference of `network` at `plan` on `platform`, per layer and part.

    `sparsity` counts on a platform that skips zeros and is ignored on any other. A layer with a float32 operand costs
    float32 MACs, and so do left-over operations with MACs (their MACs and local fetches only); where the platform has
    no such figure, the latter are listed as `uncounted`. Softmax and the like, which have no MACs, cost nothing here.

    Raises:
        InputError: the network is a model that was not captured, or the platform a name.
        PlatformError: the platform has no figure for a format of the plan.
        PlanError: the plan has no format for a site.
    """
    check_type("platform", platform, Platform, "make it with Platform.load")
    if not hasattr(network, "layers"):
        raise InputError(f"network is of type {type(network).__name__}, expected Network; make it with capture")
    zeros = Sparsity.none() if sparsity is None or platform.guarded_fraction is None else sparsity
    works = [_work(network, layer, plan.formats, platform, zeros) for layer in network.layers]
    works = _on_chip_first(works, platform)
    works = _with_image(works, network)
    charged = [each for each in network.leftovers if each.macs > 0 and platform.float32_mac_pj is not None]
    works += [_left_over(each, platform) for each in charged]
    layers = {work.name: _charge(work, platform) for work in works}
    uncounted = tuple(each.name for each in network.leftovers if each.macs > 0 and each not in charged)
    return EnergyReport(platform.name, layers, uncounted)


@dataclass(frozen=True)
class _Work:
    """What one layer asks of the chip: how it runs, its counts, and the bits of each operand."""

    name: str
    how: Arithmetic
    macs: int
    weights: int  # with biases
    outputs: int
    weight_bits: int
    input_bits: int
    stored_weight_bits: float  # with the scales of blocks, as all that is stored
    fetched_bits: float  # of an input by one pass
    output_bits: float
    zero_weights: float = 0.0
    zero_inputs: float = 0.0
    reads_image: bool = False
    image: int = 0  # elements it fetches from DRAM
    spilled_weights: float = 0.0  # words in DRAM


def _work(network: Network, layer: Layer, formats: Mapping[str, Format], platform: Platform, zeros: Sparsity) -> _Work:
    """A layer at its plan. Outputs take the widest of the sites they reach, and the last layer's its inputs' bits."""
    weights, inputs = (_format(site, formats) for site in (layer.weights, layer.inputs))
    how = arithmetic(layer, weights, inputs, platform)
    stored = _stored_bits(network, layer.inputs, inputs)
    return _Work(
        name=layer.name,
        how=how,
        macs=layer.macs,
        weights=layer.weight_count + layer.bias_count,
        outputs=layer.output_count,
        weight_bits=weights.bits,
        input_bits=inputs.bits,
        stored_weight_bits=_stored_bits(network, layer.weights, weights),
        fetched_bits=min(how.run.input_bits, inputs.bits) + stored - inputs.bits,
        output_bits=max(
            (_stored_bits(network, site, _format(site, formats)) for site in layer.outputs), default=stored
        ),
        zero_weights=zeros.of(layer.weights),
        zero_inputs=zeros.of(layer.inputs),
        reads_image=layer.reads_input,
    )


def _format(site: str, formats: Mapping[str, Format]) -> Format:
    if site not in formats:
        raise PlanError(f"the plan has no format for site '{site}'; expand it on this network first")
    return formats[site]


def _stored_bits(network: Network, site: str, format: Format) -> float:
    """Bits in storage per element of a site, with every scale that its blocks really have."""
    if not format.with_scales:
        return format.bits
    shape = network.shape(site)
    return format.size_bits(shape) / math.prod(shape)


def _left_over(leftover: Leftover, platform: Platform) -> _Work:
    """An operation in floating point of which only the MACs are known."""
    how = Arithmetic(FLOAT32, platform.float32_mac_pj or 0.0)
    return _Work(leftover.name, how, leftover.macs, 0, 0, 32, 32, 32, 32, 32)


def _on_chip_first(works: list[_Work], platform: Platform) -> list[_Work]:
    """w_spill: weights fill the on-chip memory in the order of the layers, and what is left lies in DRAM."""
    if platform.capacity is None:
        return works
    free, placed = float(platform.capacity.weight_bits), list[_Work]()
    for work in works:
        wanted = work.weights * work.stored_weight_bits
        held = min(free, wanted)
        free -= held
        placed.append(replace(work, spilled_weights=(wanted - held) / work.stored_weight_bits))
    return placed


def _with_image(works: list[_Work], network: Network) -> list[_Work]:
    """The image is fetched once, by the first layer that reads it; never where only left-over operations do."""
    first = next((work for work in works if work.reads_image), None)
    return [replace(work, image=network.input_count) if work is first else work for work in works]


def _charge(work: _Work, platform: Platform) -> LayerEnergy:
    return LayerEnergy(
        name=work.name,
        macs=work.macs,
        passes=work.how.run.passes,
        weight_bits=work.weight_bits,
        input_bits=work.input_bits,
        compute_pj=_compute_pj(work, platform),
        weights_pj=_weights_pj(work, platform),
        activations_pj=_activations_pj(work, platform),
        dram_pj=_dram_pj(work, platform),
    )


def _compute_pj(work: _Work, platform: Platform) -> float:
    """`E_C = E_MAC(Q)·(N_c·passes·(n + (1 - n)·guarded) + 3·A_s)`, n the fraction of MACs without a zero operand.

    Zero weights and zero inputs are taken as independent: `n = (1 - z_w)·(1 - z_i)`; the 3 is `[mac] per_output`.
    """
    full = (1 - work.zero_weights) * (1 - work.zero_inputs)
    guarded = 1.0 if platform.guarded_fraction is None else platform.guarded_fraction
    macs = work.macs * work.how.run.passes * (full + (1 - full) * guarded)
    return work.how.mac_pj * (macs + platform.mac.per_output * work.outputs)


def _weights_pj(work: _Work, platform: Platform) -> float:
    """`E_W = E_M(w)·N_s + E_L(w)·N_c·passes·(1 - z_i)/S`: a zero input skips the fetch of its weight.

    A fetched weight of a codebook is decoded by one look-up, for all units that share it; inputs likewise.
    """
    fetches = platform.local.weights * work.macs * work.how.run.passes * (1 - work.zero_inputs)
    shared = platform.array.shared_by(work.how.run.bits)
    bits = work.stored_weight_bits
    fetch_pj = platform.local.curve(bits) + work.how.weight_lookup_pj
    return platform.main(bits) * work.weights + fetch_pj * fetches / shared


def _activations_pj(work: _Work, platform: Platform) -> float:
    """`E_A = 2·E_M(o)·A_s + E_L(i)·N_c·passes·(1 - z_w)/S`, plus sums, which no unit shares and no zero skips."""
    local, macs = platform.local, work.macs * work.how.run.passes
    fetch_pj = local.curve(work.fetched_bits) + work.how.input_lookup_pj
    inputs = fetch_pj * local.inputs * macs * (1 - work.zero_weights)
    sums = local.curve(local.sum_bits) * local.sums * macs
    kept = 2 * platform.main(work.output_bits) * work.outputs
    return kept + inputs / platform.array.shared_by(work.how.run.bits) + sums


def _dram_pj(work: _Work, platform: Platform) -> float:
    """`E_DRAM = E_D(Q)·8/Q·image + 2·E_D(o)·f_spill + E_D(w)·w_spill`, 8 being the image's bits per element.

    f_spill are the outputs beyond the on-chip memory for one layer's outputs: written to DRAM and read back.
    """
    image = 0.0
    if work.image and platform.image is not None:
        image = platform.dram(work.how.run.bits) * platform.image.bits / work.how.run.bits * work.image
    spilled = 0.0
    if platform.capacity is not None:
        spilled = max(0.0, work.outputs - platform.capacity.activation_bits / work.output_bits)
    weights = platform.dram(work.stored_weight_bits) * work.spilled_weights
    return image + 2 * platform.dram(work.output_bits) * spilled + weights
