"""Small models of every kind: captured, compared with the model itself, and counted by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (its customary name)
from torch.nn.utils import parametrizations

from picojoule.network import Network, capture, float_module


class Model(nn.Module):
    """A model of a forward function and its parts: modules, parameters, and tensors as buffers."""

    def __init__(self, function: Callable[[Any, Tensor], Any], **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)
        self._function = function

    def forward(self, x: Tensor) -> Any:
        return self._function(self, x)


@dataclass(frozen=True)
class Case:
    """A model, the shape of one sample, and what must be found: all of it counted by hand."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    layers: dict[str, tuple[str, int, int, int, int, int]]  # kind, MACs, weights, biases, inputs, outputs
    readers: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of inputs' sites, where more than one or other
    leftovers: dict[str, str] = field(default_factory=dict)  # bare operation → start of the reason
    leftover_macs: int = 0


def tied() -> nn.Module:
    model = Model(lambda m, x: m.b(F.relu(m.a(x))), a=nn.Linear(6, 6), b=nn.Linear(6, 6))
    model.b.weight = model.a.weight
    return model


def dense_blocks() -> nn.Module:
    return Model(
        lambda m, x: m.last(torch.cat([x, m.a(x), m.b(x)], 1)),
        a=nn.Conv2d(3, 2, 3, padding=1),
        b=nn.Conv2d(3, 5, 1),
        last=nn.Conv2d(10, 4, 1),
    )


def residual() -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        x = F.relu(m.stem(x))
        return m.head(F.relu(m.left(x) + m.right(x) + x).mean((2, 3)))

    conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
    right = nn.Conv2d(4, 4, 1)
    return Model(forward, stem=nn.Conv2d(3, 4, 3, padding=1), left=conv, right=right, head=nn.Linear(4, 5))


def type_a_shortcut() -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        x = F.relu(m.stem(x))
        shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1), "constant", 0)
        return F.relu(m.conv(x) + shortcut)

    return Model(forward, stem=nn.Conv2d(3, 4, 3, padding=1), conv=nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False))


def warm(model: nn.Module) -> nn.Module:
    """The model with running statistics and affine parameters that differ from their start."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.running_mean is not None:
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return model


MULTIPLIES = "it multiplies two values"
FLOAT = "is computed in floating point, element by element"
NO_HOME = "it does not follow a layer of its own that it could be folded into"

CASES = {
    "linear": Case(lambda: nn.Sequential(nn.Linear(6, 4)), (6,), {"0": ("linear", 24, 24, 4, 6, 4)}),
    "linear without bias": Case(
        lambda: nn.Sequential(nn.Linear(6, 4, bias=False)), (6,), {"0": ("linear", 24, 24, 0, 6, 4)}
    ),
    "linear on sequences": Case(
        lambda: nn.Sequential(nn.Linear(4, 5)), (3, 4), {"0": ("linear", 3 * 4 * 5, 20, 5, 12, 15)}
    ),
    "linear on sequences laid end to end": Case(
        lambda: Model(lambda m, x: m.fc(x.reshape(-1, 4)).reshape(x.shape[0], -1), fc=nn.Linear(4, 5)),
        (3, 4),
        {"fc": ("linear", 3 * 4 * 5, 20, 5, 12, 15)},
    ),
    "conv1d": Case(
        lambda: nn.Sequential(nn.Conv1d(3, 4, 3, stride=2)), (3, 9), {"0": ("conv1d", 4 * 4 * 9, 36, 4, 27, 16)}
    ),
    "conv2d grouped, then depthwise": Case(
        lambda: nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.Conv2d(6, 6, 3, groups=6, bias=False)),
        (4, 8, 8),
        {
            "0": ("conv2d", 6 * 36 * 2 * 9, 6 * 2 * 9, 6, 256, 6 * 36),
            "1": ("conv2d", 6 * 16 * 9, 6 * 9, 0, 6 * 36, 6 * 16),
        },
    ),
    "conv2d dilated and strided, then same": Case(
        lambda: nn.Sequential(
            nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=1, dilation=2), nn.Conv2d(4, 2, 3, padding="same")
        ),
        (3, 9, 9),
        {"0": ("conv2d", 4 * 36 * 18, 72, 4, 243, 4 * 36), "1": ("conv2d", 2 * 36 * 36, 72, 2, 4 * 36, 2 * 36)},
    ),
    "conv1d same": Case(
        lambda: nn.Sequential(nn.Conv1d(2, 3, 3, padding="same")), (2, 7), {"0": ("conv1d", 21 * 6, 18, 3, 14, 21)}
    ),
    "residual: both convolutions and the add read one value": Case(
        residual,
        (3, 6, 6),
        {
            "stem": ("conv2d", 36 * 4 * 27, 108, 4, 108, 144),
            "left": ("conv2d", 36 * 4 * 36, 144, 0, 144, 144),
            "right": ("conv2d", 36 * 4 * 4, 16, 4, 144, 144),
            "head": ("linear", 20, 20, 5, 4, 5),
        },
        readers={"stem.inputs": ("stem",), "left.inputs": ("left", "right"), "head.inputs": ("head",)},
    ),
    "concatenation": Case(
        dense_blocks,
        (3, 5, 5),
        {
            "a": ("conv2d", 25 * 2 * 27, 54, 2, 75, 50),
            "b": ("conv2d", 25 * 5 * 3, 15, 5, 75, 125),
            "last": ("conv2d", 25 * 4 * 10, 40, 4, 250, 100),
        },
        readers={"a.inputs": ("a", "b"), "last.inputs": ("last",)},
    ),
    "pooling of every kind": Case(
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1),
            nn.MaxPool2d(2),
            nn.AvgPool2d(2, stride=1),
            nn.AdaptiveMaxPool2d(4),
            nn.AdaptiveAvgPool2d((3, 2)),
            nn.Flatten(),
            nn.Linear(18, 2),
        ),
        (2, 12, 12),
        {"0": ("conv2d", 144 * 3 * 18, 54, 3, 288, 432), "6": ("linear", 36, 36, 2, 18, 2)},
    ),
    "batch norm after conv, with and without bias, affine and not": Case(
        lambda: warm(
            nn.Sequential(
                nn.Conv2d(3, 4, 3, bias=False),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.Conv2d(4, 5, 3),
                nn.BatchNorm2d(5, affine=False),
            )
        ),
        (3, 8, 8),
        {"0": ("conv2d", 36 * 4 * 27, 108, 4, 192, 144), "3": ("conv2d", 16 * 5 * 36, 180, 5, 144, 80)},
    ),
    "batch norm after linear and after conv1d": Case(
        lambda: warm(
            nn.Sequential(
                nn.Conv1d(2, 3, 3, bias=False),
                nn.BatchNorm1d(3),
                nn.Flatten(),
                nn.Linear(15, 4),
                nn.BatchNorm1d(4, eps=0.1),
            )
        ),
        (2, 7),
        {"0": ("conv1d", 15 * 6, 18, 3, 14, 15), "3": ("linear", 60, 60, 4, 15, 4)},
    ),
    "batch norm after a functional convolution": Case(
        lambda: warm(
            Model(
                lambda m, x: m.norm(F.conv2d(x, m.kernel)),
                kernel=nn.Parameter(torch.randn(4, 3, 3, 3) / 5),
                norm=nn.BatchNorm2d(4),
            )
        ),
        (3, 5, 5),
        {"kernel": ("conv2d", 9 * 4 * 27, 108, 4, 75, 36)},
    ),
    "batch norm beside a bias of that name that serves elsewhere": Case(
        lambda: warm(
            Model(lambda m, x: m.norm(F.linear(x, m.fc.weight)) + m.fc.bias, fc=nn.Linear(6, 4), norm=nn.BatchNorm1d(4))
        ),
        (6,),
        {"fc": ("linear", 24, 24, 4, 6, 4)},
    ),
    "pre-activation batch norm": Case(
        lambda: warm(nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 1))),
        (3, 4, 4),
        {"2": ("conv2d", 16 * 12, 12, 4, 48, 64)},
        leftovers={"_native_batch_norm_legit_no_training": NO_HOME},
    ),
    "batch norm of an output that is read twice": Case(
        lambda: warm(Model(lambda m, x: m.norm(y := m.conv(x)) + y, conv=nn.Conv2d(3, 4, 1), norm=nn.BatchNorm2d(4))),
        (3, 4, 4),
        {"conv": ("conv2d", 16 * 12, 12, 4, 48, 64)},
        leftovers={"_native_batch_norm_legit_no_training": NO_HOME},
    ),
    "batch norms after a module used twice": Case(
        lambda: warm(
            Model(
                lambda m, x: m.second(m.conv(m.first(m.conv(x)))),
                conv=nn.Conv2d(3, 3, 1, bias=False),
                first=nn.BatchNorm2d(3),
                second=nn.BatchNorm2d(3),
            )
        ),
        (3, 4, 4),
        {"conv": ("conv2d", 16 * 9, 9, 0, 48, 48), "conv@2": ("conv2d", 16 * 9, 0, 0, 48, 48)},
        leftovers={"_native_batch_norm_legit_no_training": NO_HOME},
    ),
    "batch norm on the batch's own statistics": Case(
        lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)),
        (3, 4, 4),
        {"0": ("conv2d", 16 * 12, 12, 4, 48, 64)},
        leftovers={"_native_batch_norm_legit": "it has no running statistics, so its results depend on the batch"},
    ),
    "rectifiers, in place too, and dropout": Case(
        lambda: nn.Sequential(
            nn.Linear(6, 5),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(5, 4),
            nn.ReLU6(),
            nn.Hardtanh(-0.5, 0.5, inplace=True),
        ),
        (6,),
        {"0": ("linear", 30, 30, 5, 6, 5), "3": ("linear", 20, 20, 4, 5, 4)},
    ),
    "a module used twice": Case(
        lambda: Model(lambda m, x: m.fc(F.relu(m.fc(x))), fc=nn.Linear(6, 6)),
        (6,),
        {"fc": ("linear", 36, 36, 6, 6, 6), "fc@2": ("linear", 36, 0, 0, 6, 6)},
        readers={"fc.inputs": ("fc",), "fc@2.inputs": ("fc@2",)},
    ),
    "two modules with tied weights": Case(
        tied, (6,), {"a": ("linear", 36, 36, 6, 6, 6), "a@2": ("linear", 36, 0, 6, 6, 6)}
    ),
    "functional calls with bare parameters": Case(
        lambda: Model(
            lambda m, x: F.linear(F.conv2d(x, m.kernel, m.shift, stride=2).flatten(1), m.matrix),
            kernel=nn.Parameter(torch.randn(2, 3, 3, 3)),
            shift=nn.Parameter(torch.randn(2)),
            matrix=nn.Parameter(torch.randn(4, 8)),
        ),
        (3, 5, 5),
        {"kernel": ("conv2d", 8 * 27, 54, 2, 75, 8), "matrix": ("linear", 32, 32, 0, 8, 4)},
    ),
    "weights in a buffer": Case(
        lambda: Model(lambda m, x: F.conv2d(x, m.blur, groups=3), blur=torch.ones(3, 1, 2, 2) / 4),
        (3, 5, 5),
        {"blur": ("conv2d", 48 * 4, 12, 0, 75, 48)},
    ),
    "weight norm": Case(
        lambda: nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 4, 1)), nn.Flatten()),
        (3, 4, 4),
        {"0": ("conv2d", 16 * 12, 12, 4, 48, 64)},
    ),
    "spectral norm and batch norm": Case(
        lambda: warm(nn.Sequential(parametrizations.spectral_norm(nn.Linear(6, 4, bias=False)), nn.BatchNorm1d(4))),
        (6,),
        {"0": ("linear", 24, 24, 4, 6, 4)},
    ),
    "old-fashioned flattening": Case(
        lambda: Model(
            lambda m, x: m.fc(F.relu(m.conv(x)).view(x.size(0), -1)), conv=nn.Conv2d(3, 2, 3), fc=nn.Linear(18, 4)
        ),
        (3, 5, 5),
        {"conv": ("conv2d", 9 * 2 * 27, 54, 2, 75, 18), "fc": ("linear", 72, 72, 4, 18, 4)},
    ),
    "one value through a reshape and as it is": Case(
        lambda: Model(
            lambda m, x: m.fc(x.flatten(1)) + m.conv(x).mean((2, 3)), fc=nn.Linear(27, 4), conv=nn.Conv2d(3, 4, 1)
        ),
        (3, 3, 3),
        {"fc": ("linear", 108, 108, 4, 27, 4), "conv": ("conv2d", 108, 12, 4, 27, 36)},
        readers={"fc.inputs": ("fc", "conv")},
    ),
    "shortcut of type A": Case(
        type_a_shortcut,
        (3, 8, 8),
        {
            "stem": ("conv2d", 64 * 4 * 27, 108, 4, 192, 256),
            "conv": ("conv2d", 16 * 6 * 36, 216, 0, 256, 96),
        },
        readers={"stem.inputs": ("stem",), "conv.inputs": ("conv",)},
    ),
    "zeros made in the forward": Case(
        lambda: Model(
            lambda m, x: m.conv(torch.cat([x, torch.zeros(x.shape[0], 1, 4, 4)], 1)), conv=nn.Conv2d(4, 2, 1)
        ),
        (3, 4, 4),
        {"conv": ("conv2d", 16 * 8, 8, 2, 64, 32)},
    ),
    "transposed convolution": Case(
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 4, 3, stride=2)),
        (3, 4, 4),
        {},
        leftovers={"conv_transpose2d": "transposed convolutions have no integer form here"},
        leftover_macs=3 * 16 * 4 * 9,
    ),
    "attention by matrix products": Case(
        lambda: Model(
            lambda m, x: torch.softmax((q := m.q(x)) @ q.transpose(1, 2), -1) @ q, q=nn.Linear(8, 4, bias=False)
        ),
        (5, 8),
        {"q": ("linear", 5 * 32, 32, 0, 40, 20)},
        leftovers={"matmul": MULTIPLIES, "softmax": f"'softmax' {FLOAT}"},
        leftover_macs=2 * 5 * 5 * 4,
    ),
    "multi-head attention": Case(
        lambda: Model(lambda m, x: m.attend(x, x, x)[0], attend=nn.MultiheadAttention(8, 2, batch_first=True)),
        (5, 8),
        {
            "attend.in_proj_weight": ("linear", 5 * 8 * 24, 192, 24, 40, 120),
            "attend.out_proj": ("linear", 5 * 64, 64, 8, 40, 40),
        },
        leftovers={
            "mul": "it scales by a constant that need not be a power of two",
            "bmm": MULTIPLIES,
            "softmax": f"'softmax' {FLOAT}",
        },
        leftover_macs=2 * 2 * 5 * 5 * 4,
    ),
    "LSTM": Case(
        lambda: Model(lambda m, x: m.fc(m.lstm(x)[0][:, -1]), lstm=nn.LSTM(4, 5, batch_first=True), fc=nn.Linear(5, 2)),
        (3, 4),
        {"fc": ("linear", 10, 10, 2, 5, 2)},
        leftovers={"lstm": "recurrent layers keep a state between steps, which has no integer form here"},
        leftover_macs=3 * (4 * 20 + 5 * 20),
    ),
    "LayerNorm, GELU, softmax": Case(
        lambda: nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4), nn.GELU(), nn.Softmax(1)),
        (6,),
        {"0": ("linear", 24, 24, 4, 6, 4)},
        leftovers={name: f"'{name}' {FLOAT}" for name in ("layer_norm", "gelu", "softmax")},
    ),
    "weights computed from values": Case(
        lambda: Model(lambda m, x: F.linear(m.fc(x), m.fc(x).mean(0, True)), fc=nn.Linear(6, 6)),
        (6,),
        {"fc": ("linear", 36, 36, 6, 6, 6), "fc@2": ("linear", 36, 0, 0, 6, 6)},
        readers={"fc.inputs": ("fc", "fc@2")},
        leftovers={"linear": "its weights are computed from the network's values, not stored"},
        leftover_macs=6,  # [n, 6] times [1, 6] transposed
    ),
    "parts with names that torch or picojoule use": Case(
        lambda: Model(
            lambda m, x: m.taps(m.tap(m.network(x))),
            network=nn.Sequential(nn.Linear(6, 5)),
            tap=nn.Linear(5, 4),
            taps=nn.Linear(4, 3),
        ),
        (6,),
        {
            "network.0": ("linear", 30, 30, 5, 6, 5),
            "tap": ("linear", 20, 20, 4, 5, 4),
            "taps": ("linear", 12, 12, 3, 4, 3),
        },
    ),
}


def noise(count: int, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("name", CASES)
def test_captured_networks_equal_the_model_and_count_as_by_hand(name: str) -> None:
    case = CASES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = case.build().eval()
    network = capture(model, torch.zeros(1, *case.shape))
    module = float_module(network)
    with torch.no_grad():
        for count in (1, 2, 7):
            x = noise(count, case.shape)
            torch.testing.assert_close(module(x), model(x), rtol=1e-5, atol=1e-5)
    found = {
        each.name: (each.kind, each.macs, each.weight_count, each.bias_count, each.input_count, each.output_count)
        for each in network.layers
    }
    assert found == case.layers
    assert {each.op.split(".")[1]: each.reason[: len(case.leftovers.get(each.op.split(".")[1], ""))]
            for each in network.leftovers} == case.leftovers  # fmt: skip
    assert sum(each.macs for each in network.leftovers) == case.leftover_macs
    assert network.macs == sum(layer[1] for layer in case.layers.values()) + case.leftover_macs
    check_sites(network, case.readers)


def check_sites(network: Network, expected: dict[str, tuple[str, ...]]) -> None:
    """Every layer's own names lead to its sites, and a value that several read is one site."""
    for layer in network.layers:
        assert layer.name in network.sites[layer.inputs].readers
        assert layer.name in network.sites[layer.weights].readers
        assert network.sites[layer.inputs].count == layer.input_count
        assert network.sites[layer.weights].tensor in network.tensors
    order = list(dict.fromkeys(name for layer in network.layers for name in (layer.inputs, layer.weights)))
    assert list(network.sites) == order
    if expected:
        assert {name: site.readers for name, site in network.sites.items() if site.kind == "inputs"} == expected


def test_weights_sites_know_their_channels() -> None:
    network = capture(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(36, 5)), torch.zeros(1, 3, 5, 5))
    assert {name: (site.count, site.channels) for name, site in network.sites.items()} == {
        "0.inputs": (75, 1),
        "0.weights": (108, 4),
        "2.inputs": (36, 1),
        "2.weights": (180, 5),
    }
    assert [(layer.name, layer.outputs, layer.reads_input) for layer in network.layers] == [
        ("0", ("2.inputs",), True),
        ("2", (), False),
    ]


def test_outputs_reach_sites_through_adds_and_concatenations() -> None:
    network = capture(residual(), torch.zeros(1, 3, 6, 6))
    reached = {layer.name: layer.outputs for layer in network.layers}
    assert reached == {"stem": ("left.inputs",), "left": ("head.inputs",), "right": ("head.inputs",), "head": ()}


def test_tied_weights_are_stored_once() -> None:
    network = capture(tied(), torch.zeros(1, 6))
    assert sorted(network.tensors) == ["a.bias", "a.weight", "b.bias"]
    assert network.sites["a.weights"].readers == ("a", "a@2")
    assert network.sites["a.weights"].aliases == ("a.weights", "a@2.weights")


def test_unused_modules_leave_no_trace() -> None:
    model = Model(lambda m, x: m.used(x), used=nn.Linear(6, 4), unused=nn.Linear(6, 4))
    network = capture(model, torch.zeros(1, 6))
    assert sorted(network.tensors) == ["used.bias", "used.weight"]


def test_double_and_half_models_are_captured_in_float32() -> None:
    model = nn.Sequential(nn.Linear(6, 4)).double()
    network = capture(model, torch.zeros(1, 6, dtype=torch.float64))
    assert {tensor.dtype for tensor in network.tensors.values()} == {torch.float32}
    assert model[0].weight.dtype == torch.float64


def test_a_captured_network_passes_through() -> None:
    network = capture(nn.Linear(6, 4), torch.zeros(3, 6))
    assert capture(network, torch.zeros(1)) is network


def test_the_users_model_is_left_bit_for_bit() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout())
    calls: list[int] = []
    model[0].register_forward_hook(lambda *_: calls.append(1))
    model[1].eval()
    model.requires_grad_(False)
    model[0].weight.requires_grad_(True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    flags = [module.training for module in model.modules()]
    objects = [id(tensor) for tensor in (*model.parameters(), *model.buffers())]
    state = torch.get_rng_state()
    x = torch.randn(2, 3, 8, 8)
    torch.set_rng_state(state)
    example = x.clone()

    capture(model, example)

    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(example, x)
    assert [module.training for module in model.modules()] == flags
    assert [id(tensor) for tensor in (*model.parameters(), *model.buffers())] == objects
    assert [parameter.requires_grad for parameter in model.parameters()] == [True, False, False]
    assert all(parameter.grad is None for parameter in model.parameters())
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert len(model[0]._forward_hooks) == 1
    heard = len(calls)
    model(x)
    assert len(calls) == heard + 1


@pytest.mark.parametrize("wrap", [nn.DataParallel, partial(torch.compile, backend="eager")])
def test_what_torch_wraps_around_a_model_is_taken_off(wrap: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3)).eval()
    assert capture(wrap(model), torch.zeros(1, 4)) == capture(model, torch.zeros(1, 4))


@pytest.mark.parametrize("prepare", [lambda x: F.pad(x, (1, 1, 1, 1)), lambda x: (x - 0.5) / 0.25, lambda x: x + x])
def test_the_image_may_be_prepared_before_the_first_layer(prepare: Callable[[Tensor], Tensor]) -> None:
    model = Model(
        lambda m, x: m.two(F.relu(m.one(prepare(x)))), one=nn.Conv2d(3, 4, 3, padding=1), two=nn.Conv2d(4, 2, 1)
    )
    assert [layer.reads_input for layer in capture(model, torch.zeros(1, 3, 8, 8)).layers] == [True, False]


def test_a_sum_with_the_image_is_no_image() -> None:
    model = Model(lambda m, x: m.two(x + m.one(x)), one=nn.Conv2d(3, 3, 1), two=nn.Conv2d(3, 2, 1))
    assert [layer.reads_input for layer in capture(model, torch.zeros(1, 3, 8, 8)).layers] == [True, False]
