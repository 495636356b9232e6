"""What a network takes, counted by hand."""

from dataclasses import asdict

import pytest
from tests.export.c.programs import Hand, net

from picojoule.export.c.render import facts, figures, rendered

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")


def test_by_hand() -> None:
    made = Hand((3, 6, 6))
    one = made.round(made.conv(made.x, 5, bits=4, bias=0))
    found = figures(made.program(made.linear(made.flat(one), 2, bits=3)))
    conv, fc = found.steps
    assert (conv.name, conv.kinds, conv.makes) == ("conv", ("conv2d", "requantise"), (5, 4, 4))
    assert (conv.macs, conv.weight_bits, conv.packed_bytes) == (5 * 16 * 27, 4, -(-5 * 27 * 4 // 8))
    assert (conv.weight_bytes, conv.table_bytes) == (
        6 * 4 * 4,
        48,
    )  # 6 rows of 4 groups of 8 weights of 4 bits; 12 numbers of windows
    assert (fc.macs, fc.weight_bytes, fc.packed_bytes) == (160, 2 * 10 * 3, 60)
    assert fc.table_bytes == 2  # biases of less than 8 bits
    assert found.macs == conv.macs + fc.macs
    assert found.weight_bytes == conv.weight_bytes + fc.weight_bytes
    assert found.excess == pytest.approx((96 + 60) / (68 + 60) - 1)
    assert found.arena_bytes == 80 + 2 * 2 * 32  # a value and two patches of 32 halves of words
    assert found.to_table()["steps"][0] == asdict(conv)


def test_of_codes_by_hand() -> None:
    made = Hand((3, 6, 6))
    one = made.round(made.conv(made.x, 5, bits=4, form="coded", bias=0))
    conv, fc = figures(made.program(made.linear(made.flat(one), 2, bits=3, form="blocks of 8"))).steps[::2]
    assert (conv.weight_bits, conv.packed_bytes) == (4, -(-5 * 27 * 4 // 8) + 16 * 2)
    assert conv.weight_bytes == 5 * 4 * 4 + 3 + 16 * 2  # 5 rows of 4 groups of 8 codes, a word's end, the table
    assert (fc.weight_bits, fc.packed_bytes) == (3, 2 * 80 * 3 // 8 + 8 * 2 + 10)
    assert fc.weight_bytes == 2 * 10 * 3 + 3 + 8 * 2 + 10 + 2


def test_rows_of_codes_take_what_room_there_is() -> None:
    """A layer whose step is not the worst looks up as many rows at once as the arena has room for."""
    made = Hand((16, 12, 12))
    one = made.round(made.conv(made.x, 40, bits=4, padding=[1, 1]))
    two = made.round(made.conv(made.pool(one, (4, 4)), 64, bits=4, form="coded", padding=[1, 1], bias=0))
    program = made.program(made.linear(made.flat(made.pool(two, (3, 3))), 2))
    found = facts(program)
    (step,) = (step for step in found["steps"] if step["loop"] == "coded")
    assert found["arena_bytes"] == found["least_bytes"]
    assert step["rows_at_once"] > 2
    assert step["rows_at_once"] * step["row"] + step["patches"] + 40 * 9 + 64 * 9 <= found["arena_bytes"]


def test_without_weights() -> None:
    made = Hand((3, 6, 6))
    found = figures(made.program(made.pool(made.x)))
    assert (found.macs, found.weight_bytes, found.packed_bytes, found.excess) == (0, 0, 0, 0.0)


def test_of_networks() -> None:
    for seed in range(3):
        program = net(seed)
        found = figures(program)
        assert found.packed_bytes == sum(
            each.packed_bytes for name, each in program.constants.items() if name.endswith("weights")
        )
        assert found.weight_bytes >= found.packed_bytes
        assert found.arena_bytes >= found.least_bytes
        assert f"NETWORK_WEIGHT_BYTES {found.weight_bytes}\n" in rendered(program)["network.h"].decode()
