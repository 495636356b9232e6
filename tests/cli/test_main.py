"""The command line as a whole."""

import pytest
from tests.cli.conftest import Run

import picojoule


def test_the_version_is_the_packages(run: Run) -> None:
    done = run("--version")
    assert (done.code, done.out, done.err) == (0, f"picojoule {picojoule.__version__}\n", "")


def test_every_verb_explains_itself(run: Run) -> None:
    for verb in ("demo", "search", "inspect", "energy", "report", "formats", "platforms"):
        done = run(verb, "--help")
        assert done.code == 0
        assert f" {verb} " in done.out.splitlines()[0]


@pytest.mark.parametrize("verb", ["search", "cluster"])
def test_the_zoo_without_a_checkpoint_is_remarked_on(run: Run, verb: str) -> None:
    done = run(verb, "lenet5", "--data", "digits", "--resize", "12", "--device", "none")
    assert "'lenet5' is a network of the zoo with fresh random weights" in done.err
    assert done.code == 2  # digits are 8 by 8
