"""What cannot be captured is refused in one line that names the operation and the line of the user's code."""

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from picojoule.errors import CaptureError, InputError
from picojoule.network import capture
from picojoule.userref import call

ANY_BATCH = "write shapes with x.shape[0] or -1 instead of a number (for example x.flatten(1))"


def user_model(folder: Path, *forward: str, parts: str = "", arguments: str = "x") -> nn.Module:
    """A model in a file of its own, `net.py`, whose forward begins at line 8."""
    lines = [
        "import torch",
        "from torch import nn",
        "class Net(nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        f"        self.fc = nn.Linear(6, 6); {parts}",
        f"    def forward(self, {arguments}):",
        *(f"        {line}" for line in forward),
    ]
    path = folder / "net.py"
    path.write_text("\n".join(lines) + "\n")
    model = call(f"{path}:Net")
    assert isinstance(model, nn.Module)
    return model


def refusal(model: Any, example: Any, kind: type[Exception] = CaptureError) -> str:
    with pytest.raises(kind) as caught:
        capture(model, example)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_data_dependent_control_flow(tmp_path: Path) -> None:
    model = user_model(tmp_path, "if x.sum() > 0:", "    return self.fc(x)", "return x")
    message = refusal(model, torch.zeros(1, 6))
    assert message.startswith("the model's path depends on its input's values, and picojoule captures models that do")
    assert message.endswith("; choose between values with torch.where (in net.py, line 8: if x.sum() > 0:)")


def test_what_torch_prints_of_a_capture_that_fails_is_held_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = user_model(tmp_path, "print('once')", "return self.fc(x) if x.sum() > 0 else x")
    refusal(model, torch.zeros(1, 6))
    assert capsys.readouterr() == ("once\n", "")


def test_a_model_that_ends_the_program(tmp_path: Path) -> None:
    model = user_model(tmp_path, "raise SystemExit(4)")
    assert refusal(model, torch.zeros(1, 6)) == (
        "the model fails on an input of shape [n, 6]: 4 (in net.py, line 8: raise SystemExit(4))"
    )


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ("self.add_module('a\\tb', nn.Linear(6, 6))", r"layer 'a\tb' has a name that cannot be printed; rename it"),
        (
            "self.to('meta')",
            "the model's 'fc.weight' has no values, being on the device 'meta'; load its weights first",
        ),
        ("self.lazy = nn.LazyLinear(3)", "the model's 'lazy.weight' has no shape yet; call the model once on a sample"),
        (
            "self.fc = torch.jit.script(self.fc)",
            "the model is a ScriptModule; give the torch.nn.Module that it was made",
        ),
        (
            "import torch.ao.nn.quantized; self.fc = torch.ao.nn.quantized.ReLU6()",
            "layer 'fc' is quantised already (ReLU6); give the float model",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_modules_that_are_no_trained_float_layers(tmp_path: Path, parts: str, told: str) -> None:
    model = user_model(tmp_path, "return self.fc(x)", parts=parts)
    assert refusal(model, torch.zeros(1, 6)).startswith(told)


def test_complex_results(tmp_path: Path) -> None:
    model = user_model(tmp_path, "return torch.fft.fft(self.fc(x))")
    assert refusal(model, torch.zeros(1, 6)) == (
        "the model returns complex numbers; wrap it so that it returns real ones"
    )


def test_a_fixed_batch_size(tmp_path: Path) -> None:
    model = user_model(tmp_path, "x = x.view(1, -1)", "return self.fc(x)")
    message = refusal(model, torch.zeros(1, 6))
    assert message.startswith("the model takes one sample but no batch of 2: ")
    assert message.endswith(f" (in net.py, line 9: return self.fc(x)); {ANY_BATCH}")


@pytest.mark.parametrize(
    "lines",
    [
        ("a, b = x.split(1)", "return self.fc(torch.cat([a, b]))"),
        ("return x + torch.ones(2, 1)",),
        ("return self.fc.weight * 2",),
    ],
)
def test_a_batch_size_fixed_at_two_or_no_batch_at_all(tmp_path: Path, lines: tuple[str, ...]) -> None:
    model = user_model(tmp_path, *lines)
    message = refusal(model, torch.zeros(2, 6))
    assert message == f"the model fixes its batch size: it can be captured for a batch of 2 only; {ANY_BATCH}"


def test_samples_that_mix(tmp_path: Path) -> None:
    model = user_model(tmp_path, "y = self.fc(x)", "return y @ y.t() @ y")
    assert refusal(model, torch.zeros(1, 6)) == (
        "the model does not run on every batch: node 'matmul' (aten.matmul.default) cannot run: its result has the "
        f"batch in more than one dimension, so that samples mix; {ANY_BATCH}"
    )


def test_a_wrong_input_shape(tmp_path: Path) -> None:
    model = user_model(tmp_path, "return self.fc(x)")
    assert refusal(model, torch.zeros(1, 5)) == (
        "the model fails on an input of shape [n, 5]: mat1 and mat2 shapes cannot be multiplied (2x5 and 6x6) "
        "(in net.py, line 8: return self.fc(x)); give data of the shape it takes"
    )


def test_two_inputs(tmp_path: Path) -> None:
    model = user_model(tmp_path, "return self.fc(x) + y", arguments="x, y")
    assert refusal(model, torch.zeros(1, 6)) == (
        "the model fails on an input of shape [n, 6]: Net.forward() missing 1 required positional argument: 'y'"
    )


@pytest.mark.parametrize(
    ("result", "what"), [("self.fc(x), x", "more than one tensor"), ("None", "no tensor"), ("3.0", "no tensor")]
)
def test_an_output_that_is_not_one_tensor(tmp_path: Path, result: str, what: str) -> None:
    model = user_model(tmp_path, f"return {result}")
    assert refusal(model, torch.zeros(1, 6)) == f"the model returns {what}; wrap it so that it returns one"


def test_a_model_that_changes_a_buffer(tmp_path: Path) -> None:
    parts = "self.register_buffer('calls', torch.zeros(()))"
    model = user_model(tmp_path, "self.calls += 1", "return self.fc(x)", parts=parts)
    assert refusal(model, torch.zeros(1, 6)) == (
        "the model changes 'calls' while it runs; only models without state can be captured"
    )
    assert float(model.calls) == 0


def test_a_model_that_changes_its_input(tmp_path: Path) -> None:
    model = user_model(tmp_path, "x.mul_(2)", "return self.fc(x)")
    example = torch.ones(1, 6)
    assert refusal(model, example) == ("the model changes 'x' while it runs; only models without state can be captured")
    assert torch.equal(example, torch.ones(1, 6))


def test_an_operation_without_a_place_in_a_network(tmp_path: Path) -> None:
    model = user_model(tmp_path, "x = self.fc(x)", "return x + torch.logspace(0, 1, 6)")
    assert refusal(model, torch.zeros(1, 6)) == (
        "operation 'aten.logspace.default' cannot be part of a network: picojoule knows no function of tensors so "
        "named (in net.py, line 9: return x + torch.logspace(0, 1, 6))"
    )


def test_branches_within_the_graph(tmp_path: Path) -> None:
    model = user_model(tmp_path, "return torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x,))")
    message = refusal(model, torch.zeros(1, 6))
    assert message.startswith("operation 'cond' cannot be part of a network")
    assert "(in net.py, line 8: return torch.cond(" in message


@pytest.mark.parametrize("line", ["return nn.functional.dropout(self.fc(x))", "return self.fc(x + torch.rand_like(x))"])
def test_random_numbers(tmp_path: Path, line: str) -> None:
    model = user_model(tmp_path, line)
    state = torch.get_rng_state()
    assert refusal(model, torch.zeros(1, 6)) == (
        "the model draws random numbers in evaluation mode, so no accuracy of it is certain; "
        "give functional dropout training=self.training"
    )
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_without_a_shape() -> None:
    assert refusal(nn.LazyLinear(4), torch.zeros(1, 6)) == (
        "the model's 'weight' has no shape yet; call the model once on a sample"
    )


def test_a_model_that_cannot_be_copied() -> None:
    layer = nn.Linear(6, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and still in many models
        torch.nn.utils.weight_norm(layer)
    layer(torch.zeros(1, 6))
    message = refusal(layer, torch.zeros(1, 6))
    assert message.startswith("the model cannot be copied: Only Tensors created explicitly by the user")


@pytest.mark.parametrize("found", ["a text", None, torch.relu, nn.Linear])
def test_what_is_no_module(found: object) -> None:
    name = type(found).__name__
    assert refusal(found, torch.zeros(1, 6)) == f"expected a torch.nn.Module to capture, found {name}"


@pytest.mark.parametrize("example", [torch.zeros(6), torch.zeros(0, 6), [[0.0] * 6]])
def test_an_example_that_is_no_batch(example: Any) -> None:
    message = "the example must be one batch, a tensor [n, ...] with n >= 1"
    assert refusal(nn.Linear(6, 4), example) == message


def lenet_end() -> nn.Module:
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(1, 6, 5))
    model.add_module("conv2", nn.Conv2d(6, 16, 5))
    return model


def poisoned(tensor: Tensor, *values: float) -> None:
    with torch.no_grad():
        for index, value in enumerate(values):
            tensor.view(-1)[7 * index] = value


def test_weights_that_are_nan_or_inf() -> None:
    model = lenet_end()
    poisoned(model.conv2.weight, float("nan"), float("inf"), -float("inf"))
    assert refusal(model, torch.zeros(1, 1, 12, 12), InputError) == (
        "layer 'conv2' has NaN or Inf in its weights (3 of 2400 values); train it again or load another checkpoint"
    )


def test_other_tensors_that_are_nan() -> None:
    model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6))
    poisoned(model[1].running_var, float("nan"))
    assert refusal(model, torch.zeros(1, 1, 12, 12), InputError) == (
        "layer '1' has NaN or Inf in its 'running_var' (1 of 6 values); train it again or load another checkpoint"
    )


def test_a_bare_parameter_that_is_nan() -> None:
    model = nn.Linear(6, 4)
    poisoned(model.weight, float("nan"))
    message = refusal(model, torch.zeros(1, 6), InputError)
    assert message.startswith("layer 'weight' has NaN or Inf in its weights (1 of 24 values)")


def test_a_batch_norm_that_overflows_its_layer() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, eps=0.0))
    model[1].running_var.zero_()
    message = refusal(model, torch.zeros(1, 6), InputError)
    assert re.fullmatch(
        r"'0\.(weight|bias)' has NaN or Inf once batch norm is folded into it; check its running statistics", message
    )


def test_a_weight_too_large_for_float32() -> None:
    model = nn.Linear(6, 4).double()
    poisoned(model.weight, 1e300)
    message = refusal(model, torch.zeros(1, 6), InputError)
    assert message.startswith("layer 'weight' has NaN or Inf in its weights (1 of 24 values)")
