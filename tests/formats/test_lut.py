import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from picojoule.errors import FormatError
from picojoule.formats import Lut, parse

UNITS = st.lists(st.integers(-(2**15), 2**15 - 1).map(lambda code: code / 2**15), min_size=1, max_size=16, unique=True)


@given(UNITS, st.lists(st.floats(-2, 2, width=32), max_size=20))
def test_each_value_goes_to_the_nearest_number_and_one_midway_by_the_law_of_formats(
    members: list[float], values: list[float]
) -> None:
    table = sorted(members)
    rounded = Lut(16).with_members(table).quantize(torch.tensor(values, dtype=torch.float64)).tolist()
    zero = table.index(0) if 0 in table else None
    for value, found in zip(values, rounded, strict=True):
        nearest = min(abs(value - each) for each in table)
        ties = [place for place, each in enumerate(table) if abs(value - each) == nearest]
        even = [place for place in ties if zero is not None and (place - zero) % 2 == 0]
        assert found == table[(even or ties)[-1] if zero is None or len(ties) == 1 else even[-1]]


@pytest.mark.parametrize("text", ["lut2", "lut4", "lut8", "lut16", "lut32", "lut64", "lut128", "lut256", "lut16:fp16"])
def test_bits_are_those_of_an_index_and_size_counts_the_table(text: str) -> None:
    format = parse(text)
    assert isinstance(format, Lut)
    assert 2**format.bits == format.count
    assert format.size_bits((10, 20)) == 200 * format.bits + 16 * format.count
    assert str(format) == text


@pytest.mark.parametrize("text", ["lut1", "lut12", "lut512", "lut100000"])
def test_other_sizes_are_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(FormatError, match=f"format '{text}' .* give a power of two from 2 to 256"):
        parse(text)


@pytest.mark.parametrize("text", ["lut", "lut0", "lut016", "lut16:", "lut16:fixed16", "lut16:bf16", "LUT16"])
def test_texts_that_are_no_codebook_are_no_format(text: str) -> None:
    with pytest.raises(FormatError):
        parse(text)


def test_without_numbers_it_says_that_calibration_finds_them() -> None:
    format = parse("lut16")
    for use in (lambda: format.quantize(torch.ones(3)), format.grid, format.limits):
        with pytest.raises(FormatError, match="format 'lut16' has no numbers before calibration finds them"):
            use()


def test_formats_of_other_numbers_are_other_formats_of_the_same_text() -> None:
    one, other = Lut(4).with_members((0.0, 0.5)), Lut(4).with_members((0.0, 0.25))
    assert str(one) == str(other) == "lut4"
    assert one != other
    assert one == Lut(4).with_members((0.0, 0.5))
    assert len({one, other, Lut(4)}) == 3


def test_one_number_stands_for_all_but_nan() -> None:
    x = torch.tensor([1.0, -torch.inf, torch.nan])
    found = Lut(2).with_members((0.5,)).quantize(x, exponent=1)
    assert found[:2].tolist() == [1.0, 1.0]
    assert bool(found[2].isnan())


def test_numbers_that_become_one_in_16_bits_are_listed_once() -> None:
    assert Lut(4).entries(torch.tensor([0.5, 0.5 + 2**-18, 1.0]), signed=True) == (0.5, 1 - 2**-15)
    assert Lut(4).entries(torch.tensor([-0.5, 0.25]), signed=False) == (0.0, 0.25)
    assert Lut(4, "fp16").entries(torch.tensor([2**-20, 1 / 3]), signed=True) == (2**-20, 0.333251953125)


def test_more_numbers_than_there_is_room_for_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="3 members are more than lut2 has room for"):
        Lut(2).with_members((0.0, 0.25, 0.5))


@pytest.mark.parametrize(
    ("members", "signed", "takes"),
    [
        ((-0.5, 0.0, 0.25, 1 - 2**-15), True, True),
        ((0.0, 2**-16, 1 - 2**-16), False, True),
        ((), True, False),
        ((0.0, 0.1, 0.2, 0.3, 0.4), True, False),
        ((0.25, 0.0), True, False),
        ((0.25, 0.25), True, False),
        ((0.1,), True, False),  # no number of 16 bits
        ((0.0, 2**-16), True, False),
        ((-0.5, 0.5), False, False),
        ((0.5, 1.0), True, False),
    ],
)
def test_which_numbers_a_table_can_have(members: tuple[float, ...], signed: bool, takes: bool) -> None:
    assert Lut(4).takes(members, signed) is takes


def test_a_table_of_fp16_holds_other_numbers() -> None:
    assert Lut(4, "fp16").takes((2**-20, 1.0), signed=False)
    assert not Lut(4, "fp16").takes((1 - 2**-15,), signed=True)
