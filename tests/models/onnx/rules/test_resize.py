"""Images made larger or smaller in every way that ONNX has: as ONNX Runtime does, or refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models.onnx.graphs import check, ints, model, needed, node

from picojoule.errors import InputError

needed()

PLACES = "half_pixel half_pixel_symmetric pytorch_half_pixel align_corners asymmetric".split()
ROUNDINGS = "round_prefer_floor round_prefer_ceil floor ceil".split()


@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    image=st.lists(st.integers(1, 9), min_size=2, max_size=2),
    sizes=st.lists(st.integers(1, 20), min_size=2, max_size=2),
    scales=st.lists(st.sampled_from([0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0]), min_size=2, max_size=2),
    sized=st.booleans(),
    mode=st.sampled_from(["nearest", "linear"]),
    place=st.sampled_from(PLACES),
    rounding=st.sampled_from(ROUNDINGS),
)
def test_as_the_runtime_or_refused(
    tmp_path: Path, image: list[int], sizes: list[int], scales: list[float], sized: bool,
    mode: str, place: str, rounding: str,
) -> None:  # fmt: skip
    given_sizes = {"z": ints(1, 2, *sizes)} if sized else {"s": np.array([1, 1, *scales], np.float32)}
    attributes = {"coordinate_transformation_mode": place, "nearest_mode": rounding}
    made = model(
        node("Resize", "x . . z" if sized else "x . s", mode=mode, **attributes),
        shape=(1, 2, *image), constants=given_sizes, opset=19,
    )  # fmt: skip
    try:
        check(tmp_path, made, 2, *image)
    except InputError as error:
        assert any(told in str(error) for told in ("than torch's interpolation does", "it makes an image of"))  # noqa: PT017


@pytest.mark.parametrize(
    ("mode", "place", "rounding"),
    [
        ("nearest", "asymmetric", "floor"),
        ("nearest", "half_pixel", "round_prefer_ceil"),
        ("nearest", "half_pixel", "round_prefer_floor"),
        ("linear", "half_pixel", "floor"),
        ("linear", "pytorch_half_pixel", "floor"),
        ("linear", "half_pixel_symmetric", "floor"),
        ("linear", "align_corners", "floor"),
    ],
)
def test_what_exporters_write(tmp_path: Path, mode: str, place: str, rounding: str) -> None:
    attributes = {"coordinate_transformation_mode": place, "nearest_mode": rounding}
    scales = {"s": np.array([1, 1, 2, 3], np.float32)}
    check(tmp_path, model(node("Resize", "x . s", mode=mode, **attributes), constants=scales, opset=19))
