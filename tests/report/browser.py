"""Pages in a real headless Chromium, and what none may do there: err, or ask anything of any host."""

import copy
import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from picojoule.report.page import page

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


class Reader:
    """Opens documents as pages from `file://` and keeps what went wrong in any of them."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser, self._folder = browser, folder
        self._contexts: list[BrowserContext] = []
        self.wrong: list[str] = []

    def open(self, document: Mapping[str, Any], hash: str = "", width: int = 1280, scheme: str = "light") -> Page:
        """The page of a document, drawn."""
        path = self._folder / "report.html"
        path.write_text(page(document), encoding="utf-8")
        context = self._browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(5000)
        self._contexts.append(context)
        opened = context.new_page()
        opened.on("console", lambda said: self.wrong.append(f"console: {said.text}"))
        opened.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        opened.on("request", lambda asked: self._asked(asked.url, path.as_uri()))
        opened.goto(path.as_uri() + hash)
        return opened

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _asked(self, address: str, own: str) -> None:
        if not address.startswith((own, "data:", "blob:")):
            self.wrong.append(f"request: {address}")


def table(page: Page, key: str) -> list[list[str]]:
    """The texts of a table's body, row by row, in the order shown."""
    rows: list[list[str]] = page.locator(f"#{key} tbody").evaluate(
        "body => [...body.rows].map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return rows


def saved(page: Page, key: str) -> list[dict[str, str]]:
    """The rows of a table's CSV file."""
    with page.expect_download() as started:
        page.locator(f"[data-key='{key}-csv']").click()
    assert started.value.suggested_filename.endswith(".csv")
    return list(csv.DictReader(io.StringIO(started.value.path().read_bytes().decode(), newline="")))


def tile(page: Page, label: str) -> str:
    """What a tile of the headline says."""
    return page.locator(f"[data-tile='{label}']").inner_text()


def changed(document: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """A document with every text in it, keys too, changed."""

    def through(value: Any) -> Any:
        if isinstance(value, dict):
            return {change(key): through(item) for key, item in value.items()}
        if isinstance(value, list):
            return [through(item) for item in value]
        return change(value) if isinstance(value, str) else value

    made: dict[str, Any] = through(copy.deepcopy(dict(document)))
    return made
