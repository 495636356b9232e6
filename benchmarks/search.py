"""The greedy sweep takes a fraction of the work that trying every bit count takes; descent ends at less energy.

    python benchmarks/search.py MODEL --checkpoint FILE --data DATA [--samples N] [--resize N] [--mean ...] [--std ...]
        [--keep 0.99] [--no-naive]

The naive sweep runs every sample of the search split through the quantised network for every bit count it tries, as
plain torch does it. All are decided by point estimates at the same floor, priced on moons2017.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from measure import machine
from task import Task, parser, task

import picojoule as pj
from picojoule.calibration import Calibration, Settings
from picojoule.energy import Platform, energy
from picojoule.errors import UnreachableFloorError
from picojoule.evaluate import Floor, IncrementalEvaluator, PlainEvaluator
from picojoule.formats import Float32, Format
from picojoule.plan import Plan
from picojoule.search import Problem, formats_of, ladders_of
from picojoule.search.greedy import Greedy


@dataclass
class Sweep:
    """A finished sweep: its plan, how often each site's accuracy rose again with fewer bits, MACs and seconds."""

    plan: Plan
    tried: dict[str, dict[Format, bool]]
    macs: int
    seconds: float


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--keep", type=float, default=0.99)
    options.add_argument("--no-naive", action="store_true", help="leave the naive sweep out: it takes minutes")
    asked = options.parse_args()
    given = task(asked)
    print(f"{machine()}\n{given.name}, {len(given.splits.search)} samples, keep {asked.keep:g}")
    energies: dict[str, float] = {}
    fast = timed(given, asked.keep, fast_greedy)
    energies["greedy, max"] = _price(given, fast.plan)
    if not asked.no_naive:
        slow = timed(given, asked.keep, naive_greedy)
        energies["naive greedy, max"] = _price(given, slow.plan)
        _compare(fast, slow)
    for strategy, observer in (("uniform", "max"), ("uniform", "mse"), ("greedy", "mse"), ("descent", None)):
        begun = time.perf_counter()
        result = _search(given, asked.keep, strategy, observer)
        energies[f"{strategy}{f', {observer}' if observer else ''}"] = result.energy.total_pj
        if strategy == "descent":
            print(f"descent took {time.perf_counter() - begun:.1f} s, {len(result.path)} plans between floors included")
    sixteen = _price(given, Plan.uniform(given.network, "fixed16"))
    least = energies["descent"]
    print("\n| strategy, observer | of 16 bits | descent over it |\n| --- | --- | --- |")
    for name, each in energies.items():
        print(f"| {name} | {each / sixteen:.3f} | {least / each:.3f} |")


def timed(
    given: Task, keep: float, sweep: Callable[[Problem, Floor], tuple[Plan, dict[str, dict[Format, bool]], int]]
) -> Sweep:
    """One sweep from 16 bits, calibration not counted."""
    calibration = Calibration.of(given.network, given.splits.calibration.x, Settings("max"))
    signed = {site: calibration.signed(site) for site in given.network.sites}
    ladders = ladders_of(signed, formats_of(("fixed",), (1, 16)))
    begun = time.perf_counter()
    kind = IncrementalEvaluator if sweep is fast_greedy else PlainEvaluator
    how = {"hardest_first": True} if sweep is fast_greedy else {}
    evaluator = kind(calibration, given.splits.search, **how)
    floor = Floor(keep, evaluator.accuracy(Plan.uniform(given.network, Float32())))
    plan, tried, macs = sweep(Problem(given.network, ladders, evaluator, lambda plan: 0.0), floor)
    return Sweep(plan, tried, macs, time.perf_counter() - begun)


def fast_greedy(problem: Problem, floor: Floor) -> tuple[Plan, dict[str, dict[Format, bool]], int]:
    """The library's sweep."""
    tried = {}
    for step in Greedy().steps(problem, floor):
        plan = step.plan
        if step.decision is not None:
            tried[step.decision.site] = {trial.format: trial.holds for trial in step.decision.trials}
    assert isinstance(problem.evaluator, IncrementalEvaluator)
    return plan, tried, problem.evaluator.macs


def naive_greedy(problem: Problem, floor: Floor) -> tuple[Plan, dict[str, dict[Format, bool]], int]:
    """Every site from the most bits down, one bit at a time, until the floor fails."""
    plan, evaluations = problem.widest(), 2
    tried: dict[str, dict[Format, bool]] = {}
    assert floor.holds(problem.evaluator.accuracy(plan)), "the floor is out of reach"
    for site, (widest, *narrower) in problem.ladders.items():
        tried[site] = {widest: True}
        for format in narrower:
            candidate = plan.replace(site, format)
            tried[site][format] = floor.holds(problem.evaluator.accuracy(candidate))
            evaluations += 1
            if not tried[site][format]:
                break
            plan = candidate
    macs = sum(layer.macs for layer in problem.network.layers)
    return plan, tried, evaluations * floor.reference.total * macs


def _compare(fast: Sweep, slow: Sweep) -> None:
    print(f"naive greedy: {sum(map(len, slow.tried.values()))} evaluations, {slow.seconds:.1f} s")
    print(f"greedy: {sum(map(len, fast.tried.values()))} evaluations, {fast.seconds:.1f} s")
    print(
        f"layer-sample MACs {slow.macs / fast.macs:.1f} times fewer, time {slow.seconds / fast.seconds:.1f} times less"
    )
    if fast.plan == slow.plan:
        print("the same plan")
        return
    first = next(site for site in fast.plan.formats if fast.plan.formats[site] != slow.plan.formats[site])
    print(
        f"another plan from {first} on, where accuracy does not fall with every bit: naive stops at "
        f"{slow.plan.formats[first]}, and {fast.plan.formats[first]} holds again"
    )


def _search(given: Task, keep: float, strategy: str, observer: str | None) -> pj.Result:
    try:
        return pj.search(
            given.network,
            None,
            splits=given.splits,
            keep=keep,
            strategy=strategy,
            observer=observer,
            confidence="point",
        )
    except UnreachableFloorError as error:
        return error.result


def _price(given: Task, plan: Plan) -> float:
    return energy(given.network, plan, Platform.load("moons2017")).total_pj


if __name__ == "__main__":
    main()
