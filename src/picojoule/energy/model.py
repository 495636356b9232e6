"""What a network costs at a plan: the energy model of "Minimum Energy Quantized Neural Networks" (arXiv 1711.00215).

Per inference `E = E_C + E_W + E_A + E_DRAM`, summed over layers; each part is one small function here, with its
equation. Counts come from the network, bits from the plan, every constant from the platform.

In the equations, Q and passes are the datapath's (`chip.py`); N_c, N_s and A_s are a layer's MACs, its weights and
biases, and its outputs before pooling; w, i and o are the bits of its weights, of what one pass fetches of its inputs,
and of its outputs; S is the number of units that share a fetch; E_L, E_M and E_D are the local, main and DRAM curves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from picojoule.energy.chip import DATAPATHS, FLOAT32, Run, serial
from picojoule.energy.platform import Platform
from picojoule.energy.report import EnergyReport, LayerEnergy
from picojoule.energy.sparsity import Sparsity
from picojoule.errors import InputError, PlanError, PlatformError, check_type

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
    works = [_work(layer, plan.formats, platform, zeros) for layer in network.layers]
    works = _on_chip_first(works, platform)
    works = _with_image(works, network)
    charged = [each for each in network.leftovers if each.macs > 0 and platform.float32_mac_pj is not None]
    works += map(_left_over, charged)
    layers = {work.name: _charge(work, platform) for work in works}
    uncounted = tuple(each.name for each in network.leftovers if each.macs > 0 and each not in charged)
    return EnergyReport(platform.name, layers, uncounted)


@dataclass(frozen=True)
class _Work:
    """What one layer asks of the chip: how it runs, its counts, and the bits of each operand."""

    name: str
    run: Run
    is_float: bool
    macs: int
    weights: int  # with biases
    outputs: int
    weight_bits: int
    input_bits: int
    output_bits: int
    zero_weights: float = 0.0
    zero_inputs: float = 0.0
    reads_image: bool = False
    image: int = 0  # elements it fetches from DRAM
    spilled_weights: float = 0.0  # words in DRAM


def _work(layer: Layer, formats: Mapping[str, Format], platform: Platform, zeros: Sparsity) -> _Work:
    """A layer at its plan. Outputs take the widest of the sites they reach, and the last layer's its inputs' bits."""
    weights, inputs = (_format(site, formats) for site in (layer.weights, layer.inputs))
    is_float = True in {_is_float(layer, number, platform) for number in (weights, inputs)}  # checks both
    run = FLOAT32 if is_float else _run(layer, weights.bits, inputs.bits, platform)
    return _Work(
        name=layer.name,
        run=replace(run, input_bits=inputs.bits) if is_float else run,
        is_float=is_float,
        macs=layer.macs,
        weights=layer.weight_count + layer.bias_count,
        outputs=layer.output_count,
        weight_bits=weights.bits,
        input_bits=inputs.bits,
        output_bits=max((_format(site, formats).bits for site in layer.outputs), default=inputs.bits),
        zero_weights=zeros.of(layer.weights),
        zero_inputs=zeros.of(layer.inputs),
        reads_image=layer.reads_input,
    )


def _run(layer: Layer, weight_bits: int, input_bits: int, platform: Platform) -> Run:
    in_passes = layer.reads_input and platform.image is not None and platform.image.passes
    return (serial if in_passes else DATAPATHS[platform.mac.datapath])(weight_bits, input_bits)


def _format(site: str, formats: Mapping[str, Format]) -> Format:
    if site not in formats:
        raise PlanError(f"the plan has no format for site '{site}'; expand it on this network first")
    return formats[site]


def _is_float(layer: Layer, number: Format, platform: Platform) -> bool:
    """Whether an operand makes its layer a float32 one.

    Raises:
        PlatformError: the platform has no figure for this kind of number.
    """
    if number.family == "fixed":
        return False
    if (number.family, number.bits) != ("float", 32) or platform.float32_mac_pj is None:
        raise PlatformError(
            f"platform '{platform.name}' has no figure for {number} (layer '{layer.name}'); "
            "give that layer a format it has, or choose another platform"
        )
    return True


def _left_over(leftover: Leftover) -> _Work:
    """An operation in floating point of which only the MACs are known."""
    return _Work(leftover.name, FLOAT32, True, leftover.macs, 0, 0, 32, 32, 32)


def _on_chip_first(works: list[_Work], platform: Platform) -> list[_Work]:
    """w_spill: weights fill the on-chip memory in the order of the layers, and what is left lies in DRAM."""
    if platform.capacity is None:
        return works
    free, placed = platform.capacity.weight_bits, []
    for work in works:
        wanted = work.weights * work.weight_bits
        held = min(free, wanted)
        free -= held
        placed.append(replace(work, spilled_weights=(wanted - held) / work.weight_bits))
    return placed


def _with_image(works: list[_Work], network: Network) -> list[_Work]:
    """The image is fetched once, by the first layer that reads it; never where only left-over operations do."""
    first = next((work for work in works if work.reads_image), None)
    return [replace(work, image=network.input_count) if work is first else work for work in works]


def _charge(work: _Work, platform: Platform) -> LayerEnergy:
    return LayerEnergy(
        name=work.name,
        macs=work.macs,
        passes=work.run.passes,
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
    mac_pj = platform.float32_mac_pj if work.is_float else platform.mac_pj(work.run.bits)
    assert mac_pj is not None, "a float layer on a platform without float32 was refused before"
    full = (1 - work.zero_weights) * (1 - work.zero_inputs)
    guarded = 1.0 if platform.guarded_fraction is None else platform.guarded_fraction
    macs = work.macs * work.run.passes * (full + (1 - full) * guarded)
    return mac_pj * (macs + platform.mac.per_output * work.outputs)


def _weights_pj(work: _Work, platform: Platform) -> float:
    """`E_W = E_M(w)·N_s + E_L(w)·N_c·passes·(1 - z_i)/S`: a zero input skips the fetch of its weight."""
    fetches = platform.local.weights * work.macs * work.run.passes * (1 - work.zero_inputs)
    shared = platform.array.shared_by(work.run.bits)
    return platform.main(work.weight_bits) * work.weights + platform.local.curve(work.weight_bits) * fetches / shared


def _activations_pj(work: _Work, platform: Platform) -> float:
    """`E_A = 2·E_M(o)·A_s + E_L(i)·N_c·passes·(1 - z_w)/S`, plus sums, which no unit shares and no zero skips."""
    local, macs = platform.local, work.macs * work.run.passes
    inputs = local.curve(work.run.input_bits) * local.inputs * macs * (1 - work.zero_weights)
    sums = local.curve(local.sum_bits) * local.sums * macs
    kept = 2 * platform.main(work.output_bits) * work.outputs
    return kept + inputs / platform.array.shared_by(work.run.bits) + sums


def _dram_pj(work: _Work, platform: Platform) -> float:
    """`E_DRAM = E_D(Q)·8/Q·image + 2·E_D(o)·f_spill + E_D(w)·w_spill`, 8 being the image's bits per element.

    f_spill are the outputs beyond the on-chip memory for one layer's outputs: written to DRAM and read back.
    """
    image = 0.0
    if work.image and platform.image is not None:
        image = platform.dram(work.run.bits) * platform.image.bits / work.run.bits * work.image
    spilled = 0.0
    if platform.capacity is not None:
        spilled = max(0.0, work.outputs - platform.capacity.activation_bits / work.output_bits)
    return (
        image + 2 * platform.dram(work.output_bits) * spilled + platform.dram(work.weight_bits) * work.spilled_weights
    )
