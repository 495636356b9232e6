"""What an engine is made of, and what is said where there is none."""

import importlib.util
import sys

import pytest
import torch
from tests.integer import nets

from picojoule.errors import InputError
from picojoule.integer import lower
from picojoule.verify.engines import AbsentError, engines, interpreter, told


@pytest.mark.parametrize(
    ("engine", "package"),
    [("onnxruntime", "onnx"), ("onnxruntime", "onnxruntime"), ("qonnx", "onnx"), ("qonnx", "qonnx.core.modelwrapper")],
)
def test_absent_packages(engine: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("picojoule.verify.engines.find_spec", lambda name: None if name == package else found(name))
    if package != "onnx":
        monkeypatch.setitem(sys.modules, package, None)
    case = nets.case(0)
    with pytest.raises(AbsentError, match=f"^not installed; pip install {package.split('.')[0]}$"):
        engines(None, lower(*case))[engine]()  # type: ignore[arg-type]  # the network is not run


def test_samples_go_in_batches() -> None:
    program = lower(*nets.case(0))
    x = torch.randn(501, *nets.SHAPE, generator=torch.Generator().manual_seed(0))
    found = interpreter(program)(x)
    assert found.dtype == torch.float64
    assert torch.equal(found[-3:], interpreter(program)(x[-3:]))


def test_reasons_are_one_line() -> None:
    assert told(InputError("one\ntwo")) == "one"
    assert told(ValueError("one\ntwo")) == "ValueError: one"
    assert told(ValueError()) == "ValueError: "
    assert len(told(RuntimeError("a" * 1000))) == 200
