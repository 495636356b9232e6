"""Chromium for the tests of the page, and small real runs of every kind to draw."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests import needs
from tests.jobs import small
from tests.report import sweep
from tests.report.browser import ARGUMENTS, Reader

import picojoule as pj
from picojoule.explore import Exploration
from picojoule.plan import Plan
from picojoule.report import study
from picojoule.report.document import document

ABOUT = {"model": "net.py:trained", "data": "digits"}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One headless Chromium for all tests. Absent, they are skipped, or fail if all tests are required."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        reason = "needs Chromium (Debian: apt install chromium)"
        needs.absent(reason)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def reader(chromium: Browser, tmp_path: Path) -> Iterator[Reader]:
    """Opens pages; when the test is over, none of them may have erred or asked for anything but itself."""
    made = Reader(chromium, tmp_path)
    yield made
    made.close()
    assert made.wrong == []


@pytest.fixture(scope="session")
def greedy() -> pj.Result:
    """Two floors, layer by layer."""
    return pj.search(
        small.trained(),
        small.few(300),
        keep=(0.97, 0.8),
        bits=(1, 8),
        strategy="greedy",
        observer="mse",
        about=ABOUT,
    )


@pytest.fixture(scope="session")
def one(greedy: pj.Result) -> dict[str, Any]:
    """The document of one run."""
    return document({"runs/greedy": greedy})


@pytest.fixture(scope="session")
def descent() -> pj.Result:
    """Two floors held with confidence, all sites decided together, and the curve between them."""
    return pj.search(small.trained(), small.few(400), keep=(0.95, 0.8), about=ABOUT)


@pytest.fixture(scope="session")
def curved(descent: pj.Result) -> dict[str, Any]:
    """The document of one run with a curve."""
    return document({"runs/descent": descent})


def mixed(descent: pj.Result) -> pj.Result:
    """The same with weights in blocks and inputs in small floats, of which no platform has a figure."""
    names = {"weights": "e2m1/32:e8m0", "inputs": "e4m3"}
    plan = Plan({name: pj.format(names[site.kind]) for name, site in descent.captured.sites.items()})
    first, *others = descent.points
    waypoint, *path = descent.path
    return replace(
        descent,
        points=(replace(first, plan=plan, energy=None), *others),
        path=(replace(waypoint, plan=plan), *path),
    )


@pytest.fixture(scope="session")
def uniform() -> pj.Result:
    """One format for all sites, ranges by channel, a platform without a figure for float32."""
    return pj.search(
        small.trained(),
        small.few(300),
        keep=0.9,
        strategy="uniform",
        rescale="channel",
        platform="envision",
        about=ABOUT,
    )


@pytest.fixture(scope="session")
def families() -> pj.Result:
    """One format for all sites, of every family, and the plans of all of them."""
    return pj.search(
        small.trained(),
        small.few(300),
        keep=(0.97, 0.8),
        strategy="uniform",
        formats="fixed,float,nf",
        platform="horowitz45",
        about=ABOUT,
    )


@pytest.fixture(scope="session")
def clustered() -> pj.Result:
    """Weights and inputs in clusters of 16, two of which are decided beside fixed point."""
    return pj.search(
        small.trained(),
        small.few(300),
        keep=0.5,
        strategy="uniform",
        formats="lut16",
        inputs="lut16,fixed4",
        platform="horowitz45",
        about=ABOUT,
    )


@pytest.fixture(scope="session")
def coloured(families: pj.Result) -> dict[str, Any]:
    """The document of one run of several families."""
    return document({"runs/families": families})


@pytest.fixture(scope="session")
def unreachable() -> pj.Result:
    """A floor that one bit everywhere cannot hold."""
    with pytest.raises(pj.UnreachableFloorError) as raised:
        pj.search(small.trained(), small.few(), keep=1.0, bits=(1, 1), about=ABOUT)
    found: pj.Result = raised.value.result
    return found


@pytest.fixture(scope="session")
def three(greedy: pj.Result, uniform: pj.Result, unreachable: pj.Result) -> dict[str, Any]:
    """The document of three runs."""
    return document({"runs/greedy": greedy, "runs/uniform": uniform, "runs/unreachable": unreachable})


@pytest.fixture(scope="session")
def found() -> Exploration:
    """A sweep made by hand."""
    return sweep.sweep()


@pytest.fixture(scope="session")
def drawn(found: Exploration) -> dict[str, Any]:
    """The document of that sweep."""
    return study.document("runs/sweep", found)
