"""The laws that platforms state their costs in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picojoule.energy.curves import LAWS, Curve, read_curve
from picojoule.errors import PlatformError
from picojoule.files import Fields

EXAMPLES = {
    "power": {"law": "power", "pj": 3.7, "bits": 16, "exponent": 1.25},
    "polynomial": {"law": "polynomial", "coefficients": [0.1, 0.00104167, 0.00299479]},
    "table": {"law": "table", "bits": [2, 4, 16], "pj": [1, 2, 32]},
    "sram": {"law": "sram", "memory_bits": 65536},
}


def read(table: dict[str, object]) -> Curve:
    fields = Fields(table, "chip.toml: 'mac'", PlatformError)
    curve = read_curve(fields)
    fields.finish()
    return curve


def test_every_law_has_an_example() -> None:
    assert EXAMPLES.keys() == LAWS.keys()


@pytest.mark.parametrize("law", EXAMPLES)
@given(low=st.floats(1, 64), high=st.floats(1, 64))
def test_laws_of_every_curve(law: str, low: float, high: float) -> None:
    curve = read(EXAMPLES[law])
    low, high = sorted((low, high))
    assert 0 <= curve(low) <= curve(high) * (1 + 1e-12) < float("inf")


@pytest.mark.parametrize(
    ("law", "bits", "pj"),
    [
        ("power", 16, 3.7),
        ("power", 1, 0.115625),
        ("polynomial", 2, 0.1 + 0.00208334 + 0.01197916),
        ("table", 1, 1),  # flat below
        ("table", 2, 1),
        ("table", 8, 8),  # the middle of 4 and 16 on logarithmic axes
        ("table", 16, 32),
        ("table", 32, 32),  # flat above
    ],
)
def test_values(law: str, bits: float, pj: float) -> None:
    assert read(EXAMPLES[law])(bits) == pytest.approx(pj, rel=1e-12)


@pytest.mark.parametrize(
    ("law", "key", "value", "message"),
    [
        ("power", "law", "cubic", "key 'law' is 'cubic', expected one of 'power', 'polynomial', 'table', 'sram'"),
        ("power", "pj", -1, "key 'pj' is -1, expected a finite number from 0 to 1e+12"),
        ("power", "pj", float("nan"), "key 'pj' is nan, expected a finite number from 0 to 1e+12"),
        ("power", "bits", 0, "key 'bits' is 0, expected a finite number from 1 to 64"),
        ("power", "exponent", -1, "key 'exponent' is -1, expected a finite number from 0 to 4"),
        ("power", "gain", 2, "unknown key 'gain'"),
        ("polynomial", "coefficients", [1, -1], "key 'coefficients' is [1, -1], expected a list of at least one"),
        ("polynomial", "coefficients", [], "key 'coefficients' is [], expected a list of at least one"),
        ("polynomial", "coefficients", [1] * 5, "key 'coefficients' has 5 members, expected at most 4"),
        ("polynomial", "coefficients", [float("inf")], "key 'coefficients' is [inf], expected a list of"),
        ("table", "pj", [1, 2], "key 'pj' has 2 members, expected one for each of the 3 of 'bits'"),
        ("table", "pj", [1, 3, 2], "expected positive numbers that never fall as bits rise"),
        ("table", "pj", [0, 3, 4], "expected positive numbers that never fall as bits rise"),
        ("table", "bits", [4, 4, 8], "expected widths of at least 1 in rising order"),
        ("sram", "memory_bits", 65535, "key 'memory_bits' is 65535, expected a whole number from 65536 to 8388608"),
        ("sram", "memory_bits", 2**23 + 1, "expected a whole number from 65536 to 8388608"),
    ],
)
def test_bad_curves_are_refused(law: str, key: str, value: object, message: str) -> None:
    with pytest.raises(PlatformError) as caught:
        read({**EXAMPLES[law], key: value})
    assert str(caught.value).startswith("chip.toml: 'mac': ")
    assert message in str(caught.value)
