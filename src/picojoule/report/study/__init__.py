"""A sweep, as tables for the terminal and as the data that its page is drawn from."""

from picojoule.report.study.document import VERSION, document
from picojoule.report.study.tables import prospect, tables

__all__ = ["VERSION", "document", "prospect", "tables"]
