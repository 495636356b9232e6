"""The page of exit codes and messages: every line on it is produced by a test, and every line tested stands there."""

import re
import shlex
from pathlib import Path

import pytest
from tests.cli import refusals
from tests.cli.conftest import Run
from tests.cli.test_errors import fits

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
TESTED = {heading: [message for _, message in found] for heading, found in refusals.cases().items()}
TESTED["The model"].append(refusals.NO_ONNX)
TESTED["The run folder"] += [
    refusals.FULL,
    refusals.GONE,
    refusals.WITHOUT,
    refusals.UNHEARD,
    refusals.CLAIMED,
    refusals.OTHER,
    refusals.TAKEN,
    *(message for _, message in refusals.TAMPERED),
]


def rows() -> dict[str, list[str]]:
    """The messages on the page, by heading."""
    sections = re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return {heading: re.findall(r"^\| `([^`]*)` \|", text, re.MULTILINE) for heading, text in sections}


def test_headings() -> None:
    assert list(rows()) == list(TESTED)


@pytest.mark.parametrize("heading", list(TESTED))
def test_messages(heading: str) -> None:
    shown = rows()[heading]
    assert len(set(shown)) == len(shown)
    assert [message for message in TESTED[heading] if not any(fits(message, row) for row in shown)] == []
    assert [row for row in shown if not any(fits(message, row) for message in TESTED[heading])] == []


def test_nothing_on_the_page_says_everything() -> None:
    for row in (row for found in rows().values() for row in found):
        assert len(row.replace("...", "").replace("'", "").strip(" :;,")) >= 8, row


class TestExitCodes:
    """Each code of the page's first table, by a command that ends with it; 1 takes a fault (`test_ship.py`)."""

    COMMANDS = (
        "formats fixed4",
        "formats fixed17",
        "search net.py:trained --data few.npz --keep 1.0 --bits 1:1 --out run",
        "search stop.py:model --data few.npz",
    )

    @pytest.fixture
    def codes(self, run: Run, tmp_path: Path) -> list[int]:
        refusals.write(tmp_path)
        (tmp_path / "stop.py").write_text("def model():\n    raise KeyboardInterrupt\n")
        return [run(*shlex.split(command)).code for command in self.COMMANDS]

    def test_codes(self, codes: list[int], run: Run) -> None:
        shown = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
        assert [str(code) for code in sorted([1, *codes])] == shown
        assert run("report", "run").code == 0  # a look at a run whose floor is out of reach
