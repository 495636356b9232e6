"""Plans, ranges, zeros, platforms and format texts made wrong: refused by an error of ours, or read and rewritten."""

import io
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.fuzz.mutations import damaged, examples, mutated, refused
from tests.plan.networks import forked

from picojoule.calibration import Ranges
from picojoule.energy import Platform, Sparsity, energy, platforms
from picojoule.errors import FileError
from picojoule.evaluate import Accuracy
from picojoule.explore import Cost, Exploration, Point, Trial
from picojoule.formats import classes, parse
from picojoule.plan import Plan
from picojoule.report import study
from picojoule.report.page import page

PLAN = Plan.parse({"*": "fixed8", "stem.weights": "binary", "f[ci].*": "fixed3", "left.inputs": "float32"}).to_json()
RANGES = (
    '{"picojoule": "ranges", "version": 2, "input_shape": [1, 4, 4], "sites": {'
    '"stem.inputs": {"exponents": [0], "signed": false}, "stem.weights": {"exponents": [-1, 96, -96], "signed": true, '
    '"shift": [0.25, -1e-9, 0.0]}}}'
)
ZEROS = Sparsity({"stem.inputs": 0.25, "stem.weights": 0.0}).to_json()
STUDY = Exploration(
    {"platform": "moons2017", "platform_toml": Platform.load("moons2017").to_toml(), "networks": ["a"], "epochs": 2},
    {("a", bits): Cost(100, 20 * bits, 9, {"moons2017": pj, "envision": None}) for bits, pj in ((2, 3.5), (8, 7.0))},
    (
        *(Trial(3 * bits + seed, Point("a", bits, seed), "complete", ((2.5, 0.2), (1.5, 0.5)), Accuracy(90 + seed, 100),
                Accuracy(89, 100), 1.5, "", "host:7")
          for bits in (2, 8) for seed in (0, 1)),
        Trial(2, Point("a", 2, 9), "failed", (), None, None, 0.5, "diverged", "host:8"),
    ),
).to_json()  # fmt: skip
READERS: dict[str, tuple[Callable[[bytes], Any], str]] = {
    "plan": (Plan.from_json, PLAN),
    "ranges": (Ranges.from_json, RANGES),
    "zeros": (Sparsity.from_json, ZEROS),
    "study": (lambda text: Exploration.parse(text, "study.json"), STUDY),
}


@pytest.mark.parametrize("name", READERS)
@examples(200)
@given(chance=st.randoms(use_true_random=False))
def test_a_document(name: str, chance: random.Random) -> None:
    read, document = READERS[name]
    content = document.encode()
    content = damaged(chance, content) if chance.random() < 0.3 else mutated(chance, content)
    if (found := refused(lambda: read(content))) is not None:
        written = found.to_json().encode()
        assert read(written) == found
        assert read(written).to_json().encode() == written
        if isinstance(found, Plan):
            refused(lambda: found.expand(forked()[1]))


@examples(200)
@given(chance=st.randoms(use_true_random=False))
def test_all_that_follows_from_a_study(chance: random.Random) -> None:
    """Its tables and its page: whatever its settings, its platforms and its networks are called."""
    content = mutated(chance, STUDY.encode())
    if (found := refused(lambda: Exploration.parse(content, "study.json"))) is not None:
        Console(file=io.StringIO(), width=200).print(study.tables(found))
        assert "</html>" in page(study.document("sweep", found))
        for platform in found.platforms:
            assert all(each >= 0 for bits in found.bits for each in found.ratios(platform, bits))


@examples(100)
@given(content=st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    for read, _ in READERS.values():
        with pytest.raises(FileError):
            read(content)
    assert refused(lambda: Platform.parse(content, "chip.toml")) is None


PATTERNS = st.text(st.sampled_from("*?[]!-^&|~.\\abciw\n") | st.characters(exclude_categories=("Cs",)), max_size=30)


@examples(200)
@given(st.dictionaries(PATTERNS, st.sampled_from(["fixed4", "float32"]), max_size=3))
def test_any_pattern_of_a_plan(formats: dict[str, str]) -> None:
    refused(lambda: Plan.parse(formats).expand(forked()[1]))


PIECES = st.sampled_from(
    "fixed binary float32 e4m3 nf4 lut16 /32 : < > , bias= 0 1 2 8 16 17 -1 99999999999 é ١ ² \n \0 \ud800".split(" ")
)


@examples(200)
@given(st.text(max_size=20) | st.lists(PIECES, max_size=5).map("".join))
def test_any_format_text(text: str) -> None:
    found = refused(lambda: parse(text))
    assert found is None or str(found) == text
    assert found is None or type(found) in classes()


TOML = (
    "-1", "0", "1e308", "-0.0", "nan", "inf", "1979-05-27", "true", '""', '"x"', "[]", "[1, 2]", "{}",
    "0x" + "f" * 5000, "9" * 5000, '"\\u001b[2J"', "[[[[[[]]]]]]", "[" * 5000, "{a = {}}", "1e-320",
    "'''\n'''", "{a.b.c = 1}",
)  # fmt: skip


@pytest.mark.parametrize("name", platforms())
@examples(100)
@given(chance=st.randoms(use_true_random=False))
def test_a_platform(name: str, chance: random.Random) -> None:
    lines = Platform.load(name).to_toml().split("\n")
    for _ in range(chance.choice((1, 1, 2))):
        place = chance.randrange(len(lines))
        key, mark, _ = lines[place].partition(" = ")
        match chance.choice(("value", "value", "value", "delete", "double", "swap", "line")):
            case "value" if mark:
                lines[place] = key + mark + chance.choice(TOML)
            case "delete":
                lines[place] = ""
            case "swap":
                other = chance.randrange(len(lines))
                lines[place], lines[other] = lines[other], lines[place]
            case "line":
                lines[place] = chance.choice(
                    ("[x]", "[[mac]]", "a.b.c = 1", "." * 90, "a." * 5000 + "b = 1", "\x7f", "\r")
                )
            case _:
                lines.insert(place, lines[place])
    content = "\n".join(lines).encode()
    content = damaged(chance, content) if chance.random() < 0.2 else content
    if (found := refused(lambda: Platform.parse(content, "chip.toml"))) is not None:
        assert found.to_toml().encode() == content
        assert Platform.parse(found.to_toml(), "chip.toml") == found
        network = forked()[1]
        assert energy(network, Plan.uniform(network, "fixed4"), found).total_pj >= 0
