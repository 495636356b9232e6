"""How many zeros each site holds: measured on the quantised network, and what a zero-skipping platform saves by."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from picojoule import files

KIND, VERSION = "sparsity", 1


@dataclass(frozen=True)
class Sparsity:
    """The fraction of zeros, in [0, 1], of each measured site by its name.

    >>> Sparsity({"conv1.weights": 0.35}).of("conv1.weights"), Sparsity.none().of("conv1.weights")
    (0.35, 0.0)
    """

    zeros: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "zeros", MappingProxyType(dict(self.zeros)))
        for site, fraction in self.zeros.items():
            if not 0 <= fraction <= 1:
                raise ValueError(f"fraction of zeros of '{site}' is {fraction}, not in [0, 1]")

    @classmethod
    def none(cls) -> Self:
        """Nothing measured: no site has zeros."""
        return cls({})

    def of(self, site: str) -> float:
        """The fraction of zeros of a site; 0 where none was measured, so no saving is claimed there."""
        return self.zeros.get(site, 0.0)

    def to_table(self) -> dict[str, float]:
        """The fractions as plain data."""
        return dict(self.zeros)

    @classmethod
    def from_table(cls, fields: files.Fields) -> Self:
        """The sparsity that `to_table` gave."""
        sites = fields.rest()
        each = files.Fields(sites, fields.origin)
        return cls({site: each.number(site, 0, 1) for site in sites})

    def to_json(self) -> str:
        """The document that `from_json` reads back as an equal value."""
        return files.dump(KIND, VERSION, {"zeros": self.to_table()})

    @classmethod
    def from_json(cls, text: str | bytes, origin: str = "sparsity") -> Self:
        """The sparsity that a document holds; `origin` names it in errors.

        Raises:
            FileError: not such a document, another version, an unknown key, or a fraction outside [0, 1].
        """
        fields = files.Fields(files.parse(text, KIND, VERSION, origin), origin)
        table = fields.table("zeros")
        fields.finish()
        return cls.from_table(table)
