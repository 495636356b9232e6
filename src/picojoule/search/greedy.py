"""The note's forward sweep: layer by layer from the first, its inputs and then its weights, down until the floor fails.

Source: Moons, Bankman, Verhelst, *Embedded Deep Learning*, chapter 3 (layer-wise quantisation). Sites not yet reached
have the most bits. A value that several layers read is decided at its first reader.

The sweep need not try every bit count. That a plan fails is certain after few of the samples, that it holds after
nearly all; so each site starts a little below where the one before of its kind ended, and goes up to the boundary,
where the floor holds at b bits and fails at the next fewer. Where accuracy falls with every bit, that is the plan of
the sweep that tries them all.

Formats of other families have no place in that order: of those that take less energy than the bits that hold, the
least is tried first, until one holds. An operand costs more beside one of another family, so a site is priced with
those of its layer's sites that are still to come at the same format.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from picojoule.evaluate import Floor, Tally
from picojoule.formats import Format
from picojoule.plan import Plan
from picojoule.search.strategy import Decision, Problem, Step, Strategy, Trial

BELOW = 2
"""By how many rungs a site starts below the one before."""


class Greedy(Strategy):
    """Forward sweep: each site is lowered to a bit count that holds the floor while the next fewer bits fail it.

    More families may end with more energy: what one site saves, a later one may have to spend.
    """

    name: ClassVar[str] = "greedy"
    summary: ClassVar[str] = "the forward sweep: each layer's inputs, then its weights, down until the floor fails"

    def bound(self, problem: Problem) -> int:
        return len(_starts(problem)) + self._sweep(problem)

    def steps(self, problem: Problem, floor: Floor) -> Iterator[Step]:
        remaining = self._sweep(problem)
        for plan in _starts(problem):
            verdict = problem.judge(plan, floor)
            if verdict.holds:
                break
        else:
            yield Step(problem.widest(), False, None, 0)
            return
        yield Step(plan, True, None, remaining)
        held = verdict.tally
        ended: dict[str, int] = {}  # by kind of site, the rung that the last one ended on
        for name in self.order(problem):
            kind = problem.network.sites[name].kind
            start = ended.get(kind, len(problem.ladders[name])) + BELOW
            plan, held, decision, ended[kind] = _lower(problem, floor, plan, held, name, start)
            remaining -= len(problem.ladders[name]) - 1
            yield Step(plan, True, decision, remaining)

    def order(self, problem: Problem) -> Sequence[str]:
        """The sites in the order in which they are decided."""
        return list(problem.network.sites)

    def _sweep(self, problem: Problem) -> int:
        return sum(len(problem.ladders[site]) - 1 for site in problem.network.sites)


def _starts(problem: Problem) -> tuple[Plan, ...]:
    """The most bits; where they fail one format of another family everywhere, the most energy first."""
    return tuple(dict.fromkeys((problem.widest(), *problem.uniform(fixed=False))))


def _lower(
    problem: Problem, floor: Floor, plan: Plan, held: Tally, site: str, start: int
) -> tuple[Plan, Tally, Decision, int]:
    """Lower one site as far as the floor holds, with the plan, what was seen of it, and the rung of its own family."""
    now = plan.formats[site]
    own = [each for each in problem.ladders[site] if each.arithmetic == now.arithmetic]
    own = own[own.index(now) :]
    trials = {now: Trial(now, True, held)}

    def holds(format: Format) -> bool:
        verdict = problem.judge(plan.replace(site, format), floor)
        trials[format] = Trial(format, verdict.holds, verdict.tally)
        return verdict.holds

    rung = boundary(lambda rung: holds(own[rung]), len(own), start)
    others = _cheaper(problem, plan, site, own[rung])
    found = next(filter(holds, others), own[rung])
    tried = tuple(trials[each] for each in (*own, *others) if each in trials)
    return plan.replace(site, found), trials[found].tally, Decision(site, found, tried), rung


def _cheaper(problem: Problem, plan: Plan, site: str, than: Format) -> list[Format]:
    """The formats of other families that are to cost less at a site than one that holds, least first."""
    sites, ladder = list(problem.network.sites), problem.ladders[site]
    others = [each for each in ladder if each.arithmetic != than.arithmetic]
    if not others:
        return []
    beside = {each for layer in problem.network.layers for each in (layer.weights, layer.inputs)
              if site in (layer.weights, layer.inputs)}  # fmt: skip
    alike = {each for each in beside if _rungs(problem.ladders[each]) == _rungs(ladder)}
    ahead = [each for each in sites[sites.index(site) :] if each in alike]
    costs = {
        each: problem.cost(Plan({**plan.formats, **{other: problem.ladders[other][rung] for other in ahead}}))
        for rung, each in enumerate(ladder)
    }
    return sorted((each for each in others if costs[each] < costs[than]), key=costs.__getitem__)


def _rungs(ladder: tuple[Format, ...]) -> list[tuple[int, str]]:
    """What a ladder is, up to what one bit means by sign."""
    return [(each.bits, each.arithmetic if each.bits == 1 else str(each)) for each in ladder]


def boundary(holds: Callable[[int], bool], count: int, start: int) -> int:
    """The last of `count` rungs before one that does not hold; rung 0 is known to hold. No rung is tried twice.

    From the start it goes up the ladder, to fewer rungs, until one holds; or, if the start holds, down until one does
    not. Where all that hold come before all that do not, the start does not matter.

    >>> boundary([True, True, True, False, False].__getitem__, 5, start=4)
    2
    """
    rung = min(start, count - 1)
    if rung == 0 or holds(rung):
        while rung + 1 < count and holds(rung + 1):
            rung += 1
        return rung
    while rung > 1 and not holds(rung - 1):
        rung -= 1
    return rung - 1
