"""Convolutions and pools of any arguments, held against ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.models.onnx.graphs import check, expected, model, needed, node, numbers, written

from picojoule.errors import InputError
from picojoule.models.onnx import load_onnx
from picojoule.network import capture, float_module

needed()

MANY = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip


@st.composite
def windows(draw: st.DrawFn, dilated: bool) -> tuple[tuple[int, ...], list[int], dict[str, Any]]:
    """An image, a kernel, and attributes that fit them."""
    rank = draw(st.integers(1, 2))

    def each(low: int, high: int, count: int = 1) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=count * rank, max_size=count * rank))

    image, kernel, stride = each(3, 9), each(1, 4), each(1, 3)
    spread = each(1, 2) if dilated else [1] * rank
    given: dict[str, Any] = {"strides": stride}
    if dilated:
        given["dilations"] = spread
    auto = draw(st.sampled_from(["NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    pads = [0] * 2 * rank
    if auto == "NOTSET":
        pads = given["pads"] = [min(pad, kernel[k % rank] - 1) for k, pad in enumerate(each(0, 3, 2))]
    else:
        given["auto_pad"] = auto
    for k in range(rank):
        reach = (kernel[k] - 1) * spread[k] + 1
        assume(reach <= image[k] + pads[k] + pads[rank + k])
        assume(not auto.startswith("SAME") or kernel[k] >= stride[k])  # else the runtime pads by less than nothing
    assume(auto == "NOTSET" or max(spread) == 1)  # the runtime takes no account of dilations there
    return tuple(image), kernel, given


@MANY
@given(case=windows(dilated=True), groups=st.sampled_from([1, 2]), biased=st.booleans())
def test_convolutions(
    tmp_path: Path, case: tuple[tuple[int, ...], list[int], dict[str, Any]], groups: int, biased: bool
) -> None:
    image, kernel, given = case
    constants = {"w": numbers(4, 4 // groups, *kernel), **({"b": numbers(4)} if biased else {})}
    made = model(
        node("Conv", "x " + " ".join(constants), group=groups, **given), shape=("n", 4, *image), constants=constants
    )
    check(tmp_path, made, 4, *image)


@MANY
@given(case=windows(dilated=True), groups=st.sampled_from([1, 2]), sized=st.booleans(), data=st.data())
def test_transposed_convolutions(
    tmp_path: Path,
    case: tuple[tuple[int, ...], list[int], dict[str, Any]],
    groups: int,
    sized: bool,
    data: st.DataObject,
) -> None:
    image, kernel, given = case
    rank, more = len(image), [data.draw(st.integers(0, step - 1)) for step in given["strides"]]
    spread = given["dilations"]
    reach = [(width - 1) * far + 1 for width, far in zip(kernel, spread, strict=True)]
    full = [
        step * (size - 1) + far + beyond
        for step, size, far, beyond in zip(given["strides"], image, reach, more, strict=True)
    ]
    if given.get("auto_pad", "NOTSET").startswith("SAME"):
        assume(all(size >= step * own for size, step, own in zip(full, given["strides"], image, strict=True)))
    elif sized:
        assume("auto_pad" not in given)
        del given["pads"]
        given["output_shape"] = [data.draw(st.integers(1, size)) for size in full]
    elif "pads" in given:
        assume(all(full[k] > given["pads"][k] + given["pads"][rank + k] for k in range(rank)))
    made = model(
        node("ConvTranspose", "x w b", group=groups, output_padding=more, **given),
        shape=("n", 4, *image), constants={"w": numbers(4, 3, *kernel), "b": numbers(3 * groups)},
    )  # fmt: skip
    check(tmp_path, made, 4, *image)


@MANY
@given(case=windows(dilated=True), ceil=st.booleans())
def test_max_pools(tmp_path: Path, case: tuple[tuple[int, ...], list[int], dict[str, Any]], ceil: bool) -> None:
    image, kernel, given = case
    made = model(
        node("MaxPool", "x", kernel_shape=kernel, ceil_mode=int(ceil), **given), shape=("n", 2, *image), opset=12
    )
    check(tmp_path, made, 2, *image)


@MANY
@given(case=windows(dilated=False), ceil=st.booleans(), count_pad=st.booleans())
def test_average_pools(
    tmp_path: Path, case: tuple[tuple[int, ...], list[int], dict[str, Any]], ceil: bool, count_pad: bool
) -> None:
    image, kernel, given = case
    how = {"kernel_shape": kernel, "ceil_mode": int(ceil), "count_include_pad": int(count_pad), **given}
    check(tmp_path, model(node("AveragePool", "x", **how), shape=("n", 2, *image), opset=19), 2, *image)


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_uneven_pools_are_captured_for_any_batch(tmp_path: Path, kind: str) -> None:
    made = model(
        node("Conv", "x w", "c"), node(kind, "c", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 1, 1]),
        constants={"w": numbers(2, 2, 1, 1)},
    )  # fmt: skip
    x = numbers(5, 2, 6, 7)
    network = capture(load_onnx(written(tmp_path, made)), torch.zeros(1, 2, 6, 7))
    found = float_module(network)(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, expected(made, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"kernel_shape": [2, 2], "pads": [1, 0]}, "its pads [1, 0] do not fit its 2 dimensions"),
        ({"kernel_shape": [2, 2], "pads": [-1, 0, 0, 0]}, "its pads [-1, 0, 0, 0] do not fit its 2 dimensions"),
        ({"kernel_shape": [2, 2], "strides": [0, 1]}, "its strides [0, 1] or dilations [1, 1] do not fit"),
        ({"kernel_shape": [0, 2]}, "its kernel_shape is [0, 2]"),
        ({"kernel_shape": [2, 2], "auto_pad": "SAME"}, "its padding 'SAME' is not known"),
        ({"kernel_shape": [2, 2], "pads": [2**40] * 4}, "its result has more than 67108864 elements for each sample"),
        ({"kernel_shape": [2500, 2500], "pads": [2500] * 4}, "its windows are too large"),
        ({"kernel_shape": [20, 2]}, "cannot run: "),
        ({"kernel_shape": [2, 2, 2]}, "cannot run: "),
        ({"kernel_shape": [1.5, 2.0]}, "its attribute 'kernel_shape' is no list of whole numbers"),
    ],
)
def test_windows_that_do_not_fit(tmp_path: Path, attributes: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError) as error:
        load_onnx(written(tmp_path, model(node("MaxPool", "x", name="p", **attributes))))
    assert str(error.value).startswith(f"'{tmp_path}/model.onnx': node 'p' (MaxPool) cannot ")
    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_means_have_no_dilations(tmp_path: Path) -> None:
    made = model(node("AveragePool", "x", kernel_shape=[2, 2], dilations=[2, 2]), opset=19)
    with pytest.raises(InputError, match="it has dilations, which only maxima have here"):
        load_onnx(written(tmp_path, made))


@pytest.mark.parametrize("shape", [("n", 2), ("n", 2, 3, 4, 5, 6)])
def test_what_is_no_image(tmp_path: Path, shape: tuple[str | int, ...]) -> None:
    made = model(node("GlobalMaxPool", "x"), shape=shape)
    with pytest.raises(InputError, match="it reads images of 1 to 3 dimensions, not a value of shape"):
        load_onnx(written(tmp_path, made))
