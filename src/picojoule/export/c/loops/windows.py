"""Windows over images: where they lie, and maxima and sums over them."""

from collections.abc import Sequence

from picojoule.export.c.loops.loop import Facts, Loop, operation_of
from picojoule.export.c.steps import Schedule, Step, Value
from picojoule.export.c.storage import BITS
from picojoule.integer.program import Operation

LINE = dict.fromkeys("height width kernel_y kernel_x stride_y stride_x step_y step_x width_out".split(), 1) | {
    "pad_y": 0, "pad_x": 0,
}  # fmt: skip
"""One window over one pixel."""
_WINDOWS = "height width pixel kernel_y kernel_x stride_y stride_x pad_y pad_x step_y step_x width_out".split()


def pool(schedule: Schedule, step: Step) -> Loop:
    operation, read = operation_of(step), schedule.values[step.reads[0]]
    facts = geometry_of(operation, operation.args["kernel"], read) | {"bytes": max(1, read.storage.bytes)}
    if read.storage is BITS:
        return Loop("pool", facts | {"kind": "bits", "channels": -(-read.type.shape[0] // 8), "begin": "0xFF"})
    maximum = operation.kind == "max_pool"
    facts |= {"kind": "max" if maximum else "sum", "begin": str(read.type.low) if maximum else "0"}
    return Loop("pool", facts | {"channels": read.type.shape[0], "input": read.storage.name})


def geometry_of(operation: Operation, kernel: Sequence[int], read: Value) -> Facts:
    """Where windows lie, in two dimensions; over one dimension they are one high."""
    args, more = operation.args, 3 - len(read.type.shape)
    sides: list[Sequence[int]] = [kernel, args["stride"], args.get("dilation", [1] * (2 - more))]
    (kernel_y, kernel_x), (stride_y, stride_x), (step_y, step_x) = ([*[1] * more, *sizes] for sizes in sides)
    pad_y, pad_x = [0] * more + args["padding"]
    height, width = [*[1] * more, *read.type.shape[1:]]
    height_out, width_out = [*[1] * more, *operation.type.shape[1:]]
    bottom = (height_out - 1) * stride_y + (kernel_y - 1) * step_y - pad_y
    right = (width_out - 1) * stride_x + (kernel_x - 1) * step_x - pad_x
    return {
        "pixels": height_out * width_out, "height": height, "width": width, "width_out": width_out,
        "kernel_y": kernel_y, "kernel_x": kernel_x, "stride_y": stride_y, "stride_x": stride_x,
        "pad_y": pad_y, "pad_x": pad_x, "step_y": step_y, "step_x": step_x,
        "padded": bool(pad_y or pad_x or bottom >= height or right >= width),
    }  # fmt: skip


def windows_of(geometry: Facts, pixel: int) -> list[int]:
    """C's `windows_t`, a pixel of the image being so many bytes."""
    return [(geometry | {"pixel": pixel})[name] for name in _WINDOWS]


def is_plain(geometry: Facts) -> bool:
    """Whether the window of each output is the pixel in its place."""
    ones = ("kernel_y", "kernel_x", "stride_y", "stride_x")
    return all(geometry[name] == 1 for name in ones) and not geometry["pad_y"] and not geometry["pad_x"]
