"""The site of the documents: every Markdown file here is a page, those of `reference/` are templates.

A template is filled with what the code says of itself (`facts.py`), so that no list of options, formats, platforms or
names stands twice. Links between documents are plain relative ones, which work on a code host too, and every one is
checked: a link, an anchor or a name that leads nowhere fails the build.
"""

import re
import sys
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))
import facts

project = "picojoule"
version = release = facts.VERSION
html_title = f"picojoule {release}"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_copy_source = html_show_sourcelink = False
highlight_language = "none"  # a fence without a language is a shell's, or no language at all
smartquotes = False  # `--keep` must stay as it is typed
myst_heading_anchors = 4
default_role = "literal"  # docstrings have code in single backticks, as Markdown has
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100
nitpicky = True
nitpick_ignore_regex = [("py:class", r"(collections|os|pathlib|picojoule|torch)\..*|Bits")]  # types without an entry

ABOVE = {"README.md": "/index.md", "CHANGELOG.md": "/changes.md", "CONTRIBUTING.md": "/contributing.md"}
"""Documents that stand above this folder, and the page that each of them is here."""


def read_source(app: Sphinx, page: str, source: list[str]) -> None:
    """Fill a template of the reference; lead links to documents above this folder to their pages."""
    if page.startswith("reference/"):
        environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        source[0] = environment.from_string(source[0]).render(vars(facts))
    source[0] = re.sub(
        r"\]\((?:\.\./)+([A-Z]+\.md)(?=[)#])", lambda link: f"]({ABOVE.get(link[1], link[0][2:])}", source[0]
    )


def read_docstring(app: Sphinx, kind: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Turn the section `Raises:` of a docstring, the only one there is, into Sphinx's fields."""
    if "Raises:" in lines:
        at = lines.index("Raises:")
        lines[at:] = [re.sub(r"^    (\w+):", r":raises \1:", line) for line in lines[at + 1 :]]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", read_source)
    app.connect("autodoc-process-docstring", read_docstring)
