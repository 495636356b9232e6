"""A model as `torch.export` has it. Where that fails, one line says what torch said and where in the user's code."""

import io
import linecache
import logging
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import torch
from torch import Tensor, nn

from picojoule.errors import CaptureError
from picojoule.userref import is_library

ANY_BATCH = "write shapes with x.shape[0] or -1 instead of a number (for example x.flatten(1))"
FIXED_BATCH = f"the model fixes its batch size: it can be captured for a batch of 2 only; {ANY_BATCH}"
_SAME_PATH = (
    "the model's path depends on its input's values, and picojoule captures models that do the same for every sample; "
    "choose between values with torch.where"
)


def export(model: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """The graph of a model for a batch of any size; `example` is one of two."""
    dynamic = ({0: torch.export.Dim.AUTO},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.export's own deprecations; nothing the user can change
        _call_plainly(model, example)  # first: a wrong shape then shows torch's own words, not export's
        try:
            with _quiet_torch():
                exported = torch.export.export(model, (example,), dynamic_shapes=dynamic, strict=False)
                functional: torch.export.ExportedProgram = exported.run_decompositions({})
            return functional
        except Exception as error:
            if type(error).__name__ == "GuardOnDataDependentSymNode":  # its module takes a second to import
                raise CaptureError(f"{_SAME_PATH}{_place(error)}") from error
            raise CaptureError(f"the model cannot be captured by torch.export: {_where(error)}") from error


@contextmanager
def _quiet_torch() -> Iterator[None]:
    """Hold back what torch logs and prints of an export that fails: pages of its own graph, where one line follows."""
    logger = logging.getLogger("torch")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(before)


def _call_plainly(model: nn.Module, example: Tensor) -> None:
    """Run the model on a batch of two; it must neither fail nor draw random numbers."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        try:
            output = model(example)
        except (Exception, SystemExit) as error:
            if _takes(model, example[:1]):
                raise CaptureError(
                    f"the model takes one sample but no batch of 2: {_where(error)}; {ANY_BATCH}"
                ) from error
            remedy = "; give data of the shape it takes" if type(error) is RuntimeError else ""  # torch's, of shapes
            told = f"the model fails on an input of shape {_batch(example)}: {_where(error)}{remedy}"
            raise CaptureError(told) from error
        if isinstance(output, Tensor) and output.is_complex():
            raise CaptureError("the model returns complex numbers; wrap it so that it returns real ones")
        if not torch.equal(before, torch.get_rng_state()):
            raise CaptureError(
                "the model draws random numbers in evaluation mode, so no accuracy of it is certain; "
                "give functional dropout training=self.training"
            )


def _takes(model: nn.Module, example: Tensor) -> bool:
    try:
        model(example)
    except (Exception, SystemExit):
        return False
    return True


def _batch(example: Tensor) -> str:
    return "[n, " + ", ".join(str(size) for size in example.shape[1:]) + "]"


def first_line(error: BaseException) -> str:
    """The first line of an error that says anything, or its kind."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _where(error: BaseException) -> str:
    """One line: what torch said and the last line of the user's own code that it happened in."""
    return f"{first_line(error)}{_place(error)}"


def _place(error: BaseException) -> str:
    """The last line of the user's own code that an error came from, if any."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not is_library(frame.filename):
            line = linecache.getline(frame.filename, frame.lineno or 0).strip()
            return f" (in {Path(frame.filename).name}, line {frame.lineno}: {line})"
    return ""
