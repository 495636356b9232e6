"""A network's C on emulated boards: the outputs of the host, exact instruction counts, and each way to fail."""

from pathlib import Path

import numpy as np
import pytest
from tests import needs
from tests.verify.c.networks import BARE, DOT, dot, network

from picojoule.verify.c import BOARDS, RunError, run_on_board, run_on_host
from picojoule.verify.c.bench import PACKAGES
from picojoule.verify.engines import AbsentError

M3 = BOARDS["cortex-m3"]
CODES = np.array([[0, 1], [2, 3], [7, -4]])
LOOP = r"""__asm__ volatile(".syntax unified\n ldr r0, =%c0\n 1: subs r0, #1\n bne 1b\n" : : "i"({}) : "r0", "cc");"""
"""1 + 2 count instructions."""
DELAY = r"""for (int32_t i = input[0]; i > 0; i--) { __asm__ volatile("nop"); }"""
"""Longer by always the same for each count of the first code."""


@pytest.fixture(autouse=True)
def _tools() -> None:
    needs.programs("arm-none-eabi-gcc", "qemu-system-arm")


@pytest.mark.parametrize("name", BOARDS)
def test_each_board_gives_the_same_outputs(name: str) -> None:
    codes = np.random.default_rng(1).integers(-(2**15), 2**15, (20, 8))
    run = run_on_board(BOARDS[name], DOT, codes)
    assert run.outputs.tolist() == dot(codes.tolist())
    assert run.instructions.shape == (1, 2)
    assert (run.instructions > 8).all()
    assert run.tools[0].startswith("arm-none-eabi-gcc")
    assert run.tools[1].startswith("QEMU")


def test_the_host_gives_them_too() -> None:
    needs.programs("cc")
    codes = np.random.default_rng(2).integers(-(2**15), 2**15, (5, 8))
    assert run_on_host(DOT, codes).tolist() == run_on_board(M3, DOT, codes, traced=0).outputs.tolist()


@pytest.mark.parametrize("name", BOARDS)
def test_instructions_are_exact(name: str) -> None:
    loops = (1, 1000, 3_000_000, 9_000_000)  # the last two of more than 2^24 ticks
    body = "".join(f"NETWORK_STEP({i}); {LOOP.format(count)}" for i, count in enumerate(loops))
    body += "NETWORK_STEP(4); NETWORK_STEP(5);"
    files = network(body, steps=5)
    run = run_on_board(BOARDS[name], files, CODES, traced=2)
    assert run.instructions.tolist() == 2 * [[1 + 2 * count for count in loops] + [0]]
    assert np.array_equal(run.instructions, run_on_board(BOARDS[name], files, CODES, traced=2).instructions)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cortex-m0", "cortex-m55"])
def test_a_wrap_within_the_taking_of_time_is_counted_once(name: str) -> None:
    board = BOARDS[name]
    count = round(2**24 / (128e-9 * board.clock_hz)) // 2
    codes = np.stack([np.arange(1, 101), np.zeros(100, int)], axis=1)
    body = f"{DELAY} NETWORK_STEP(0); {LOOP.format(count - 100)} NETWORK_STEP(1); NETWORK_STEP(2);"
    run = run_on_board(board, network(body, steps=2), codes, traced=100)
    assert run.instructions.tolist() == 100 * [[1 + 2 * (count - 100), 0]]


def test_none_traced_has_no_instructions() -> None:
    assert run_on_board(M3, network(), CODES, traced=0).instructions.shape == (0, 0)
    empty = run_on_board(M3, network(), CODES[:0])
    assert (empty.outputs.shape, empty.instructions.shape) == ((0, 1), (0, 0))


@pytest.mark.parametrize("name", BOARDS)
def test_stack_is_what_the_deepest_sample_needs(name: str) -> None:
    body = (
        "if (input[0] == 2) { volatile char deep[1000]; for (int i = 0; i < 1000; i++) deep[i] = 1; return deep[5]; }"
    )
    board = BOARDS[name]
    deep = network("output[0] = below(input);", "__attribute__((noinline)) static int below(const network_input_t "
                   f"*input) {{ {body} return input[1]; }}")  # fmt: skip
    assert run_on_board(board, network(), CODES, traced=0).stack_bytes <= 16
    assert run_on_board(board, deep, CODES[:1], traced=0).stack_bytes <= 1040
    assert 1000 <= run_on_board(board, deep, CODES, traced=0).stack_bytes <= 1040


def test_sizes_are_of_what_the_network_uses() -> None:
    tables = (
        "static const int8_t table[1000] = {1}; static int8_t arena[512], changed[64] = {1};"
        "extern const int8_t idle[300]; const int8_t idle[300] = {1};"
    )
    body = "arena[input[0] & 255] = table[input[1] & 511]; changed[1] = arena[input[1] & 255]; output[0] = changed[0];"
    sizes = run_on_board(M3, network(body, tables), CODES, traced=0).sizes
    assert (sizes.constants, sizes.data, sizes.zeroed) == (1000, 64, 512)
    assert 20 < sizes.code < 100
    assert (sizes.flash, sizes.ram) == (sizes.code + 1064, 576)
    wide = run_on_board(BOARDS["cortex-m0"], network("output[0] = input[0] / input[1];"), CODES, traced=0).sizes
    assert wide.code > 200, "a division is of the compiler's library there"


def test_unaligned_reads_fault_on_an_m0_only() -> None:
    files = network("output[0] = *(const volatile int32_t *)((const char *)input + 1);")
    with pytest.raises(RunError, match=r"^network\.c on cortex-m0: fault at 0x[0-9a-f]+, in network_run$"):
        run_on_board(BOARDS["cortex-m0"], files, CODES)
    assert run_on_board(M3, files, CODES, traced=0).outputs.shape == (3, 1)


@pytest.mark.parametrize("name", BOARDS)
def test_a_fault_is_told_with_its_function(name: str) -> None:
    before = "__attribute__((noinline)) static int wild(int x) { return *(volatile int *)(0xF0000000U + (unsigned)x); }"
    with pytest.raises(RunError, match=rf"^network\.c on {name}: fault at 0x[0-9a-f]+, in wild$"):
        run_on_board(BOARDS[name], network("output[0] = wild(input[0]);", before), CODES)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("if (input[0] == 7) return -1;", "sample 2: network_run gives -1"),
        ("volatile char deep[65536]; for (int i = 0; i < 65536; i++) deep[i] = 1; output[0] = deep[5];",
         "network_run needs more than 65536 bytes of stack"),
        (BARE + BARE, "NETWORK_STEP was called 4 times, NETWORK_STEPS is 1"),
        ("", "NETWORK_STEP was called 0 times, NETWORK_STEPS is 1"),
        ("NETWORK_STEP(0); output[0] = TRACED; NETWORK_STEP(1);", r"network.c:\d+:\d+: error: .*TRACED.*"),
    ],
)  # fmt: skip
def test_what_fails_is_told_in_one_line(body: str, line: str) -> None:
    with pytest.raises(RunError, match=rf"^network\.c on cortex-m3: {line}$"):
        run_on_board(M3, network(body), CODES)


def test_a_trace_of_other_outputs_is_none() -> None:
    files = network("NETWORK_STEP(0); output[0] = OTHER; NETWORK_STEP(1);")
    other = b"#ifdef NETWORK_STEP\n#define OTHER 1\n#else\n#define OTHER 0\n#endif\n" + files["network.c"]
    with pytest.raises(RunError, match=r"^network\.c on cortex-m3: gives other outputs when its steps are traced$"):
        run_on_board(M3, {**files, "network.c": other}, CODES)


def test_an_endless_network_is_stopped() -> None:
    files = network("while (!*(const volatile network_input_t *)input) ;")
    with pytest.raises(RunError, match=r"^network\.c on cortex-m3: no end after 2 s$"):
        run_on_board(M3, files, CODES, seconds=2)


def test_absent_tools_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AbsentError, match=f"^not installed; apt install {PACKAGES}$"):
        run_on_board(M3, network(), CODES)
    for name in ("arm-none-eabi-gcc", "qemu-system-arm"):  # a compiler without its library
        (tmp_path / name).write_text("#!/bin/sh\necho nano.specs\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(AbsentError, match=f"^not installed; apt install {PACKAGES}$"):
        run_on_board(M3, network(), CODES)
