"""The kernels as torch operations: whatever looks on sees one operation, and gets the numbers that eager code gets."""

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.library import opcheck

from picojoule.calibration import Range
from picojoule.formats import parse
from picojoule.kernels.table import Table
from picojoule.quantize import Quantizer

ROUND = tuple(getattr(torch.ops.picojoule, f"round_to_{kind}").default for kind in ("grid", "table", "minifloat"))
OFTEN = ["fixed4", "binary"]


def sample(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def rounding(text: str, exponents: tuple[int, ...] = (1,)) -> nn.Module:
    """A quantiser between other operations."""
    return nn.Sequential(nn.Hardtanh(-3, 3), Quantizer(parse(text), Range(exponents, True)), nn.Hardtanh(-3, 3))


def operations(graph: torch.fx.Graph) -> list[object]:
    return [node.target for node in graph.nodes if node.target in ROUND]


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_finds_nothing_wrong_with_them(dtype: torch.dtype, requires_grad: bool) -> None:
    x = sample(3, 4).to(dtype).requires_grad_(requires_grad)
    for factor in (torch.tensor(4.0, dtype=dtype), torch.tensor([[1.0], [2.0], [4.0]], dtype=dtype)):
        opcheck(ROUND[0], (x, factor, -8, 7))
        opcheck(ROUND[2], (x, factor, 3, -6, 448.0))
    table = Table([-1.0, 0.0, 0.5, 1.0])
    opcheck(ROUND[1], (x, *table.at(2.0, dtype)))
    opcheck(ROUND[1], (x, *table.at(torch.tensor([[1.0], [2.0], [4.0]], dtype=dtype), dtype)))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("exponents", [(1,), (1, 0, -1)])
@pytest.mark.parametrize("text", OFTEN)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within torch's own export
def test_exported(text: str, exponents: tuple[int, ...], strict: bool) -> None:
    module, x = rounding(text, exponents), sample(3, 4)
    program = torch.export.export(module, (x,), strict=strict)
    assert len(operations(program.graph)) == 1
    again = program.run_decompositions()
    assert len(operations(again.graph)) == 1
    for run in (program.module(), again.module()):
        assert torch.equal(run(x * 2), module(x * 2))
        leaf, other = (x.clone().requires_grad_() for _ in range(2))
        run(leaf).square().sum().backward()
        module(other).square().sum().backward()
        assert torch.equal(leaf.grad, other.grad)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("exponents", [(1,), (1, 0, -1)])
@pytest.mark.parametrize("text", OFTEN)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within torch's own compiler
def test_compiled(text: str, exponents: tuple[int, ...]) -> None:
    torch._dynamo.reset()
    module, x = rounding(text, exponents), sample(3, 4)
    compiled = torch.compile(module, fullgraph=True)
    with torch.no_grad():
        assert torch.equal(compiled(x), module(x))
    leaf, other = (x.clone().requires_grad_() for _ in range(2))
    compiled(leaf).square().sum().backward()
    module(other).square().sum().backward()
    assert torch.equal(leaf.grad, other.grad)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["real", "fake", "symbolic"])
@pytest.mark.parametrize("text", OFTEN)
def test_traced_to_a_graph(text: str, mode: str) -> None:
    format, x = parse(text), sample(3, 4)
    graph = make_fx(lambda x: format.quantize(x, 1), tracing_mode=mode)(x)
    assert len(operations(graph.graph)) == 1
    assert torch.equal(graph(x * 2), format.quantize(x * 2, 1))


@pytest.mark.parametrize("text", OFTEN)
def test_what_is_made_while_shapes_are_traced_is_not_kept(text: str) -> None:
    """A table made for tensors without numbers must not serve tensors with numbers."""
    with FakeTensorMode() as mode:
        fake = mode.from_tensor(sample(3, 4))
        for exponent in (5, torch.zeros(3, 1, dtype=torch.int32)):
            result = parse(text).quantize(fake, exponent)
            assert (result.shape, result.dtype) == ((3, 4), torch.float32)
    x = sample(3, 4) * 20
    assert torch.equal(parse(text).quantize(x, 5), parse(text).quantize(x / 32) * 32)


@pytest.mark.filterwarnings("ignore:.torch.jit.trace:DeprecationWarning")
def test_legacy_traces() -> None:
    x = sample(3, 4)
    traced = torch.jit.trace(lambda x: parse("fixed4").quantize(x, 1), (x,))
    assert torch.equal(traced(x * 2), parse("fixed4").quantize(x * 2, 1))
