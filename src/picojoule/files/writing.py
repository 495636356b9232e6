"""Writing files whole or not at all, and holding a folder for one job alone.

Writing goes beside the target and is renamed over it, so a reader sees either the old file or the new one. What a
killed writer left beside a target goes with the next writing of it; a lock, which ends with its process, tells that
from what a live one is at.
"""

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from picojoule.errors import FileError, InUseError

try:
    import fcntl
except ImportError:  # a system without its locks
    fcntl = None  # type: ignore[assignment]


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` in one step; the folder is made if it is missing.

    Raises:
        FileError: the folder or file cannot be written (read-only, full disk); nothing is left half-written.
    """
    with replacing(path) as beside:
        beside.write_bytes(content)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files that belong together. The last one vouches for the others: where it stands, all are of one writing.

    All are written out beside their targets first. Then the last target is taken away, and one after the other is put
    in its place. So a full disk changes nothing, and a process killed in between leaves no last file.

    Raises:
        FileError: one of them cannot be written.
    """
    voucher = [*contents][-1]
    with ExitStack() as stack:
        besides = {path: stack.enter_context(_beside(path)) for path in contents}
        for path, content in contents.items():
            with _told(path):
                besides[path].write_bytes(content)
                _settle(besides[path])
        with _told(voucher):
            voucher.unlink(missing_ok=True)
        for path, beside in besides.items():
            with _told(path):
                beside.replace(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; on success it replaces `path`, on failure it is removed.

    Raises:
        FileError: the folder or file cannot be written.
    """
    with _beside(path) as beside, _told(path):
        yield beside
        _settle(beside)
        beside.replace(path)


def check_place(folder: Path) -> None:
    """Refuse a folder that cannot be made or written, without making it: before long work, not after.

    Raises:
        FileError: it is a file or lies below one, or its place cannot be written.
    """
    try:
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    except OSError as error:  # such as a name that is too long
        why = error.strerror
    else:
        if there.is_dir() and os.access(there, os.W_OK):
            return
        why = f"'{there}' cannot be written" if there.is_dir() else f"'{there}' is a file"
    raise FileError(f"cannot use the folder '{folder}': {why}; choose another folder")


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a folder, made if it is missing, for one job alone. The claim ends with the process, however that ends.

    Where the file system has no locks, there is no claim.

    Raises:
        InUseError: another job holds it.
        FileError: the folder cannot be made or read.
    """
    check_place(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise FileError(f"cannot use the folder '{folder}': {error.strerror}; choose another folder") from error
    try:
        try:
            _lock(handle)
        except BlockingIOError as error:
            told = f"another job is at work in '{folder}'; wait until it ends, or choose another folder"
            raise InUseError(told) from error
        except OSError:  # no locks here
            pass
        yield
    finally:
        os.close(handle)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, locked while it is at work, and gone afterwards."""
    with _told(path, "choose another folder"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a directory")
        _sweep(path)
        held = _new(path)
    try:
        yield (beside := Path(held.name))
    finally:
        beside.unlink(missing_ok=True)
        held.close()


def _new(path: Path) -> "tempfile._TemporaryFileWrapper[bytes]":
    """A new file beside `path`, locked where there are locks."""
    while True:
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115 (it stays open while it is at work)
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        )
        try:
            _lock(file.fileno(), wait=True)
        except OSError:  # no locks here
            file.close()
        if Path(file.name).exists():
            return file
        file.close()  # swept away before it was locked


def _sweep(path: Path) -> None:
    """Remove what killed writers of `path` left beside it: files of theirs that nobody holds a lock on."""
    for left in path.parent.iterdir():
        if left.name.startswith(f".{path.name}.") and left.name.endswith(".part") and left.is_file():
            with suppress(OSError), left.open("rb") as file:
                _lock(file.fileno())
                left.unlink()


def _lock(handle: int, wait: bool = False) -> None:
    """Lock an open file until it is closed or its process ends, however that ends.

    Raises:
        BlockingIOError: another holds it.
        OSError: there are no locks here.
    """
    if fcntl is None:
        raise OSError(errno.ENOTSUP, "no locks")
    fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def _settle(beside: Path) -> None:
    """Give a file its permissions, and bring it to the disk."""
    beside.chmod(0o644)
    with beside.open("rb") as written:
        os.fsync(written.fileno())


@contextmanager
def _told(path: Path, remedy: str = "free some space or choose another folder") -> Iterator[None]:
    """Tell a failure of the system as ours, naming the file."""
    try:
        yield
    except OSError as error:
        raise FileError(f"cannot write '{path}': {error.strerror}; {remedy}") from error
