"""One self-contained HTML page from a document of runs, or of a sweep.

The assets beside this file and the data are put into one text. The page's content security policy allows that very
script and style, by their hashes, and nothing else: no request leaves the page, and no text of a run becomes markup.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

GENERATOR = '<meta name="generator" content="picojoule'
"""What every page says of itself near its beginning, and by which one is known again."""

_ASSETS = Path(__file__).parent / "assets"
_SHARED = ("dom", "table", "chart", "plane", "page")
_PAGES = {
    "report": ("run", ("family", "curve", "front", "layers", "histogram", "decisions", "runs", "main")),
    "study-report": ("study", ("front", "levels", "trials", "main")),
}
"""By kind of document: the folder of its sections, and the scripts there. A page's one script is the shared ones and
these, in order: what others are made of comes first, and `main` begins the work."""
_INERT = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
"""Characters of JSON's texts that could end the element they stand in, as JSON's own escapes."""


def page(document: Mapping[str, Any]) -> str:
    """The page's whole text, in ASCII but for the assets; the same document gives the same text."""
    folder, own = _PAGES[document["picojoule"]]
    names = (*_SHARED, *(f"{folder}/{name}" for name in own))
    style, script = _read("page.css"), "\n".join(_read(f"{name}.js") for name in names)
    return Template(_read("page.html")).substitute(
        generator=f"{GENERATOR} {version('picojoule')}",
        policy=f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        title=_inert(document["title"]),
        style=style,
        sections=_read(f"{folder}/sections.html"),
        data=json.dumps(document, allow_nan=False, separators=(",", ":")).translate(_INERT),
        script=script,
    )


def _inert(text: str) -> str:
    """A text as HTML that has no markup; what UTF-8 cannot hold becomes a reference."""
    return escape(text).encode("ascii", "xmlcharrefreplace").decode()


@cache
def _read(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
