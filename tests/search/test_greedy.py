"""The sweep that gallops against the one that tries every bit count, on trained networks."""

from itertools import pairwise

import pytest
from tests.search import nets
from tests.search.naive import first_difference, holds, sweep

from picojoule.evaluate import Floor
from picojoule.search.greedy import Greedy

KEEPS = (0.98, 0.95, 0.8)


@pytest.mark.parametrize("observer", ["max", "mse"])
@pytest.mark.parametrize("name", ["small", "residual", "lenet5"])
def test_the_plan_is_that_of_the_whole_sweep_where_accuracy_is_monotone(name: str, observer: str) -> None:
    """Where they part, accuracy rises again below a bit count that fails; every boundary is proven."""
    problem, reference = nets.problem(name, (1, 12), observer)
    sites = list(problem.ladders)
    tried = needed = alike = 0
    for keep in KEEPS:
        floor = Floor(keep, reference)
        swept, steps = sweep(problem, floor), list(Greedy().steps(problem, floor))
        assert swept is not None
        for before, step in pairwise(steps):
            decided = step.decision
            assert decided is not None
            ladder = problem.ladders[decided.site]
            fewer = ladder[ladder.index(decided.format) + 1 :][:1]
            assert holds(problem, floor, step.plan)
            assert not any(holds(problem, floor, before.plan.replace(decided.site, format)) for format in fewer)
            assert {decided.format, *fewer} <= {trial.format for trial in decided.trials}
            tried += len(decided.trials) - 1
        needed += swept.evaluations
        parted = first_difference(problem, floor, swept, steps[-1].plan)
        alike += sites.index(parted) if parted else len(sites)
    assert alike > 0.3 * len(KEEPS) * len(sites), "little was compared"
    assert tried < 0.4 * needed
