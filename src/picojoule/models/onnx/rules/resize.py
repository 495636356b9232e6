"""Resize: an image made larger or smaller, where torch's interpolation looks at the same places; refused where not.

ONNX has a dozen ways to say where each element of a result comes from, torch three. Both are written down here as
functions of a place, and are held against each other for the sizes at hand.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (as everybody calls it)

from picojoule.errors import InputError
from picojoule.models.onnx.call import Call, Function, check_count, whole
from picojoule.models.onnx.file import Sizes
from picojoule.models.onnx.rules.shapes import dimension
from picojoule.models.onnx.rules.windows import rank_of

_LONGEST, _CLOSE = 2**15, 1e-6
_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class _Axis:
    """One dimension: its sizes before and after, and by how much it grows, which may not be just their ratio."""

    size: int
    result: int
    scale: float


_Place = Callable[[_Axis, int], float]


def _half_pixel(axis: _Axis, k: int) -> float:
    return (k + 0.5) / axis.scale - 0.5


def _align_corners(axis: _Axis, k: int) -> float:
    return k * (axis.size - 1) / (axis.result - 1) if axis.result > 1 else 0.0


def _asymmetric(axis: _Axis, k: int) -> float:
    return k / axis.scale


def _symmetric(axis: _Axis, k: int) -> float:
    whole = axis.size * axis.scale
    return axis.size / 2 * (1 - axis.result / whole) + _half_pixel(axis, k)


_PLACES: dict[str, _Place] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": lambda axis, k: _half_pixel(axis, k) if axis.result > 1 else 0.0,
    "align_corners": _align_corners,
    "asymmetric": _asymmetric,
}
"""Where an element of the result lies in the image, by coordinate_transformation_mode."""
_NEAREST: dict[str, Callable[[float], int]] = {
    "round_prefer_floor": lambda place: math.ceil(place - 0.5),
    "round_prefer_ceil": lambda place: math.floor(place + 0.5),
    "floor": math.floor,
    "ceil": math.ceil,
}
_TORCH_NEAREST: dict[str, _Place] = {
    "nearest": lambda axis, k: math.floor(k / axis.scale),
    "nearest-exact": lambda axis, k: math.floor((k + 0.5) / axis.scale),
}


def resize(call: Call) -> Function:
    """Resize, and Upsample as it was called before."""
    mode = call.attribute("mode", "nearest")
    where = call.attribute("coordinate_transformation_mode", "half_pixel" if call.opset > 10 else "asymmetric")
    rounding = call.attribute("nearest_mode", "round_prefer_floor" if call.opset > 10 else "floor")
    call.attribute("cubic_coeff_a", -0.75)
    call.attribute("extrapolation_value", 0.0)
    axes = call.ints("axes")
    unusual = call.attribute("exclude_outside", 0) or call.attribute("antialias", 0)
    if unusual or call.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise InputError("it has antialias, exclude_outside or keep_aspect_ratio_policy, which torch has no word for")
    if mode not in ("nearest", "linear") or where not in _PLACES or rounding not in _NEAREST:
        raise InputError(f"it resizes by '{mode:.20}', '{where:.30}', '{rounding:.20}', which is not known here")
    scales = _scales(call)

    def run(x: Tensor, _: None = None, __: None = None, sizes: Sizes | None = None) -> Tensor:
        rank, wanted = rank_of(x), None if sizes is None else whole(sizes)
        found = _dimensions(x, scales, wanted, axes)
        check_count([*x.shape[:2], *(axis.result for axis in found)], x.shape[0])
        size = None if wanted is None else [axis.result for axis in found]
        factor = [axis.scale for axis in found] if wanted is None else None
        if mode == "nearest":
            return F.interpolate(x, size, factor, _nearest(found, _PLACES[where], _NEAREST[rounding]))
        return F.interpolate(x, size, factor, _LINEAR[rank], align_corners=_corners(found, _PLACES[where]))

    return run


def _scales(call: Call) -> list[float] | None:
    """By how much each dimension grows, where the file says that, and not the sizes."""
    if call.opset < 9:
        return [float(each) for each in call.attribute("scales", [])]
    if call.opset > 10:
        call.constant(1)  # a region, which the ways that are known here do not look at
    given = call.constant(1 if call.opset < 11 else 2)
    return [float(each) for each in given.flatten()] if isinstance(given, Tensor) and given.numel() else None


def _dimensions(
    x: Tensor, scales: Sequence[float] | None, sizes: Sequence[int] | None, axes: Sequence[int] | None
) -> list[_Axis]:
    """The dimensions of an image; those of samples and of channels must stay as they are."""
    given = scales if sizes is None else sizes
    places = range(x.dim()) if axes is None else [dimension(axis, x.dim()) for axis in axes]
    if given is None or len(given) != len(places):
        raise InputError(f"its scales or sizes are not one for each of {len(places)} dimensions")
    asked = dict(zip(places, given, strict=True))
    if sizes is None:
        kept = asked.get(0, 1) == asked.get(1, 1) == 1
        found = [_Axis(size, int(size * asked.get(k, 1)), asked.get(k, 1)) for k, size in _image(x)]
    else:
        kept = asked.get(1, x.shape[1]) == x.shape[1]
        found = [_Axis(size, int(asked.get(k, size)), asked.get(k, size) / size) for k, size in _image(x)]
    if not kept:
        raise InputError("it resizes more than images, their channels or their number")
    if not all(1 <= axis.result <= _LONGEST and axis.scale > 0 for axis in found):
        made = " x ".join(str(axis.result) for axis in found)
        raise InputError(f"it makes an image of {made}, which is nothing or too large")
    return found


def _image(x: Tensor) -> list[tuple[int, int]]:
    return list(enumerate(x.shape))[2:]


def _corners(axes: Sequence[_Axis], place: _Place) -> bool:
    """Whether torch must align corners to look at the same places."""
    for corners, other in ((False, _half_pixel), (True, _align_corners)):
        if all(
            abs(_within(axis, place(axis, k)) - _within(axis, other(axis, k))) < _CLOSE
            for axis in axes
            for k in range(axis.result)
        ):
            return corners
    raise InputError("it looks at other places of the image than torch's interpolation does")


def _nearest(axes: Sequence[_Axis], place: _Place, rounding: Callable[[float], int]) -> str:
    """Torch's name for what takes the same elements."""
    for name, other in _TORCH_NEAREST.items():
        if all(
            _within(axis, rounding(place(axis, k))) == _within(axis, other(axis, k))
            for axis in axes
            for k in range(axis.result)
        ):
            return name
    raise InputError("it takes other elements of the image than torch's interpolation does")


def _within(axis: _Axis, place: float) -> float:
    return min(max(place, 0), axis.size - 1)
