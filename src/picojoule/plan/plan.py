"""Which format each site has. A plan is short and readable, holds no ranges, and so stays valid for retrained weights.

As written by hand its keys may be patterns (`*.weights`, `conv?.*`); `expand` turns them, once, into one format per
site of a network. A site that no key names stays `float32`, and is listed as such wherever the plan is shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from picojoule import files
from picojoule.errors import FileError, FormatError, PlanError
from picojoule.formats import Float32, Format, parse
from picojoule.network import Network

VERSION = 1
LONGEST_KEY = 1000
"""Characters of a key in a file: matching a pattern may take time by the square of its length."""


@dataclass(frozen=True)
class Plan:
    """Site names, or patterns of them, with their formats; later keys win over earlier ones.

    >>> plan = Plan({"*.weights": parse("fixed4"), "*.inputs": parse("fixed8")})
    >>> print(plan.to_json(), end="")
    {
      "picojoule": "plan",
      "version": 1,
      "formats": {
        "*.weights": "fixed4",
        "*.inputs": "fixed8"
      }
    }
    """

    formats: Mapping[str, Format]

    def __post_init__(self) -> None:
        for site, format in self.formats.items():
            if not isinstance(format, Format):
                raise PlanError(f"plan key '{site}' has {format!r}, expected a Format; Plan.parse takes texts")
        object.__setattr__(self, "formats", MappingProxyType(dict(self.formats)))

    def __eq__(self, other: object) -> bool:
        """Plans are equal with the same keys in the same order, for later keys win."""
        return isinstance(other, Plan) and tuple(self.formats.items()) == tuple(other.formats.items())

    def __hash__(self) -> int:
        return hash(tuple(self.formats.items()))

    def __reduce__(self) -> tuple[type["Plan"], tuple[dict[str, Format]]]:
        return Plan, (dict(self.formats),)  # a mapping proxy can neither be copied nor pickled

    @classmethod
    def parse(cls, formats: Mapping[str, str]) -> "Plan":
        """A plan from texts, for example `{"*": "fixed8", "conv1.weights": "fixed4"}`.

        Raises:
            FormatError: a text names no format.
        """
        return cls({site: parse(text) for site, text in formats.items()})

    @classmethod
    def uniform(cls, network: Network, format: Format | str) -> "Plan":
        """The same format at every site of a network."""
        chosen = parse(format) if isinstance(format, str) else format
        return cls(dict.fromkeys(network.sites, chosen))

    def replace(self, site: str, format: Format) -> "Plan":
        """This plan with another format at one site."""
        return Plan({**self.formats, site: format})

    def expand(self, network: Network) -> "Plan":
        """The plan with one format for each site of `network`, in the network's order, and no patterns.

        Expanding an expanded plan gives the same plan.

        Raises:
            PlanError: a key matches no site, or two exact keys give one shared value two formats.
        """
        formats: dict[str, Format] = dict.fromkeys(network.sites, Float32())
        exact: dict[str, tuple[str, Format]] = {}
        named = {alias: site for site in network.sites.values() for alias in site.aliases}
        for key, format in self.formats.items():
            if key in named:  # before any pattern, since a name too may hold *, ? and [
                matches = [named[key]]
            else:
                matches = [s for s in network.sites.values() if any(fnmatchcase(name, key) for name in s.aliases)]
            if not matches:
                raise PlanError(f"plan key '{key}' matches no site of the network; {_sites_hint(network)}")
            for site in matches:
                if key in named:
                    earlier_key, earlier = exact.setdefault(site.name, (key, format))
                    if earlier != format:
                        raise PlanError(
                            f"plan keys '{earlier_key}' ({earlier}) and '{key}' ({format}) are one value, which is "
                            "quantised once: give both the same format"
                        )
                formats[site.name] = format
        return Plan(formats)

    def to_json(self) -> str:
        """The text of `plan.json`."""
        return files.dump("plan", VERSION, {"formats": {site: str(format) for site, format in self.formats.items()}})

    @classmethod
    def from_json(cls, text: str | bytes, origin: str = "plan") -> "Plan":
        """The plan that `to_json` wrote, or one written by hand; `origin` names it in errors.

        Raises:
            FileError: malformed, a duplicate or unknown key, a format text that names no format.
        """
        fields = files.Fields(files.parse(text, "plan", VERSION, origin), origin)
        formats = fields.table("formats").rest()
        fields.finish()
        for site, format in formats.items():
            if len(site) > LONGEST_KEY:
                raise FileError(f"{origin}: key '{site:.40}...' is longer than {LONGEST_KEY} characters")
            if not isinstance(format, str):
                raise FileError(
                    f"{origin}: site '{site}' has {format!r:.60}, expected a format text such as \"fixed8\""
                )
        try:
            return cls.parse(formats)
        except FormatError as error:
            raise FileError(f"{origin}: {error}") from error

    def save(self, path: Path | str) -> None:
        """Write `plan.json`."""
        files.write_bytes(Path(path), self.to_json().encode())

    @classmethod
    def load(cls, path: Path | str) -> "Plan":
        """Read `plan.json`.

        Raises:
            FileError: it cannot be read, or as `from_json`.
        """
        return cls.from_json(files.read_bytes(Path(path)), f"'{path}'")

    def __str__(self) -> str:
        """The plan in one line, `conv1.inputs=fixed4 conv1.weights=fixed3 ...`."""
        return " ".join(f"{site}={format}" for site, format in self.formats.items())


def _sites_hint(network: Network) -> str:
    names = list(network.sites)
    shown = ", ".join(names[:6])
    return f"its sites are {shown}" + (f" and {len(names) - 6} more" if len(names) > 6 else "")
