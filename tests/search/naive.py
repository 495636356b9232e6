"""The forward sweep that tries every bit count: the oracle of the greedy strategy, which gallops instead.

Site by site from the first it goes down one bit at a time and stops at the first count that fails the floor; nothing is
shared with the strategy but the problem.
"""

from dataclasses import dataclass

from picojoule.evaluate import Floor
from picojoule.formats import Format
from picojoule.plan import Plan
from picojoule.search import Problem


@dataclass(frozen=True)
class Swept:
    """The plan, and for each site how many evaluations it took and the formats that held, most bits first."""

    plan: Plan
    held: dict[str, tuple[Format, ...]]
    evaluations: int


def holds(problem: Problem, floor: Floor, plan: Plan) -> bool:
    """Whether a plan holds the floor on all samples."""
    return floor.holds(problem.evaluator.tally(plan))


def sweep(problem: Problem, floor: Floor) -> Swept | None:
    """The whole sweep; None where the most bits fail the floor."""
    plan, held, evaluations = problem.widest(), dict[str, tuple[Format, ...]](), 1
    if not holds(problem, floor, plan):
        return None
    for site, (most, *fewer) in problem.ladders.items():
        held[site] = (most,)
        for format in fewer:
            evaluations += 1
            lower = plan.replace(site, format)
            if not holds(problem, floor, lower):
                break
            plan, held[site] = lower, (*held[site], format)
    return Swept(plan, held, evaluations)


def first_difference(problem: Problem, floor: Floor, swept: Swept, plan: Plan) -> str | None:
    """The first site where another plan differs from the swept one, None where there is none.

    Raises:
        AssertionError: there accuracy does not rise again, below a rung that fails, to the rung that the plan has.
    """
    decided = problem.widest()
    for site, format in swept.plan.formats.items():
        other = plan.formats[site]
        if other == format:
            decided = decided.replace(site, format)
            continue
        below = problem.ladders[site][problem.ladders[site].index(format) + 1 :]
        assert other in below[1:], f"{site} stopped at {other}, above a rung that holds"
        assert not holds(problem, floor, decided.replace(site, below[0]))
        assert holds(problem, floor, decided.replace(site, other))
        return site
    return None
