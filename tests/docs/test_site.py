"""The site builds without a warning, can be searched, and its reference names all there is."""

import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from tests.docs.test_documents import ROOT, known

import picojoule
from picojoule.energy import Platform, platforms
from picojoule.formats import classes

pytestmark = pytest.mark.slow

VERBS = known()
EXAMPLES = [text for each in classes() for text in each.examples]


def build(documents: Path, site: Path) -> "subprocess.CompletedProcess[str]":
    """What `make docs` does."""
    options = ["-E", "-q", "-W", "--keep-going", "-d", str(site.with_name("doctrees"))]
    command = [sys.executable, "-m", "sphinx", *options, str(documents), str(site)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once; what was said meanwhile stands beside it."""
    folder = tmp_path_factory.mktemp("site") / "html"
    done = build(ROOT / "docs", folder)
    folder.with_name("said.txt").write_text(done.stderr)
    return folder


def page(site: Path, name: str) -> str:
    """A page's source, its entities resolved."""
    return unescape((site / f"{name}.html").read_text())


def test_it_builds_without_a_warning(site: Path) -> None:
    assert site.with_name("said.txt").read_text() == ""


def test_every_document_is_a_page_that_can_be_found(site: Path) -> None:
    index = (site / "searchindex.js").read_text()
    names = [str(path.relative_to(ROOT / "docs").with_suffix("")) for path in (ROOT / "docs").glob("**/*.md")]
    assert [name for name in names if not (site / f"{name}.html").exists() or f'"{name}"' not in index] == []
    front = page(site, "index")
    assert [name for name in names if name != "index" and f'href="{name}.html"' not in front] == []


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for path in site.glob("**/*.html"):
        assert 'src="http' not in path.read_text(), path
        assert '<link rel="stylesheet" type="text/css" href="http' not in path.read_text(), path


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {""}))
def test_commands_have_every_verb_and_option(site: Path, verb: str) -> None:
    _, _, told = page(site, "reference/commands").partition(f'id="picojoule-{verb}"')
    told, _, _ = told.partition("</section>")
    shown = told.replace('<span class="pre">', "").replace("</span>", "")
    assert [option for option in VERBS[verb] if f">{option}" not in shown and f"/ {option}<" not in shown] == []


@pytest.mark.parametrize("text", EXAMPLES)
def test_formats_have_every_example(site: Path, text: str) -> None:
    assert f'<span class="pre">{text}</span>' in page(site, "reference/formats")


@pytest.mark.parametrize("name", platforms())
def test_platforms_have_every_source(site: Path, name: str) -> None:
    told = page(site, "reference/platforms")
    assert f'id="{name}"' in told
    assert [each.table for each in Platform.load(name).provenance if each.source not in told] == []


@pytest.mark.parametrize("name", picojoule.__all__)
def test_python_has_every_public_name(site: Path, name: str) -> None:
    assert f'id="picojoule.{name}"' in page(site, "reference/python")


def test_a_link_or_name_that_leads_nowhere_fails_it(tmp_path: Path) -> None:
    documents = tmp_path / "docs"
    documents.mkdir()
    for name in ("conf.py", "facts.py"):
        shutil.copy(ROOT / "docs" / name, documents)
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (documents / "index.md").write_text(
        "# A\n\n[a](../README.md#a) [b](../LICENSE) [c](no/page.md) [d](#no-heading) {py:obj}`no`\n"
    )
    done = build(documents, tmp_path / "html")
    assert done.returncode == 1
    missing = [line.partition("target not found: ")[2].split()[0] for line in done.stderr.splitlines()]
    assert missing == ["'no/page.md'", "'no-heading'", "no"]
