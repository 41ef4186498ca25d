"""One process at a time writes a results folder: two would overwrite each other's checkpoints."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bal.studies.whole_file import whole_file


def check_no_writer(folder: Path) -> None:
    """Raise if another process writes a folder; one that does not exist yet is not made."""
    if folder.exists():
        with sole_writer(folder):
            pass


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made where it is missing, as the only process that writes it.

    The operating system releases the lock when the process ends, however it ends. The thread that holds a folder may
    hold it again: a command holds it from its first picture to its last table, and so does the grid that it runs.

    Args:
      folder: of results; ``.lock`` and ``.writer``, which names the process, are written into it.

    Raises:
      ValueError: another process holds it; names that process. It does not wait.
      OSError: the folder cannot be written.

    Example:
      >>> import tempfile
      >>> with sole_writer(Path(tempfile.mkdtemp())):
      ...     pass
    """
    folder.mkdir(parents=True, exist_ok=True)
    place, writer = folder.resolve() / ".lock", folder / ".writer"
    if place.is_symlink():
        raise ValueError(f"expected a file, got a symbolic link: {place}; remove it, or choose another output")
    lock = FileLock(place, is_singleton=True)
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        other = writer.read_text() if writer.exists() else "another process"
        raise ValueError(
            f"expected no other writer of {folder}, got {other}: wait until it ends, end it, or choose another output"
        ) from None
    with held:
        with whole_file(writer) as partial:
            partial.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        try:
            yield
        finally:
            if lock.lock_counter == 1:  # not where this thread goes on holding it
                writer.unlink(missing_ok=True)
