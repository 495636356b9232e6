"""The keys of one table, each asked for by its type; what is missing, wrong or unknown is named."""

from collections.abc import Callable
from typing import Any, NoReturn

from picojoule.errors import FileError

_SMALLEST, _GREATEST = 1e-150, 1e150
"""Bounds of every number but 0, so that neither the product nor the quotient of two is infinite."""


class Fields:
    """Strict access to the keys of one table: each is asked for by type, and any left over is an error.

    >>> fields = Fields({"bits": 8, "name": "a"}, "plan.json")
    >>> fields.integer("bits"), fields.text("name")
    (8, 'a')
    >>> fields.finish()
    """

    def __init__(self, table: Any, origin: str, error: type[Exception] = FileError) -> None:
        self.origin, self._error = origin, error
        if not isinstance(table, dict):
            self.fail(f"expected a table, found {type(table).__name__}")
        self._table = dict(table)

    def fail(self, message: str) -> NoReturn:
        """Raise this table's error, with its origin in front."""
        raise self._error(f"{self.origin}: {message}")

    def __contains__(self, key: str) -> bool:
        return key in self._table

    def take(self, key: str, check: Callable[[Any], bool], expected: str) -> Any:
        """Remove and return the value of `key`; `check` says whether it is what is `expected`."""
        if key not in self._table:
            self.fail(f"key '{key}' is missing ({expected})")
        value = self._table.pop(key)
        if not check(value):
            self.fail(f"key '{key}' is {short(value)}, expected {expected}")
        return value

    def integer(self, key: str, low: int = -(2**63), high: int = 2**63 - 1) -> int:
        """A whole number within [low, high]."""
        expected = "a whole number" if low == -(2**63) else f"a whole number from {low} to {high}"
        value: int = self.take(
            key, lambda v: isinstance(v, int) and not isinstance(v, bool) and low <= v <= high, expected
        )
        return value

    def number(self, key: str, low: float = float("-inf"), high: float = float("inf")) -> float:
        """A finite number within [low, high]."""
        bounds = {(True, True): "", (False, True): f" of at least {low:g}", (True, False): f" of at most {high:g}"}
        within = bounds.get((low == float("-inf"), high == float("inf")), f" from {low:g} to {high:g}")
        return float(
            self.take(
                key,
                lambda v: (
                    isinstance(v, int | float)
                    and not isinstance(v, bool)
                    and (v == 0 or _SMALLEST <= abs(v) <= _GREATEST)
                    and low <= v <= high
                ),
                f"a finite number{within}",
            )
        )

    def text(self, key: str, among: tuple[str, ...] = ()) -> str:
        """A text, one of `among` where given."""
        expected = "one of " + ", ".join(map(repr, among)) if among else "a text"
        value: str = self.take(key, lambda v: isinstance(v, str) and (not among or v in among), expected)
        return value

    def boolean(self, key: str) -> bool:
        """`true` or `false`."""
        value: bool = self.take(key, lambda v: isinstance(v, bool), "true or false")
        return value

    def items(self, key: str) -> list[Any]:
        """A list."""
        value: list[Any] = self.take(key, lambda v: isinstance(v, list), "a list")
        return value

    def table(self, key: str) -> "Fields":
        """A table within this one."""
        return Fields(self.take(key, lambda v: isinstance(v, dict), "a table"), f"{self.origin}: '{key}'", self._error)

    def rest(self) -> dict[str, Any]:
        """All keys not yet taken; afterwards none is left."""
        left, self._table = self._table, {}
        return left

    def finish(self) -> None:
        """Refuse any key that nobody asked for."""
        if self._table:
            unknown = ", ".join(f"'{key}'" for key in self._table)
            self.fail(f"unknown key {unknown}")


def short(value: Any) -> str:
    """A value as an error shows it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
