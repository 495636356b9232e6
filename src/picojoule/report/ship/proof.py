"""A proof as a table for the terminal."""

from rich.table import Table

from picojoule import units
from picojoule.report.tables import columns
from picojoule.verify import Proof


def proof_table(proof: Proof) -> Table:
    """One row per engine."""
    table = columns("engine", "state", "samples", "outputs compared", "mismatches", "", left=(0, 1, 5))
    for each in proof.verdicts:
        ran = each.state in ("equal", "different")
        counts = (sum(each.samples.values()), each.compared, each.mismatches)
        table.add_row(each.engine, each.state, *(units.count(count) if ran else "" for count in counts), each.why)
    return table
