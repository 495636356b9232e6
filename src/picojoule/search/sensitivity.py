"""How much each site alone, at each format, disturbs what the float network says: measured once, on calibration data.

What disturbs a sample is how far it moves the margin between the class that the float network gives and the next one.
Disturbances of several sites are taken to add up as the variances of independent noise do, so that a plan is expected
to leave a sample as it is with the probability Φ(slack / σ). An output that is no row of classes has no margin; there
the disturbance is the squared error over the variance of the outputs.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from picojoule.calibration import Calibration
from picojoule.execute import Runner
from picojoule.formats import Binary, Fixed, Float32, Format
from picojoule.plan import Plan
from picojoule.search.journal import Journal, OutOfTimeError

SAMPLES = 512
"""Calibration samples that are looked at, at most."""
SHIFTS = (1, -1)
"""By how much the exponents that are tried beside calibration's own are larger."""
BETTER = 0.97
"""Another exponent is taken where it expects at most this share of the loss: below that is chance."""
HARMLESS = 1e-4
"""The share of samples expected to be lost below which no other exponent is tried, and more bits of fixed point are not
measured: each halves the steps, and so is taken to divide the noise by four."""

SPREAD = 1.5
"""Variance of several sites together over the sum of each alone, found to order plans best on real networks."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """`slack` [n] of each sample, and for each site and format the `noise` [n], a variance, that it adds."""

    slack: Numbers
    noise: Mapping[tuple[str, Format], Numbers]

    def kept(self, noise: Numbers) -> Numbers:
        """The share of samples that are expected to stay as they are under noise [..., n]."""
        certain = torch.special.ndtr(torch.from_numpy(self.slack / np.sqrt(SPREAD * noise + 1e-12)))
        kept: Numbers = certain.mean(dim=-1).numpy()
        return kept


@dataclass(frozen=True)
class Memo:
    """Where measurements are looked up and written down.

    `heard` is told of each site and format, and whether something had to run for it; once `stopped` says so, nothing
    runs any more.
    """

    journal: Journal
    context: str
    stopped: Callable[[], bool] = lambda: False
    heard: Callable[[bool], None] = lambda worked: None


def measure(
    calibration: Calibration,
    x: Tensor,
    ladders: Mapping[str, Iterable[Format]],
    tune: bool = True,
    memo: Memo | None = None,
    **how: Any,
) -> tuple[dict[tuple[str, Format], tuple[int, ...]], Sensitivities]:
    """The sensitivities on samples x [n, ...], and the exponents that disturb least where they are not calibration's.

    Exponents are those of calibration everywhere unless to `tune`. `how` goes to `Runner`.

    Raises:
        OutOfTimeError: the memo says to stop.
    """
    memo = memo or Memo(Journal(), "")
    probe = _Probe(calibration, x[:SAMPLES], memo, how)
    noise: dict[tuple[str, Format], Numbers] = {}
    chosen: dict[tuple[str, Format], tuple[int, ...]] = {}
    found = Sensitivities(probe.slack, noise)
    for site, ladder in ladders.items():
        harmless: dict[str | None, Format] = {}
        for format in sorted(ladder, key=lambda format: format.bits):
            runs, kind = probe.runs, series(format)
            if kind in harmless:
                noise[site, format] = noise[site, harmless[kind]] * 4.0 ** (harmless[kind].bits - format.bits)
                memo.heard(False)
                continue
            noise[site, format] = probe.noise(site, format, 0)
            lost = 1 - float(found.kept(noise[site, format]))
            for shift in SHIFTS if tune and _has_exponent(format) and lost > HARMLESS else ():
                other = probe.noise(site, format, shift)
                if (less := 1 - float(found.kept(other))) < BETTER * lost:
                    lost, noise[site, format] = less, other
                    chosen[site, format] = probe.exponents(site, format, shift)
            if kind is not None and lost < HARMLESS:
                harmless[kind] = format
            memo.heard(probe.runs > runs)
    return chosen, found


def series(format: Format) -> str | None:
    """The formats of which one has half the error of that with a bit less: `fixed`, with the sign as one bit, or `lut`;
    None for one of no such series."""
    return "lut" if format.fitted else "fixed" if isinstance(format, Fixed | Binary) else None


def _has_exponent(format: Format) -> bool:
    """Whether a format is scaled by the site's exponent, and neither block by block alone nor by its own numbers."""
    return not format.fitted and isfinite(format.limits()[1])


class _Probe:
    """Runs the network with one site quantised, unless the journal knows what that gave."""

    def __init__(self, calibration: Calibration, x: Tensor, memo: Memo, how: Mapping[str, Any]) -> None:
        self.runs = 0
        self._calibration = self._shifted = calibration
        self._memo, self._x, self._how = memo, x, how
        self._float = Plan.uniform(calibration.network, Float32())
        self._runner: Runner | None = None
        self._reference: Tensor | None = None
        self.slack = self._known("slack", lambda: self._margins(self._outputs(self._float)))

    def noise(self, site: str, format: Format, shift: int) -> Numbers:
        """The noise of one site at a format, with its exponents so much larger."""

        def work() -> Tensor:
            self._shifted = self._calibration
            if shift:
                self._shifted = self._calibration.with_exponents({(site, format): self.exponents(site, format, shift)})
            outputs = self._outputs(self._float.replace(site, format))
            return (self._margins(outputs) - self._margins(self._base)).square()

        return self._known(f"{site} {format} {shift:+d}", work)

    def exponents(self, site: str, format: Format, shift: int) -> tuple[int, ...]:
        """The exponents of a site, so much larger than calibration gives them."""
        return tuple(exponent + shift for exponent in self._calibration.exponents(site, format))

    @property
    def _base(self) -> Tensor:
        """The float network's outputs."""
        if self._reference is None:
            self._reference = self._outputs(self._float)
        return self._reference

    def _outputs(self, plan: Plan) -> Tensor:
        if self._runner is None:
            network = self._calibration.network
            self._runner = Runner(network, lambda plan: self._shifted.ranges(plan), self._x, **self._how)
        return self._runner.outputs(plan).double().cpu()

    def _margins(self, outputs: Tensor) -> Tensor:
        """Of each sample the margin of the float network's class; for other outputs the error, and a slack of 1."""
        if outputs.dim() != 2 or outputs.shape[1] < 2:
            base = self._base.flatten(1)
            spread = (base - base.mean(0)).square().sum(1).mean().clamp(min=1e-30)
            error = (outputs.flatten(1) - base).square().sum(1) / spread
            return 1 - error.sqrt()
        chosen = self._base.argmax(1, keepdim=True)
        own = outputs.gather(1, chosen).squeeze(1)
        return own - outputs.scatter(1, chosen, -torch.inf).amax(1)

    def _known(self, name: str, work: Callable[[], Tensor]) -> Numbers:
        memo = self._memo
        content = memo.journal.recall(memo.context, name)
        if content is None:
            if memo.stopped():
                raise OutOfTimeError
            self.runs += 1
            content = work().float().numpy().tobytes()
            memo.journal.keep(memo.context, name, content)
        return np.frombuffer(content, np.float32).astype(np.float64)
