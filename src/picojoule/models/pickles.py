"""A look at a torch file before it is loaded: what a few bytes of it could make torch do for hours, or in gigabytes.

`torch.load` with `weights_only` runs no code of a file's, but it calls harmless functions as often as the file says,
and builds whatever it says. Here its pickles are walked through, and nothing is built.
"""

import io
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import IO

_HUNGRY = ("bytearray", "encode")
"""Functions that torch lets a pickle call, and that make much out of little; weights need neither."""
_DEEPEST, _LARGEST = 100, 10_000
"""A tuple's most levels and members within: hashing a tuple visits them all, however often they are the same."""


def check_torch_file(path: Path) -> None:
    """Refuse a torch file that takes more time or memory than its size says.

    Raises:
        pickle.UnpicklingError: it would, or it calls functions that weights do not need.
        OSError, ValueError, LookupError, zipfile.BadZipFile: it cannot be read, or is damaged.
    """
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\3\4"  # as torch tells them apart
        file.seek(0)
        if not zipped:  # before 2020: five pickles in a row, then the numbers
            content = io.BytesIO(file.read())
            for _ in range(5):
                if content.tell() < len(content.getbuffer()):
                    _check_pickle(content)
            return
        with zipfile.ZipFile(file) as archive:
            records = archive.infolist()
            if sum(record.file_size for record in records) > path.stat().st_size:
                raise pickle.UnpicklingError("it is compressed, or claims more than it holds")
            if min(record.header_offset for record in records) != 0:  # else torch might find other records in it
                raise pickle.UnpicklingError("it does not begin with its first record")
            for record in records:
                if record.filename.endswith(".pkl"):
                    _check_pickle(io.BytesIO(archive.read(record)))


def _check_pickle(file: IO[bytes]) -> None:
    """Walk through one pickle with the depth and the size of each object on its stack in place of the object."""
    stack: list[tuple[int, int]] = []
    memo: dict[object, tuple[int, int]] = {}
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "GLOBAL" and str(argument).split(" ")[-1] in _HUNGRY:
            raise pickle.UnpicklingError(f"it calls {argument}")
        if opcode.name.endswith("PUT"):
            memo[argument] = stack[-1]
        elif opcode.name.endswith("GET"):
            stack.append(memo[argument])
        else:
            taken = _taken(stack, opcode)
            depth, size = 1 + max((d for d, _ in taken), default=0), 1 + sum(s for _, s in taken)
            if pickletools.pytuple in opcode.stack_after and (depth > _DEEPEST or size > _LARGEST):
                raise pickle.UnpicklingError("it nests tuples too deep")
            made = (0, 0) if opcode.name == "MARK" else (depth, size)
            stack += [made] * len(opcode.stack_after)


def _taken(stack: list[tuple[int, int]], opcode: pickletools.OpcodeInfo) -> list[tuple[int, int]]:
    """What an operation takes off the stack: a fixed number of objects, or all down to a mark and those before it."""
    needs = opcode.stack_before
    taken = []
    if pickletools.markobject in needs:
        while (found := stack.pop()) != (0, 0):
            taken.append(found)
        needs = needs[: needs.index(pickletools.markobject)]
    return taken + [stack.pop() for _ in needs]
