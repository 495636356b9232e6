"""A network's C on this machine: outputs to the bit, and one clear line for each way to fail."""

from pathlib import Path

import numpy as np
import pytest
from tests import needs
from tests.verify.c.networks import DOT, dot, network

from picojoule.verify.c import RunError, run_on_host
from picojoule.verify.engines import AbsentError

ONE = np.array([[1, 2]])


@pytest.fixture(autouse=True)
def _compiler() -> None:
    needs.programs("cc")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_outputs_are_exact_in_any_depth(compiler: str) -> None:
    needs.programs(compiler)
    codes = np.random.default_rng(0).integers(-(2**15), 2**15, (50, 8))
    codes[:2] = [[-(2**15)] * 8, [2**15 - 1] * 8]
    found = run_on_host(DOT, codes, compiler=compiler)
    assert found.dtype == np.int64
    assert found.tolist() == dot(codes.tolist())
    assert np.abs(found[:, 2]).max() > 2**60


@pytest.mark.parametrize(("type", "low", "high"), [("int8_t", -128, 127), ("uint8_t", 0, 255), ("uint16_t", 0, 65535)])
def test_each_type_of_input_keeps_its_range(type: str, low: int, high: int) -> None:
    files = network("output[0] = input[0]; output[1] = input[1];", input=type, outputs=2)
    assert run_on_host(files, np.array([[low, high]])).tolist() == [[low, high]]
    for beyond in (low - 1, high + 1):
        with pytest.raises(RunError, match=r"^network\.c on the host: sample 1: a code does not fit network_input_t$"):
            run_on_host(files, np.array([[low, high], [low, beyond]]))


def test_no_samples_give_no_outputs() -> None:
    assert run_on_host(DOT, np.zeros((0, 8), int)).shape == (0, 3)


def test_a_file_beside_network_c_can_be_included() -> None:
    files = {
        **network("output[0] = ANSWER;", '#include "kernels/answer.h"'),
        "kernels/answer.h": b"#define ANSWER 42\n",
    }
    assert run_on_host(files, ONE).tolist() == [[42]]


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("if (input[0] == 1) return -1;", "network.c on the host: sample 2: network_run gives -1"),
        ("if (input[0] == 1) return 1;", "network.c on the host: sample 2: network_run gives neither 0 nor -1"),
        ("__builtin_trap();", "network.c on the host: ended by SIG(ILL|TRAP)"),
        ("output[0] = 2.5f;", r"cc network.c: network.c:\d+:\d+: error: .*conversion.*"),
        ("output[0] = gone;", r"cc network.c: network.c:\d+:\d+: error: .*gone.*"),
    ],
)
def test_what_fails_is_told_in_one_line(body: str, line: str) -> None:
    with pytest.raises(RunError) as caught:
        run_on_host(network(body), np.array([[0, 0], [0, 0], [1, 0]]))
    assert np.size(str(caught.value).splitlines()) == 1
    assert caught.match(f"^{line}$")


def test_an_endless_network_is_stopped() -> None:
    files = network("while (*(const volatile network_input_t *)input) ;")
    with pytest.raises(RunError, match=r"^network\.c on the host: no end after 2 s$"):
        run_on_host(files, ONE, seconds=2)


def test_another_number_of_codes_is_refused() -> None:
    with pytest.raises(RunError, match=r"sample 0: has another number of codes than NETWORK_INPUTS$"):
        run_on_host(network(), np.zeros((4, 3), int))


@pytest.mark.parametrize(
    ("sanitizer", "body", "line"),
    [
        ("address", "output[0] = table[input[1]];", "AddressSanitizer: global-buffer-overflow"),
        ("undefined", "output[0] = 2147483646; output[0] += input[1];", "signed integer overflow"),
    ],
)
def test_sanitizers_see_what_the_outputs_do_not_show(sanitizer: str, body: str, line: str) -> None:
    files = network(body, "extern int table[2]; int table[2];")
    flags = (f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all")
    with pytest.raises(RunError, match=line):
        run_on_host(files, ONE, flags=flags)
    assert run_on_host(files, np.array([[2, 1]]), flags=flags).shape == (1, 1)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run_on_host(network(), ONE)
    with pytest.raises(RunError):
        run_on_host(network("return -1;"), ONE)
    assert not [*tmp_path.iterdir()]


def test_an_absent_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AbsentError, match=r"^not installed; apt install gcc libc6-dev$"):
        run_on_host(network(), ONE)
