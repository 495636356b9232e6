"""A float network from an ONNX file, so that users of other frameworks can come.

No converter at hand gives modules that torch.export can follow with a free batch, so this is our own, for what such
networks are made of. A file is untrusted: it is parsed strictly (`file`), each node becomes one plain function of
tensors (`operations`, `windows`), what is constant is computed once (`build`), and the module (`module`) runs on
shapes alone before it first takes memory. The package onnx, which parses the file, is imported when a file is read.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from picojoule.errors import InputError

SUFFIX = ".onnx"


def load_onnx(path: Path, input_shape: Sequence[int] | None = None) -> nn.Module:
    """The network of an ONNX file as a module in evaluation mode, in float32, for batches of any size.

    Where the shape of its input is known, from `input_shape` or from the file, each node is tried out on it.

    Raises:
        FileError: the file cannot be read, or is no ONNX model.
        InputError: the package onnx is absent, the model has what cannot be imported (the message names the node),
            or takes inputs of another shape.
    """
    try:
        from picojoule.models.onnx.file import read
    except ImportError as error:
        raise InputError(f"model '{path}' needs the package onnx; install picojoule[onnx]") from error
    from picojoule.models.onnx.build import build

    return build(read(path), input_shape)


__all__ = ["SUFFIX", "load_onnx"]
