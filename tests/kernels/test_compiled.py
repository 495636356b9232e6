"""When compiled loops serve and when they do not: numba comes late, may be missing, and is never needed."""

import subprocess
import sys
from collections.abc import Iterator
from unittest import mock

import pytest
import torch
from numba import njit
from tests.kernels.paths import bits

from picojoule.kernels import compiled, grid
from picojoule.kernels.loops import machine


@pytest.fixture
def nothing_compiled() -> Iterator[None]:
    compiled.machine_code.cache_clear()
    yield
    compiled.machine_code.cache_clear()


def test_numba_is_imported_for_the_first_tensor_that_is_large_enough() -> None:
    """And then serves small ones; in a process of its own, since this one has it."""
    program = """
import sys, torch
from picojoule.formats import parse
small, large = torch.randn(compiled_from - 1), torch.randn(compiled_from)
want = parse("fixed4").quantize(small)
assert "numba" not in sys.modules
parse("fixed4").quantize(large)
assert "numba" in sys.modules
assert torch.equal(parse("fixed4").quantize(small), want)
"""
    done = subprocess.run([sys.executable, "-c", program.replace("compiled_from", str(compiled.ENOUGH))], check=False)
    assert done.returncode == 0


@pytest.mark.usefixtures("nothing_compiled")
def test_without_a_numba_that_works_torch_serves_and_it_is_said_once() -> None:
    x = torch.randn(1 << 16, generator=torch.Generator().manual_seed(0))
    with mock.patch.object(machine, "compile", side_effect=ImportError("Numba needs NumPy 1.0 or less\nand more")):
        message = (
            r"^numba cannot compile picojoule's loops \(Numba needs NumPy 1.0 or less\); slower torch operations serve$"
        )
        with pytest.warns(UserWarning, match=message):
            found = grid.round_to_grid(x, 4.0, -8, 7)
        assert torch.equal(grid.round_to_grid(x, 4.0, -8, 7), found)
    assert torch.equal(bits(found), bits(grid.plain(x, 4.0, -8, 7)))


@pytest.mark.usefixtures("nothing_compiled")
@pytest.mark.parametrize("error", [RuntimeError("cannot cache function: no locator available"), OSError("disk full")])
def test_where_nothing_can_be_kept_on_disk_each_process_compiles(error: Exception) -> None:
    def uncached(*signature: object, cache: bool = False, **options: bool) -> object:
        if cache:
            raise error
        return njit(*signature, **options)

    x = torch.randn(1 << 16, generator=torch.Generator().manual_seed(0))
    with mock.patch.object(machine, "njit", uncached):
        found = grid.round_to_grid(x, 4.0, -8, 7)
    assert torch.equal(bits(found), bits(grid.plain(x, 4.0, -8, 7)))


@pytest.mark.parametrize(
    ("name", "block"),
    [
        *((name, 0) for name in ("grid", "codes", "table", "small table", "minifloat", "gate", "within", "keep")),
        *((name, 32) for name in ("maxima", "blocks of floats", "blocks of members")),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_loop_is_found_on_disk_by_the_next_process(name: str, block: int, dtype: torch.dtype) -> None:
    """Its second compilation is a reading."""
    for here in (False, True):
        machine.compile(name, here, dtype, block)
        code = machine.compile(name, here, dtype, block)
        (hits,) = code.stats.cache_hits.values()
        assert hits == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_types_take_the_plain_path(dtype: torch.dtype) -> None:
    x = torch.randn(1 << 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert torch.equal(grid.round_to_grid(x, 4.0, -8, 7), grid.plain(x, 4.0, -8, 7))


def test_other_devices_take_the_plain_path() -> None:
    x = torch.empty(1 << 16, device="meta")
    result = grid.round_to_grid(x, 4.0, -8, 7)
    assert (result.device.type, result.shape) == ("meta", x.shape)


def test_inference_tensors() -> None:
    with torch.inference_mode():
        x = torch.linspace(-3, 3, 1 << 16)
        want = grid.plain(x, 4.0, -8, 7)
        assert torch.equal(grid.round_to_grid(x, 4.0, -8, 7), want)
        assert torch.equal(grid.round_to_grid(x, 4.0, -8, 7, out=x), want)
    assert torch.equal(x, want)


def test_constants_lie_in_main_memory_whatever_the_default() -> None:
    compiled.constant.cache_clear()
    with torch.device("meta"):
        assert compiled.constant(4.0, torch.float32).device.type == "cpu"
