"""Runs samples through a network at one plan after the other, and takes up each where it differs from those before.

Samples run in chunks that stay near to a core, each core on chunks of its own. What a value depends on is known, so a
value that an earlier plan worked out is found again by that, and the steps before it need not be taken.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from picojoule.calibration import Range, Ranges
from picojoule.energy import Sparsity
from picojoule.execute.codes import Codes
from picojoule.execute.course import Courses, Key, Stop
from picojoule.execute.execution import Execution, Value
from picojoule.execute.integers import Weights
from picojoule.execute.memory import Memory
from picojoule.execute.steps import Step, steps_of
from picojoule.execute.workers import ordered
from picojoule.formats import Float32
from picojoule.network import Network, batch_size
from picojoule.plan import Plan
from picojoule.quantize import Choice, choices, shifted_biases

CHUNK = 1 << 19
"""Numbers of the largest value of a chunk: 2 MiB are near to a core, and many enough to forget what calls cost."""
FEWEST, MOST = 8, 128
"""Samples of a chunk."""

_UNTOUCHED = Choice(Float32(), Range((0,), signed=True))
"""Any choice that does not round."""


class _Part(NamedTuple):
    """What a chunk of so many samples gave: the output where it was wanted, zeros of sites, and the MACs it took."""

    samples: int
    output: Value
    zeros: dict[Key, int]
    macs: int


class Runner:
    """Runs samples x [n, ...], in `order` where one is given, through a network at any plan with its `ranges`.

    What it gives for a plan does not depend on what ran before, on the memory it may use, nor on the number of `jobs`,
    which is how many cores it uses (all that torch may use, where it is not given). With `count_zeros` every run
    counts the zeros of the sites. `ran` hears how many samples have run. `chunks` are the samples that run together, by
    their numbers in x; `macs` is how many multiply-accumulates were really made.
    """

    def __init__(
        self,
        network: Network,
        ranges: Callable[[Plan], Ranges],
        x: Tensor,
        *,
        order: Tensor | None = None,
        device: torch.device | str = "cpu",
        ran: Callable[[int], None] = lambda samples: None,
        count_zeros: bool = False,
        cache_gb: float = 1.0,
        jobs: int | None = None,
    ) -> None:
        self.macs = 0
        self.chunks = (torch.arange(len(x)) if order is None else order).split(_chunk(network))
        for samples in {len(chunk): chunk for chunk in self.chunks}.values():
            network.check_batch(x[samples])
        self._network, self._ranges, self._x, self._ran = network, ranges, x, ran
        self._device = torch.device(device)
        self._jobs = (jobs or torch.get_num_threads()) if self._device.type == "cpu" else 1
        self._steps = steps_of(network)
        self._ends = _ends(self._steps.steps, network.output)
        self._courses = Courses(self._steps)
        self._memory = Memory(int(cache_gb * 2**30))
        self._tensors = {name: tensor.to(self._device) for name, tensor in network.tensors.items()}
        self._count_zeros = count_zeros

    def outputs(self, plan: Plan) -> Tensor:
        """The outputs for all samples, in order."""
        return torch.cat(list(self.run(plan)))

    def run(self, plan: Plan) -> Iterator[Tensor]:
        """The outputs chunk by chunk, in order; who has seen enough need not go on."""
        stops, execution = self._take(plan)
        return (part.output for part in self._parts(stops, execution, {self._network.output}, {}))

    def sparsity(self, plan: Plan) -> Sparsity:
        """The fraction of zeros at every site; what an earlier run has counted is not counted again."""
        assert self._count_zeros
        stops, execution = self._take(plan)
        zeros = {stop.key: self._memory.get(("zeros", stop.key)) for stop in stops if stop.step.site}
        wanted = {stop.step.name for stop in stops if stop.step.site and zeros[stop.key] is None}
        for _ in self._parts(stops, execution, wanted, zeros) if wanted else ():
            pass
        samples, sites = sum(map(len, self.chunks)), self._network.sites
        found = {stop.step.site: zeros[stop.key] / samples for stop in stops if stop.step.site}
        for name, site in self._steps.stored.items():
            if site is not None:
                found[site] = _zeros(execution.stored[name].values)
        return Sparsity({site: found[site] / sites[site].count for site in sites})

    def _take(self, plan: Plan) -> tuple[tuple[Stop, ...], Execution]:
        self._memory.begin()
        chosen = choices(self._network, plan, self._ranges(plan))
        chosen = {site: choice if choice.format.rounds else _UNTOUCHED for site, choice in chosen.items()}
        stored = {
            name: self._tensors[name] if site is None else self._weights(name, site, chosen[site])
            for name, site in self._steps.stored.items()
        }
        shifted = {name: bias.to(self._device) for name, bias in shifted_biases(self._network, chosen).items()}
        return self._courses.take(chosen), Execution(self._steps, chosen, stored | shifted)

    def _weights(self, name: str, site: str, choice: Choice) -> Weights:
        key = (name, self._courses.number(site, choice))
        weights: Weights | None = self._memory.get(key)
        if weights is None:
            tensor = self._tensors[name]
            layout = torch.channels_last if tensor.dim() == 4 and tensor.is_cpu else torch.contiguous_format
            weights = Weights(choice.quantize(tensor).contiguous(memory_format=layout))
            self._memory.put(key, weights, weights.size)
        return weights

    def _parts(
        self, stops: tuple[Stop, ...], execution: Execution, wanted: set[str], zeros: dict[Key, int | None]
    ) -> Iterator[_Part]:
        """What each chunk gives, with the values that are wanted; `zeros` gets what was counted in all of them."""
        counted = [stop.key for stop in stops if stop.step.site] if self._count_zeros else []
        unknown = {key for key in counted if self._memory.get(("zeros", key)) is None}
        counts: dict[Key, list[int]] = {key: [] for key in unknown}

        def work(index: int) -> _Part:
            return self._part(index, stops, execution, wanted, unknown)

        for part in ordered(work, range(len(self.chunks)), self._jobs):
            self.macs += part.macs
            for key, count in part.zeros.items():
                counts[key].append(count)
            yield part
            self._ran(part.samples)
        for key in unknown:
            if len(counts[key]) == len(self.chunks):
                zeros[key] = sum(counts[key])
                self._memory.put(("zeros", key), zeros[key], 32 * len(key))

    @torch.no_grad()
    def _part(
        self, index: int, stops: tuple[Stop, ...], execution: Execution, wanted: set[str], unknown: set[Key]
    ) -> _Part:
        """What one chunk gives: from what is kept of it on to the values that are wanted."""
        x = self._x[self.chunks[index]].to(self._device)
        values, zeros, macs = execution.begin(x), dict[Key, int](), 0
        for stop, value, raw in self._plotted(index, stops, wanted):
            step = stop.step
            if value is None:
                macs += step.macs * len(x) if raw is None else 0
                value = self._value(index, stop, raw, values, x, execution)
            if stop.key in unknown:
                zeros[stop.key] = _zeros(value)
            values[step.name] = value
            for name in self._ends[step.name]:
                values.pop(name, None)
        return _Part(len(x), values.get(self._network.output), zeros, macs)

    def _plotted(self, index: int, stops: tuple[Stop, ...], wanted: set[str]) -> list[tuple[Stop, Value, Value]]:
        """The steps to take, in order, each with its value if that is kept, else with its raw value if that is."""
        needed, plotted = set(wanted), []
        for stop in reversed(stops):
            if stop.step.name in needed:
                value = self._memory.get((index, stop.key))
                raw = self._memory.get((index, stop.raw)) if value is None and stop.step.site is not None else None
                plotted.append((stop, value, raw))
                needed.update(stop.step.reads if value is None and raw is None else ())
        return plotted[::-1]

    def _value(
        self, index: int, stop: Stop, raw: Value, values: dict[str, Value], x: Tensor, execution: Execution
    ) -> Value:
        """A step's value, from its raw value where that was kept."""
        if raw is None and not stop.keep_raw:
            value = execution.value(stop.step, values, x)
        else:
            if raw is None:
                raw = execution.raw(stop.step, values, x)
                self._memory.put((index, stop.raw), raw, _bytes(raw))
            value = execution.quantized(stop.step, raw)
        if stop.keep:
            self._memory.put((index, stop.key), value, _bytes(value))
        return value


def _chunk(network: Network) -> int:
    """Samples of a chunk."""
    largest = max(node.count for node in network.nodes if None in node.shape)
    return batch_size(network, max(FEWEST, min(MOST, CHUNK // max(1, largest))))


def _ends(steps: tuple[Step, ...], output: str) -> dict[str, tuple[str, ...]]:
    """For each step the values that nobody reads after it."""
    last = {name: step.name for step in steps for name in step.reads} | {output: ""}
    return {step.name: tuple(name for name in step.reads if last[name] == step.name) for step in steps}


def _bytes(value: Value) -> int:
    """The memory that keeping a value takes, all of what it is a view of included."""
    if isinstance(value, list | tuple):
        return sum(map(_bytes, value))
    tensor = value.bytes if isinstance(value, Codes) else value
    return tensor.untyped_storage().nbytes() if isinstance(tensor, Tensor) else 0


def _zeros(value: Tensor | Codes) -> int:
    """How many of a value's numbers are zero."""
    tensor, zero = (value.bytes, value.zero) if isinstance(value, Codes) else (value, 0)
    if not tensor.is_cpu:
        return int((tensor == zero).sum())
    lying = tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 and not tensor.is_contiguous() else tensor
    numbers = lying.numpy()  # which counts bytes by a multiple faster than torch
    return numbers.size - int(np.count_nonzero(numbers != zero if zero else numbers))
