"""What a result that ships says of itself: a proof as a table, and the sheet of what its C takes."""

from picojoule.report.ship.proof import proof_table
from picojoule.report.ship.sheet import Measured, Sheet, Version, sheet_of
from picojoule.report.ship.tables import markdown, summary

__all__ = ["Measured", "Sheet", "Version", "markdown", "proof_table", "sheet_of", "summary"]
