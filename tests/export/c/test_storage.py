"""The numbers that values are stored in, and which signs are stored as bits."""

import pytest
from tests.export.c.programs import Hand

from picojoule.export.c.storage import BITS, STORAGES, signs_in_bits, storage_of
from picojoule.integer.types import Type


@pytest.mark.parametrize(("low", "high", "name"), [
    (-128, 127, "int8"), (0, 127, "int8"), (0, 255, "uint8"), (-1, 128, "int16"), (0, 256, "int16"),
    (0, 65535, "uint16"), (-1, 65535, "int32"), (0, 2**31 - 1, "int32"), (-(2**31) - 1, 0, "int64"),
    (0, 2**31, "int64"),
])  # fmt: skip
def test_the_narrowest_that_holds_all_codes(low: int, high: int, name: str) -> None:
    found = storage_of(Type((1,), low, high, (0,)))
    assert found.name == name
    assert not [each for each in STORAGES if each.bytes < found.bytes and each.low <= low and high <= each.high]


def test_at_least_so_many_bytes() -> None:
    assert storage_of(Type((1,), 0, 1, (0,)), least_bytes=4).name == "int32"


def test_bits_take_no_bytes_of_their_own() -> None:
    assert (BITS.bytes, BITS.low, BITS.high) == (0, -1, 1)
    assert BITS not in STORAGES


def test_signs_that_layers_of_signs_read_are_bits() -> None:
    made = Hand((3, 6, 6))
    one = made.sign(made.conv(made.x, 5))
    pooled = made.pool(one)
    flat = made.flat(pooled)
    assert signs_in_bits(made.program(made.linear(flat, 4, 1, "sign"))) == {one, pooled, flat}


def test_maxima_of_what_is_no_sign_are_no_bits() -> None:
    made = Hand((3, 6, 6))
    assert signs_in_bits(made.program(made.conv(made.sign(made.pool(made.x)), 4, bits=1, form="sign"))) == {"sign"}
    made = Hand((3, 6, 6), -1, 1, sign=True)
    assert signs_in_bits(made.program(made.conv(made.x, 4, bits=1, form="sign"))) == set()


@pytest.mark.parametrize("other", ["conv", "grouped", "output", "add", "sign", "rows", "pad"])
def test_another_reader_needs_numbers(other: str) -> None:
    made = Hand((4, 6, 6))
    sign = made.sign(made.x)
    counted = made.conv(sign, 4, bits=1, form="sign", padding=[1, 1])
    made_too = {
        "conv": lambda: made.conv(sign, 4, bits=2, padding=[1, 1]),
        "grouped": lambda: made.conv(sign, 4, bits=1, form="sign", padding=[1, 1], groups=2),
        "output": lambda: "",
        "add": lambda: sign,
        "sign": lambda: made.emit("again", "sign", (sign,), exponent=0),
        "rows": lambda: made.linear(sign, 6, 1, "sign"),
        "pad": lambda: made.emit("pad", "pad", (sign,), pad=[0, 0]),
    }[other]()
    program = made.program(made.add(counted, made_too) if made_too else sign)
    assert sign not in signs_in_bits(program)


def test_signs_of_signs_may_be_bits_on_their_own() -> None:
    made = Hand((3, 6, 6))
    one = made.sign(made.x)
    other = made.sign(one)
    layers = [made.conv(each, 4, bits=1, form="sign") for each in (one, other)]
    assert signs_in_bits(made.program(made.add(*layers))) == {other}
