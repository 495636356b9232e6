"""Format texts: one canonical text each, and everything else refused with the list of what there is."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from picojoule.errors import FormatError
from picojoule.formats import Binary, Block, Fixed, Float32, Format, Lut, Minifloat, Normal, Ternary, classes, parse

KNOWN = "known are "


@pytest.mark.parametrize("text", [text for each in classes() for text in each.examples])
def test_each_example_is_canonical(text: str) -> None:
    assert str(parse(text)) == text
    assert repr(parse(text)) == f"format('{text}')"
    assert eval(repr(parse(text)), {"format": parse}) == parse(text)


def test_every_family_is_at_hand() -> None:
    ours = {Fixed: "fixed", Float32: "float", Lut: "codebook", Minifloat: "float", Normal: "codebook",
            Binary: "fixed", Ternary: "fixed"}  # fmt: skip
    assert {Block, *ours} <= {*classes()}
    assert {each: each.arithmetic for each in ours} == ours
    assert [*classes()] == sorted(classes(), key=lambda each: each.__module__)


@pytest.mark.parametrize(
    "text",
    [
        *("", "fixed", "fixed0", "fixed17", "fixed08", "fixed8 ", " fixed8", "Fixed8", "FIXED8", "fixed-1", "fixed+8"),
        *("fixed8\n", "fixed8.0", "fixed1_6", "fixed٣", "fixed１", "fixed8,", "fixed160", "ﬁxed8", "xfixed8"),
        *(
            "e4m2",
            "E4M3",
            "e4m3 ",
            "nf1",
            "nf9",
            "nf04",
            "ternary1",
            "e2m1/",
            "e2m1/032",
            "e2m1/32:",
            "nf4/64:",
            "e9m9/2",
        ),
        *("binary1", "Binary", "binary\n", "float", "float33", "float32 ", "\x00", "fixed" + "9" * 500),
    ],
)
def test_other_texts_are_refused_with_the_list(text: str) -> None:
    with pytest.raises(FormatError, match=re.escape(f"format '{text:.60}' is not known; ") + re.escape(KNOWN)):
        parse(text)


def test_what_comes_nearest_is_named() -> None:
    near = {
        "e4m2": "e4m3",
        "fp17": "fp16",
        "nf4/64:": "nf4/64:u8",
        "fixd8": "fixed8",
        "tenary": "ternary",
        "fixed0": "fixed10",
    }
    for text, name in near.items():
        with pytest.raises(FormatError, match=f"; nearest are .*{name}"):
            parse(text)
    with pytest.raises(FormatError, match=r"fixed1\.\.fixed16, float32, lut2, .*, nf2\.\.nf8, .*binary, ternary$"):
        parse("qqqqqqqq")


near_misses = st.from_regex(r"\s?[fF]ixed[-+]?\d{0,3}\s?", fullmatch=True)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=12), near_misses))
@example("fixed16")
def test_any_text_is_canonical_or_refused(text: str) -> None:
    refusal = ""
    try:
        found = str(parse(text))
    except FormatError as error:
        found, refusal = "", str(error)
    assert found == text or refusal.startswith(f"format '{text}' is not known; {KNOWN}")


def test_formats_are_values() -> None:
    assert {Fixed(4): "a", parse("fixed4"): "b"} == {Fixed(4): "b"}
    assert Fixed(4) != Fixed(5)
    assert Fixed(1) != Binary()
    assert Fixed(4) != "fixed4"
    assert isinstance(parse("fixed4"), Format)
