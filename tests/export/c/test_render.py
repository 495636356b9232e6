"""The files as a whole: what goes in and out, names, bytes, other compilers, boards."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests import needs
from tests.export.c.programs import Hand, hard, mismatches, net

from picojoule.export.c import as_stored
from picojoule.export.c.render import FILES, figures, rendered
from picojoule.integer import Constant, Interpreter, Program
from picojoule.verify.c import BOARDS, RunError, run_on_board, run_on_host

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
NAMES = ["a*/b", 'say "no"', "back\\", "ü→∞", "new\nline", "/*", "??/", "%s {{ x }} {% y %}", "", "int", "0"]


def small() -> Program:
    """Products, counts, groups, a residual, a table: a bit of everything."""
    made = Hand((3, 6, 6))
    one = made.round(made.conv(made.x, 8, bits=4, padding=[1, 1]), exponent=5)
    two = made.round(made.add(made.conv(one, 8, bits=8, groups=8, padding=[1, 1]), one), exponent=8)
    stored = Constant(torch.tensor([-20, 3, 60]), 9, "signed"), Constant(torch.tensor([-4, 0, 1, 9]), 9, "signed")
    curve = made.emit("curve", "table", (two,), *stored, steps=[3], rows=[0], axis=0, exponent=0)
    sign = made.sign(made.pool(made.conv(curve, 9, (2, 2), bits=3, stride=[2, 1])))
    return made.program(made.linear(made.flat(made.sign(made.conv(sign, 5, (1, 2), form="sign", bits=1))), 4, 6))


def wide() -> Program:
    """Sums of 64 bits, inputs of 16, quotients, shifts by channel."""
    made = Hand((4, 5, 4), -32768, 32767)
    one = made.round(made.conv(made.x, 5, (2, 3), bits=13, exponents=[0, 2, -1, 9, 0], bias=9**12), -30000, 30000)
    mean = made.emit("mean", "sum_pool", (one,), kernel=[3, 2], stride=[1, 1], padding=[1, 0], count=6)
    return made.program(made.conv(made.round(mean, -2048, 2047), 3, (2, 1), bits=16, padding=[1, 1]))


def rows() -> Program:
    """Dense layers on rows, windows along them, values moved about."""
    made = Hand((6, 9), 0, 255)
    one = made.round(made.linear(made.x, 7, 5), 0, 15)
    joined = made.emit("cat", "concat", (one, made.emit("turn", "pad", (one,), pad=[0, 0])), dim=1)
    two = made.pool(made.round(made.conv(joined, 8, (3,), groups=4, dilation=[2])), (2,), stride=[1], padding=[1])
    return made.program(made.linear(made.flat(two), 3, 9))


def test_the_same_program_gives_the_same_bytes() -> None:
    assert rendered(net(3)) == rendered(Program.from_bytes(net(3).to_bytes(), "here"))
    assert tuple(rendered(net(3))) == FILES


@pytest.mark.parametrize(("compiler", "flags"), [
    ("gcc", ["-O0"]), ("gcc", ["-O3", "-funsigned-char"]), ("gcc", ["-std=c11", "-Os"]),
    ("clang", []), ("clang", ["-Os", "-Wsign-compare"]),
    ("gcc", ["-DNETWORK_PORTABLE"]),
])  # fmt: skip
@pytest.mark.parametrize("make", [small, wide, rows])
def test_compilers(make: Callable[[], Program], compiler: str, flags: list[str]) -> None:
    needs.programs(compiler)
    assert mismatches(make(), compiler=compiler, flags=flags) == 0


def test_any_name_is_a_name() -> None:
    needs.programs("gcc")
    made = Hand((6,))
    value = made.x
    for name in NAMES:
        weights = Constant(torch.eye(6).long() * 2 - 1, 2, "signed"), Constant(torch.arange(6), 4, "signed")
        value = made.emit(name, "linear", (value,), *weights, exponents=[0])
        value = made.emit(name, "requantise", (value,), low=-128, high=127, exponent=2)
        value = made.emit(name, "add", (value, value))
    program = made.program(made.emit("*/ int x; /*", "clamp", (value,), low=[-99], high=[99]))
    assert mismatches(program) == 0
    source = rendered(program)["network.c"]
    assert source.isascii()
    assert b"x; /*:" not in source
    assert b'say "no"' in source
    for name in ("README.md", "network.h", "main.c", "vectors.h"):
        assert b"\nline" not in rendered(program)[name]


@pytest.mark.parametrize(("low", "high", "sign", "bad"), [
    (-128, 127, False, []), (0, 255, False, []), (-8, 7, False, [-9, 8]), (0, 15, False, [16, -1, 127]),
    (3, 300, False, [2, 301]),
    (-1, 1, True, [0, 2, -2]), (0, 1, False, [2]),
])  # fmt: skip
def test_a_code_out_of_range_is_refused_and_the_output_left_as_it_is(
    low: int, high: int, sign: bool, bad: list[int]
) -> None:
    needs.programs("gcc")
    made = Hand((3,), low, high, sign)
    files = rendered(made.program(made.linear(made.x, 2)))
    for code in bad:
        with pytest.raises(RunError, match="network_run gives -1"):
            run_on_host(files, np.array([[high, high, code]]), compiler="gcc")
    assert run_on_host(files, np.array([[low, high, low]]), compiler="gcc").shape == (1, 2)
    body = files["network.c"].decode().split("int network_run(")[1]
    assert ("return -1" in body) == bool(bad)
    assert "return -1" not in body or body.index("return -1") < body.index("step_0(")


def test_the_interface() -> None:
    header = rendered(wide())["network.h"].decode()
    for line in ("typedef int16_t network_input_t;", "typedef int32_t network_output_t;", "#define NETWORK_INPUTS 80",
                 "Input: 80 codes, 5 x 4 x 4 (channels last)", "from -32768 to 32767;"):  # fmt: skip
        assert line in header
    made = Hand((2,))
    wide_sums = rendered(made.program(made.emit("x", "requantise", (made.x,), low=0, high=2**31, exponent=-24)))
    assert b"typedef int64_t network_output_t;" in wide_sums["network.h"]
    program = small()
    assert f"#define NETWORK_ARENA_BYTES {figures(program).arena_bytes}\n" in rendered(program)["network.h"].decode()
    assert f"#define NETWORK_WEIGHT_BYTES {figures(program).weight_bytes}\n" in rendered(program)["network.h"].decode()


def test_without_values_of_its_own_there_is_no_arena() -> None:
    needs.programs("gcc")
    made = Hand((8,))
    program = made.program(made.linear(made.x, 3))
    assert b"arena" not in rendered(program)["network.c"]
    assert figures(program).arena_bytes == 0
    assert mismatches(program) == 0


def test_neither_heap_nor_floating_point_nor_recursion() -> None:
    for make in (small, wide, rows):
        source = rendered(make())["network.c"].decode()
        for word in ("malloc", "free(", "float", "double", "printf", "stdio", "alloca"):
            assert word not in source
        assert [line for line in source.splitlines() if line.startswith("#include")] == [
            '#include "network.h"',
            "#include <string.h>",
        ]


def test_calls_leave_nothing_behind() -> None:
    needs.programs("gcc")
    program = small()
    codes = hard(program)
    twice = torch.cat([codes, codes.flip(0), codes])
    assert mismatches(program, twice) == 0


def test_golden_vectors_are_met(tmp_path: Path) -> None:
    needs.programs("make", "cc")
    for number, make in enumerate((small, wide, rows, lambda: net(1))):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in rendered(make()).items():
            (folder / name).write_bytes(content)
        done = subprocess.run(
            ["make", "--no-print-directory", "test"], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].startswith("0 of ")


@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS)
def test_boards(board: str) -> None:
    needs.programs("arm-none-eabi-gcc", "qemu-system-arm")
    for make in (small, wide, rows):
        program = make()
        codes, files = hard(program), dict(rendered(program))
        wanted = Interpreter(program).run(codes).reshape(len(codes), -1).tolist()
        run = run_on_board(BOARDS[board], files, as_stored(codes))
        assert run.outputs.tolist() == wanted
        assert run.instructions.shape == (1, len(figures(program).steps))
        assert (run.instructions > 0).all()
        assert run.sizes.ram <= figures(program).arena_bytes + 64
        files["network.c"] = b"#define NETWORK_PORTABLE\n" + files["network.c"]
        assert run_on_board(BOARDS[board], files, as_stored(codes), traced=0).outputs.tolist() == wanted
